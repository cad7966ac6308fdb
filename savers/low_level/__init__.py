"""A file in PyMoDAQ's layout, of any driver: its numbered groups, its arrays, its log."""

from savers.low_level.saver import DEFAULT_BACKEND, H5SaverLowLevel

__all__ = ["DEFAULT_BACKEND", "H5SaverLowLevel"]
