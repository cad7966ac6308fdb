"""The events of a measurement: features in the file itself, in its basins, in theirs."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.arrays import Array
from h5backends.errors import MeasurementError, SelectionError
from h5backends.readers.basins import Basin, check_identifier, read_basins, sort_basins
from h5backends.readers.confinement import Confinement
from h5backends.readers.content import reading
from h5backends.readers.mapped import IndexMapping, get_mapped_object, get_mapping_indices
from h5backends.swmr.reader import open_h5_file_for_reading

__all__ = ["Events", "location_of"]

_EVENTS = "events"
_COUNT = "experiment:event count"

Definitions = Callable[[], list[dict[str, Any]]]


def location_of(h5: Any) -> Path | None:
    """Return where an open file is, None if it is in memory."""
    name = os.fsdecode(h5.filename)
    return Path(os.path.abspath(name)) if os.path.isfile(name) else None


class Events:
    """The events of one file, as far as a mapping takes them.

    Parameters
    ----------
    h5 : h5py.File
        The file.
    index_mapping : int, slice, list, ndarray or None
        Which events.
    definitions : callable
        Returns the definitions of basins, in the order in which they are asked.
    confinement : Confinement
        Where basins may be.
    chain : tuple of str
        The files that led here, this one last.
    guarded : bool
        Whether nothing in the file may lead out of the confinement either.
    """

    def __init__(
        self,
        h5: Any,
        index_mapping: IndexMapping | None,
        definitions: Definitions,
        confinement: Confinement,
        chain: tuple[str, ...] = (),
        guarded: bool = False,
    ) -> None:
        self.h5 = h5
        self.index_mapping = index_mapping
        self._definitions = definitions
        self._confinement = confinement
        self._guarded = guarded
        self._location = location_of(h5)
        own = () if self._location is None else (os.path.realpath(self._location),)
        self._chain = chain or own
        self._basins: dict[int, Basin] = {}

    # -- the file itself ------------------------------------------------------------------------
    @cached_property
    def group(self) -> Any:
        """The group of features; None if the file has none."""
        import h5py

        if _EVENTS not in self.h5:
            return None
        if self._guarded:
            self._confinement.check(self.h5, _EVENTS)
        group = self.h5[_EVENTS]
        if not isinstance(group, h5py.Group):
            raise MeasurementError("the events are not a group", file=self.h5.filename)
        return group

    @cached_property
    def own_names(self) -> list[str]:
        """Names of the features in the file itself, sorted."""
        names = [] if self.group is None else sorted(self.group)
        if self._guarded:
            for name in names:
                self._confinement.check(self.group, name)
        return names

    @cached_property
    def count(self) -> int | None:
        """How many events the file has, without the mapping; None if nothing says so."""
        try:
            return int(self.h5.attrs[_COUNT])
        except (KeyError, TypeError, ValueError, OSError):
            pass
        for name in self.own_names:
            shape = getattr(self.group.get(name), "shape", None)
            if shape:
                return int(shape[0])
        return None

    @cached_property
    def rows(self) -> NDArray[Any] | None:
        """Which events the mapping takes; None for all."""
        if self.index_mapping is None:
            return None
        return get_mapping_indices(self.index_mapping, self.count)

    def __len__(self) -> int:
        if self.rows is not None:
            return int(self.rows.size)
        if self.count is not None:
            return self.count
        opened = [self.basin(n) for n in range(len(self._definitions()))]
        return next((len(b.events) for b in opened if b.events is not None), 0)

    def own(self, feature: str) -> Any:
        """Return a feature of the file itself, None if it has none of this name.

        Returns
        -------
        dataset or MappedHDF5Dataset, dict of these for a group, or None
        """
        if self.group is None or feature not in self.own_names:
            return None
        with reading(f"/{_EVENTS}/{feature}"):
            item = self.group[feature]
        return self._mapped(item, self.rows)

    def _mapped(self, item: Any, rows: NDArray[Any] | None) -> Any:
        if hasattr(item, "shape"):
            return get_mapped_object(item, rows)
        members = {}
        for name in item:
            if self._guarded:
                self._confinement.check(item, name)
            with reading(f"{item.name}/{name}"):
                members[str(name)] = item[name]
        if members and all(name.isdecimal() for name in members):  # one for each event
            chosen = range(len(self)) if rows is None else rows.tolist()
            return {str(new): members.get(str(old)) for new, old in enumerate(chosen)}
        return {name: self._mapped(member, rows) for name, member in members.items()}

    # -- with basins ----------------------------------------------------------------------------
    def names(self) -> set[str]:
        """Return the names of all features."""
        found = set(self.own_names)
        for number in range(len(self._definitions())):
            basin = self.basin(number)
            found.update(basin.features)
            if basin.events is not None:
                found.update(filter(basin.offers, basin.events.names()))
        return found

    def find(self, feature: str) -> Any:
        """Return a feature of the file or, without it, the first basin that has it, else None.

        Basins that are named in the file go before basins that these name in turn.
        """
        found = self.own(feature)
        return self._from_basins(feature) if found is None else found

    def _from_basins(self, feature: str) -> Any:
        basins = [self.basin(n) for n in range(len(self._definitions()))]
        for basin in basins:
            if feature in basin.features:
                return self._of_basin(basin, feature)
        for basin in basins:
            if basin.events is not None and basin.offers(feature):
                found = basin.events._from_basins(feature)
                if found is not None:
                    return found
        return None

    def _of_basin(self, basin: Basin, feature: str) -> Any:
        if basin.events is not None:
            return basin.events.own(feature)
        item = basin.group[feature]
        if basin.length is not None and hasattr(item, "shape"):
            self._check_length(item.shape[0], item.name, self.h5.filename)
        rows = self.rows if basin.length is not None else np.asarray(basin.index_mapping)
        return self._mapped(item, rows)

    def basin(self, number: int) -> Basin:
        """Return one basin, opened.

        Parameters
        ----------
        number : int
            Which of the definitions.

        Raises
        ------
        MeasurementError
            It refers to itself in the end, or does not fit.
        BasinIdentifierMismatchError
            Its file holds another measurement.
        FileAccessError
            Its file is where it may not be.
        """
        if number not in self._basins:
            self._basins[number] = self._opened(self._definitions()[number])
        return self._basins[number]

    def basin_of(self, definition: dict[str, Any]) -> Basin:
        """Return a basin by its definition, which need not be one of the file."""
        known = self._definitions()
        if definition in known:
            return self.basin(known.index(definition))
        basin = self._basins[-1 - len(self._basins)] = self._opened(definition)
        return basin

    def _opened(self, definition: dict[str, Any]) -> Basin:
        if definition["type"] == "file":
            return self._open_file(definition)
        return self._open_internal(definition)

    def _open_file(self, definition: dict[str, Any]) -> Basin:
        declared = definition.get("features")
        folder = None if self._location is None else self._location.parent
        path = self._confinement.find(definition["paths"], folder, self.h5.filename)
        if path is None:
            return Basin(declared=declared)
        real = os.path.realpath(path)
        if real in self._chain:
            raise MeasurementError(
                "basins refer to one another in a circle",
                file=self.h5.filename,
                found=" -> ".join([*self._chain, real]),
                remedy="To read the file without its basins: basins=[].",
            )
        index_mapping, length = self._basin_mapping(definition)
        h5, _ = open_h5_file_for_reading(path)
        try:
            check_identifier(definition.get("identifier"), h5, definition.get("name"))
            known: list[list[dict[str, Any]]] = []

            def definitions() -> list[dict[str, Any]]:
                if not known:
                    known.append(sort_basins(read_basins(h5)))
                return known[0]

            events = Events(
                h5, index_mapping, definitions, self._confinement, (*self._chain, real), True
            )
            if length is not None and events.count is not None:
                self._check_length(events.count, None, path)
            names = [n for n in events.own_names if declared is None or n in declared]
            return Basin(events.group, tuple(names), declared, index_mapping, events, length)
        except BaseException:
            h5.close()
            raise

    def _open_internal(self, definition: dict[str, Any]) -> Basin:
        name, declared = definition["paths"][0], definition["features"]
        if name not in self.h5:
            raise MeasurementError(
                "the group of an internal basin is missing", file=self.h5.filename, node=name
            )
        self._confinement.check(self.h5, name)
        group = self.h5[name]
        names = [n for n in declared if n in group]
        for feature in names:
            self._confinement.check(group, feature)
        index_mapping, length = self._basin_mapping(definition)
        return Basin(group, tuple(names), declared, index_mapping, None, length)

    def _basin_mapping(self, definition: dict[str, Any]) -> tuple[Any, int | None]:
        """Return which events of a basin are ours, and how many it must have."""
        feature = definition.get("mapping")
        if feature is None:
            return self.index_mapping, self.count
        found = None if self.group is None else self.group.get(feature)
        if found is None or len(getattr(found, "shape", ())) != 1:
            raise MeasurementError(
                "the mapping of a basin is missing",
                file=self.h5.filename,
                node=f"/{_EVENTS}/{feature}",
            )
        array = Array(found)
        mapping = array.read((slice(0, array.shape[0], 1),))
        if self.rows is None:
            return mapping, None
        if self.rows.size and self.rows.max() >= mapping.size:
            raise SelectionError(
                "the mapping of a basin is shorter than the measurement",
                file=self.h5.filename,
                node=array.name,
                expected=f"event {self.rows.max()}",
                found=f"{mapping.size} events",
            )
        return mapping[self.rows], None

    def _check_length(self, found: int, node: str | None, file: object) -> None:
        if self.count is not None and found != self.count:
            raise MeasurementError(
                "a basin without a mapping has the events of the measurement",
                file=file,
                node=node,
                expected=f"{self.count} events, as {self.h5.filename!r} has",
                found=str(found),
            )

    def close(self) -> None:
        """Close the files of basins."""
        for basin in self._basins.values():
            if basin.events is not None:
                basin.events.close()
                basin.events.h5.close()
        self._basins.clear()
