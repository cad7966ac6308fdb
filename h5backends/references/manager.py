"""H5FlowDataManager: datasets with references between them, written by one or many processes."""

from __future__ import annotations

import contextlib
import logging
import operator
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from h5backends.drivers import registry
from h5backends.errors import (
    DTypeError,
    NodeExistsError,
    NodeNameError,
    ReadOnlyError,
    SelectionError,
    ShapeError,
    UnsupportedError,
)
from h5backends.nodes import CARRAY
from h5backends.references import collective, layout, writing
from h5backends.references.files import Files, normalised
from h5backends.references.links import Link, links_of, make_link
from h5backends.references.ranks import Ranks
from h5backends.references.reading import FlowReader
from h5backends.references.selecting import is_count, rows_of, wanted_rows
from h5backends.types import Capability

__all__ = ["H5FlowDataManager"]

_log = logging.getLogger(__name__)


class H5FlowDataManager(FlowReader):
    """Datasets, references between them, and access to both, in the file layout of h5flow.

    The file is opened by the first call that needs it. Names are paths: the rows of ``stage/hits``
    stand in ``stage/hits/data``.

    Parameters
    ----------
    filepath : str or Path
        The file; a domain for a driver of a server.
    mode : {"a", "r", "r+", "w", "x"}
        As in :meth:`H5Backend.open_file`; "a" makes the file if it is missing.
    mpi : bool
        Open the file together with all ranks of this MPI program. Whatever makes, reserves,
        references, deletes, sets attributes, finishes or closes is then a call that all ranks
        must make, with the same names in the same order; a rank with nothing to add gives none.
    drop_list : sequence of str, optional
        Names of what is not to be kept: it goes into a file beside this one, which
        :meth:`finish` removes (on a server, into the same).
    compression : str or int, optional
        Of the datasets made here: see :meth:`H5Backend.define_compression`; a number is gzip's
        level.
    backend : str
        Name of the driver.
    shared : bool
        Require that several programs can write at the same time.
    **options
        For the library underneath, such as ``endpoint=``, ``username=``, ``password=``.

    Raises
    ------
    UnsupportedError
        `mpi` or `shared`, with a driver that cannot do it.

    Examples
    --------
    >>> with H5FlowDataManager("events.h5", mode="w") as dm:
    ...     dm.create_dset("events", "f8")
    ...     dm.create_dset("hits", "i4")
    ...     dm.create_ref("events", "hits")
    ...     dm.write_data("events", dm.reserve_data("events", 2), [0.5, 1.5])
    ...     dm.write_data("hits", dm.reserve_data("hits", 3), [10, 11, 12])
    ...     dm.write_ref("events", "hits", [[0, 0], [0, 1], [1, 2]])
    ...     dm["events", "hits", :].tolist()
    [[10, 11], [12, None]]
    """

    def __init__(
        self,
        filepath: str | Path,
        mode: str = "a",
        mpi: bool = False,
        drop_list: Sequence[str] | None = None,
        compression: str | int | None = None,
        *,
        backend: str = "h5py",
        shared: bool = False,
        **options: Any,
    ) -> None:
        driver = registry.load(backend)
        if mpi:
            _require(driver, Capability.PARALLEL, "open one file in several MPI ranks")
        if shared:
            _require(driver, Capability.RESERVE, "take rows for several programs")
        self.filepath = filepath
        self.mode = mode
        self.mpi_flag = mpi
        self.drop_list = list(drop_list or ())
        ranks = Ranks.world() if mpi else Ranks()
        files = Files(filepath, backend, mode, options, ranks, self.drop_list, compression)
        super().__init__(files, ranks)
        self._links: dict[str, list[Link]] = {}
        self._ends: dict[Link, int] = {}  # how many pairs the look-up tables name

    # -- the end --------------------------------------------------------------------------------
    def close_file(self) -> None:
        """Write everything and close the file; the next call that needs it opens it again."""
        self._links.clear()
        self._ends.clear()
        super().close_file()

    def finish(self) -> None:
        """Delete what stands in the drop list, and close the file."""
        if self.drop_list and self.mode != "r":
            for name in self._files.dropped:
                self.delete(name)
        self.close_file()
        self._ranks.wait()
        self._files.discard_side()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._ranks.many:
            # The others may be anywhere, and closing takes all: it has to wait for the end.
            _log.error("rank %d leaves the file: %s", self.rank, error)
            return
        self.finish()

    def __repr__(self) -> str:
        return (
            f"H5FlowDataManager({str(self.filepath)!r}, mode={self.mode!r}, mpi={self.mpi_flag}, "
            f"drop_list={self.drop_list})"
        )

    # -- making and deleting --------------------------------------------------------------------
    def create_dset(
        self, dataset_name: str, dtype: DTypeLike, shape: tuple[int, ...] | int = ()
    ) -> None:
        """Make an empty dataset, if there is none of this name.

        Parameters
        ----------
        dataset_name : str
            Its name.
        dtype : dtype
            Type of a row; may be structured.
        shape : tuple of int
            Shape of a row.

        Raises
        ------
        DTypeError, ShapeError
            There is one of another type or shape; or the file cannot hold such rows.
        NodeNameError
            No dataset can have this name.
        """
        name = normalised(dataset_name)
        if "ref" in name.split("/"):
            raise NodeNameError(
                "'ref' is where references stand, and cannot be part of a name",
                file=self._files.location,
                node=name,
            )
        row = tuple(shape) if isinstance(shape, Sequence) else (operator.index(shape),)
        with self._changing():
            path = layout.data_path(name)
            array = self._files.make(self._files.home(name), path, dtype, row)
            self._check_same(array, np.dtype(dtype), row)

    def _check_same(self, array: CARRAY, dtype: np.dtype[Any], row: tuple[int, ...]) -> None:
        where = {"file": self._files.location, "node": array.path}
        if array.shape[1:] != row:
            raise ShapeError(
                "the dataset exists with rows of another shape",
                expected=row,
                found=array.shape[1:],
                **where,
            )
        if not np.can_cast(dtype, array.dtype, "equiv") and array.dtype != dtype:
            raise DTypeError(
                "the dataset exists with another type", expected=dtype, found=array.dtype, **where
            )

    def create_ref(self, parent_dataset_name: str, child_dataset_name: str) -> None:
        """Make room for references between two datasets, if there is none.

        What is missing of it is added: the look-up tables too are made from the references.

        Raises
        ------
        NodeNotFoundError
            One of the datasets does not exist.
        NodeExistsError
            There are references in the opposite direction; they serve both.
        """
        parent, child = normalised(parent_dataset_name), normalised(child_dataset_name)
        with self._changing():
            for name in (parent, child):
                self.get_dset(name)
            link, back = Link(parent, child), Link(child, parent)
            if parent != child and self._files.find(back.ref) is not None:
                raise NodeExistsError(
                    f"there are references from {child!r} to {parent!r}, which serve both",
                    file=self._files.location,
                    node=f"/{back.ref}",
                    remedy=f"Write them with write_ref({parent!r}, {child!r}, ...).",
                )
            if make_link(self._files, link) and len(self._files.array(link.ref)):
                with self._ranks.agreed():
                    if self._ranks.rank == 0:
                        writing.rebuild_tables(self._files, link)
                self._files.flush()
                self._ranks.wait()
            self._links.clear()

    def delete(self, name: str) -> None:
        """Delete a dataset or a group, and all references from and to it.

        What stands in the drop list stays until :meth:`finish`; what does not exist is no error.
        """
        name = normalised(name)
        with self._changing():
            for link in links_of(self._files, name):
                self._ends.pop(link, None)
                for path in (*reversed(link.regions), link.ref):
                    self._files.remove(path.rpartition("/")[0], name)
            self._files.remove(name, name)
            self._links.clear()

    def set_attrs(self, name: str, **attrs: Any) -> None:
        """Set attributes of a group or an array; a group that is missing is made."""
        name = normalised(name)
        with self._changing():
            node = self._files.find(name)
            if node is None:
                node = self._files.group(self._files.home(name), name)
            if attrs:
                node.attrs.update(attrs)

    # -- writing --------------------------------------------------------------------------------
    def reserve_data(self, dataset_name: str, spec: Any) -> Any:
        """Get rows of a dataset to write to.

        Parameters
        ----------
        dataset_name : str
            Which dataset.
        spec : int, slice, list of int or list of slice
            So many new rows at the end, nobody else's; or these rows, which are made if the
            dataset is shorter. With MPI each rank asks for its own.

        Returns
        -------
        slice, or list as given
            Where to write.

        Raises
        ------
        SelectionError
            Not one of these.
        """
        name = normalised(dataset_name)
        with self._changing():
            with self._ranks.agreed():
                data = self._files.growing(layout.data_path(name))
                data.session.require_room()  # on all or none: making it longer takes all
                length = self._files.length(layout.data_path(name))
                wanted = wanted_rows(spec, length)
            asked = self._ranks.all(wanted)
            lacking = max(0, max((stop for _, stop in asked), default=0) - length)
            counts = [count for count, _ in asked]
            grown = lacking + sum(counts)
            rows = data.reserve(grown) if grown else slice(length, length)
            if grown:
                for link in self._links_of(name):
                    for end in {n for n, end in enumerate(link.ends) if end == name}:
                        writing.begin_rows(self._files, link, end, rows)
            if isinstance(spec, slice):
                return slice(spec.start or 0, wanted[1], spec.step)
            if not is_count(spec):
                return spec
            first = rows.start + lacking + sum(counts[: self.rank])
            return slice(first, first + counts[self.rank])

    def _links_of(self, name: str) -> list[Link]:
        if name not in self._links:
            found = links_of(self._files, name)
            self._links[name] = [link for link in found if name in link.ends]
        return self._links[name]

    def write_data(self, dataset_name: str, spec: Any, data: ArrayLike) -> None:
        """Write rows of a dataset that were reserved.

        Each rank of an MPI program writes by itself; only into compressed datasets all must
        write together, those with nothing to write into ``slice(0, 0)``.

        Parameters
        ----------
        dataset_name : str
            Which dataset.
        spec : slice, int, list of int or list of slice
            Which rows.
        data : array_like
            As many rows; copied.

        Raises
        ------
        SelectionError
            The dataset does not have these rows.
        ShapeError, DTypeError
            The data do not fit.
        """
        array = self.get_dset(dataset_name)
        if not self._ranks.many or not array.filters:
            array[self._key(array, spec)] = data
            return
        with self._ranks.agreed():
            key = self._key(array, spec)
            part = collective.prepared(array, key, data)
        collective.write(array, *part)

    def _key(self, array: CARRAY, spec: Any) -> Any:
        length = len(array)
        _, stop = wanted_rows(spec, length, counts=False)
        if stop > length and self._files.shared:
            array.refresh()  # they may have been reserved by another program
            length = len(array)
        if stop > length:
            raise SelectionError(
                "the dataset does not have these rows",
                file=self._files.location,
                node=array.path,
                expected=f"rows up to {length}",
                found=f"up to {stop}",
                remedy="Get them first: reserve_data().",
            )
        if isinstance(spec, (list, tuple)) and any(isinstance(part, slice) for part in spec):
            return np.concatenate([np.atleast_1d(rows_of(part, length)) for part in spec])
        return spec

    def write_ref(
        self, parent_dataset_name: str, child_dataset_name: str, refs: ArrayLike
    ) -> None:
        """Add references. They cannot be changed or removed again.

        When this returns the look-up tables name them; what they refer to is in the file.

        Parameters
        ----------
        parent_dataset_name, child_dataset_name : str
            The datasets, in this order or in the one that the references were made in.
        refs : array_like, shape (N, 2), integer
            Row of the parent and row of the child. With MPI each rank gives its own.

        Raises
        ------
        SelectionError
            A row that does not exist; nothing was written, by any rank.
        ShapeError, DTypeError
            Not pairs of integers.
        NodeNotFoundError
            There are no references between these datasets: see :meth:`create_ref`.
        """
        with self._changing():
            with self._ranks.agreed():
                link, direction = self._link(parent_dataset_name, child_dataset_name)
                pairs = self._checked(link, refs, direction)
            if self._files.shared:
                writing.write_shared(self._files, link, pairs)
                return
            if link not in self._ends:
                self._ends[link] = writing.named_pairs(self._files, link)
            start = self._ends.pop(link)
            self._ends[link] = writing.write_alone(self._files, self._ranks, link, pairs, start)

    def _checked(self, link: Link, refs: ArrayLike, direction: tuple[int, int]) -> NDArray[Any]:
        """Return pairs in the order of the columns and the type of the file."""
        ref = self._files.growing(link.ref)
        where = {"file": self._files.location, "node": ref.path}
        try:
            pairs = np.asarray(refs)
        except ValueError as exc:
            raise ShapeError("references are pairs", found="lists of unequal length") from exc
        if pairs.shape == (0,):
            pairs = np.zeros((0, 2), np.int64)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ShapeError("references are pairs", expected="(N, 2)", found=pairs.shape, **where)
        if pairs.dtype.kind not in "ui" and pairs.size:
            raise DTypeError("references are integers", found=pairs.dtype, **where)
        pairs = pairs[:, direction]
        for column, end in enumerate(link.ends):
            length = self._files.length(layout.data_path(end))
            length = min(length, int(np.iinfo(ref.dtype).max))
            rows = pairs[:, column]
            if pairs.size and (rows.min() < 0 or rows.max() >= length):
                wrong = int(rows.min()) if rows.min() < 0 else int(rows.max())
                raise SelectionError(
                    f"a reference leads to a row that {end!r} does not have; none was written",
                    expected=f"0 to {length - 1}" if length else "none: it is empty",
                    found=wrong,
                    remedy="Reserve and write the rows first.",
                    **where,
                )
        for path in link.regions:
            self._files.growing(path)
        return pairs.astype(ref.dtype)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Make sure that the file can be changed, and that no other thread comes between."""
        if self.mode == "r":
            raise ReadOnlyError(
                "the file was opened for reading only",
                file=self._files.location,
                remedy="Open it with mode='a' to change it.",
            )
        with self._files.main.session.lock:
            yield


def _require(driver: Any, capability: Capability, to_do: str) -> None:
    if capability not in driver.capabilities:
        others = ", ".join(registry.drivers_with(capability)) or "none that is installed"
        raise UnsupportedError(
            f"the driver {driver.name!r} cannot {to_do}",
            expected=f"the capability {capability.name}",
            remedy=f"Drivers that have it: {others}. h5py has PARALLEL when it is built with "
            "parallel HDF5.",
        )
