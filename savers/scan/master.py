"""The master file: scans whose data are in other files, shown as if they were in this one."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from h5backends import creation
from h5backends.drivers.base import SupportsVirtual
from h5backends.errors import FileBusyError
from h5backends.nodes import CARRAY, EARRAY, GROUP, Node
from h5backends.types import VirtualPart
from savers import layout
from savers.axis import AxisSaverLoader
from savers.enums import DataType
from savers.low_level import H5SaverLowLevel
from savers.management import attribute, child
from savers.scan.axes import ScanAxes
from savers.scan.sign import Sign, set_mark

__all__ = ["Master", "Share"]

_PATIENCE = 5.0
"""Seconds to wait for a system that does not replace files which somebody reads."""

MARK = "is_master"
"""Attribute of the root of a master file."""
FIRST_PART, ROWS = "first_part", "rows_per_part"
"""Attributes of a scan that is cut: number of its first file, and rows in each."""


@dataclass(frozen=True, slots=True)
class Share:
    """The rows of a scan that one file holds.

    Parameters
    ----------
    file : str
        Its name.
    start : int
        The first row.
    length : int or None
        How many; None for all that come.
    """

    file: str
    start: int
    length: int | None


class Master:
    """The master file.

    It is replaced as a whole when something new comes in, so that there is always a complete one.

    Parameters
    ----------
    path : Path
        Where it is, or will be.
    driver : str
        Of the files.
    live : bool
        Whether readers are to follow.
    fill_value : number, optional
        What data read as that are not there yet; NaN by default.
    """

    def __init__(self, path: Path, driver: str, live: bool, fill_value: Any = None) -> None:
        self.path = path
        self._fill = np.nan if fill_value is None else fill_value
        self._driver = driver
        self._live = live
        self._sign = Sign(path)
        self._others: bool | None = None

    def publish(
        self,
        source: GROUP,
        shares: Sequence[Share],
        axes: ScanAxes,
        cut: tuple[int, int | None],
    ) -> None:
        """Show a scan, or more of it.

        Parameters
        ----------
        source : GROUP
            The scan in one of its files, for its structure.
        shares : sequence of Share
            Where its rows are, or will be.
        axes : ScanAxes
            Those of the whole scan.
        cut : (int, int or None)
            Number of the first file, and rows in each; None for a scan that is not cut.

        Raises
        ------
        FileBusyError
            A reader keeps the system from replacing the file; it is as it was.
        StorageError
        """
        fresh = self.path.with_name(f".{self.path.stem}.new{self.path.suffix}")
        fresh.unlink(missing_ok=True)  # of a program that died here
        if self._others is None:
            self._others = self._has_others(source.name)
        if self._others:
            shutil.copyfile(self.path, fresh)
            set_mark(fresh, False)
        with H5SaverLowLevel.from_file(fresh, backend=self._driver) as saver:
            saver.root().attrs.update({"file": self.path.name, MARK: True})
            if child(saver.raw_group, source.name) is not None:
                saver.remove_node(saver.raw_group, source.name)
            _Copy(saver, shares, axes, self._fill).scan(source, *cut)
        if self._live:
            set_mark(fresh, True)
            self._sign.show()
        self._replace_by(fresh)

    def release(self) -> None:
        """Tell followers that nothing more comes."""
        self._sign.take_away()

    def _has_others(self, name: str) -> bool:
        """Tell whether there are other scans; where not, nothing old is carried along."""
        if not self.path.exists():
            return False
        with H5SaverLowLevel.from_file(self.path, mode="r", backend=self._driver) as saver:
            nodes = saver.raw_group.children().items()
            return any(isinstance(node, GROUP) and found != name for found, node in nodes)

    def _replace_by(self, fresh: Path) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                os.replace(fresh, self.path)
                return
            except PermissionError as exc:  # Windows, while a reader has it open
                if time.monotonic() > deadline:
                    raise FileBusyError(
                        "the master file cannot be brought up to date while somebody reads it",
                        file=self.path,
                        remedy=f"The data are complete; {fresh.name} is the new one.",
                    ) from exc
            time.sleep(0.05)


class _Copy:
    """Makes the structure of a scan once more, with virtual arrays in place of its data."""

    def __init__(
        self, saver: H5SaverLowLevel, shares: Sequence[Share], axes: ScanAxes, fill: Any
    ) -> None:
        self._fill = fill
        self._saver = saver
        self._session = saver.session
        self._shares = shares
        self._axes = axes
        # Of a scan that grows, the rows that are there for certain.
        self._rows = axes.shape[0] if axes.shape else sum(s.length or 0 for s in shares)

    def scan(self, source: GROUP, first: int, rows: int | None) -> None:
        """Copy the group of a scan."""
        group = self._group(source, self._saver.raw_group)
        if rows is not None:
            group.attrs.update({FIRST_PART: first, ROWS: rows})
        if not self._axes.grows:
            nav = child(group, layout.NAV_AXES)
            axis_saver = AxisSaverLoader(self._saver)
            for axis in self._axes.axes:
                axis_saver.add_axis(nav or group, axis)

    def _group(self, source: GROUP, parent: GROUP) -> GROUP:
        with self._session.lock:
            attrs = source.session.driver.read_attrs(source.handle)
            handle = self._session.driver.create_group(parent.handle, source.name, attrs)
            self._session.touch()
        group = GROUP(self._session, handle)
        whole = source.name == layout.NAV_AXES and not self._axes.grows
        for node in [] if whole else source.children().values():
            self._child(node, group)
        return group

    def _child(self, node: Node, group: GROUP) -> None:
        if isinstance(node, GROUP):
            self._group(node, group)
        elif isinstance(node, CARRAY):
            grows = isinstance(node, EARRAY)
            if attribute(node, "data_type") == DataType.axis.name and not grows:
                self._saver.copy_node(node, group, node.name)
            else:
                self._virtual(node, group)

    def _virtual(self, node: CARRAY, group: GROUP) -> None:
        source, session = node.session.driver, self._session
        spec = source.spec(node.handle)
        # Times of points and the like have none of their own that is not NaN.
        fill = np.nan if attribute(node, "data_type") is None else self._fill
        spec = replace(
            spec,
            shape=(self._rows, *spec.shape[1:]),
            fill=layout.default_fill(spec.dtype, fill),
        )
        attrs = dict(source.read_attrs(node.handle))
        attrs["shape"] = session.encoded_shape(spec.shape, grows=isinstance(node, EARRAY))
        parts = [VirtualPart(s.file, node.path, s.start, s.length) for s in self._shares]
        creation.check_name(node.name, group.path, session.driver.location)
        with session.lock:
            driver = session.driver
            assert isinstance(driver, SupportsVirtual)
            driver.create_virtual(group.handle, node.name, spec, parts, attrs)
            session.touch()
