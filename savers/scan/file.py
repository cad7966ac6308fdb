"""What a scan knows of its file: where it is, what is in it, and closing it."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from h5backends.errors import FileClosedError, NodeNotFoundError
from h5backends.nodes import GROUP
from savers import layout
from savers.data import Axis
from savers.enums import DataType
from savers.low_level import H5SaverLowLevel
from savers.plan import POINT_TIMES
from savers.scan.axes import ScanAxes, ScanKind
from savers.scan.interrupt import Shield
from savers.scan.order import Visited
from savers.scan.progress import Bar
from savers.scan.recording import Recording, arrays_in

__all__ = ["ScanFile"]


class ScanFile:
    """A scan in its file, without the loop over points.

    Parameters
    ----------
    axes : ScanAxes
        Those of the scan.
    recording : Recording
        Takes the points.
    """

    def __init__(self, axes: ScanAxes, recording: Recording) -> None:
        self._axes = axes
        self._recording = recording
        self._visited = Visited(axes.shape)
        self._bar: Bar | None = None
        self._shield = Shield()
        self._open = True

    @property
    def axes(self) -> list[Axis]:
        """The axes of the scan, as copies."""
        return [axis.copy() for axis in self._axes.axes]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a grid; empty for a scan that grows."""
        return self._axes.shape

    @property
    def done(self) -> int:
        """Number of points that are written."""
        return self._visited.count

    @property
    def completed(self) -> NDArray[Any]:
        """The points that are written, by what the file says.

        Returns
        -------
        ndarray, shape (n, number of axes)
            Their indexes in a grid; their positions, or times, where the scan grows.
        """
        self._require_open()
        return self._recording.completed()

    @property
    def file(self) -> str:
        """Where to read the scan; with rotation, the master file."""
        return self._recording.file

    @property
    def group(self) -> str:
        """Path of the scan's group in there."""
        return self._recording.group

    @property
    def saver(self) -> H5SaverLowLevel:
        """The saver underneath; with rotation, that of the file written at present."""
        return self._recording.saver

    @property
    def keys(self) -> str:
        """Path of the array that tells followers which points are complete."""
        if self._axes.kind is ScanKind.LOG:
            return f"{self.group}/{layout.NAV_AXES}/{layout.array_name(DataType.axis, 0)}"
        return f"{self.group}/{POINT_TIMES}"

    def path(self, name: str, channel: int = 0) -> str:
        """Return the path of the array of a signal, for followers and loaders.

        Parameters
        ----------
        name : str
            Of the signal.
        channel : int
            Which of its arrays.

        Raises
        ------
        NodeNotFoundError
            There is none yet, which is so before the first point.
        """
        self._require_open()
        saver = self._recording.saver
        group = saver.get_node(self.group)
        assert isinstance(group, GROUP)
        for (_, found), arrays in arrays_in(group).items():
            if found == name and 0 <= channel < len(arrays):
                return arrays[channel].path
        raise NodeNotFoundError(
            f"the scan has no signal {name!r}" + f" with a channel {channel}" * bool(channel),
            file=saver.filename,
            node=self.group,
        )

    def log(self, text: str) -> None:
        """Append a line to the log of the file.

        Raises
        ------
        DTypeError
            Not a text.
        FileClosedError
        """
        self._require_open()
        self._recording.saver.add_log(text)

    def flush(self) -> None:
        """Write everything; when this returns the points survive the death of the program.

        Raises
        ------
        StorageError, RemoteError
            It cannot be written now. It is kept in memory.
        """
        self._require_open()
        self._recording.saver.flush()

    def close(self) -> None:
        """Write everything and close the file, if the scan opened it; a second call does nothing.

        Raises
        ------
        StorageError, RemoteError
            Something could not be written. The scan stays open, close it again.
        """
        if self._bar is not None:
            self._bar.stop()
        if self._open:
            with self._shield:
                self._recording.close()
                self._open = False

    def _require_open(self) -> None:
        if not self._open:
            raise FileClosedError(
                "the scan is closed",
                file=self.file,
                node=self.group,
                remedy="Go on with it by Scan(..., resume=True).",
            )

    def __len__(self) -> int:
        """Return the number of points: of all in a grid, of those written where it grows."""
        return math.prod(self.shape) if self.shape else self.done

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        self._shield.put_up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        finally:
            self._shield.take_down()

    def __repr__(self) -> str:
        of = f" of {len(self)}" if self.shape else ""
        return f"Scan({self.file!r}, {self.group!r}, {self.done}{of} points)"
