"""Who gets in: the one with the token, from this machine, to what was offered."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
import requests

from h5backends import H5Backend
from tests.cli.conftest import Running, posix, run  # noqa: F401 - a fixture
from tests.view.conftest import address_of, until

pytest.importorskip("bokeh", reason="bokeh is not installed")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        h5.create_carray("/", "a", np.arange(3.0))
    return tmp_path / "a.h5"


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=30, allow_redirects=False)


def test_token_and_host(serve: Callable[..., str], path: Path) -> None:
    url = serve(path)
    place = urlsplit(url)
    origin = f"http://{place.netloc}"
    token = place.path.strip("/")
    assert len(token) >= 32
    assert get(url).status_code == 200
    assert get(url, Host=f"localhost:{place.port}").status_code == 200
    for wrong in ("", "/", f"/{token[:-1]}/", f"/{token}x/", "/static/js/bokeh.min.js", "/ws"):
        answer = get(origin + wrong)
        assert answer.status_code == 403, wrong
        assert token not in answer.text
        assert "Refused" in answer.text
    for host in ("evil.example", f"evil.example:{place.port}", "127.0.0.1", ""):
        assert get(url, Host=host).status_code in {400, 403}, host
    assert requests.post(url, timeout=30).status_code >= 400


def test_tokens_are_new_each_time(serve: Callable[..., str], path: Path) -> None:
    assert urlsplit(serve(path)).path != urlsplit(serve(path)).path


def test_live_connection_only_from_the_page_itself(serve: Callable[..., str], path: Path) -> None:
    url = serve(path)
    place = urlsplit(url)
    found = re.search(r'"token":\s*"([^"]+)"', get(url).text)
    assert found

    def connect(origin: str, path: str) -> int:
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Origin": origin,
            "Sec-WebSocket-Key": "c29tZSByYW5kb20gYnl0ZXM=",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": f"bokeh, {found.group(1)}",
        }
        with contextlib.closing(connection):
            connection.request("GET", f"{path}ws", headers=headers)
            return connection.getresponse().status

    own = f"http://{place.netloc}"
    assert connect("http://evil.example", place.path) == 403
    assert connect(own, "/") == 403
    assert connect(own, "/wrong/") == 403
    assert connect(own, place.path) == 101


def test_only_this_machine(start: Callable[..., Running], path: Path) -> None:
    running = start("view", path, "--no-browser")
    port = urlsplit(address_of(running)).port
    listening = [
        connection.laddr
        for connection in psutil.Process(running.process.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", port)]


def test_only_the_folder(serve: Callable[..., str], path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shown"
    folder.mkdir()
    (folder / "a.h5").write_bytes(path.read_bytes())
    url = serve(folder)
    assert "<title>a.h5" in get(url).text
    assert "<title>a.h5" in get(f"{url}?file=a.h5").text
    for name in ("../a.h5", str(path), "none.h5", "%2e%2e/a.h5", "<b>"):
        page = get(f"{url}?file={name}")
        assert "<title>h5backends" in page.text, name
        assert "<b></b>" not in page.text


def test_port_can_be_chosen_and_taken(
    start: Callable[..., Running],
    run: Any,  # noqa: F811
    path: Path,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = start("view", path, "--no-browser", "--port", port)
    assert urlsplit(address_of(running)).port == port
    result = run("view", path, "--no-browser", "--port", port)
    assert result.code == 1
    assert f"port {port} is taken" in result.err
    assert "--port 0" in result.err


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_stops_when_asked(start: Callable[..., Running], path: Path, name: str) -> None:
    import signal

    running = start("view", path, "--no-browser")
    url = address_of(running)
    until(lambda: get(url).status_code == 200, "a page")
    number = getattr(signal, name)
    running.signal(number)
    assert running.finish() == 128 + number
    assert "Traceback" not in running.errors
    with pytest.raises(requests.ConnectionError):
        get(url)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no such file"), (b"", "empty"), (b"text" * 1000, "not an HDF5 file")],
)
def test_bad_file(run: Any, tmp_path: Path, content: bytes | None, says: str) -> None:  # noqa: F811
    if content is not None:
        (tmp_path / "bad.h5").write_bytes(content)
    result = run("view", tmp_path / "bad.h5", "--no-browser")
    assert result.code == 1
    assert says in result.err
    assert "Traceback" not in result.err


def test_arguments(run: Any, path: Path) -> None:  # noqa: F811
    assert run("view", path, "--port", "70000").code == 2
    assert run("view", path, "--backend", "memory").code == 2
    assert run("view", path, "--backend", "nonsense").code == 2
    assert run("view", path, "--endpoint", "http://x", "--backend", "h5py").code == 2


def test_without_bokeh(run: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    import sys

    import savers.view

    monkeypatch.setitem(sys.modules, "bokeh", None)
    for name in [name for name in sys.modules if name.startswith(("savers.view.", "bokeh."))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("ViewServer", "Address"):
        monkeypatch.delitem(savers.view.__dict__, name, raising=False)
    result = run("view", path, "--no-browser")
    assert result.code == 1
    assert "pip install 'h5backends[view]'" in result.err
