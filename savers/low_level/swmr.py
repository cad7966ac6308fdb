"""SWMR for savers: the log goes on, and flushes can be counted."""

from __future__ import annotations

from savers.log import fold_logs
from savers.low_level.raw_group import LogSaver

__all__ = ["SwmrSaver"]


class SwmrSaver(LogSaver):
    """A file that readers are let into while it is written."""

    _flush_interval: int
    _write_count: int

    def enable_swmr(self) -> None:
        """Let readers in: from now on the structure is fixed, and arrays grow.

        The log goes on: its lines reach readers with the data.

        Raises
        ------
        UnsupportedError, SwmrError
            See :meth:`h5backends.backend.H5Backend.enable_swmr`.
        """
        if self.swmr_mode and self.is_swmr_capable and not self.session.frozen:
            self._logger().declare_stream()
        super().enable_swmr()

    def reconcile_swmr_attrs(self) -> None:
        """Bring the file up to date after SWMR: log lines, ``shape`` attributes, ``swmr_active``.

        Raises
        ------
        ReadOnlyError, StructureFrozenError
            The file cannot be changed now.
        """
        fold_logs(self)
        self._logger_array = None
        super().reconcile_swmr_attrs()

    def set_swmr_flush_interval(self, interval: int) -> None:
        """Set how often :meth:`tick_flush` flushes for SWMR readers.

        The flush policy goes on beside it.

        Parameters
        ----------
        interval : int
            Every so many logical writes; 0 leaves it to the flush policy.

        Raises
        ------
        ValueError
            Negative, or not a whole number.
        """
        if int(interval) != interval or interval < 0:
            raise ValueError(f"the flush interval must be 0, 1, 2, ..., not {interval!r}")
        self._flush_interval = int(interval)
        self._write_count = 0

    def tick_flush(self) -> None:
        """Count one logical write, and flush when the interval is reached.

        Does nothing unless SWMR is active and an interval is set. Savers call it once a point.
        """
        if self._flush_interval and self.is_swmr_active:
            self._write_count += 1
            if self._write_count % self._flush_interval == 0:
                self.flush()
