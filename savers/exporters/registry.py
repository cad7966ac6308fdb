"""Find export formats by entry point, and load them when they are needed."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from h5backends.errors import H5Error
from savers.enums import UnknownNameError
from savers.exporters.base import Exporter

__all__ = ["GROUP", "ExporterNotInstalledError", "exporter_names", "find", "load", "refresh"]

GROUP = "h5backends.exporters"
"""The entry point group that export formats of other packages register in."""

_OWN = {
    "csv": "savers.exporters.delimited:CsvExporter",
    "hdf5": "savers.exporters.hdf5:Hdf5Exporter",
    "nexus": "savers.exporters.nexus:NexusExporter",
    "npy": "savers.exporters.archive:NpyExporter",
    "npz": "savers.exporters.archive:NpzExporter",
    "text": "savers.exporters.delimited:TextExporter",
    "zarr": "savers.exporters.zarr_:ZarrExporter",
}
"""Those of this package, which need no metadata of an installation to be found."""


class ExporterNotInstalledError(H5Error, ImportError):
    """An export format is registered but does not load."""


@cache
def _entries() -> dict[str, EntryPoint]:
    others = {entry.name: entry for entry in entry_points(group=GROUP)}
    return others | {name: EntryPoint(name, value, GROUP) for name, value in _OWN.items()}


def refresh() -> None:
    """Forget what was found, so that a format installed meanwhile is seen."""
    _entries.cache_clear()
    load.cache_clear()


def exporter_names() -> list[str]:
    """List the names of all registered formats."""
    return sorted(_entries())


@cache
def load(name: str) -> type[Exporter]:
    """Import one format.

    Parameters
    ----------
    name : str
        A name of :func:`exporter_names`.

    Raises
    ------
    UnknownNameError
        No format is registered under this name.
    ExporterNotInstalledError
        It does not load, or is no :class:`~savers.exporters.base.Exporter`.
    """
    entry = _entries().get(name)
    if entry is None:
        raise UnknownNameError(
            f"unknown export format {name!r}", expected=f"one of {', '.join(exporter_names())}"
        )
    try:
        found = entry.load()
    except (ImportError, AttributeError) as exc:
        raise ExporterNotInstalledError(
            f"the export format {name!r} does not load", expected=entry.value, found=str(exc)
        ) from exc
    if not (isinstance(found, type) and issubclass(found, Exporter)):
        raise ExporterNotInstalledError(
            f"the export format {name!r} is no Exporter", expected=entry.value, found=repr(found)
        )
    return found


def find(extension: str, wanted: str | None = None) -> type[Exporter]:
    """Return the format for a file.

    Parameters
    ----------
    extension : str
        Of the file, without the dot.
    wanted : str, optional
        Name or description of the format, also with ``(*.ext)`` behind it as in a file dialog;
        by default the first one for the extension.

    Raises
    ------
    UnknownNameError
        There is none.
    ExporterNotInstalledError
        The one that was named does not load.
    """
    if wanted is not None and wanted in _entries():
        return load(wanted)
    formats, broken = _loadable()
    if wanted is not None:
        description = wanted.split(" (*")[0]
        for kind in formats.values():
            if kind.description == description:
                return kind
    else:
        for kind in formats.values():
            if extension.lower() in (kind.extension, *kind.other_extensions):
                return kind
    known = [f"{name} (.{kind.extension})" for name, kind in formats.items()]
    raise UnknownNameError(
        f"there is no export format {wanted!r}"
        if wanted is not None
        else f"no export format has files of the extension {extension!r}",
        expected=f"one of {', '.join(known)}",
        found=f"formats that do not load: {', '.join(broken)}" if broken else None,
    )


def file_filters() -> str:
    """Return all formats as file dialogs of Qt take them: ``Table (*.csv);;...``."""
    return ";;".join(
        f"{kind.description} (*.{kind.extension})" for kind in _loadable()[0].values()
    )


def _loadable() -> tuple[dict[str, type[Exporter]], list[str]]:
    """Return the formats that load, and the names of those that do not."""
    formats, broken = {}, []
    for name in exporter_names():
        try:
            formats[name] = load(name)
        except ExporterNotInstalledError:
            broken.append(name)
    return formats, broken
