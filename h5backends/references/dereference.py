"""Load what references refer to: from rows of one array, by pairs of indices, to rows of another.

Nothing here loops over parents: references are sorted once and handed out in groups
(:mod:`.grouping`). With a look-up table only the references that it names are read, and only the
data that those refer to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from h5backends.errors import SelectionError, ShapeError
from h5backends.references.layout import ref_region_dtype
from h5backends.references.path import Path
from h5backends.references.selecting import selected
from h5backends.references.sources import Source, look_up_table, references

__all__ = ["dereference", "dereference_chain", "follow", "ref_region_dtype"]

_DIRECTIONS = ((0, 1), (1, 0))


def dereference(
    sel: Any,
    ref: Any,
    data: Any = None,
    region: Any = None,
    mask: Any = None,
    ref_direction: Sequence[int] = (0, 1),
    indices_only: bool = False,
    as_masked: bool = True,
) -> Any:
    """Load the rows of `data` that belong to each selected parent.

    Parameters
    ----------
    sel : int, slice, array_like of int or of bool
        Parents, in any order, repeated or not. With `region` as a dataset it has numpy's meaning
        for an array of that length; without one, the number of parents is not known: negative
        indices and open slices are refused.
    ref : array_like or dataset, shape (N, 2), integer
        Pairs of indices.
    data : array_like or dataset, shape (M, ...), optional
        What the references refer to; not needed with `indices_only`.
    region : array_like or dataset, shape (P,), fields ``start`` and ``stop``, optional
        Look-up table: the references of a parent stand in the rows `start` to `stop` of `ref`,
        among others perhaps. It counts: what stands outside is not seen. A dataset has a row for
        each parent, an array in memory one for each element of `sel`.
    mask : array_like, shape (len(sel),), bool, optional
        True where nothing is to be loaded.
    ref_direction : (0, 1) or (1, 0)
        Which column of `ref` holds the parents, and which the rows of `data`.
    indices_only : bool
        Return the rows' indices, not the rows.
    as_masked : bool
        False for a list of arrays.

    Returns
    -------
    numpy.ma.MaskedArray, shape (len(sel), W, ...), or list of ndarray
        Element i has the rows of the i-th selected parent, in the order of the references; W is
        the largest number of them, at least 1, and what is missing is masked. The type is that of
        `data`, with `indices_only` that of `ref`.

    Raises
    ------
    SelectionError
        A parent that does not exist, a reference beyond `data`, a region beyond `ref`.
    ShapeError, DTypeError
        An argument of another shape or type; a masked array that would not fit into memory.
    FileClosedError, StorageError
        A dataset cannot be read.

    Examples
    --------
    >>> dereference([0, 1, 2], [[1, 0], [2, 1]], np.array(["A", "B", "C"]), as_masked=False)
    [array([], dtype='<U1'), array(['A'], dtype='<U1'), array(['B'], dtype='<U1')]
    """
    path = follow(sel, [ref], [region], mask, [ref_direction])
    values = path.values(data, indices_only)
    return path.masked(values) if as_masked else path.listed(values)


def dereference_chain(
    sel: Any,
    refs: Sequence[Any],
    data: Any = None,
    regions: Sequence[Any] | None = None,
    mask: Any = None,
    ref_directions: Sequence[Sequence[int]] | None = None,
    indices_only: bool = False,
) -> Any:
    """Follow references over several steps, as from A to B and from B to C.

    Parameters
    ----------
    sel, mask
        As in :func:`dereference`, for the first array.
    refs : sequence of array_like or dataset, each of shape (N, 2), integer
        One for each step.
    data : array_like or dataset, optional
        The last array; not needed with `indices_only`.
    regions : sequence, optional
        Look-up tables, one for each step, None where there is none. One in memory has a row for
        each element of `sel` in the first step, and a row for each parent in the others.
    ref_directions : sequence of (0, 1) or (1, 0), optional
        For each step.
    indices_only : bool
        Return the indices of rows in the last array.

    Returns
    -------
    numpy.ma.MaskedArray, shape (len(sel), W1, W2, ..., ...)
        A dimension for each step, as in :func:`dereference`.

    Raises
    ------
    SelectionError, ShapeError, DTypeError, FileClosedError, StorageError
        As in :func:`dereference`.

    Examples
    --------
    >>> ab, bc = [[0, 0], [0, 1], [1, 2]], [[0, 5], [1, 6], [2, 7]]
    >>> dereference_chain([0, 1], [ab, bc], indices_only=True).tolist()
    [[[5], [6]], [[7], [None]]]
    """
    path = follow(sel, refs, regions, mask, ref_directions)
    return path.masked(path.values(data, indices_only))


def follow(
    sel: Any,
    refs: Sequence[Any],
    regions: Sequence[Any] | None = None,
    mask: Any = None,
    ref_directions: Sequence[Sequence[int]] | None = None,
    parents: Sequence[int] | None = None,
) -> Path:
    """Follow references over one or several steps, and load nothing yet.

    Parameters
    ----------
    sel, refs, regions, mask, ref_directions
        As in :func:`dereference_chain`.
    parents : sequence of int, optional
        How many parents each step has; by default as many as its look-up table has rows. A table
        may be shorter: parents beyond it have no references yet.
    """
    steps = len(refs)
    tables = [
        None if region is None else look_up_table(region) for region in regions or [None] * steps
    ]
    directions = ref_directions or [(0, 1)] * steps
    if not steps or len(tables) != steps or len(directions) != steps:
        raise ShapeError(
            "a chain needs references, and as many regions and directions",
            expected=f"{max(steps, 1)} of each",
            found=f"{steps} refs, {len(tables)} regions, {len(directions)} directions",
        )
    first = tables[0]
    by_place = first is not None and first.in_memory
    counts: list[int | None] = list(parents) if parents else [_count(t) for t in tables]
    if by_place:
        counts[0] = None
    wanted, left_out = selected(sel, counts[0], mask)
    if first is not None and by_place and len(first) != wanted.size:
        raise ShapeError(
            "a region in memory needs one row for each selected parent",
            expected=wanted.size,
            found=len(first),
            remedy="Give region[sel], or the dataset itself.",
        )
    path = Path(wanted, left_out)
    for step, (ref, table, direction) in enumerate(zip(refs, tables, directions, strict=True)):
        place = by_place and step == 0
        path.step(references(ref), table, _direction(direction), counts[step], place)
    return path


def _count(table: Source | None) -> int | None:
    return None if table is None else len(table)


def _direction(direction: Sequence[int]) -> tuple[int, int]:
    for known in _DIRECTIONS:
        if tuple(direction) == known:
            return known
    raise SelectionError(
        "a reference direction is one of two", expected="(0, 1) or (1, 0)", found=repr(direction)
    )
