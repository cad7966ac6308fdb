"""A real HSDS for tests: one service node and its data nodes, on unix sockets of this machine.

For the tests of every driver that talks to one, and for ``h5backends bench``; it needs the package
``hsds``, which comes with ``h5backends[test]`` and ``h5backends[bench]``.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import psutil

with warnings.catch_warnings():
    # It reads the version of Python's packaging library in a way that is going away.
    warnings.simplefilter("ignore", DeprecationWarning)
    import h5pyd

__all__ = ["HSDS", "QUICK", "h5pyd", "why_unavailable"]

QUICK: Mapping[str, float] = {
    "s3_age_time": 0,
    "s3_sync_interval": 0.05,
    "flush_sleep_interval": 0.05,
}
"""Settings with which closing a file takes 0.1 s, not 2; for tests that are not about storage."""

_BUCKET = "h5backends"
_ATTEMPTS = 3
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_LOG_LEVEL = "ERROR"
_REPLY_SECONDS = 5.0
_MAX_SOCKET_FOLDER = 63  # the service refuses longer ones

# Asks the kernel to interrupt the service when the process that started it dies, then becomes it.
_TETHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, int(signal.SIGINT))
os.execv(sys.argv[1], sys.argv[1:])
"""


def why_unavailable() -> str | None:
    """Return why no HSDS can be started here, or None if one can."""
    if not hasattr(socket, "AF_UNIX"):
        return "Python on this system has no unix sockets, which the test HSDS listens on"
    if not _executable().is_file():
        return (
            f"hsds is not installed next to {Path(sys.executable).name}: pip install hsds==1.0.2"
        )
    return None


class HSDS:
    """One running service; use it as a context manager or call :meth:`stop`.

    Parameters
    ----------
    data_nodes : int
        How many processes hold the data.
    settings : mapping, optional
        Settings of the service's own configuration, as in :data:`QUICK`.

    Attributes
    ----------
    endpoint : str
        What to give to h5pyd as ``endpoint``; the same after :meth:`restart`.
    username, password : str
        An ordinary user, owner of the folder :attr:`home`.
    admin_username, admin_password : str
        The user who may make top-level folders.
    other_username, other_password : str
        A second ordinary user.
    home : str
        The folder of `username`, as in ``/home/tester/``.
    """

    admin_username, admin_password = "admin", "admin-secret"
    username, password = "tester", "tester-secret"
    other_username, other_password = "test_user1", "other-secret"

    def __init__(self, data_nodes: int = 1, settings: Mapping[str, float] | None = None) -> None:
        # Under the system's own short folder: a unix socket's path has room for 100 characters.
        short = "/tmp" if os.path.isdir("/tmp") else None
        self._folder = Path(tempfile.mkdtemp(prefix="h5b-", dir=short))
        self._sockets = self._folder / "s"
        self._root = self._folder / "store"
        self._log = self._folder / "hsds.log"
        self._data_nodes = data_nodes
        self._damaged: set[Path] = set()
        self._process: subprocess.Popen[bytes] | None = None
        # To the kernel the parent is the thread that starts a process: it must live as long.
        self._starter = ThreadPoolExecutor(1, "HSDS starter")
        self.home = f"/home/{self.username}/"
        self.endpoint = "http+unix://" + quote(str(self.socket), safe="")
        if len(str(self._sockets)) >= _MAX_SOCKET_FOLDER:
            raise RuntimeError(f"the folder for sockets has too long a path: {self._sockets}")
        self._sockets.mkdir()
        (self._root / _BUCKET).mkdir(parents=True)
        self._password_file.write_text(
            f"{self.admin_username}:{self.admin_password}\n"
            f"{self.username}:{self.password}\n"
            f"{self.other_username}:{self.other_password}\n",
            encoding="utf-8",
        )
        self._write_configuration(settings or {})
        try:
            self.start()
            self._make_homes()
        except BaseException:
            self.kill()
            self._starter.shutdown()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    # -- its life -------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the service and wait until every node is ready.

        Once more if need be: its launcher gives its nodes ten seconds, which is too short where
        a machine is busy.
        """
        if self._process is not None:
            raise RuntimeError("the service runs already")
        for left in reversed(range(_ATTEMPTS)):
            try:
                self._start()
            except RuntimeError:
                self.kill()
                if not left:
                    raise
            else:
                return

    def _start(self) -> None:
        for stale in self._sockets.glob("*.sock"):
            stale.unlink()  # the service takes a left-over socket for a ready node
        environment = os.environ | {
            "BUCKET_NAME": _BUCKET,
            "SCAN_WAIT_TIME": "1000000000",
            "MAX_TASK_COUNT": "0",
        }
        command = [
            str(_executable()),
            *("--root_dir", str(self._root)),
            *("--socket_dir", str(self._sockets)),
            *("--password_file", str(self._password_file)),
            *("--config_dir", str(self._folder)),
            *("--count", str(self._data_nodes)),
            *("--loglevel", _LOG_LEVEL),
            *("--logfile", str(self._log)),
        ]
        if sys.platform == "linux":
            command = [sys.executable, "-c", _TETHER, *command]
        self._process = self._starter.submit(self._spawn, command, environment).result()
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the service and remove everything."""
        self.kill()  # in good order takes ten seconds, for data that are removed
        self._starter.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def shut_down(self) -> None:
        """Stop the service in good order and keep what it stored, for :meth:`start`.

        Good order is the service's own: it forgets what it acknowledged in the last second or two.
        """
        process, self._process = self._process, None
        if process is None:
            return
        family = _family(process.pid)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)
        _end(family)

    def kill(self) -> None:
        """End the service and its nodes without a word, but keep its store.

        Not in the middle of writing one of its files, which is a matter of luck: for that there
        is :meth:`damage`.
        """
        process, self._process = self._process, None
        if process is None:
            return
        family = _family(process.pid)
        # All stand still before the first dies: none may notice and store something meanwhile.
        deadline = time.monotonic() + _STOP_SECONDS
        _signal(family, psutil.Process.suspend)
        while self._half_written() and time.monotonic() < deadline:
            _signal(family, psutil.Process.resume)
            time.sleep(0.01)
            _signal(family, psutil.Process.suspend)
        _end(family)
        process.wait(_STOP_SECONDS)

    def restart(self) -> None:
        """Stop in good order if it runs, and start again with the same store and endpoint."""
        self.shut_down()
        self.start()

    @property
    def socket(self) -> Path:
        """The unix socket that the service listens on."""
        return self._sockets / "sn_1.sock"

    @property
    def running(self) -> bool:
        """Whether it was started and neither stopped nor killed."""
        return self._process is not None

    # -- what tests need beside -----------------------------------------------------------------
    def _half_written(self) -> bool:
        """Whether a file was opened for writing, which makes it empty, but not written yet."""
        files = (path for path in self._root.rglob("*") if path.is_file())
        return any(path.stat().st_size == 0 for path in files if path not in self._damaged)

    def damage(self, node_id: str, chunk: str) -> Path:
        """Leave a chunk as it is when the service dies while it writes the chunk.

        Parameters
        ----------
        node_id : str
            Id of the dataset.
        chunk : str
            Index of the chunk, as in ``0`` or ``2_0_0``.
        """
        path = self._object_folder(node_id) / chunk
        path.write_bytes(b"")
        self._damaged.add(path)
        return path

    def lose(self, node_id: str) -> None:
        """Remove a group or dataset from the store of a service that does not run."""
        kind = {"g": "group", "d": "dataset"}[node_id[0]]
        (self._object_folder(node_id) / f".{kind}.json").unlink()

    def _object_folder(self, node_id: str) -> Path:
        digits = node_id[2:].replace("-", "")
        root, own = digits[:16], digits[16:]
        folder = self._root / _BUCKET / "db" / f"{root[:8]}-{root[8:]}" / node_id[0]
        return folder / f"{own[:4]}-{own[4:10]}-{own[10:]}"

    @property
    def login(self) -> dict[str, str]:
        """Keyword arguments for h5pyd: endpoint, username and password."""
        return {
            "endpoint": self.endpoint,
            "username": self.username,
            "password": self.password,
        }

    @property
    def other_login(self) -> dict[str, str]:
        """The same for the second user."""
        return {
            "endpoint": self.endpoint,
            "username": self.other_username,
            "password": self.other_password,
        }

    def log_text(self) -> str:
        """Return what the service logged, for the message of a failing test."""
        return (
            self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        )

    def __enter__(self) -> HSDS:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _password_file(self) -> Path:
        return self._folder / "passwd.txt"

    def _spawn(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self._folder,  # the nodes write a log of their own where they start
                start_new_session=True,  # Ctrl-C is for the tests, which then stop the service
            )

    def _write_configuration(self, settings: Mapping[str, float]) -> None:
        # A file of its own: the environment can only give whole numbers for most settings.
        original = resources.files("admin.config").joinpath("config.yml")
        text = original.read_text(encoding="utf-8")
        for name, value in settings.items():
            text, count = re.subn(rf"(?m)^{name}:.*$", f"{name}: {value}", text)
            if count != 1:
                raise ValueError(f"HSDS has no setting {name}")
        (self._folder / "config.yml").write_text(text, encoding="utf-8")

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        names = ["sn_1.sock", *(f"dn_{n + 1}.sock" for n in range(self._data_nodes))]
        deadline = time.monotonic() + _START_SECONDS
        while True:
            states = {name: _state(self._sockets / name) for name in names}
            if all(state == "READY" for state in states.values()):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"HSDS did not start: {states}\n{self.log_text()[-3000:]}")
            time.sleep(0.02)

    def _make_homes(self) -> None:
        admin = {
            "endpoint": self.endpoint,
            "username": self.admin_username,
            "password": self.admin_password,
        }
        h5pyd.Folder("/home/", mode="w", **admin).close()
        for user in (self.username, self.other_username):
            h5pyd.Folder(f"/home/{user}/", mode="w", owner=user, **admin).close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_REPLY_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _state(path: Path) -> str:
    """Ask one node how it is."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/about")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return str(answer.get("state"))
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return f"no answer ({type(exc).__name__})"
    finally:
        connection.close()


def _executable() -> Path:
    name = "hsds.exe" if sys.platform == "win32" else "hsds"
    return Path(sys.executable).with_name(name)


def _family(pid: int) -> list[psutil.Process]:
    """The process and its descendants."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _signal(family: list[psutil.Process], what: Callable[[psutil.Process], None]) -> None:
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            what(member)


def _end(family: list[psutil.Process]) -> None:
    """Kill these processes (those that still run) and wait for their end."""
    for member in _alive(family):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family, timeout=_STOP_SECONDS)


def _alive(family: list[psutil.Process]) -> Iterator[psutil.Process]:
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            if member.is_running() and member.status() != psutil.STATUS_ZOMBIE:
                yield member
