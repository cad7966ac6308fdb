"""Export to a zarr store: signals, coordinates and error bars, as xarray and others open them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from h5backends.chunks import block_chunks
from h5backends.nodes import Node
from savers.exporters.base import Exporter, Progress
from savers.exporters.labelled import Teller, blocks_of, labelled
from savers.interchange.packages import package
from savers.loader import DataLoader

__all__ = ["ZarrExporter"]


class ZarrExporter(Exporter):
    """A folder with all signals at and below a node, in groups as in the file.

    Each group has the coordinates of its signals, so that ``xarray.open_zarr(..., group=...)`` and
    ``xarray.open_datatree(...)`` find them. It is of zarr's format 2, which every release reads.
    Logs and rows of different lengths are not signals and stay behind.
    """

    extension: ClassVar[str] = "zarr"
    description: ClassVar[str] = "Zarr store"

    def export(
        self, loader: DataLoader, node: Node, target: Path, progress: Progress | None = None
    ) -> None:
        zarr = package("zarr", "'h5backends[zarr]'")
        datasets = labelled(loader, node)
        told = Teller(progress, datasets)
        root = zarr.open_group(str(target), mode="w-", zarr_format=2)
        for path, dataset in datasets.items():
            group = root if path == "/" else root.require_group(path.lstrip("/"))
            group.attrs.update(dataset.attrs)
            for name, variable in dataset.variables.items():
                _write(group, str(name), variable, told)
        # One file tells readers of all others, which over a network is the difference.
        zarr.consolidate_metadata(str(target), zarr_format=2)


def _write(group: Any, name: str, variable: Any, told: Teller) -> None:
    if variable.dtype.hasobject:  # text of variable length, which other programs write
        variable = variable.astype(np.str_)
    shape, dtype = variable.shape, variable.dtype
    preferred = variable.encoding.get("preferred_chunks", {})
    chunks = tuple(preferred[dim] for dim in variable.dims) if preferred else None
    if chunks is None:
        chunks = tuple(max(1, n) for n in block_chunks(shape, max(1, dtype.itemsize)))
    array = group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=chunks or "auto",
        fill_value=None,  # or readers would take every zero for a missing value
        attributes={**variable.attrs, "_ARRAY_DIMENSIONS": list(variable.dims)},
    )
    for box, values in blocks_of(variable, chunks or None):
        array[box] = values
        told.add(values.nbytes)
