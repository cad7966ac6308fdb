"""Arguments that several commands share: which file, through which driver, as which user."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from h5backends.backend import H5Backend
from h5backends.drivers import registry
from h5backends.drivers.base import Driver
from h5backends.errors import FileFormatError, FileMissingError, FileOccupiedError, H5Error
from h5backends.nodes import GROUP
from h5backends.types import Capability, OpenOptions
from savers import layout
from savers.lookup import is_live
from savers.low_level import H5SaverLowLevel

if TYPE_CHECKING:
    from savers.browser import H5BrowserUtil

__all__ = [
    "Backend",
    "Endpoint",
    "File",
    "Node",
    "Password",
    "Place",
    "Username",
    "find_place",
    "named_here",
]

_H5 = TypeVar("_H5", bound=H5Backend)

LOCAL_DEFAULT = "h5py"
"""Writes for live readers, and reads the files of every other local driver."""
REMOTE_DEFAULT = "h5pyd"

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A path, or on a server a domain such as hdf5://home/me/run.h5.",
        show_default=False,
    ),
]


def _node_paths(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the path of a node of a local file, in the shell."""
    file = ctx.params.get("file")
    if not file or file.startswith("hdf5://"):
        return []  # a shell must not wait for a server
    above, _, begun = incomplete.rpartition("/")
    with (
        contextlib.suppress(H5Error, OSError),
        Place(file, LOCAL_DEFAULT).open_for_reading() as h5,
    ):
        group = h5.get_node(above or "/")
        names = group.children_name() if isinstance(group, GROUP) else []
        lead = "" if begun and begun == incomplete else f"{above}/"
        found = [lead + name for name in names if name.startswith(begun)]
        only = h5.get_node(found[0]) if len(found) == 1 else None
        if isinstance(only, GROUP):  # go on below it, or the next Tab would find nothing new
            found += [f"{found[0]}/{name}" for name in only.children_name()]
        return found
    return []


Node = Annotated[
    str,
    typer.Argument(
        metavar="NODE",
        help="Path of a group or array in it.",
        show_default=False,
        autocompletion=_node_paths,
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The driver, see 'h5backends drivers'.  [default: h5py, for a server h5pyd]",
        show_default=False,
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The HSDS server; without it HS_ENDPOINT and h5pyd's own configuration count.",
        show_default=False,
    ),
]
Username = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="For the server; or HS_USERNAME.", show_default=False),
]
Password = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="For the server; better HS_PASSWORD, which other users cannot see.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and how to get to it.

    Parameters
    ----------
    file : str
        As it was given.
    backend : str
        Name of the driver.
    options : dict
        What the driver needs beside the location.
    """

    file: str
    backend: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def driver(self) -> type[Driver]:
        """The driver's class."""
        return registry.load(self.backend)

    @property
    def location(self) -> str:
        """Absolute path, or domain, of the file there is.

        With ``.h5`` behind the name if it is only there so; as it was given if there is none.
        """
        given = self.driver.normalise(self.file)
        if self._exists(given):
            return given
        named = layout.file_name(given)
        return named if named != given and self._exists(named) else given

    def new_location(self) -> str:
        """Return where a new file goes: a name that does not say so gets ``.h5`` behind it.

        Raises
        ------
        FileFormatError
            There is a folder of this name.
        """
        given = self.driver.normalise(self.file)
        if not self.is_remote and os.path.isdir(given):
            raise FileFormatError("a directory, not a file", file=given)
        return given if self._exists(given) else layout.file_name(given)

    @property
    def exists(self) -> bool:
        """Whether there is a file where a new one would go."""
        return self._exists(self.new_location())

    def _exists(self, location: str) -> bool:
        return self.driver.exists(location, OpenOptions(extra=self.options))

    @property
    def is_remote(self) -> bool:
        """Whether it is on a server."""
        return Capability.REMOTE in self.driver.capabilities

    def command(self, name: str) -> str:
        """Return the line that runs a command on this file; a password does not belong in it."""
        line = f"h5backends {name} {shlex.quote(self.file)}"
        shown = [key for key in ("endpoint", "username") if key in self.options]
        return " ".join([line, *(f"--{key} {self.options[key]}" for key in shown)])

    def open_for_reading(self) -> H5Backend:
        """Open the file for reading, also while a SWMR writer has it or after one crashed."""
        return self._opened(H5Backend(self.backend))

    def open_saver(self) -> H5SaverLowLevel:
        """Open it as :meth:`open_for_reading`, for what needs to know the layout."""
        return self._opened(H5SaverLowLevel(backend=self.backend))

    def open_browser(self) -> H5BrowserUtil:
        """Open it as :meth:`open_for_reading`, for exports."""
        from savers.browser import H5BrowserUtil

        return self._opened(H5BrowserUtil(backend=self.backend))

    def _opened(self, h5: _H5) -> _H5:
        location = self.location
        swmr = is_live(self.driver, location)
        try:
            h5.open_file(location, "r", swmr_mode=swmr, **self.options)
        except (FileMissingError, FileFormatError) as exc:
            exc.remedy = None  # it tells programs of modes that these commands do not have
            raise
        return h5


def find_place(
    file: str,
    backend: str | None,
    endpoint: str | None,
    username: str | None,
    password: str | None,
) -> Place:
    """Make sense of the common arguments.

    Raises
    ------
    typer.BadParameter
        They contradict each other.
    UnknownDriverError, DriverNotInstalledError
        There is no such driver, or its library is missing.
    """
    if not file.strip():
        raise typer.BadParameter("the name of the file is empty", param_hint="FILE")
    if backend is None:
        remote = endpoint is not None or file.startswith("hdf5://")
        backend = REMOTE_DEFAULT if remote else LOCAL_DEFAULT
    given = {"endpoint": endpoint, "username": username, "password": password}
    options = {name: value for name, value in given.items() if value is not None}
    place = Place(file, backend, options)
    if options and not place.is_remote:
        raise typer.BadParameter(
            f"the backend {backend!r} writes local files and has no server to log in to",
            param_hint=f"--{next(iter(options))}",
        )
    return place


@contextlib.contextmanager
def named_here() -> Iterator[None]:
    """Let an error that a file is in the way name the option of the command line."""
    try:
        yield
    except FileOccupiedError as exc:
        if exc.file is None or not os.path.isdir(exc.file):
            exc.remedy = "Choose another name, or replace the file with --overwrite."
        raise
