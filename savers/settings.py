"""H5SaverBase: a saver told by settings what to write with, where, and under which name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Self

from h5backends.errors import DTypeError, UnsupportedError
from h5backends.nodes import GROUP
from h5backends.types import Capability, GroupType, OpenOptions, SaveType
from savers import layout
from savers.applied import AppliedSettings
from savers.datasets import Datasets
from savers.low_level import H5SaverLowLevel
from savers.options import SaverSettings, SettingsError

__all__ = ["H5SaverBase", "SelectFile"]

SelectFile = Callable[..., str | Path | None]
"""Asks a person for a file: called with ``start_path=``, ``save=`` and ``ext=``, as PyMoDAQ's."""


class H5SaverBase(H5SaverLowLevel):
    """A saver with settings, whose files find their names by themselves.

    :meth:`init_file` begins the next dataset of the day,
    ``base_path/2026/20261125/Dataset_20261125_007.h5``, in which scans are the groups ``Scan000``,
    ``Scan001``, ... Programs that begin a dataset at the same moment never get the same one.
    Settings count from the next file on, or with :meth:`apply_settings` at once.

    Parameters
    ----------
    save_type : SaveType or str, optional
        What files are recorded for, if not what the settings say.
    backend : str, optional
        Name of a driver, if not the one in the settings.
    settings : SaverSettings, or path of a TOML file, optional
        By default those of the environment, see :class:`savers.options.SaverSettings`.
    select_file : callable, optional
        Asks for a file: called with ``start_path=``, ``save=`` and ``ext=``, returns a path or
        None. Needed where the name is to be chosen by hand.

    Attributes
    ----------
    settings : SaverSettings
        May be changed, or replaced, at any time.
    file_loaded : bool
        Whether the file was chosen by :meth:`load_file`.

    Raises
    ------
    SettingsError
        A setting cannot be used.
    UnsupportedError, DriverError
        The driver is not installed, or lacks the compression.

    Examples
    --------
    >>> saver = H5SaverBase(settings=SaverSettings(base_path="data"))
    >>> saver.init_file()
    True
    >>> import re
    >>> bool(re.fullmatch(r"Dataset_\\d{8}_000.h5", saver.h5_file_name))
    True
    >>> saver.close_file()
    """

    settings_name = "h5saver_settings"

    def __init__(
        self,
        save_type: SaveType | str | None = None,
        backend: str | None = None,
        *,
        settings: SaverSettings | str | os.PathLike[str] | None = None,
        select_file: SelectFile | None = None,
    ) -> None:
        if not isinstance(settings, SaverSettings):
            settings = SaverSettings.load(settings)
        elif save_type is not None or backend is not None:
            settings = settings.model_copy(deep=True)  # the program's own stay as they are
        if save_type is not None:
            settings["save_type"] = save_type
        if backend is not None:
            settings["backend", "backend_type"] = backend
        super().__init__(settings.save_type, settings.backend.backend_type)
        self.settings = settings
        self.select_file = select_file
        self._applied = AppliedSettings(self, settings)
        self._location: str | None = None
        self._loading = False
        self.apply_settings()

    def apply_settings(self) -> None:
        """Have settings count that were changed since the last time; files begin with this.

        What a program has set on the saver itself meanwhile stays, unless the setting for the
        same thing was changed. Another backend closes the file that is open.

        Raises
        ------
        UnsupportedError, DriverError
            See the class.
        StorageError, RemoteError
            The file that is open could not be written.
        """
        if self._applied.backend_changed(self.settings):
            self.set_backend(self.settings.backend.backend_type)
            self._location = None
        self._applied.apply(self.settings)

    # -- the file -------------------------------------------------------------------------------
    def init_file(  # type: ignore[override]
        self,
        update_h5: bool = False,
        custom_naming: bool = False,
        addhoc_file_path: str | Path | None = None,
        metadata: Mapping[str, Any] | None = None,
        mode: str = "a",
        *,
        overwrite: bool = False,
        swmr_mode: bool | None = None,
        raw_group_name: str = layout.RAW_GROUP,
        **kwargs: Any,
    ) -> bool:
        """Begin the next file, or go on with the present one.

        Parameters
        ----------
        update_h5 : bool
            Begin a new file. Without that, the file this saver had before is opened again; the
            first time there is none, and a new one is begun.
        custom_naming : bool
            Ask for the name, see `select_file` of the class. If none is chosen, nothing happens.
        addhoc_file_path : str or Path, optional
            This file: opened, or created if there is none; with `update_h5` it must not exist.
        metadata : mapping, optional
            Attributes of the raw group of a new file. Not changed.
        mode : {"a", "r", "r+"}
            How to open a file that exists.
        overwrite : bool
            With `update_h5` and a name of your choice: **replace** a file that is there.
        swmr_mode : bool, optional
            Prepare for readers, if not what the settings say.
        raw_group_name, **kwargs
            See :meth:`savers.low_level.H5SaverLowLevel.init_file`.

        Returns
        -------
        bool
            Whether a new file was made.

        Raises
        ------
        FileOccupiedError
            The name of your choice is taken.
        SettingsError, UnsupportedError
            There is nobody to ask for a name; a setting cannot be used.
        H5Error
            See :meth:`savers.low_level.H5SaverLowLevel.init_file`.
        """
        _require_flag(update_h5)
        self.apply_settings()
        if addhoc_file_path is None and (custom_naming or self._asks(update_h5)):
            addhoc_file_path = self._ask(save=True)
            if addhoc_file_path is None:
                return False
        if swmr_mode is None:
            swmr_mode = self.settings.backend.swmr_options.enable_swmr and mode != "r"
        if update_h5:
            mode = "a" if overwrite else "x"
        extra = {**self._login(), **kwargs}
        open_file: Callable[..., bool] = functools.partial(
            super().init_file,
            raw_group_name=raw_group_name,
            metadata=metadata,
            swmr_mode=swmr_mode,
            **extra,
        )
        place = self._location if addhoc_file_path is None else addhoc_file_path
        if addhoc_file_path is None and (update_h5 or place is None):
            new = self._begin(open_file, extra)
        else:
            assert place is not None
            new = open_file(place, new_file=update_h5 and overwrite, mode=mode)
        same = self.filename == self._location
        self._location = self.filename
        self.file_loaded = self._loading or (self.file_loaded and same and not new)
        self._file_opened(new)
        return new

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        save_type: SaveType | str | None = None,
        new_file: bool = False,
        metadata: Mapping[str, Any] | None = None,
        swmr_mode: bool | None = None,
        mode: str = "a",
        *,
        backend: str | None = None,
        settings: SaverSettings | str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Make a saver and open a file of your choice with it.

        Parameters
        ----------
        path : str or Path
            The file.
        new_file : bool
            Create it, **replacing one that exists**.
        save_type, backend, settings
            See the class.
        metadata, swmr_mode, mode, **kwargs
            See :meth:`init_file`.
        """
        saver = cls(save_type, backend, settings=settings)
        saver.init_file(
            new_file,
            addhoc_file_path=path,
            metadata=metadata,
            mode=mode,
            overwrite=new_file,
            swmr_mode=swmr_mode,
            **kwargs,
        )
        return saver

    def load_file(
        self,
        base_path: str | Path | None = None,
        file_path: str | Path | None = None,
        **kwargs: Any,
    ) -> bool:
        """Open a file that exists, to go on in it.

        Parameters
        ----------
        base_path : str or Path, optional
            Where to begin asking for the file.
        file_path : str or Path, optional
            The file; by default it is asked for, see `select_file` of the class.
        **kwargs
            See :meth:`init_file`; ``mode="r"`` only to read.

        Returns
        -------
        bool
            Whether a file was opened; not so if none was chosen.

        Raises
        ------
        FileMissingError
            There is no such file.
        UnsupportedError
            There is nobody to ask.
        """
        if file_path is None:
            file_path = self._ask(save=False, start=base_path)
        if file_path is None:
            return False
        self._loading = True
        try:
            self.init_file(addhoc_file_path=file_path, **{"mode": "r+", **kwargs})
        finally:
            self._loading = False
        return True

    def _file_opened(self, new: bool) -> None:
        """Called when a file is ready; savers that tell others of it do so here."""

    def _asks(self, update_h5: bool) -> bool:
        return self.settings.custom_name and (update_h5 or self._location is None)

    def _ask(self, save: bool, start: str | Path | None = None) -> str | Path | None:
        if self.select_file is None:
            raise UnsupportedError(
                "there is nobody to ask for the name of a file",
                remedy="Give the saver select_file=, for instance a file dialog; or give the "
                "name in the call.",
            )
        chosen = self.select_file(start_path=start or self._base(), save=save, ext="h5")
        return chosen if chosen and str(chosen) else None

    def _login(self) -> dict[str, Any]:
        """Return what a server needs to know."""
        if not self._remote:
            return {}
        options = self.settings.backend.hsds_options
        found = {
            "endpoint": options.endpoint,
            "username": options.user,
            "password": options.password and options.password.get_secret_value(),
            "bucket": options.bucket,
            "api_key": options.api_key and options.api_key.get_secret_value(),
            "timeout": options.timeout,
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def _remote(self) -> bool:
        return Capability.REMOTE in self._driver.capabilities

    # -- names ----------------------------------------------------------------------------------
    def _datasets(self, options: Mapping[str, Any]) -> Datasets:
        return Datasets(self._driver, OpenOptions(extra=options), self._base())

    def _begin(self, open_file: Callable[..., bool], options: Mapping[str, Any]) -> bool:
        datasets = self._datasets(options)
        if self.save_type is SaveType.scan:
            return datasets.begin(open_file)
        return datasets.begin(open_file, self.settings.base_name)

    def _base(self) -> PurePath:
        """Return the folder that all data go into."""
        given = self.settings.base_path
        if not self._remote:
            return Path(self._driver.normalise(Path.home() / "Data" if given is None else given))
        if given is None:
            user = self.settings.backend.hsds_options.user or os.environ.get("HS_USERNAME")
            if not user:
                raise SettingsError(
                    "the setting 'base_path' is missing",
                    expected="a folder on the server",
                    remedy="Set it, for instance to '/home/me'.",
                )
            given = f"/home/{user}"
        return PurePosixPath(self._driver.normalise(given))

    def update_file_paths(self, update_h5: bool = False) -> tuple[PurePath, str, PurePath]:
        """Return where the present dataset is, or with `update_h5` where the next would be.

        Nothing is made, and somebody else may take that place first.

        Returns
        -------
        scan_path : PurePath
            Folder for files that belong to the dataset but are not in it.
        scan_name : str
            Name of the scan group, see :attr:`current_scan_name`.
        dataset_path : PurePath
            As `scan_path`.
        """
        if not update_h5 and self._location is not None:
            return self.current_scan_path, self.current_scan_name, self.current_scan_path
        path = self._datasets(self._login()).following()
        return path, layout.group_name(GroupType.scan.name, 0), path

    @property
    def current_h5_file(self) -> str:
        """Location of the present file, open or closed; empty before the first."""
        return self._location or ""

    @property
    def current_scan_path(self) -> PurePath:
        """Folder for files that belong to the present file but are not in it: its name without
        the suffix. It is not made."""
        kind = PurePosixPath if self._remote else Path
        return kind(self.current_h5_file).with_suffix("")

    @property
    def current_scan_name(self) -> str:
        """Name of the latest scan group in the file, ``Scan000`` before the first."""
        return layout.group_name(GroupType.scan.name, self.get_scan_index())

    # -- scans ----------------------------------------------------------------------------------
    def get_last_scan(self) -> GROUP | None:
        """Return the latest scan group in the file, None without any."""
        return self.get_last_group(self.raw_group, GroupType.scan)

    def get_scan_groups(self) -> list[GROUP]:
        """Return the scan groups in the file, by their number."""
        return self.get_groups(self.raw_group, GroupType.scan)

    def get_scan_index(self) -> int:
        """Return the number of the latest scan group, 0 without any."""
        last = self.get_last_scan() if self.isopen() else None
        stem = layout.group_stem(GroupType.scan.name)
        return 0 if last is None else layout.number_of(last.name, stem) or 0


def _require_flag(update_h5: object) -> None:
    if not isinstance(update_h5, bool):
        raise DTypeError(
            "the first argument says whether to begin a new file",
            expected="True or False",
            found=repr(update_h5),
            remedy="Give the path of a file as addhoc_file_path=.",
        )
