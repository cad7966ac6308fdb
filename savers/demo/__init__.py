"""A microscope that is not there: a sample, a stage that takes time to settle, a detector."""

from savers.demo.microscope import Microscope, Stage
from savers.demo.sample import Sample, find_sample

__all__ = ["Microscope", "Sample", "Stage", "find_sample"]
