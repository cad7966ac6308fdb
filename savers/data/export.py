"""DataToExport: data that belong together."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator
from typing import Any, overload

from h5backends.errors import DTypeError
from savers.data.checks import checked_extra, text
from savers.data.with_axes import DataWithAxes
from savers.enums import DataDim, DataSource, member

__all__ = ["DataToExport"]


class DataToExport:
    """Data that belong together: what one point of a scan, or one look at instruments, gave.

    Parameters
    ----------
    name : str
        What it is.
    data : list of DataWithAxes
        The data; those without an origin get the bundle's name for it (as copies that share the
        arrays: what was passed in stays as it was).
    **kwargs
        Extra attributes.

    Raises
    ------
    DTypeError
        Something in the list is not data.
    """

    __slots__ = ("__weakref__", "_data", "_extra", "name", "timestamp")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str, data: Iterable[DataWithAxes] = (), **kwargs: Any) -> None:
        self.timestamp = time.time()
        self.name = name if type(name) is str else text("name of data", name)
        self._extra = checked_extra(DataToExport, kwargs)
        self._data: list[DataWithAxes] = [self._taken(dwa) for dwa in data]

    def _taken(self, dwa: DataWithAxes) -> DataWithAxes:
        if not isinstance(dwa, DataWithAxes):
            raise DTypeError(
                f"what is in the bundle {self.name!r} must be data",
                expected="DataWithAxes",
                found=type(dwa).__name__,
                remedy="Convert it with savers.interchange.as_data().",
            )
        if not dwa.origin:
            dwa = dwa.copy()
            dwa.origin = self.name
        return dwa

    @property
    def data(self) -> list[DataWithAxes]:
        """The data."""
        return self._data

    @data.setter
    def data(self, data: Iterable[DataWithAxes]) -> None:
        self._data = [self._taken(dwa) for dwa in data]

    def append(self, data: DataWithAxes | DataToExport | Iterable[DataWithAxes]) -> None:
        """Add data; those of the same name and origin as before replace them.

        Parameters
        ----------
        data : DataWithAxes, DataToExport or list of DataWithAxes
        """
        for dwa in [data] if isinstance(data, DataWithAxes) else list(data):
            taken = self._taken(dwa)
            key = (taken.name, taken.origin)
            self._data = [d for d in self._data if (d.name, d.origin) != key]
            self._data.append(taken)

    def pop(self, index: int) -> DataWithAxes:
        """Remove and return data by their number."""
        return self._data.pop(index)

    def __len__(self) -> int:
        return len(self._data)

    def __bool__(self) -> bool:
        return True  # an empty bundle is still one

    def __iter__(self) -> Iterator[DataWithAxes]:
        return iter(self._data)

    @overload
    def __getitem__(self, item: int) -> DataWithAxes: ...
    @overload
    def __getitem__(self, item: slice) -> DataToExport: ...
    def __getitem__(self, item: int | slice) -> DataWithAxes | DataToExport:
        if isinstance(item, slice):
            return self._bundle(self._data[item])
        return self._data[item]

    def _bundle(self, data: Iterable[DataWithAxes]) -> DataToExport:
        result = DataToExport(self.name, data)
        result.timestamp = self.timestamp
        return result

    # -- choosing -------------------------------------------------------------------------------
    def get_names(self, dim: DataDim | str | None = None) -> list[str]:
        """Return the names of the data, of one dimensionality if given."""
        return [dwa.name for dwa in self._of_dim(dim)]

    def get_full_names(self, dim: DataDim | str | None = None) -> list[str]:
        """Return origin and name of the data, of one dimensionality if given."""
        return [dwa.get_full_name() for dwa in self._of_dim(dim)]

    def get_origins(self, dim: DataDim | str | None = None) -> list[str]:
        """Return where the data come from, each once, in their order."""
        return list(dict.fromkeys(dwa.origin for dwa in self._of_dim(dim)))

    def _of_dim(self, dim: DataDim | str | None) -> list[DataWithAxes]:
        if dim is None:
            return self._data
        wanted = member(DataDim, dim)
        return [dwa for dwa in self._data if dwa.dim is wanted]

    def get_dim_presents(self) -> list[str]:
        """Return the names of the dimensionalities that occur, lowest first."""
        present = {dwa.dim for dwa in self._data}
        return [dim.name for dim in DataDim if dim in present]

    def get_data_from_dim(self, dim: DataDim | str) -> DataToExport:
        """Return the data of one dimensionality."""
        return self._bundle(self._of_dim(dim))

    def get_data_from_source(self, source: DataSource | str) -> DataToExport:
        """Return the data that were measured, or computed."""
        wanted = member(DataSource, source)
        return self._bundle(dwa for dwa in self._data if dwa.source is wanted)

    def get_data_from_name(self, name: str) -> DataWithAxes | None:
        """Return the first data of a name, None without any."""
        return next((dwa for dwa in self._data if dwa.name == name), None)

    def get_data_from_name_origin(self, name: str, origin: str = "") -> DataWithAxes | None:
        """Return the data of a name and origin, None without any; an empty origin is any."""
        if not origin:
            return self.get_data_from_name(name)
        return next((d for d in self._data if (d.name, d.origin) == (name, origin)), None)

    def get_data_from_full_name(self, full_name: str) -> DataWithAxes | None:
        """Return the data of an origin and name, as in ``camera/image``, None without any."""
        origin, _, name = full_name.partition("/")
        return self.get_data_from_name_origin(name, origin)

    # -- as a whole -----------------------------------------------------------------------------
    @property
    def extra_attributes(self) -> list[str]:
        """The names of the attributes that were given beside the known ones."""
        return list(self._extra)

    def __getattr__(self, name: str) -> Any:
        if name != "_extra":
            try:
                return self._extra[name]
            except (KeyError, AttributeError):
                pass
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def deepcopy(self) -> DataToExport:
        """Return a bundle that shares nothing with this one."""
        return copy.deepcopy(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DataToExport):
            return NotImplemented
        return self.name == other.name and self._data == other._data

    def __repr__(self) -> str:
        inside = "".join(f"\n  {dwa!r}" for dwa in self._data)
        return f"{type(self).__name__}({self.name!r}, {len(self._data)} data){inside}"

    def to_pymodaq(self) -> Any:
        """Return the same as an object of ``pymodaq_data``.

        Raises
        ------
        PackageMissingError
            It is not installed.
        """
        from savers import interchange

        return interchange.export_to_pymodaq(self)

    def to_xarray(self) -> Any:
        """Return an ``xarray.DataTree`` with a dataset for each of the data."""
        from savers import interchange

        return interchange.export_to_xarray(self)

    @classmethod
    def from_xarray(cls, tree: Any, name: str | None = None) -> DataToExport:
        """Make a bundle from an ``xarray.DataTree`` or a mapping of datasets."""
        from savers import interchange

        return interchange.export_from_xarray(tree, name)
