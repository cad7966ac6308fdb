"""The log of a file: an array of text, and a stream of bytes that stands in for it during SWMR.

PyMoDAQ keeps log lines in rows of variable length, which readers of a SWMR file cannot follow.
While SWMR is on, lines go to a growing array of single bytes instead, made before the switch:
each line as UTF-8 and behind it the byte ``0xFF``, which no UTF-8 text contains. So nothing is
cut, whatever its length and characters, and any reader can tell whole lines from one that is
still being written. Afterwards the lines are folded back into the array of text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.backend import H5Backend
from h5backends.creation import create_growing
from h5backends.errors import NodeNotFoundError, SelectionError, StructureFrozenError
from h5backends.nodes import EARRAY, GROUP, StringARRAY
from h5backends.session import Session
from h5backends.types import Handle
from savers.layout import LIVE_LOGGER, LOGGER

__all__ = [
    "LogARRAY",
    "bring_up_to_date",
    "encode_line",
    "fold_logs",
    "live_logs",
    "split_lines",
]

_END = 0xFF
_UNWRITTEN = 0xFE
"""What the file shows where a line is on its way; like ``0xFF`` no part of UTF-8."""
_CHUNK = 4096
_LISTED = "live_logs"
_FOLDING = "folding_from"
"""Length of the text array when folding began, so that an interrupted one is not done twice."""


def encode_line(line: str) -> NDArray[np.uint8]:
    """Return the bytes that stand for one line in the stream.

    Parameters
    ----------
    line : str
        Any text: several lines, NUL, halves of surrogate pairs.

    Returns
    -------
    ndarray of uint8, shape (n + 1,)
        `n` bytes of UTF-8 and the end mark.
    """
    return np.frombuffer(line.encode("utf-8", "surrogatepass") + bytes([_END]), np.uint8)


def split_lines(stream: NDArray[np.uint8], partial: bool = False) -> list[str]:
    """Return the lines in a stream.

    Parameters
    ----------
    stream : ndarray of uint8, shape (n,)
        What the array holds so far.
    partial : bool
        Whether the rest behind the last end mark counts as a line: after a crash it is all there
        will ever be, in a live file it is a line being written.
    """
    whole, mark, rest = stream.tobytes().rpartition(bytes([_END]))
    lines = whole.split(bytes([_END])) if mark else []
    rest = rest.replace(bytes([_UNWRITTEN]), b"")
    if partial and rest:
        lines.append(rest)
    return [_decode(line) for line in lines]


def _decode(line: bytes) -> str:
    line = line.replace(bytes([_UNWRITTEN]), b"")
    try:
        return line.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace")  # a crash cut the line in a character


class LogARRAY(StringARRAY):
    """The array of text that takes log lines, also while SWMR is on.

    Reading it gives all lines, those still in the stream included.

    Parameters
    ----------
    session : Session
        The open file.
    handle : handle
        The array, in the driver's terms.
    """

    __slots__ = ("_stream",)

    def __init__(self, session: Session, handle: Handle) -> None:
        super().__init__(session, handle)
        self._stream: EARRAY | None = None

    @property
    def stream(self) -> EARRAY | None:
        """The stream beside this array, None where there is none."""
        if self._stream is None:
            session = self._session
            with session.lock:
                parent = self.parent_node
                if parent is not None and LIVE_LOGGER in parent:
                    found = parent.get_child(LIVE_LOGGER)
                    self._stream = found if isinstance(found, EARRAY) else None
        return self._stream

    def declare_stream(self) -> EARRAY:
        """Make the stream, which must happen before SWMR is switched on.

        The root's attribute ``live_logs`` lists the groups that have one.

        Raises
        ------
        StructureFrozenError, ReadOnlyError
            It is too late, or the file is not for writing.
        """
        if self.stream is None:
            parent = self.parent_node
            assert parent is not None  # an array is in a group
            root = GROUP(self._session, self._session.driver.root())
            root.attrs[_LISTED] = (*live_logs(root), parent.path)
            self._stream = create_growing(
                self._session,
                parent,
                LIVE_LOGGER,
                np.uint8,
                (),
                title="log lines while SWMR is on",
                chunks=(_CHUNK,),
                fill=np.uint8(_UNWRITTEN),
                metadata={"type": "log", "data_type": "strings"},
            )
        assert self._stream is not None
        return self._stream

    def append(self, data: Any, expand: bool = True) -> None:
        """Append one line, or text of several.

        Parameters
        ----------
        data : str
            Any text.
        expand : bool
            Ignored; here for the common signature.

        Raises
        ------
        DTypeError
            Not a text.
        StructureFrozenError
            SWMR is on and was switched on without :meth:`declare_stream`.
        """
        if not (self._session.frozen and isinstance(data, str)):
            super().append(data)
            return
        stream = self.stream
        if stream is None:
            raise StructureFrozenError(
                "this log cannot take lines while SWMR is active: it was not prepared for it",
                file=self._session.driver.location,
                node=self.path,
                remedy="Call get_set_logger() before enable_swmr().",
            )
        stream.append(encode_line(data))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of lines, those in the stream included."""
        return (super().shape[0] + len(self._live()),)

    def refresh(self) -> None:
        """See the lines that the writer flushed meanwhile."""
        if (stream := self.stream) is not None:
            stream.refresh()
        else:
            super().refresh()

    def __getitem__(self, item: Any) -> Any:
        live = self._live()
        if not live:
            return super().__getitem__(item)
        lines = [*super().__getitem__(slice(None)), *live]
        if isinstance(item, tuple) and len(item) == 1:
            item = item[0]
        if item is ...:
            return lines
        if isinstance(item, slice):
            return lines[item]
        try:
            chosen = np.arange(len(lines))[item]
        except IndexError as exc:
            raise SelectionError(
                "there is no such line",
                file=self._session.driver.location,
                node=self.path,
                expected=f"an index within {len(lines)} lines",
                found=repr(item),
            ) from exc
        return lines[int(chosen)] if chosen.ndim == 0 else [lines[int(i)] for i in chosen]

    def _live(self) -> list[str]:
        stream = self.stream
        return [] if stream is None else split_lines(stream.read())


def live_logs(root: GROUP) -> tuple[str, ...]:
    """Return the paths of the groups that have a stream of log lines."""
    listed = root.attrs.get(_LISTED, ())
    return tuple(path for path in listed if isinstance(path, str))


def fold_logs(backend: H5Backend) -> int:
    """Move the lines of all streams of a file into the arrays of text beside them.

    For a file that is open for writing and not in SWMR mode: after SWMR ended, or after the
    program that wrote it died. Interrupted, it can be called again; no line is lost or doubled.

    Parameters
    ----------
    backend : H5Backend
        The open file.

    Returns
    -------
    int
        How many lines were moved.

    Raises
    ------
    ReadOnlyError, StructureFrozenError
        The file cannot be changed now.
    """
    session = backend.session
    session.require_unfrozen("fold log lines back")
    moved = 0
    with session.lock:
        root = backend.root()
        for place in live_logs(root):
            try:
                group = backend.get_node(place)
            except NodeNotFoundError:
                continue  # removed since
            if isinstance(group, GROUP) and LIVE_LOGGER in group:
                moved += _fold(backend, group)
        if _LISTED in root.attrs:
            del root.attrs[_LISTED]
    return moved


def bring_up_to_date(path: Path, driver: str = "h5py") -> list[str]:
    """Do what ending SWMR would have done, in a local file whose writer died.

    Made for the `after_repair` of :func:`h5backends.swmr.repair`.

    Parameters
    ----------
    path : Path
        The file, mended and closed.
    driver : str
        Name of the driver to use.

    Returns
    -------
    list of str
        What was done, in words; nothing for a file that was not in SWMR mode.
    """
    with H5Backend(driver) as backend:
        backend.open_file(path, "r+")
        if not (backend.root().attrs.get("swmr_active", False) or live_logs(backend.root())):
            return []
        lines = fold_logs(backend)
        backend.reconcile_swmr_attrs()
    return [f"{lines} log lines folded back", "shape attributes brought up to date"]


def _fold(backend: H5Backend, group: GROUP) -> int:
    stream = group.get_child(LIVE_LOGGER)
    lines = split_lines(stream.read(), partial=True) if isinstance(stream, EARRAY) else []
    if lines:
        log = _text_array(backend, group)
        begun = stream.attrs.get(_FOLDING)
        if not isinstance(begun, int):
            begun = len(log)
            stream.attrs[_FOLDING] = begun
            backend.flush()
        for line in lines[max(0, len(log) - begun) :]:
            log.append(line)
        backend.flush()
    backend.remove_node(stream)
    return len(lines)


def _text_array(backend: H5Backend, group: GROUP) -> StringARRAY:
    """Return the array of text in a group, without its stream, made if it is missing."""
    if LOGGER in group:
        node = group.get_child(LOGGER)
        if isinstance(node, StringARRAY):
            return node
    array = backend.create_vlarray(group, _free_name(group), "string", metadata={"type": "log"})
    assert isinstance(array, StringARRAY)
    return array


def _free_name(group: GROUP) -> str:
    name = LOGGER
    while name in group:
        name += "_"
    return name
