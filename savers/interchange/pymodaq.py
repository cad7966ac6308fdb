"""Our objects as objects of ``pymodaq_data``."""

from __future__ import annotations

from typing import Any

from savers.data import Axis, DataCalculated, DataRaw, DataToExport, DataWithAxes
from savers.interchange.packages import package

__all__ = ["axis_to_pymodaq", "data_to_pymodaq", "export_to_pymodaq"]


def _pymodaq() -> Any:
    return package("pymodaq_data.data", "pymodaq_data")


def axis_to_pymodaq(axis: Axis) -> Any:
    """Return an ``Axis`` of ``pymodaq_data``; it keeps only units that its registry knows.

    Raises
    ------
    PackageMissingError
    """
    given = axis.data
    line = {} if given is not None else {"offset": axis.offset, "scaling": axis.scaling}
    return _pymodaq().Axis(
        label=axis.label,
        units=axis.units,
        data=given,
        index=axis.index,
        size=axis.size,
        spread_order=axis.spread_order,
        **line,
    )


def data_to_pymodaq(data: DataWithAxes) -> Any:
    """Return a ``DataWithAxes`` (``DataRaw``, ``DataCalculated``) of ``pymodaq_data``.

    It shares the arrays, and keeps only units that its registry knows.

    Raises
    ------
    PackageMissingError
    """
    theirs = _pymodaq()
    kinds = {DataRaw: theirs.DataRaw, DataCalculated: theirs.DataCalculated}
    result = kinds.get(type(data), theirs.DataWithAxes)(
        data.name,
        source=data.source.name,
        distribution=data.distribution.name,
        data=list(data.data),
        labels=list(data.labels),
        origin=data.origin,
        units=data.units,
        axes=[axis_to_pymodaq(axis) for axis in data.axes],
        nav_indexes=data.nav_indexes,
        errors=None if data.errors is None else list(data.errors),
        **{name: getattr(data, name) for name in data.extra_attributes},
    )
    result.timestamp = data.timestamp
    return result


def export_to_pymodaq(bundle: DataToExport) -> Any:
    """Return a ``DataToExport`` of ``pymodaq_data``.

    Raises
    ------
    PackageMissingError
    """
    extra = {name: getattr(bundle, name) for name in bundle.extra_attributes}
    result = _pymodaq().DataToExport(
        bundle.name, data=[data_to_pymodaq(dwa) for dwa in bundle], **extra
    )
    result.timestamp = bundle.timestamp
    return result
