"""Requests to an HSDS: where and as whom, with bounded waits, errors translated in one place.

h5pyd finds endpoint, user and tokens; the requests themselves are made here, because h5pyd sets no
time limit on those that write and lets its HTTP library repeat them, which for an append means
rows stored twice.
"""

from __future__ import annotations

import base64
import contextlib
import json as jsonlib
import os
import re
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import requests_unixsocket
from requests_unixsocket import adapters

from h5backends.errors import (
    FileClosedError,
    H5Error,
    NodeExistsError,
    NodeNotFoundError,
    RemoteAccessError,
    RemoteError,
)

with warnings.catch_warnings():
    # It reads the version of Python's packaging library in a way that is going away.
    warnings.simplefilter("ignore", DeprecationWarning)
    import h5pyd
    from h5pyd._hl.httpconn import HttpConn

__all__ = ["Away", "Connection", "Refused", "h5pyd", "translated"]

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""Longest wait for one answer; a server that is merely busy says so much earlier."""
_UNIX = "http+unix://"
_NUMBERED_NODE = re.compile(r"dn-\d{3}")
_BUSY = frozenset({502, 503, 504})


class Away(Exception):
    """The server did not answer, or said that it cannot now; what became of a request is open."""


class Refused(Exception):
    """The server answered with a failure.

    Parameters
    ----------
    status : int
        The HTTP status.
    reason : str
        What the server said.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status = status

    @property
    def failed(self) -> bool:
        """Whether it is the server that has a problem, not the request."""
        return self.status == 500

    @property
    def missing(self) -> bool:
        """Whether what was asked for does not exist (any more)."""
        return self.status in (404, 410)


@contextlib.contextmanager
def translated(
    file: str,
    endpoint: str,
    node: str | None = None,
    missing: type[H5Error] = NodeNotFoundError,
) -> Iterator[None]:
    """Turn what the server and its libraries report into this package's errors.

    Parameters
    ----------
    file, endpoint, node : str
        What the request is about.
    missing : type
        The error that a status of 404 or 410 stands for.
    """
    try:
        yield
    except H5Error:
        raise
    except Away as exc:
        raise RemoteError(
            f"the HSDS at {endpoint} does not answer",
            file=file,
            node=node,
            found=str(exc),
            remedy="Start the server, or give the right one as endpoint= (or HS_ENDPOINT).",
        ) from exc
    except Refused as exc:
        raise _refusal(exc, file, endpoint, node, missing) from exc
    except (requests.RequestException, OSError, ValueError) as exc:
        # From h5pyd itself: an OSError whose errno is an HTTP status, or a bad endpoint.
        status = getattr(exc, "errno", None)
        if isinstance(status, int) and 400 <= status < 600:
            refused = Refused(status, str(getattr(exc, "strerror", "")))
            raise _refusal(refused, file, endpoint, node, missing) from exc
        raise RemoteError(
            f"cannot talk to the HSDS at {endpoint or '(no endpoint)'}",
            file=file,
            node=node,
            found=str(exc),
            remedy="Give endpoint=, username= and password=, or set HS_ENDPOINT, HS_USERNAME and "
            "HS_PASSWORD, or run hsconfigure.",
        ) from exc


def _refusal(
    exc: Refused, file: str, endpoint: str, node: str | None, missing: type[H5Error]
) -> H5Error:
    if exc.missing:
        return missing("there is no such node on the server", file=file, node=node, found=str(exc))
    if exc.status == 401:
        return RemoteAccessError(
            f"the HSDS at {endpoint} does not accept this user name and password",
            file=file,
            node=node,
            remedy="Give the right username= and password= (or HS_USERNAME and HS_PASSWORD).",
        )
    if exc.status == 403:
        return RemoteAccessError(
            "the server does not permit this user to do that",
            file=file,
            node=node,
            remedy="Ask the owner for it: hsacl FILE +crud USER.",
        )
    if exc.status == 409:
        return NodeExistsError("a node of this name exists already", file=file, node=node)
    if exc.failed:
        return RemoteError(
            f"the HSDS at {endpoint} failed at the request",
            file=file,
            node=node,
            found=str(exc),
            remedy="See its log. A chunk that it was writing when it was killed is an empty file "
            "in its store, and can only be removed there.",
        )
    return RemoteError(
        f"the HSDS at {endpoint} refused the request", file=file, node=node, found=str(exc)
    )


class Connection:
    """One user's way to one domain of one server.

    Not for several threads at a time.

    Parameters
    ----------
    domain : str
        Absolute path of the domain.
    extra : mapping
        ``endpoint``, ``username``, ``password``, ``bucket``, ``api_key``; what is absent comes
        from h5pyd's environment variables and configuration file.
    """

    def __init__(self, domain: str, extra: Mapping[str, Any]) -> None:
        self.login = login = _login(extra)
        """What was found for each of these; None for what was not."""
        self._login = HttpConn(domain, use_cache=False, **login)
        self._common = {"domain": domain}
        if login["bucket"]:
            self._common["bucket"] = login["bucket"]
        self.domain = domain
        self.endpoint = str(self._login.endpoint)
        self._pid = os.getpid()
        self._session: requests.Session | None = None
        self.last_answer = float("-inf")
        """When the server last answered, in the time of ``time.monotonic``."""

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask for a JSON document."""
        return _document(self.send("GET", path, params))

    def get_bytes(self, path: str, params: Mapping[str, Any] | None = None) -> bytes:
        """Ask for the binary form of something."""
        return self.send("GET", path, params, accept="application/octet-stream").content

    def post(
        self, path: str, document: Any, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send a document and return the one that comes back."""
        return _document(self.send("POST", path, params, document=document))

    def put(self, path: str, document: Any, params: Mapping[str, Any] | None = None) -> None:
        """Send a document to be stored."""
        self.send("PUT", path, params, document=document)

    def put_bytes(self, path: str, data: Any, params: Mapping[str, Any] | None = None) -> None:
        """Send binary data to be stored."""
        self.send("PUT", path, params, data=data, kind="application/octet-stream")

    def delete(self, path: str, params: Mapping[str, Any] | None = None) -> None:
        """Ask for something to be removed."""
        self.send("DELETE", path, params)

    def append(self, array: str, count: int, data: Any) -> None:
        """Have the server append rows to a dataset.

        The rows go as text inside a document: HSDS reads a document to its end before it extends
        the dataset, but extends it before it reads binary data, so that readers would see fill
        values until those have arrived, and for ever if this process dies meanwhile.

        Parameters
        ----------
        array : str
            Id of the dataset.
        count : int
            Number of rows.
        data : bytes-like
            The rows, C-contiguous.
        """
        text = base64.b64encode(data)
        body = b'{"append":%d,"value_base64":"%s"}' % (count, text)
        self.send("PUT", f"/datasets/{array}/value", data=body)

    def extend(self, array: str, count: int) -> int:
        """Have the server make a dataset longer, and return its length before.

        Parameters
        ----------
        array : str
            Id of the dataset.
        count : int
            Number of rows; two programs that ask at the same time get different ones.
        """
        answer = self.send("PUT", f"/datasets/{array}/shape", document={"extend": count})
        chosen = str(_document(answer)["selection"])  # as in "[10:20,:]"
        return int(chosen.strip("[]").partition(":")[0])

    def flush(self) -> tuple[str, ...]:
        """Wait until the server has stored what it was told before; about two seconds.

        HSDS counts an object that was changed again meanwhile as stored, though it is not: only
        what rests during the whole call is.

        Returns
        -------
        tuple of str
            The nodes that did.
        """
        answer = self.send("PUT", "/", document={"flush": 1, "getdnids": 1})
        nodes = _document(answer).get("dn_ids", ()) if answer.content else ()
        return tuple(sorted(str(node) for node in nodes))

    def epoch(self) -> tuple[tuple[str, ...], Any]:
        """Return what changes when the server's memory was lost.

        Returns
        -------
        nodes : tuple of str
            The nodes that hold data.
        start : object
            When the service was started; None if the names of the nodes tell it.
        """
        about = self.about()
        if about.get("state") != "READY":
            raise Away(f"its state is {about.get('state')}")
        nodes = tuple(sorted(str(node) for node in about.get("dn_ids", ())))
        numbered = all(_NUMBERED_NODE.fullmatch(node) for node in nodes)
        return nodes, about.get("start_time") if numbered else None

    def about(self) -> dict[str, Any]:
        """Return what the server tells of itself and of this user."""
        return self.get("/about")

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        document: Any = None,
        data: Any = None,
        kind: str = "application/json",
        accept: str = "application/json",
    ) -> requests.Response:
        """Make one request, once.

        Raises
        ------
        Away
            No answer, or "not now".
        Refused
            Any other status than success.
        """
        if os.getpid() != self._pid:
            raise FileClosedError("the connection belongs to the parent process", file=self.domain)
        if document is not None:
            data = jsonlib.dumps(document).encode()
        headers = self._login.getHeaders(headers={"Accept": accept})
        if data is not None:
            headers["Content-Type"] = kind
        try:
            answer = self._opened().request(
                method,
                self.endpoint + path,
                params=self._common | dict(params or {}),
                data=data,
                headers=headers,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                verify=self._login.verifyCert(),
            )
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as exc:
            self.close()  # whatever is left of the connection may hold half an answer
            raise Away(_cause(exc)) from exc
        if answer.status_code in _BUSY:
            raise Away(f"{answer.status_code} {answer.reason}")
        self.last_answer = time.monotonic()
        if answer.status_code >= 400:
            raise Refused(answer.status_code, str(answer.reason))
        return answer

    def _opened(self) -> requests.Session:
        if self._session is None:
            self._session = requests.Session()
            if self.endpoint.startswith(_UNIX):
                self._session = requests_unixsocket.Session()
                self._session.mount(_UNIX, _UnixAdapter())
        return self._session

    def close(self) -> None:
        """Let go of the connection; the next request makes a new one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


class _UnixConnection(adapters.UnixHTTPConnection):  # type: ignore[misc]
    def connect(self) -> None:
        # The original leaves the socket open if nobody listens.
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.settimeout(CONNECT_SECONDS)
            line.connect(unquote(urlsplit(self.unix_socket_url).netloc))
        except OSError:
            line.close()
            raise
        self.sock = line


class _UnixPool(adapters.UnixHTTPConnectionPool):  # type: ignore[misc]
    def _new_conn(self) -> _UnixConnection:
        return _UnixConnection(self.socket_path, self.timeout)


class _UnixAdapter(adapters.UnixAdapter):  # type: ignore[misc]
    """Keeps one connection to a socket, where the original makes one for each URL."""

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        with self.pools.lock:
            pool = self.pools.get(_UNIX)
            if pool is None:
                pool = self.pools[_UNIX] = _UnixPool(url, self.timeout)
        return pool


def _login(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Complete what was given by the environment and h5pyd's configuration file."""
    config = h5pyd.get_config()
    login: dict[str, Any] = {}
    for name in ("endpoint", "username", "password", "bucket", "api_key"):
        value = extra.get(name) or os.environ.get(f"HS_{name.upper()}") or config[f"hs_{name}"]
        login[name] = value or None
    endpoint = login["endpoint"]
    if isinstance(endpoint, str):
        login["endpoint"] = endpoint.rstrip("/")
    return login


def _document(answer: requests.Response) -> dict[str, Any]:
    # Not answer.json(): where simplejson is installed, requests takes that, which refuses NaN.
    document: dict[str, Any] = jsonlib.loads(answer.content)
    return document


def _cause(exc: BaseException) -> str:
    """Return the innermost message of a chain of errors, where the real reason stands."""
    while exc.__cause__ is not None or exc.__context__ is not None:
        exc = exc.__cause__ or exc.__context__  # type: ignore[assignment]
    return f"{type(exc).__name__}: {exc}"
