"""Following keys: datasets whose elements become non-zero when a point of a scan is complete."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from h5backends.arrays import Array, Limits
from h5backends.drivers import registry
from h5backends.errors import DTypeError, FollowError, ShapeError
from h5backends.follow.following import Following
from h5backends.follow.places import Places
from h5backends.follow.scanning import box_at, box_size
from h5backends.follow.waiting import EndState, Pace, Patience, Watch
from h5backends.types import Capability

__all__ = ["KeyFollower", "RowKeyFollower"]

_log = logging.getLogger(__name__)

_FIRST_KEYS = 256
_MOST_KEYS = 1 << 16
_FLAG_SECONDS = 0.008
"""Between two looks at the flag, so that it does not double the cost of waiting for a key."""


class KeyFollower(Following[int]):
    """Iterate over the flat indices of the points of a scan whose keys are all set.

    A key is set when it is not zero (nor NaN, for times that are not known yet). Points are handed
    out in scan order (row-major), each once, and only when no point before them is missing.

    Parameters
    ----------
    key_datasets : sequence
        Arrays of keys: facade nodes, h5py or h5pyd datasets, ``(file, path)`` pairs, or paths in
        `file`. A group stands for all arrays directly in it. Trailing axes of length 1 do not
        count; several arrays may differ in shape and grow at different times, and a point is
        complete when it is set in all of them.
    timeout : float or None
        Seconds to wait for the next point, 10 by default; 0 looks once, None waits for ever.
    finished_dataset : array, optional
        One number, zero until the scan is complete; a scalar or an array of one element.
    resume_from : int
        Flat index to begin with; the points before it are taken as done.
    file : H5Backend, h5py.File, h5pyd.File, str or Path, optional
        Where paths of arrays are looked up. A file given by its own path need not exist yet; it
        is waited for.
    backend : str
        Driver for a file given by its path.
    **options
        For that driver, such as ``endpoint=``.

    Attributes
    ----------
    current_key, current_max : int
        Flat index handed out last, and the last that is complete; -1 before the first.
    scan_rank : int
        Number of axes of the scan; -1 until it is known.
    maxshape : tuple of int or None
        Extent that the scan may grow to.
    timed_out, finished_set : bool
        Whether it ended by the timeout; whether the scan is known to be finished.

    Raises
    ------
    ValueError
        A negative timeout or index.
    FollowError
        Nothing to follow; while iterating: the file was replaced.
    DTypeError
        Keys that are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> list(KeyFollower([np.array([7, 8, 0, 9])], timeout=0))
    [0, 1]
    """

    def __init__(
        self,
        key_datasets: Sequence[Any],
        timeout: float | None = 10,
        finished_dataset: Any = None,
        *,
        resume_from: int = 0,
        file: Any = None,
        backend: str = "h5py",
        **options: Any,
    ) -> None:
        super().__init__()
        if resume_from < 0:
            raise ValueError(f"resume_from is a flat index, 0 or more, not {resume_from}")
        if isinstance(key_datasets, (str, Path)) or not len(key_datasets):
            raise FollowError("no keys to follow", expected="a list of at least one key dataset")
        self.key_datasets = key_datasets
        self.finished_dataset = finished_dataset
        self.timeout = timeout
        self.current_key = self.current_max = resume_from - 1
        self.scan_rank = -1
        self.maxshape: Limits | None = None
        self.finished_set = False
        self.places = Places(file, backend, **options)
        self._patience = Patience(timeout)
        self._keys: list[_Keys] | None = None
        self._finished: Array | None = None
        self._gates: list[Callable[[int], int]] = []
        self._ready: list[Callable[[], None]] = []
        self._followed: list[Array] = []
        self._pace: Pace | None = None
        self._watch = Watch(None)
        self._end: EndState | None = None
        self._last_look = False
        self._flag_read = float("-inf")

    # -- what is followed -----------------------------------------------------------------------
    def check_datasets(self) -> None:
        """Find the key datasets, their scan rank and extent.

        Raises
        ------
        NodeNotFoundError, FollowError, DTypeError
            A key dataset is missing, is no array, or does not hold numbers.
        FileError
            The file given by its path cannot be opened, or is not there yet.
        """
        if self._keys is not None:
            return
        arrays = [array for item in self.key_datasets for array in self.places.find_all(item)]
        if not arrays:
            raise FollowError("there are no keys in the groups", found=list(self.key_datasets))
        if self.finished_dataset is not None:
            self._finished = self.places.find(self.finished_dataset)
        limits = [_scan_limits(array) for array in arrays]
        self.maxshape = max(limits, key=len)
        self.scan_rank = len(self.maxshape)
        self._keys = [_Keys(array) for array in arrays]
        self._limit = min(_points(limit) for limit in limits)
        self._followed = [*arrays, *([self._finished] if self._finished else [])]
        try:
            for ready in self._ready:
                ready()
        except BaseException:
            self._keys = None
            raise
        self._pace = Pace(self._followed)
        self._watch = Watch(next((a.file_path for a in self._followed if a.file_path), None))

    def _bound(self, ready: Callable[[], None]) -> None:
        """Have something found along with the keys, now or when the file is there."""
        self._ready.append(ready)
        if self._keys is not None:
            ready()
            return
        with self.places.beginning():
            self.check_datasets()

    def _gate(self, arrays: Sequence[Array], covered: Callable[[int], int]) -> None:
        """Hold back points that other arrays do not cover yet.

        Parameters
        ----------
        arrays : sequence of Array
            Those arrays.
        covered : callable
            Takes a number of points, refreshes as needed, returns how many of them are covered.
        """
        self._followed += arrays
        self._gates.append(covered)

    # -- iterating ------------------------------------------------------------------------------
    @property
    def end(self) -> EndState | None:
        """Why it came to its end; None before that."""
        return self._end

    @property
    def timed_out(self) -> bool:
        """Whether it ended because nothing came in time."""
        return self._end is EndState.TIMED_OUT

    @property
    def advice(self) -> str:
        """What it takes to follow this live, if it can only be read as it stands; else empty."""
        nodes = [array.node for array in self._followed if array.node is not None]
        if not nodes or any(array.can_grow for array in self._followed):
            return ""
        others = ", ".join(registry.drivers_with(Capability.REFRESH))
        return (
            f"the driver {nodes[0].backend!r} shows a file as it was when it was opened; to "
            f"follow one while it grows, open it with one of {others}, swmr_mode=True"
        )

    def _take(self) -> int | None:
        if self.current_key >= self.current_max:
            return None
        self.current_key += 1
        return self.current_key

    def _begin(self) -> None:
        self._patience.restart()
        if self._end is not None:  # iterated over again after its end
            if self._end is EndState.WRITER_CRASHED and self.places.is_owned:
                self._forget_file()  # opened anew, for it may have been mended
            self._end = None
            self.finished_set = self._last_look = False
            self._watch.restart()
        if self._pace is not None:
            self._pace.restart()

    def _forget_file(self) -> None:
        self.places.close()
        self._keys = None
        self._gates.clear()

    def _look(self) -> float | None:
        over = self._patience.is_over
        if self._keys is None and not self._find():
            if over:
                self._end = EndState.TIMED_OUT
                return None
            return self._patience.cut(0.01)
        pace = self._pace
        assert pace is not None
        if over or self._last_look or pace.is_due():
            start = time.perf_counter()
            news = self.refresh()
            if news:
                self._last_look = False
                return None
            end = self._conclude(over)
            pace.looked(time.perf_counter() - start)
            if end is not None:
                self._finish(end)
                return None
            if self._last_look:
                return 0.0
        return self._patience.cut(pace.pause())

    def _find(self) -> bool:
        with self.places.beginning():
            self.check_datasets()
        return self._keys is not None

    def _conclude(self, over: bool) -> EndState | None:
        """Tell the end, once one more look was taken after the first sign of it."""
        end = self._signs(over)
        if end is None or end is EndState.TIMED_OUT or self._last_look:
            return end
        # The last keys may have become readable between the look for them and that for the end.
        self._last_look = True
        return None

    def _signs(self, over: bool) -> EndState | None:
        hurry = over or self._last_look
        if self.are_keys_complete() or self._is_flagged(hurry):
            return EndState.FINISHED
        assert self._keys is not None
        fixed = not any(array.can_grow for array in self._followed)
        gapless = all(keys.done and keys.done == keys.extent for keys in self._keys)
        verdict = self._watch.verdict(gapless, now=hurry or fixed)
        if fixed and not self._watch.suspects_crash:
            return EndState.FINISHED
        return verdict or (EndState.TIMED_OUT if over else None)

    def _finish(self, end: EndState) -> None:
        self._last_look = False
        if end is EndState.FINISHED:
            self.finished_set = True
            if self.advice:
                _log.info("%s", self.advice)
        self._end = end
        missing = self._keys_done() - 1 - self.current_max
        # A writer that died between two arrays is no fault of the file.
        if missing > 0 and end is not EndState.WRITER_CRASHED:
            raise ShapeError(
                "the keys say that points are complete which a data set does not hold",
                file=self._watch.path,
                expected=f"at least {self.current_max + 1 + missing} points",
                found=f"{self.current_max + 1}",
                remedy="Write the data before the keys.",
            )

    def reset(self) -> None:
        """Begin again with the first point."""
        self.current_key = self.current_max = -1
        self._end = None
        self.finished_set = self._last_look = False
        for keys in self._keys or []:
            keys.done = 0

    def close(self) -> None:
        """Close the file if it was given by its path; files that were given open stay so."""
        if self.places.is_owned:
            self._forget_file()

    # -- keys -----------------------------------------------------------------------------------
    def refresh(self) -> bool:
        """Look for newly set keys now; return whether there are some.

        Only keys behind those known to be set are read, so the cost does not grow with the scan.
        """
        self.check_datasets()
        assert self._keys is not None
        start = self.current_max + 1
        for keys in self._keys:
            keys.advance(start)
        done = self._keys_done()
        for covered in self._gates:
            if done <= start:
                break
            done = min(done, covered(done))
        if done <= start:
            return False
        self.current_max = done - 1
        return True

    def _keys_done(self) -> int:
        return min(keys.done for keys in self._keys or [])

    def get_current_max(self) -> int:
        """Return the flat index of the last point that is complete; -1 before the first."""
        return self.current_max

    def are_keys_complete(self) -> bool:
        """Tell whether every point that the scan can have is complete."""
        return self._keys is not None and self.current_max + 1 >= self._limit

    def is_finished(self) -> bool:
        """Tell whether all points were handed out and no more will come."""
        if self.current_key < self.current_max:
            return False
        return self._end is not None or self._is_flagged() or self.are_keys_complete()

    def _is_flagged(self, now: bool = True) -> bool:
        """Tell whether the flag is set; not `now`, as it was found some milliseconds ago."""
        if self._finished is None:
            return False
        moment = time.monotonic()
        if not now and moment - self._flag_read < _FLAG_SECONDS:
            return False
        self._flag_read = moment
        self._finished.refresh()
        shape = self._finished.shape
        if math.prod(shape) != 1:
            if math.prod(shape) > 1:
                _log.warning("%s: more than one element, no finished flag", self._finished.name)
            return False
        flag = self._finished.read(tuple(slice(0, 1, 1) for _ in shape))
        self.finished_set = bool(flag.reshape(-1)[0] != 0)
        return self.finished_set


class _Keys:
    """One array of keys, of which only what is new is read."""

    def __init__(self, array: Array) -> None:
        if array.dtype.kind not in "biuf":
            raise DTypeError(
                "keys are numbers, zero until a point is complete",
                node=array.name,
                found=array.dtype,
            )
        self.array = array
        self.done = 0
        self.extent = 0
        self._shape: tuple[int, ...] | None = None

    def advance(self, start: int) -> None:
        """Count on from a point as long as keys are set."""
        self.array.refresh()
        shape = self.array.shape
        if shape != self._shape:
            before, self._shape = self._shape, shape
            had, self.extent = self.extent, math.prod(shape)
            if self.extent < had:
                raise FollowError(
                    "the keys became fewer while they were followed: the file was written anew",
                    node=self.array.name,
                    expected=f"at least {had}",
                    found=self.extent,
                    remedy="Open the new file to follow that.",
                )
            # Points keep their index only while no axis but the slowest in use has grown.
            if before is not None and _renumbered(before, shape, self.done):
                self.done = 0
        done = max(self.done, start)
        window = _FIRST_KEYS
        while done < self.extent:
            box = box_at(done, min(done + window, self.extent), shape)
            keys = self.array.read(box).reshape(-1)
            # Times that savers keep of every point are NaN until it is complete.
            unset = np.flatnonzero((keys == 0) | np.isnan(keys))
            if len(unset):
                done += int(unset[0])
                break
            done += box_size(box)
            window = min(2 * window, _MOST_KEYS)
        self.done = done


def _renumbered(before: tuple[int, ...], after: tuple[int, ...], done: int) -> bool:
    """Tell whether points that were counted in one extent have another index in the next."""
    if before[1:] == after[1:]:
        return False
    inner = 1
    for axis in range(len(before) - 1, 0, -1):
        inner *= before[axis]
        if before[axis] != after[axis] and done > inner:
            return True
    return False


def _scan_limits(keys: Array) -> Limits:
    """Return the extent that a scan may grow to: that of its keys without trailing ones."""
    limits = list(keys.maxshape)
    while limits and limits[-1] == 1:
        limits.pop()
    return tuple(limits)


def _points(limits: Limits) -> float:
    sizes = [length for length in limits if length is not None]
    return float("inf") if len(sizes) < len(limits) else math.prod(sizes)


class RowKeyFollower(Following[int]):
    """Iterate over the rows of a scan: the flat index of the last point of each complete row.

    Parameters
    ----------
    key_datasets, timeout, finished_dataset, **options
        As for :class:`KeyFollower`.
    row_size : int, optional
        Points in a row; by default the extent of the fastest axis of the scan.

    Raises
    ------
    FollowError
        No `row_size`, and the fastest axis has no limit.
    """

    def __init__(
        self,
        key_datasets: Sequence[Any],
        timeout: float | None = 10,
        finished_dataset: Any = None,
        row_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if row_size is not None and row_size < 1:
            raise ValueError(f"a row has at least one point, not {row_size}")
        self.inner_key_follower = KeyFollower(key_datasets, timeout, finished_dataset, **options)
        self.row_size = row_size
        self.scan_rank = -1
        self.maxshape: Limits | None = None

    def check_datasets(self) -> None:
        """Find the key datasets, their scan rank and extent, and the size of a row."""
        inner = self.inner_key_follower
        inner.check_datasets()
        self.scan_rank, self.maxshape = inner.scan_rank, inner.maxshape
        if self.row_size is None:
            size = inner.maxshape[-1] if inner.maxshape else 1
            if size is None:
                raise FollowError(
                    "the fastest axis has no limit, so the size of a row is not known",
                    remedy="Give row_size=.",
                )
            self.row_size = size

    @property
    def end(self) -> EndState | None:
        """Why it came to its end; None before that."""
        return self.inner_key_follower.end

    def _take(self) -> int | None:
        inner = self.inner_key_follower
        if self.row_size is None:
            if inner.scan_rank < 0:
                return None
            self.check_datasets()
            assert self.row_size is not None
        last = ((inner.current_key + 1) // self.row_size + 1) * self.row_size - 1
        if last > inner.current_max:
            return None
        inner.current_key = last
        return last

    def _begin(self) -> None:
        self.inner_key_follower._begin()

    def _look(self) -> float | None:
        return self.inner_key_follower._look()

    def reset(self) -> None:
        """Begin again with the first row."""
        self.inner_key_follower.reset()

    def close(self) -> None:
        """Close the file if it was given by its path."""
        self.inner_key_follower.close()
