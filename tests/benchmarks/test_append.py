"""The fixture of the benchmarks, under the name that others import it by."""

from tests.benchmarks.conftest import folder

__all__ = ["folder"]
