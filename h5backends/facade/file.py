"""The facade's ground floor: choosing a driver, opening, flushing and closing a file."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

from h5backends import creation
from h5backends.drivers import registry
from h5backends.drivers.base import Driver
from h5backends.errors import FileClosedError, SwmrError
from h5backends.nodes import GROUP
from h5backends.policy import FlushPolicy
from h5backends.session import Session
from h5backends.types import MODES, Capability, Filters, NodeKind, OpenOptions

__all__ = ["FileFacade"]

LAYOUT_VERSION = "1.0"
"""Version of the file layout, see the reference documentation."""
PYMODAQ_DATA_VERSION = "5.3.0"
"""The release of pymodaq_data whose layout is followed."""


class FileFacade:
    """A file of any HDF5 library: its driver, and when it is open."""

    def __init__(self, backend: str = "tables", flush_policy: FlushPolicy | None = None) -> None:
        self._session: Session | None = None
        self._policy = flush_policy
        self._swmr_mode = False
        self._extra: dict[str, Any] = {}
        self._current_group: GROUP | None = None
        self.file_path: Path | str | None = None
        self.compression = Filters()
        self.set_backend(backend)

    def set_backend(self, backend: str) -> None:
        """Switch to another driver; an open file is closed first.

        Parameters
        ----------
        backend : str
            Name of the driver.
        """
        driver = registry.load(backend)
        self.close_file()
        self._driver: type[Driver] = driver
        self.backend = backend

    @property
    def h5_library(self) -> ModuleType:
        """The library underneath, as a module."""
        try:
            return importlib.import_module(self.backend)
        except ImportError:
            return importlib.import_module(self._driver.__module__)

    @property
    def flush_policy(self) -> FlushPolicy:
        """When appended rows are written; may be set at any time."""
        return self._session.policy if self._session else self._policy or FlushPolicy()

    @flush_policy.setter
    def flush_policy(self, policy: FlushPolicy) -> None:
        self._policy = policy
        if self._session is not None:
            self._session.set_policy(policy)

    def open_file(
        self,
        fullpathname: str | Path,
        mode: str = "r",
        title: str = "PyMoDAQ file",
        swmr_mode: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Open or create a file; one that is open is closed first.

        Parameters
        ----------
        fullpathname : str or Path
            Path, or for h5pyd a domain (``/home/me/scan.h5`` or ``hdf5://home/me/scan.h5``).
        mode : {"r", "r+", "a", "w", "x"}
            Read; read and write; the same, created if missing; created anew, **replacing an
            existing file**; created, which must not exist.
        title : str
            Title of a new file.
        swmr_mode : bool
            Writing: prepare for :meth:`enable_swmr`. Reading: follow a file while it is written.
        **kwargs
            For the library underneath, such as ``endpoint=``, ``username=`` and ``password=``.

        Returns
        -------
        object
            The library's own file object.

        Raises
        ------
        FileMissingError, FileOccupiedError, FileFormatError, FileBusyError, FileCrashedError
            The file is not as `mode` needs it. Nothing was changed.
        RemoteError
            The server cannot be reached, or refuses.
        UnsupportedError
            The driver has no SWMR.
        """
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
        self.close_file()
        location = self._driver.normalise(fullpathname)
        options = OpenOptions(title=str(title), swmr=bool(swmr_mode), extra=kwargs)
        if swmr_mode:
            self._require_swmr(mode)
        new = mode in ("w", "x") or (mode == "a" and not self._driver.exists(location, options))
        driver = self._driver.open(location, mode, options)
        self._session = Session(driver, self._policy)
        self._swmr_mode = bool(swmr_mode)
        self._extra = dict(kwargs)
        self.file_path = fullpathname
        if new:
            self._initialise(str(title))
        return driver.native

    def _require_swmr(self, mode: str) -> None:
        wanted = Capability.SWMR_READ if mode == "r" else Capability.SWMR_WRITE
        remote = Capability.REMOTE in self._driver.capabilities and mode == "r"
        if wanted in self._driver.capabilities or remote:
            return  # what a server shows is always up to date
        others = ", ".join(registry.drivers_with(wanted))
        raise SwmrError(
            f"the driver {self.backend!r} has no SWMR mode",
            expected=f"one of: {others}",
            remedy="Take another driver, or leave swmr_mode out.",
        )

    def _initialise(self, title: str) -> None:
        """Give a new file its root attributes."""
        driver = self._open_session().driver
        attrs = {
            "TITLE": title,
            "CLASS": NodeKind.GROUP.value,
            "VERSION": "1.0",
            "PYTABLES_FORMAT_VERSION": "2.1",
            "pymodaq_version": "0.0.0",
            "pymodaq_data_version": PYMODAQ_DATA_VERSION,
            "h5backends_layout": LAYOUT_VERSION,
            "swmr_compatible": Capability.SWMR_WRITE in driver.capabilities,
            "swmr_active": False,
        }
        driver.write_attrs(driver.root(), creation.encoded(attrs))
        self._open_session().flush()

    def close_file(self) -> None:
        """Write everything and close the file; without an open file does nothing.

        Raises
        ------
        StorageError, RemoteError
            Rows could not be written. The file stays open and they stay in memory: free some
            space and close again.
        """
        session = self._session
        if session is not None:
            session.close()
        self._session = None
        self._current_group = None

    def isopen(self) -> bool:
        """Tell whether a file is open."""
        return self._session is not None and self._session.is_open

    def flush(self) -> None:
        """Write everything appended so far; without an open file does nothing.

        When this returns, the data survive the death of this program, and readers see them.
        """
        if self._session is not None:
            self._session.flush()

    @property
    def h5file(self) -> Any:
        """The library's own file object; None without an open file."""
        return self._session.driver.native if self._session else None

    @property
    def filename(self) -> str:
        """Location of the open file."""
        return self._open_session().driver.location

    @property
    def session(self) -> Session:
        """The open file, for layers built on top."""
        return self._open_session()

    def _open_session(self) -> Session:
        if self._session is None:
            raise FileClosedError(
                "no file is open", file=self.file_path, remedy="Call open_file() first."
            )
        self._session.require_alive()
        return self._session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_file()

    def __repr__(self) -> str:
        state = f"file={self.filename!r}" if self.isopen() else "closed"
        return f"H5Backend({self.backend!r}, {state})"
