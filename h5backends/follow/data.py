"""Following a scan: every frame of any number of arrays, as its point is complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from h5backends.errors import FollowError
from h5backends.follow import output
from h5backends.follow.following import Following
from h5backends.follow.frames import FrameReader, Interleaved, SliceDict
from h5backends.follow.keys import KeyFollower
from h5backends.follow.scanning import box_size, points
from h5backends.follow.waiting import EndState
from h5backends.types import Box

__all__ = ["Batches", "DataSource"]

_BLOCK_BYTES = 1 << 20
"""Frames are read in blocks of about this size where they are there."""
_BLOCK_LIMIT = 1 << 25
"""So large may a block be if that keeps a chunk from being decompressed twice."""
_BLOCK_POINTS = 4096


class DataSource(Following[SliceDict]):
    """Iterate over the frames of a scan while it is written, or when it is finished.

    Frames that are complete are read several at a time; what is handed out is the same as if they
    were read one by one.

    Parameters
    ----------
    key_datasets : sequence
        Keys, see :class:`KeyFollower`.
    datasets : mapping or sequence, optional
        Name to array: facade node, h5py or h5pyd dataset, ``(file, path)``, or path in `file`. A
        sequence of paths stands for names that are those paths. The axes of the scan come first;
        how many they are is told by the keys.
    timeout, finished_dataset, resume_from, file, backend, **options
        See :class:`KeyFollower`.
    use_direct_chunk : bool
        See :class:`FrameReader`.
    interleaved_datasets : mapping, optional
        Name to list of arrays, which the frames were dealt out to in turn.

    Raises
    ------
    FollowError
        Nothing to follow; while iterating: the file was replaced.
    ShapeError
        Data with fewer axes than the scan; while iterating: data that end before the keys.
    NodeNotFoundError, FileError
        Something is not there. With a file given by its path, it is waited for.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.arange(12).reshape(3, 2, 2)
    >>> for frame in DataSource([np.array([1, 2, 0])], {"image": frames}, timeout=0):
    ...     print(frame.index, frame.slice_metadata, frame["image"].sum())
    0 (slice(0, 1, None),) 6
    1 (slice(1, 2, None),) 22
    """

    def __init__(
        self,
        key_datasets: Sequence[Any],
        datasets: Mapping[str, Any] | Sequence[str] | None = None,
        timeout: float | None = 10,
        finished_dataset: Any = None,
        use_direct_chunk: bool = False,
        interleaved_datasets: Mapping[str, Sequence[Any]] | None = None,
        *,
        resume_from: int = 0,
        file: Any = None,
        backend: str = "h5py",
        **options: Any,
    ) -> None:
        super().__init__()
        if not datasets and not interleaved_datasets:
            raise FollowError("no data to follow", expected="datasets or interleaved_datasets")
        self.kf = KeyFollower(
            key_datasets,
            timeout,
            finished_dataset,
            resume_from=resume_from,
            file=file,
            backend=backend,
            **options,
        )
        self._datasets = _named(datasets)
        self._interleaved_datasets = dict(interleaved_datasets or {})
        self._direct = use_direct_chunk
        self.frame_readers: dict[str, FrameReader] = {}
        self.interleaved_frame_readers: dict[str, Interleaved] = {}
        self._ready: Iterator[SliceDict] = iter(())
        self.kf._bound(self._find)

    def _find(self) -> None:
        """Find the arrays; the keys are found."""
        find, rank = self.kf.places.find, self.kf.scan_rank
        self.frame_readers = {
            name: FrameReader(find(item), rank, self._direct)
            for name, item in self._datasets.items()
        }
        self.interleaved_frame_readers = {
            name: Interleaved([FrameReader(find(item), rank, self._direct) for item in items])
            for name, items in self._interleaved_datasets.items()
        }
        for reader in self.frame_readers.values():
            self.kf._gate([reader.array], reader.covers)
        for several in self.interleaved_frame_readers.values():
            self.kf._gate([reader.array for reader in several.readers], several.covers)

    # -- iterating ------------------------------------------------------------------------------
    @property
    def end(self) -> EndState | None:
        """Why it came to its end; None before that."""
        return self.kf.end

    def _take(self) -> SliceDict | None:
        for frame in self._ready:
            return frame
        kf = self.kf
        if kf.current_key >= kf.current_max:
            return None
        self._ready = self._hand_out(*self._read(self._block_size()))
        return next(self._ready)

    def __next__(self) -> SliceDict:
        for frame in self._ready:  # most of the time; the rest is dear in comparison
            return frame
        return super().__next__()

    def _begin(self) -> None:
        self.kf._begin()

    def _look(self) -> float | None:
        return self.kf._look()

    def _hand_out(
        self, start: int, box: Box, blocks: dict[str, NDArray[Any]]
    ) -> Iterator[SliceDict]:
        kf, names, maxshape = self.kf, tuple(blocks), self.kf.maxshape
        columns = list(blocks.values())
        one = names[0] if len(names) == 1 else None
        places = enumerate(points(box), start)
        frames: Iterable[Any] = columns[0] if one is not None else zip(*columns, strict=True)
        for (index, position), frame in zip(places, frames, strict=True):
            result = SliceDict(((one, frame),) if one is not None else zip(names, frame))  # noqa: B905
            result.slice_metadata = position
            result.maxshape = maxshape
            result.index = kf.current_key = index
            yield result

    # -- blocks ---------------------------------------------------------------------------------
    def _read(self, size: int) -> tuple[int, Box, dict[str, NDArray[Any]]]:
        """Read at most `size` of the points that are complete, those of one box.

        Returns
        -------
        start : int
            Flat index of the first.
        box : Box
            Where in the scan they are.
        blocks : dict of ndarray, shape ``(points, 1, ..., 1, *frame_shape)``
        """
        kf = self.kf
        start = kf.current_key + 1
        stop = min(start + size, kf.current_max + 1)
        lead = next(iter(self.frame_readers.values()), None)
        if lead is not None:
            box = lead.box(start, stop)
            stop = start + box_size(box)
        else:
            box = (slice(start, stop, 1), *[slice(0, 1, 1)] * (kf.scan_rank - 1))
        readers = self._readers()
        return start, box, {name: r.read_flat(start, stop) for name, r in readers.items()}

    def _readers(self) -> dict[str, FrameReader | Interleaved]:
        return {**self.frame_readers, **self.interleaved_frame_readers}

    def _block_size(self) -> int:
        """Return how many points to read ahead: about a megabyte, and whole chunks."""
        start = self.kf.current_key + 1
        readers = self._readers().values()
        nbytes = max(1, sum(reader.frame_nbytes for reader in readers))
        size = min(_BLOCK_POINTS, max(1, _BLOCK_BYTES // nbytes))
        chunk = max((reader.points_in_chunk for reader in readers), default=1)
        if chunk > 1 and chunk * nbytes <= _BLOCK_LIMIT:
            size = max(size, chunk)
            size -= (start + size) % chunk
        return size

    def batches(self, n: int) -> Batches:
        """Iterate over blocks of up to `n` frames instead of single ones.

        Parameters
        ----------
        n : int
            Most frames in a block. A block is what is complete, and never longer than a box of
            the scan: a part of a row, or whole rows.

        Returns
        -------
        Batches
            For ``for`` and ``async for``; goes on where this iterator stands, and moves it.

        Examples
        --------
        >>> import numpy as np
        >>> source = DataSource([np.ones(5)], {"x": np.arange(5.0)}, timeout=0)
        >>> [block["x"].tolist() for block in source.batches(2)]
        [[0.0, 1.0], [2.0, 3.0], [4.0]]
        """
        return Batches(self, n)

    # -- beside iterating -----------------------------------------------------------------------
    def reset(self) -> None:
        """Begin again with the first frame."""
        self.kf.reset()
        self._ready = iter(())

    def is_scan_finished(self) -> bool:
        """Tell whether the scan is known to be finished."""
        return self.kf.finished_set

    def has_timed_out(self) -> bool:
        """Tell whether it ended because nothing came in time."""
        return self.kf.timed_out

    def create_dataset(self, data: ArrayLike, fh: Any, path: str, **kwargs: Any) -> Any:
        """Create an array for one result per point, with the first result in it.

        See :func:`h5backends.follow.output.create_dataset`.
        """
        self.kf.check_datasets()
        assert self.kf.maxshape is not None
        return output.create_dataset(data, self.kf.maxshape, fh, path, **kwargs)

    def append_data(self, data: ArrayLike, slice_metadata: Sequence[slice], dataset: Any) -> None:
        """Put the result of one point in its place, see `h5backends.follow.output.append_data`."""
        output.append_data(data, slice_metadata, dataset)

    def close(self) -> None:
        """Close the file if it was given by its path; files that were given open stay so."""
        self._ready = iter(())
        self.kf.close()


class Batches(Following[SliceDict]):
    """Iterate over blocks of frames of a :class:`DataSource`.

    Parameters
    ----------
    source : DataSource
        Where from.
    n : int
        Most frames in a block.

    Raises
    ------
    ValueError
        `n` is below 1.
    """

    def __init__(self, source: DataSource, n: int) -> None:
        super().__init__()
        if n < 1:
            raise ValueError(f"a block has at least one frame, not {n}")
        self._source = source
        self._size = n

    @property
    def end(self) -> EndState | None:
        """Why it came to its end; None before that."""
        return self._source.end

    def _take(self) -> SliceDict | None:
        source, kf = self._source, self._source.kf
        source._ready = iter(())  # what was read ahead but not handed out is read again
        if kf.current_key >= kf.current_max:
            return None
        start, box, blocks = source._read(self._size)
        rank = kf.scan_rank
        lengths = [part.stop - part.start for part in box]
        result = SliceDict(
            (name, block.reshape(*lengths, *block.shape[1 + rank :]))
            for name, block in blocks.items()
        )
        result.slice_metadata = box
        result.maxshape = kf.maxshape
        result.index = start
        kf.current_key = start + box_size(box) - 1
        return result

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _begin(self) -> None:
        self._source._begin()

    def _look(self) -> float | None:
        return self._source._look()


def _named(datasets: Mapping[str, Any] | Sequence[str] | None) -> dict[str, Any]:
    if isinstance(datasets, Mapping):
        return dict(datasets)
    if isinstance(datasets, str):
        return {datasets: datasets}
    return {path: path for path in datasets or ()}
