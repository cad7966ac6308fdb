"""The first interface of followers: a file, groups of keys, and paths of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from h5backends.follow.data import DataSource
from h5backends.follow.following import Following
from h5backends.follow.frames import FrameReader
from h5backends.follow.keys import KeyFollower
from h5backends.follow.places import Places
from h5backends.follow.waiting import EndState

__all__ = ["DataFollower", "Follower", "FrameGrabber"]


class Follower(KeyFollower):
    """Iterate over the flat indices of the points whose keys are set in all of some groups.

    Parameters
    ----------
    hdf5_file : h5py.File, H5Backend or path
        The file.
    key_datasets : sequence of str
        Paths of groups, every array in which holds keys; or of such arrays.
    timeout : float or None
        Seconds to wait for the next point.
    finished_dataset : str, optional
        Path of a number that is zero until the scan is complete.
    **options
        As for :class:`KeyFollower`.

    Raises
    ------
    FollowError
        There are no arrays in the groups.
    """

    def __init__(
        self,
        hdf5_file: Any,
        key_datasets: Sequence[str],
        timeout: float | None = 1,
        finished_dataset: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(key_datasets, timeout, finished_dataset, file=hdf5_file, **options)


class FrameGrabber:
    """Reads the frame of a point of a scan, given by its flat index.

    Parameters
    ----------
    dataset : str
        Path of the array. Its last two axes are those of a frame, the others those of the scan.
    hdf5_file : h5py.File, H5Backend or path
        The file.
    frame_rank : int
        How many axes are those of a frame, where not 2.
    """

    def __init__(self, dataset: str, hdf5_file: Any, frame_rank: int = 2) -> None:
        self._places = Places(hdf5_file)
        array = self._places.find(dataset)
        self._reader = FrameReader(array, max(0, len(array.shape) - frame_rank))

    def Grabber(self, index: int) -> NDArray[Any]:  # noqa: N802 - the name that programs call
        """Return the frame of a point.

        Parameters
        ----------
        index : int
            Flat index, as a :class:`Follower` gives it.

        Returns
        -------
        ndarray, shape ``(1, ..., 1, height, width)``
        """
        return self._reader.read_frame(index)[0]

    def close(self) -> None:
        """Close the file if it was given by its path."""
        self._places.close()


class DataFollower(Following[list[NDArray[Any]]]):
    """Iterate over the frames of several arrays, a list for each point.

    Parameters
    ----------
    hdf5_file : h5py.File, H5Backend or path
        The file.
    keypaths : sequence of str
        Paths of groups of keys, or of arrays of keys.
    dataset_paths : sequence of str
        Paths of the data, in the order in which their frames are wanted.
    timeout : float or None
        Seconds to wait for the next point.
    finished_dataset : str, optional
        Path of a number that is zero until the scan is complete.
    **options
        As for :class:`DataSource`.
    """

    def __init__(
        self,
        hdf5_file: Any,
        keypaths: Sequence[str],
        dataset_paths: Sequence[str],
        timeout: float | None = 1,
        finished_dataset: Any = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._paths = list(dataset_paths)
        self.source = DataSource(
            keypaths,
            self._paths,
            timeout,
            finished_dataset,
            file=hdf5_file,
            **options,
        )

    @property
    def end(self) -> EndState | None:
        """Why it came to its end; None before that."""
        return self.source.end

    def _take(self) -> list[NDArray[Any]] | None:
        frames = self.source._take()
        return None if frames is None else [frames[path] for path in self._paths]

    def _begin(self) -> None:
        self.source._begin()

    def _look(self) -> float | None:
        return self.source._look()

    def reset(self) -> None:
        """Begin again with the first frame."""
        self.source.reset()

    def close(self) -> None:
        """Close the file if it was given by its path."""
        self.source.close()
