"""Writing results of a scan as they come, each in the place of its point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from h5backends import creation, filters
from h5backends.backend import H5Backend
from h5backends.errors import NodeKindError, ShapeError
from h5backends.nodes import CARRAY, EARRAY, GROUP

__all__ = ["append_data", "create_dataset"]

_CHUNK_BYTES = 1 << 20
_SMALL = 10
"""Results of fewer elements share a chunk with their neighbours."""


def create_dataset(
    data: ArrayLike,
    scan_maxshape: Sequence[int | None],
    fh: Any,
    path: str,
    **kwargs: Any,
) -> Any:
    """Create an array for one result per point of a scan, with the first result in it.

    Parameters
    ----------
    data : array_like
        Result of the first point.
    scan_maxshape : sequence of int or None
        Extent that the scan may grow to, as in ``maxshape`` of what a follower hands out.
    fh : H5Backend, GROUP, or h5py File or Group
        Where to create it. With an h5py group it grows along every axis of the scan; else along
        the first one if that has no limit, and has its full extent at once if it has.
    path : str
        Its path; groups on the way are made.
    **kwargs
        For h5py's ``create_dataset``; elsewhere ``chunks``, ``compression`` and
        ``compression_opts`` count.

    Returns
    -------
    h5py.Dataset or CARRAY
        For :func:`append_data`.

    Raises
    ------
    ShapeError
        An axis of the scan other than the first has no limit, and `fh` is not of h5py.
    """
    values = np.asarray(data)
    limits = (*scan_maxshape, *values.shape)
    if isinstance(fh, (H5Backend, GROUP)):
        return _create_node(values, tuple(scan_maxshape), fh, path, kwargs)
    first = values.reshape(*[1] * len(scan_maxshape), *values.shape)
    kwargs.setdefault("chunks", _chunks(limits, values) if limits else None)
    return fh.create_dataset(path, data=first, maxshape=limits, **kwargs)


def _chunks(limits: tuple[int | None, ...], values: NDArray[Any]) -> tuple[int, ...]:
    rank = len(limits) - values.ndim
    if values.size >= _SMALL:
        return (*[1] * rank, *values.shape)
    # As many neighbours along the fastest axes as a chunk has room for.
    room = max(1, _CHUNK_BYTES // max(1, values.nbytes))
    chunks: list[int] = []
    for limit in reversed(limits[:rank]):
        length = max(1, min(room, 1024 if limit is None else limit))
        chunks.insert(0, length)
        room = max(1, room // length)
    return (*chunks, *(max(1, n) for n in values.shape))


def _create_node(
    values: NDArray[Any],
    scan: tuple[int | None, ...],
    fh: H5Backend | GROUP,
    path: str,
    kwargs: dict[str, Any],
) -> CARRAY:
    inner = (*scan[1:], *values.shape)
    if None in inner:
        raise ShapeError(
            "only the first axis of an array can be without a limit here",
            node=path,
            found=f"a scan of {scan}",
            remedy="Create it in a file opened with h5py itself.",
        )
    parent, name = _parent(fh, path)
    compression = filters.parse(kwargs.get("compression"), kwargs.get("compression_opts"))
    if scan and scan[0] is None:
        node: CARRAY = creation.create_growing(
            parent.session,
            parent,
            name,
            values.dtype,
            inner,
            chunks=kwargs.get("chunks"),
            compression=compression,
        )
    else:
        node = creation.create_fixed(
            parent.session,
            parent,
            name,
            None,
            shape=(*scan, *values.shape),  # type: ignore[arg-type]
            dtype=values.dtype,
            chunks=kwargs.get("chunks"),
            compression=compression,
        )
    append_data(values, [slice(0, 1, 1)] * len(scan), node)
    return node


def _parent(fh: H5Backend | GROUP, path: str) -> tuple[GROUP, str]:
    """Return the group that a path leads to, made if need be, and the last name."""
    group = fh.root() if isinstance(fh, H5Backend) else fh
    *names, last = [part for part in path.split("/") if part]
    for name in names:
        child = (
            group[name]
            if name in group
            else creation.create_group(group.session, group, name, "", {})
        )
        if not isinstance(child, GROUP):
            raise NodeKindError("this node is not a group", node=child.path)
        group = child
    return group, last


def append_data(data: ArrayLike, slice_metadata: Sequence[slice], dataset: Any) -> None:
    """Put the result of one point, or of a block of points, in its place.

    Parameters
    ----------
    data : array_like
        The result; for a block, the axes of the scan first.
    slice_metadata : sequence of slice
        Place of the point, as in ``slice_metadata`` of what a follower hands out.
    dataset : h5py.Dataset or array node
        From :func:`create_dataset`; grown as needed.
    """
    values = np.asarray(data)
    rank = len(slice_metadata)
    lengths = tuple(part.stop - part.start for part in slice_metadata)
    if values.ndim < len(dataset.shape):  # the result of one point, without axes of the scan
        values = values.reshape(*lengths, *values.shape)
    place = (*slice_metadata, *(slice(0, n, 1) for n in values.shape[rank:]))
    wanted = tuple(max(part.stop, n) for part, n in zip(place, dataset.shape, strict=True))
    if wanted != tuple(dataset.shape):
        if not isinstance(dataset, EARRAY):
            dataset.resize(wanted)
        else:
            missing = wanted[0] - dataset.shape[0]
            # The new rows are not filled twice where one point is all of a row.
            if missing == lengths[0] and values.shape[1:] == dataset.shape[1:]:
                dataset.append(values)
                return
            dataset.append(np.zeros((missing, *dataset.shape[1:]), dataset.dtype))
    dataset[place] = values
