"""Formats that a node of a file can be exported to; a package can add its own.

A format is a subclass of :class:`Exporter` that is named in the entry point group
``h5backends.exporters``; it is loaded when it is needed.
"""

from savers.exporters.base import Exporter, Progress
from savers.exporters.registry import exporter_names, find, load, refresh

__all__ = ["Exporter", "Progress", "exporter_names", "find", "load", "refresh"]
