"""What a scan measures: values by name made into data, the same signals at every point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from h5backends.conform import conform, plain_array
from h5backends.errors import DataError, DTypeError, NodeExistsError, ShapeError
from savers.data import Axis, DataToExport, DataWithAxes
from savers.enums import DataSource, member
from savers.interchange import AxisLike, as_axis, as_data, as_export

__all__ = ["ORIGIN", "SignalKey", "Signals"]

ORIGIN = "scan"
"""Where values come from for which the program names no instrument."""

SignalKey = tuple[str, str]
"""Origin and name."""


@dataclass(slots=True)
class _Facts:
    """What a program said about a signal beforehand."""

    units: str = ""
    origin: str = ORIGIN
    labels: list[str] | None = None
    axes: Sequence[Axis] = ()
    dtype: np.dtype[Any] | None = None
    source: DataSource = DataSource.raw


class Signals:
    """The signals of a scan.

    Attributes
    ----------
    expected : dict of SignalKey to str
        Those of the first point, in its order, with their units; empty before it.
    """

    def __init__(self) -> None:
        self.expected: dict[SignalKey, str] = {}
        self._order: list[SignalKey] = []
        self._facts: dict[str, _Facts] = {}
        self._known: dict[str, _Facts] = {}
        self._begun = False

    def declare(
        self,
        name: str,
        units: str,
        origin: str,
        labels: Sequence[str] | None,
        axes: AxisLike | Iterable[AxisLike],
        dtype: DTypeLike | None,
        source: DataSource | str,
    ) -> None:
        """Take note of what the values of a name mean, see :meth:`savers.scan.Scan.signal`."""
        if self._begun:
            raise NodeExistsError(
                f"the signal {name!r} cannot be described any more: the scan has begun",
                remedy="Describe signals before the first point.",
            )
        for what, text in (("name", name), ("unit", units), ("origin", origin)):
            if not isinstance(text, str):
                raise DTypeError(f"the {what} of a signal is a text", found=repr(text))
        listed: list[Any] = [axes] if hasattr(axes, "get_data") else list(axes)
        self._facts[name] = _Facts(
            units,
            origin or ORIGIN,
            None if labels is None else list(labels),
            [as_axis(axis).copy() for axis in listed],
            None if dtype is None else np.dtype(dtype),
            member(DataSource, source),
        )

    def expect(self, signals: Mapping[SignalKey, str]) -> None:
        """Have the points to come bring these signals, in these units."""
        self.expected = dict(signals)
        self._order = list(signals)

    def begin(self, bundle: DataToExport) -> None:
        """Take note of the first point, which was written."""
        if not self.expected:
            self.expect({(data.origin, data.name): data.units for data in bundle})
        self._begun = True

    def bundle(
        self, given: Sequence[Any], values: Mapping[str, Any], in_full: bool
    ) -> DataToExport:
        """Return what was measured at one point as data, in the order of the first point.

        Parameters
        ----------
        given : sequence of DataWithAxes, DataToExport or mapping
        values : mapping of str to anything
            Values by name.
        in_full : bool
            Whether arrays will be made for them, which takes all that is known about each.

        Raises
        ------
        ShapeError, DTypeError
            There is nothing, or it is not what the first point had.
        """
        made: dict[SignalKey, DataWithAxes] = {}
        for data in self._parts(given):
            _add(made, data)
        for item in (*(g for g in given if isinstance(g, Mapping)), values):
            for name, value in item.items():
                _add(made, self._named(name, value, in_full))
        expected = self.expected
        if not expected:
            if not made:
                raise ShapeError("a point of a scan needs at least one value")
            return DataToExport(ORIGIN, made.values())
        if made.keys() != expected.keys():
            raise self._other(made)
        if list(made) != self._order:
            made = {key: made[key] for key in self._order}
        for key, data in made.items():
            if data.units != expected[key]:
                raise DTypeError(
                    f"the values of {data.name!r} have another unit than those before them",
                    expected=expected[key] or "none",
                    found=data.units or "none",
                )
        return DataToExport(ORIGIN, made.values())

    @staticmethod
    def _parts(given: Sequence[Any]) -> Iterable[DataWithAxes]:
        for item in given:
            if hasattr(item, "nav_indexes"):
                yield as_data(item)
            elif not isinstance(item, Mapping):
                yield from as_export(item)

    def _named(self, name: str, value: Any, in_full: bool) -> DataWithAxes:
        """Return the value of a name as data."""
        facts = self._known.get(name)
        if facts is None or hasattr(value, "nav_indexes"):
            return self._first(name, value)
        units, kind = facts.units, type(value)
        if kind is float and facts.dtype is None:
            value = [np.array((value,))]
        elif kind is np.ndarray and facts.dtype is None:
            value = [value]
        else:
            value, units = self._arrays(name, value, facts)
        if in_full:
            return self._described(name, value, units, facts)
        return DataWithAxes(name, facts.source, data=value, origin=facts.origin, units=units)

    def _first(self, name: str, value: Any) -> DataWithAxes:
        """The same for the first value of a name, or one that is data already."""
        if not isinstance(name, str):
            raise DTypeError("the name of a signal is a text", found=repr(name))
        facts = self._facts.get(name) or _Facts()
        if hasattr(value, "nav_indexes"):
            data = as_data(value).copy()
            data.name = name
            data.origin = data.origin or facts.origin
            return data
        arrays, units = self._arrays(name, value, facts)
        self._known[name] = facts = replace(facts, units=units)
        return self._described(name, arrays, units, facts)

    @staticmethod
    def _described(
        name: str, arrays: list[NDArray[Any]], units: str, facts: _Facts
    ) -> DataWithAxes:
        """Return data with all that is known about them, as the first point needs them."""
        return DataWithAxes(
            name,
            facts.source,
            data=arrays,
            labels=facts.labels,
            origin=facts.origin,
            units=units,
            axes=[axis.copy() for axis in facts.axes],
        )

    @staticmethod
    def _arrays(name: str, value: Any, facts: _Facts) -> tuple[list[NDArray[Any]], str]:
        """Return the arrays that a value is, and its unit."""
        several = isinstance(value, (list, tuple)) and any(map(_is_array, value))
        items = list(value) if several else [value]
        units = facts.units
        arrays = []
        for item in items:
            if item is None:
                raise DTypeError(f"there is no value for {name!r}", found="None")
            if hasattr(item, "magnitude"):
                units, item = str(item.units), item.magnitude  # noqa: PLW2901 - the same value
            try:
                array = plain_array(item)
                if array.dtype.hasobject:
                    raise DTypeError("these are Python objects", expected="numbers")
                if facts.dtype is not None:
                    array = conform(array, facts.dtype)
            except DataError as exc:
                exc.what = f"the value of {name!r} cannot be written: {exc.what}"
                raise
            arrays.append(array if array.ndim else array.reshape(1))
        return arrays, units

    def _other(self, made: Mapping[SignalKey, DataWithAxes]) -> ShapeError:
        missing = [key for key in self.expected if key not in made]
        new = [key for key in made if key not in self.expected]
        found = [f"without {_names(missing)}"] * bool(missing) + [f"with {_names(new)}"] * bool(
            new
        )
        return ShapeError(
            "this point has other signals than the first; nothing of it was written",
            expected=_names(self.expected),
            found=" and ".join(found),
            remedy="Write all signals at every point (NaN where there is no value), and begin "
            "another scan for others.",
        )


def _add(made: dict[SignalKey, DataWithAxes], data: DataWithAxes) -> None:
    key = (data.origin or ORIGIN, data.name)
    if key in made:
        raise ShapeError(
            f"there are two signals of the name {data.name!r} and the origin {key[0]!r}",
            remedy="Give them different names.",
        )
    if not data.origin:
        data = data.copy()
        data.origin = ORIGIN
    made[key] = data


def _is_array(item: Any) -> bool:
    array = getattr(item, "magnitude", item)
    return isinstance(array, np.ndarray) and bool(array.ndim)


def _names(keys: Iterable[SignalKey]) -> str:
    return ", ".join(name if origin == ORIGIN else f"{origin}/{name}" for origin, name in keys)
