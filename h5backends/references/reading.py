"""What there is in a file of h5flow's layout: objects, references, and what they lead to."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

from h5backends.attributes import Attributes
from h5backends.errors import SelectionError
from h5backends.nodes import CARRAY, GROUP
from h5backends.references import layout
from h5backends.references.dereference import follow
from h5backends.references.files import Files, normalised
from h5backends.references.links import Link, find_link, links_of
from h5backends.references.ranks import Ranks
from h5backends.references.selecting import rows_of

__all__ = ["FlowReader"]

_LOOKS = 2
"""How often references are followed again that other programs are just adding to."""


class FlowReader:
    """The reading half of :class:`~h5backends.references.manager.H5FlowDataManager`."""

    def __init__(self, files: Files, ranks: Ranks) -> None:
        self._files = files
        self._ranks = ranks

    @property
    def comm(self) -> Any:
        """The MPI communicator; None without one."""
        return self._ranks.comm

    @property
    def rank(self) -> int:
        """Number of this process among the MPI ranks."""
        return self._ranks.rank

    @property
    def size(self) -> int:
        """How many MPI ranks there are."""
        return self._ranks.size

    @property
    def fh(self) -> Any:
        """The library's own file object, such as ``h5py.File``; changes go unnoticed here."""
        return self._files.main.h5file

    def root(self) -> GROUP:
        """Return the root group of the file."""
        return self._files.main.root()

    # -- the file -------------------------------------------------------------------------------
    def flush(self) -> None:
        """Hand everything written so far to the operating system or the server."""
        self._files.flush()

    def close_file(self) -> None:
        """Write everything and close the file; the next call that needs it opens it again."""
        self._files.close()

    # -- what is there --------------------------------------------------------------------------
    def exists(self, path: str) -> bool:
        """Tell whether there is a group or an array at a path."""
        return self._files.find(normalised(path)) is not None

    def dset_exists(self, dataset_name: str) -> bool:
        """Tell whether there is a dataset of this name."""
        return self.exists(layout.data_path(normalised(dataset_name)))

    def ref_exists(self, parent_dataset_name: str, child_dataset_name: str) -> bool:
        """Tell whether there are references between two datasets, in either direction."""
        parent, child = normalised(parent_dataset_name), normalised(child_dataset_name)
        return self.exists(layout.ref_path(parent, child)) or self.exists(
            layout.ref_path(child, parent)
        )

    def ref_region_exists(self, parent_dataset_name: str, child_dataset_name: str) -> bool:
        """Tell whether there is a look-up table from one dataset to another."""
        parent, child = normalised(parent_dataset_name), normalised(child_dataset_name)
        return self.exists(layout.region_path(parent, child))

    def attr_exists(self, name: str, key: str) -> bool:
        """Tell whether a group or an array has an attribute."""
        node = self._files.find(normalised(name))
        return node is not None and key in node.attrs

    # -- getting --------------------------------------------------------------------------------
    def get_dset(self, dataset_name: str) -> CARRAY:
        """Return the rows of a dataset.

        Returns
        -------
        EARRAY or CARRAY
            Reads and slices like a numpy array; ``.node`` is the library's own object.

        Raises
        ------
        NodeNotFoundError
            There is no such dataset.
        """
        return self._files.array(layout.data_path(normalised(dataset_name)))

    def get_attrs(self, name: str) -> Attributes:
        """Return the attributes of a group or an array, a mapping.

        Raises
        ------
        NodeNotFoundError
            There is no such thing.
        """
        return self._files.get(normalised(name)).attrs

    def get_ref(
        self, parent_dataset_name: str, child_dataset_name: str
    ) -> tuple[CARRAY, tuple[int, int]]:
        """Return the references between two datasets.

        Returns
        -------
        ref : EARRAY, shape (N, 2)
            Pairs of row numbers.
        direction : (0, 1) or (1, 0)
            The columns of the parents and of the children.

        Raises
        ------
        NodeNotFoundError
            There are none.
        """
        link, direction = self._link(parent_dataset_name, child_dataset_name)
        return self._files.array(link.ref), direction

    def get_ref_region(self, parent_dataset_name: str, child_dataset_name: str) -> CARRAY:
        """Return the look-up table from one dataset to another.

        Returns
        -------
        EARRAY, shape (P,), fields ``start`` and ``stop``
            The pairs of each parent stand in these rows, among others perhaps.

        Raises
        ------
        NodeNotFoundError
            There is none.
        """
        parent, child = normalised(parent_dataset_name), normalised(child_dataset_name)
        return self._files.array(layout.region_path(parent, child))

    def get_refs(self, dataset_name: str) -> list[CARRAY]:
        """Return all references that a dataset, or one below it, is an end of."""
        links = links_of(self._files, normalised(dataset_name))
        return [self._files.array(link.ref) for link in links]

    def __getitem__(self, args: Any) -> Any:
        """Return a node, rows of a dataset, or what rows refer to.

        ====================== ============================================================
        ``dm["a"]``             the group
        ``dm["a/data"]``        the array
        ``dm["a", sel]``        rows of ``a``
        ``dm["a", "b", sel]``   for each selected row of ``a`` the rows of ``b`` it refers to
        ``dm["a", "b"]``        the same for all rows
        ``dm["a", "b", "c"]``   and so on, over any number of references
        ====================== ============================================================

        A selection is an integer (one row, as an array of one), a slice of any step, a list of
        integers or a mask. What is missing is masked, see :func:`dereference_chain`.

        Raises
        ------
        NodeNotFoundError
            There is no such dataset, or there are no references between two.
        SelectionError
            There is no such row, or a reference leads beyond the dataset.
        """
        if isinstance(args, str):
            return self._files.get(normalised(args))
        names = list(args) if isinstance(args, tuple) else [args]
        sel: Any = slice(None)
        whole = not names or isinstance(names[-1], str)
        if not whole:
            sel = names.pop()
        if not names or not all(isinstance(name, str) for name in names):
            raise SelectionError(
                "expected names of datasets, and a selection of rows of the first perhaps",
                file=self._files.location,
                found=repr(args)[:80],
            )
        if len(names) > 1:
            return self._follow([normalised(name) for name in names], sel)
        data = self.get_dset(names[0])
        if whole:
            return data
        length = self._files.length(layout.data_path(normalised(names[0])))
        return data[rows_of(sel, length)]

    def _follow(self, names: list[str], sel: Any) -> Any:
        for _ in range(_LOOKS if self._files.shared else 0):
            # Another program may add rows after we asked how many there are.
            with contextlib.suppress(SelectionError):
                return self._followed(names, sel)
        return self._followed(names, sel)

    def _followed(self, names: list[str], sel: Any) -> Any:
        steps = [find_link(self._files, *pair) for pair in itertools.pairwise(names)]
        lengths = [self._files.length(layout.data_path(name)) for name in names]
        tables = [self._table(link, direction) for link, direction in steps]
        path = follow(
            rows_of(sel, lengths[0]),
            [self._files.fresh(link.ref) for link, _ in steps],
            tables,
            ref_directions=[direction for _, direction in steps],
            parents=lengths[:-1],
        )
        return path.masked(path.values(self.get_dset(names[-1]), False))

    def _table(self, link: Link, direction: tuple[int, int]) -> CARRAY | None:
        """Return the look-up table of a step; without one all pairs are searched."""
        path = link.regions[direction[0]]
        return None if self._files.find(path) is None else self._files.fresh(path)

    def _link(self, parent: str, child: str) -> tuple[Link, tuple[int, int]]:
        return find_link(self._files, normalised(parent), normalised(child))
