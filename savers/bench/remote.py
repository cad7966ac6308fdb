"""The row of appending through HSDS."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from h5backends import H5Backend
from savers.bench.figures import Unit, at_least
from savers.bench.harness import Row, RowSkippedError, Setting, Works, require
from savers.bench.harness import clock as seconds_per
from savers.bench.peers import H5PYD

__all__ = ["ROWS"]

_CHUNK = 1 << 16
_LOGIN = ("endpoint", "username", "password")


@dataclass
class _Server:
    """Where to write, and how to log in."""

    home: str
    login: dict[str, Any]

    def new(self) -> str:
        return f"{self.home}h5backends-bench-{uuid.uuid4().hex[:12]}.h5"


def _server(setting: Setting) -> _Server:
    """Return the server of HS_ENDPOINT, or one that is started for the run."""
    if os.environ.get("HS_ENDPOINT"):
        login = {name: os.environ.get(f"HS_{name.upper()}", "") for name in _LOGIN}
        if not all(login.values()):
            raise RowSkippedError("HS_ENDPOINT is set, but not HS_USERNAME and HS_PASSWORD")
        return _Server(f"/home/{login['username']}/", login)
    from h5backends.testing import hsds

    why = hsds.why_unavailable()
    if why is not None:
        raise RowSkippedError(f"no server: {why}; or set HS_ENDPOINT, HS_USERNAME, HS_PASSWORD")
    started = setting.resources.enter_context(hsds.HSDS(settings=hsds.QUICK))
    return _Server(started.home, started.login)


@contextmanager
def _numbers(setting: Setting) -> Iterator[Works]:
    import h5pyd

    server = setting.once("hsds", lambda: _server(setting))
    count, their_count = setting.size(2_000, 100_000), setting.size(20, 200)
    options: dict[str, Any] = {"use_cache": False, **server.login}
    made: list[str] = []

    def new() -> str:
        made.append(server.new())
        return made[-1]

    def ours() -> float:
        with H5Backend("h5pyd") as h5:
            h5.open_file(new(), "w", **server.login)
            array = h5.create_earray("/", "a", "float64")

            def work() -> None:
                for value in range(count):
                    array.append(float(value))
                h5.flush()

            rate = 1 / seconds_per(work, count)
            require(np.array_equal(array[:], np.arange(count, dtype=float)), "rows are torn")
        return rate

    def peer() -> float:
        """One request for the extent and one for the value, as h5pyd has it."""
        with h5pyd.File(new(), "w", **options) as file:
            array = file.create_dataset("a", (0,), "f8", maxshape=(None,), chunks=(_CHUNK,))

            def work() -> None:
                for value in range(their_count):
                    array.resize((value + 1,))
                    array[value] = float(value)

            return 1 / seconds_per(work, their_count)

    def limit() -> float:
        values = np.arange(count, dtype=float)
        with h5pyd.File(new(), "w", **options) as file:
            array = file.create_dataset("a", (count,), "f8", chunks=(min(count, _CHUNK),))

            def work() -> None:
                array[...] = values

            return 1 / seconds_per(work, count)

    try:
        yield Works(ours, peer, limit)
    finally:
        folder = h5pyd.Folder(server.home, mode="a", **server.login)
        for location in made:
            name = location.rsplit("/", 1)[-1]
            if name in folder:
                del folder[name]
        folder.close()


ROWS = (
    Row(
        "append-hsds",
        "append one float64 through HSDS",
        Unit.ROWS_PER_SECOND,
        at_least(20_000),
        _numbers,
        H5PYD,
        "all rows in one request of h5pyd",
        rounds=5,
        note="the peer sends every row as it comes",
    ),
)
