"""The server of the page: on this machine only, for those who know its address only.

The address holds a random token as the first part of its path. Whatever comes without it, under
another host name (as a page elsewhere would that had its name point here) or to the live
connection from another origin, is refused before Bokeh sees it.
"""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Callable
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.models import Div
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.routing import Router
from tornado.web import Application as TornadoApplication
from tornado.web import RequestHandler

from h5backends.errors import FileAccessError, H5Error
from savers.view.model.library import Library
from savers.view.model.source import Address
from savers.view.model.viewer import Viewer
from savers.view.page.page import Page
from savers.view.page.words import paragraph

__all__ = ["LOOPBACK", "ViewServer"]

LOOPBACK = "127.0.0.1"
"""The only address that is listened on."""
_NAMES = (LOOPBACK, "localhost")
_UNUSED = 5_000
"""Milliseconds that a closed window's file stays open."""


class ViewServer:
    """Serves the page of a file, or of the files in a folder.

    Parameters
    ----------
    address : Address
        The file or folder.
    port : int
        Where to listen; 0 for any free port.
    token : str, optional
        What the address of the page holds; by default a new random one.

    Attributes
    ----------
    url : str
        The address of the page, token included.
    port : int
        Where it listens.

    Raises
    ------
    FileAccessError
        The port cannot be listened on.
    """

    def __init__(self, address: Address, port: int = 0, token: str | None = None) -> None:
        self.library = Library(address)
        self.token = token or secrets.token_urlsafe(24)
        try:
            listener = socket.create_server((LOOPBACK, port), backlog=128)
        except PermissionError as exc:
            raise FileAccessError(
                f"port {port} cannot be listened on",
                found=exc,
                remedy="Take another one: --port 0 finds one.",
            ) from exc
        except OSError as exc:
            raise FileAccessError(
                f"port {port} is taken",
                found=exc,
                remedy="Take another one: --port 0 finds one.",
            ) from exc
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}/{self.token}/"
        hosts = [f"{name}:{self.port}" for name in _NAMES]
        self.loop = IOLoop.current()
        self._tornado = BokehTornado(
            {"/": Application(FunctionHandler(self._furnish))},
            prefix=self.token,
            extra_websocket_origins=hosts,
            unused_session_lifetime_milliseconds=_UNUSED,
            check_unused_sessions_milliseconds=_UNUSED,
            include_cookies=[],
            redirect_root=False,
        )
        http = HTTPServer(_Gate(self._tornado, self.token, hosts))
        http.add_sockets([listener])
        self._server = BaseServer(self.loop, self._tornado, http)

    def run(self, ended: Callable[[], bool]) -> None:
        """Serve until asked to end.

        Parameters
        ----------
        ended : callable
            Asked some times a second.
        """
        self._server.start()
        watch = PeriodicCallback(lambda: self.loop.stop() if ended() else None, 100)
        watch.start()
        try:
            self.loop.start()
        finally:
            watch.stop()
            self.close()

    def close(self) -> None:
        """Stop listening, and close all files."""
        self._server.stop(wait=False)
        self.library.close()

    def _furnish(self, doc: Document) -> None:
        """Furnish the page of one browser window."""
        context = doc.session_context
        arguments = context.request.arguments if context and context.request else {}
        asked = arguments.get("file", [b""])[0].decode("utf-8", "replace")
        try:
            address = self.library.find(asked or None)
        except H5Error as exc:
            doc.title = "h5backends"
            doc.add_root(Div(text=f"<b>{paragraph(str(exc))}</b>", name="refused"))
            return
        source = self.library.borrow(address)
        Page(doc, Viewer(source), lambda: self.library.give_back(source))


class _Gate(Router):
    """Lets through what may come in.

    Parameters
    ----------
    inside : BokehTornado
        Where to.
    token : str
        The first part of the path.
    hosts : list of str
        Host names with port under which the page may be asked for.
    """

    def __init__(self, inside: BokehTornado, token: str, hosts: list[str]) -> None:
        self._inside = inside
        self._token = token.encode()
        self._hosts = frozenset(hosts)
        # Browsers ask for an icon by themselves, without the token.
        self._outside = TornadoApplication([(r"/favicon.ico", _Nothing), (r".*", _Refused)])

    def find_handler(
        self, request: HTTPServerRequest, **kwargs: Any
    ) -> HTTPMessageDelegate | None:
        given = (request.path or "").lstrip("/").split("/", 1)[0].encode("utf-8", "replace")
        known = hmac.compare_digest(given, self._token)
        allowed = known and request.headers.get("Host", "").lower() in self._hosts
        router: Router = self._inside if allowed else self._outside
        return router.find_handler(request, **kwargs)


class _Nothing(RequestHandler):
    """The answer to the question for an icon."""

    def get(self) -> None:
        self.set_status(204)


class _Refused(RequestHandler):
    """The answer to everything else."""

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(
            "Refused: this is not the address that 'h5backends view' printed. It holds a token, "
            "which is new at every start.\n"
        )
