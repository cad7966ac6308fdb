"""The command ``view``: a file in a web browser, live."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import psutil
import typer

from h5backends.errors import FileBusyError
from h5backends.types import Capability
from savers.cli import options
from savers.cli.console import Stop, note, out

__all__ = ["view"]

_NICENESS = 5


def view(
    file: options.File,
    *,
    backend: options.Backend = None,
    endpoint: options.Endpoint = None,
    username: options.Username = None,
    password: options.Password = None,
    port: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=65535, help="Where to serve it; 0 takes any free port."
        ),
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address, open no browser.")
    ] = False,
) -> None:
    """Show a file in a web browser, and what is written to it as it comes.

    FILE may also be a folder: its newest file is shown, others by ?file=NAME in the address.
    The page is served to this computer only, and to those who know its address only. Ctrl-C ends.
    """
    place = options.find_place(file, backend, endpoint, username, password)
    if Capability.PERSISTENT not in place.driver.capabilities:
        raise typer.BadParameter(
            f"the backend {place.backend!r} has no files", param_hint="--backend"
        )
    from savers.view import Address, ViewServer

    location = place.location
    if not place.is_remote and os.path.isdir(location):
        shown = f"the files in {location}"
    else:
        shown = location
        _require_readable(place)
    server = ViewServer(Address(location, place.backend, place.options), port)
    note(f"Showing {shown}; Ctrl-C ends")
    out.print(server.url, soft_wrap=True)
    sys.stdout.flush()
    for name in ("bokeh", "tornado.application", "asyncio", "savers.view"):
        logging.getLogger(name).addHandler(_Errors(logging.ERROR))
    with Stop() as stop, _door(server.url) as door:
        if not no_browser:
            # In a thread: some systems wait for the browser.
            threading.Thread(target=webbrowser.open, args=(door,), daemon=True).start()
        _step_back()
        server.run(lambda: bool(stop))
    raise typer.Exit(stop.exit_code)


class _Errors(logging.Handler):
    """Says in one line what went wrong behind the page."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip() or record.name
        note(f"Error behind the page: {text.splitlines()[0]}")


@contextlib.contextmanager
def _door(url: str) -> Iterator[str]:
    """Give a small file that leads to the page.

    The address itself would be seen by everybody on this computer, among the arguments of the
    browser; only its owner can read the file.
    """
    page = f'<meta charset="utf-8"><meta http-equiv="refresh" content="0;url={url}">'
    with tempfile.TemporaryDirectory(prefix="h5backends-") as folder:
        path = Path(folder, "view.html")
        path.write_text(page, encoding="utf-8")
        yield path.as_uri()


def _require_readable(place: options.Place) -> None:
    """Refuse what cannot be shown, and say so if it cannot be shown yet."""
    try:
        place.open_for_reading().close_file()
    except FileBusyError as exc:
        note(f"{exc.what}: the page shows it once its writer has closed it")


def _step_back() -> None:
    """Leave the processor to the program that measures, where both want it."""
    process = psutil.Process()
    try:
        # On Windows priorities are classes, and the constant exists only there.
        process.nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", process.nice() + _NICENESS))
    except (psutil.Error, OSError):
        return  # not allowed, and not needed either
