"""Export to NeXus: an entry with one ``NXdata`` for each signal, under names for people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from h5backends.backend import H5Backend
from h5backends.chunks import block_chunks
from h5backends.nodes import GROUP, Node
from savers.exporters.base import Exporter, Progress
from savers.exporters.hdf5 import Hdf5Exporter
from savers.exporters.labelled import Teller, blocks_of, labelled
from savers.layout import nxdata_attributes
from savers.loader import DataLoader

__all__ = ["NexusExporter"]

_ERROR = "_error"


class NexusExporter(Exporter):
    """A file of the NeXus standard with all signals at and below a node.

    ``/entry`` (``NXentry``) has a group for each signal, called as the signal is: its values, the
    axes and, as ``NAME_errors``, the error bars. It opens with the first signal as a plot.

    Parameters
    ----------
    backend : str
        The driver of the new file, any for local files.
    """

    extension: ClassVar[str] = "nxs"
    other_extensions: ClassVar[tuple[str, ...]] = ("nx",)
    description: ClassVar[str] = "NeXus file"

    def __init__(self, backend: str = "h5py") -> None:
        Hdf5Exporter(backend)  # which refuses what cannot be written to
        self._backend = backend

    def export(
        self, loader: DataLoader, node: Node, target: Path, progress: Progress | None = None
    ) -> None:
        datasets = labelled(loader, node, only_signals=True)
        told = Teller(progress, datasets)
        with H5Backend(self._backend) as h5:
            h5.open_file(target, "x", title=f"exported from {loader.h5saver.filename}")
            h5.root().attrs.update({"NX_class": "NXroot", "default": "entry"})
            entry = h5.get_set_group("/", "entry")
            entry.attrs["NX_class"] = "NXentry"
            title = next((d.attrs["title"] for d in datasets.values() if "title" in d.attrs), "")
            h5.create_carray(entry, "title", np.array(title or node.path))
            for dataset in datasets.values():
                for name in dataset.data_vars:
                    if not _is_error(dataset, str(name)):
                        group = h5.get_set_group(entry, _unused(entry, str(name)))
                        _write_signal(h5, group, dataset, str(name), told)
                        entry.attrs.setdefault("default", group.name)


def _is_error(dataset: Any, name: str) -> bool:
    return name.endswith(_ERROR) and name.removesuffix(_ERROR) in dataset.data_vars


def _unused(group: GROUP, wanted: str) -> str:
    """Return a name that NeXus allows and that is free."""
    stem = re.sub(r"[^A-Za-z0-9_.]", "_", wanted).lstrip(".0123456789") or "signal"
    number, name = 1, stem
    while name in group:
        name = f"{stem}_{number}"
        number += 1
    return name


def _write_signal(h5: H5Backend, group: GROUP, dataset: Any, name: str, told: Teller) -> None:
    signal = dataset.variables[name]
    # The group has the name of the signal; inside it, axes of the same name must not clash.
    names = {name: _unused(group, name)}
    _write(h5, group, names[name], signal, told)
    axes: list[list[str]] = []
    for dim in signal.dims:
        along = [str(c) for c, v in dataset.coords.items() if v.dims == (dim,)]
        if dim in along:  # it is the default one
            along = [dim, *(coordinate for coordinate in along if coordinate != dim)]
        for coordinate in along:
            names[coordinate] = _unused(group, coordinate)
            _write(h5, group, names[coordinate], dataset.variables[coordinate], told)
        axes.append([names[coordinate] for coordinate in along])
    if f"{name}{_ERROR}" in dataset.data_vars:
        errors = dataset.variables[f"{name}{_ERROR}"]
        _write(h5, group, f"{names[name]}_errors", errors, told)
    group.attrs.update(nxdata_attributes(names[name], axes))
    group.attrs["title"] = str(signal.attrs.get("long_name", name))


def _write(h5: H5Backend, group: GROUP, name: str, variable: Any, told: Teller) -> None:
    if variable.dtype.hasobject:  # text of variable length, which other programs write
        variable = variable.astype(np.str_)
    about = {key: variable.attrs[key] for key in ("units", "long_name") if key in variable.attrs}
    about.setdefault("long_name", str(variable.attrs.get("pymodaq_label", name)))
    array = h5.create_carray(
        group,
        name,
        shape=variable.shape,
        dtype=variable.dtype,
        chunks=block_chunks(variable.shape, variable.dtype.itemsize) if variable.size else None,
        metadata=about,
    )
    for box, values in blocks_of(variable, array.chunks):
        array[box] = values
        told.add(values.nbytes)
