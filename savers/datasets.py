"""The next file of the day: whoever creates a name first has it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import PurePath

from h5backends.drivers.base import Driver
from h5backends.errors import FileOccupiedError
from h5backends.types import OpenOptions
from savers import naming

__all__ = ["Datasets"]


class Datasets:
    """The files below a folder, on a disk or a server.

    Parameters
    ----------
    driver : type of Driver
        What writes them.
    how : OpenOptions
        How they are opened.
    base : PurePath
        The folder that all data go into.
    """

    def __init__(self, driver: type[Driver], how: OpenOptions, base: PurePath) -> None:
        self._driver = driver
        self._how = how
        self._base = base

    def begin(self, open_file: Callable[..., bool], base_name: str | None = None) -> bool:
        """Create the next dataset of today.

        Parameters
        ----------
        open_file : callable
            Creates a file, given its location and ``mode="x"``.
        base_name : str, optional
            For files that are no datasets of scans: they are named by this and the clock.

        Returns
        -------
        bool
            What `open_file` returned.
        """
        now = datetime.datetime.now()
        folder = naming.day_folder(self._base, now.date())
        self._driver.make_folder(str(folder), self._how)
        if base_name is None:
            stem = naming.dataset_name(now.date())
            number = self._following_number(folder, stem)
            name = naming.numbered(stem, number)
        else:
            name = stem = naming.timed_name(base_name, now)
            number = 0
        while True:
            try:
                return open_file(str(folder / f"{name}{naming.SUFFIX}"), mode="x")
            except FileOccupiedError:  # somebody was faster
                number += 1
                name = naming.numbered(stem, number)

    def following(self) -> PurePath:
        """Return where the next dataset of today would be, without its suffix."""
        today = datetime.date.today()
        folder = naming.day_folder(self._base, today)
        stem = naming.dataset_name(today)
        return folder / naming.numbered(stem, self._following_number(folder, stem))

    def _following_number(self, folder: PurePath, stem: str) -> int:
        taken = self._driver.folder_names(str(folder), self._how)
        return naming.following_number(taken, stem)
