"""The row of appending through HSDS."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from h5backends import H5Backend
from savers.bench.figures import Unit, at_least
from savers.bench.harness import Row, RowSkippedError, Setting, Works, require
from savers.bench.harness import clock as seconds_per
from savers.bench.peers import H5PYD

__all__ = ["ROWS", "Server", "server"]

_CHUNK = 1 << 16
_LOGIN = ("endpoint", "username", "password")


@dataclass
class Server:
    """Where to write, and how to log in."""

    home: str
    login: dict[str, Any]
    _made: list[str] = field(default_factory=list)

    def new(self) -> str:
        """Return a domain that does not exist yet; :meth:`clear` removes it."""
        self._made.append(f"{self.home}h5backends-bench-{uuid.uuid4().hex[:12]}.h5")
        return self._made[-1]

    def clear(self) -> None:
        """Remove the domains that were made."""
        import h5pyd

        folder = h5pyd.Folder(self.home, mode="a", **self.login)
        for location in self._made:
            name = location.rsplit("/", 1)[-1]
            if name in folder:
                del folder[name]
        self._made.clear()
        folder.close()


def server(setting: Setting) -> Server:
    """Return the server of HS_ENDPOINT, or one that is started for the run.

    Raises
    ------
    RowSkippedError
        There is none and none can be started; the message says why.
    """
    return setting.once("hsds", lambda: _find_server(setting))


def _find_server(setting: Setting) -> Server:
    if os.environ.get("HS_ENDPOINT"):
        login = {name: os.environ.get(f"HS_{name.upper()}", "") for name in _LOGIN}
        if not all(login.values()):
            raise RowSkippedError("HS_ENDPOINT is set, but not HS_USERNAME and HS_PASSWORD")
        return Server(f"/home/{login['username']}/", login)
    from h5backends.testing import hsds

    why = hsds.why_unavailable()
    if why is not None:
        raise RowSkippedError(f"no server: {why}; or set HS_ENDPOINT, HS_USERNAME, HS_PASSWORD")
    started = setting.resources.enter_context(hsds.HSDS(settings=hsds.QUICK))
    return Server(started.home, started.login)


@contextmanager
def _numbers(setting: Setting) -> Iterator[Works]:
    import h5pyd

    where = server(setting)
    count, their_count = setting.size(2_000, 100_000), setting.size(20, 200)
    options: dict[str, Any] = {"use_cache": False, **where.login}

    def ours() -> float:
        with H5Backend("h5pyd") as h5:
            h5.open_file(where.new(), "w", **where.login)
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
        with h5pyd.File(where.new(), "w", **options) as file:
            array = file.create_dataset("a", (0,), "f8", maxshape=(None,), chunks=(_CHUNK,))

            def work() -> None:
                for value in range(their_count):
                    array.resize((value + 1,))
                    array[value] = float(value)

            return 1 / seconds_per(work, their_count)

    def limit() -> float:
        values = np.arange(count, dtype=float)
        with h5pyd.File(where.new(), "w", **options) as file:
            array = file.create_dataset("a", (count,), "f8", chunks=(min(count, _CHUNK),))

            def work() -> None:
                array[...] = values

            return 1 / seconds_per(work, count)

    try:
        yield Works(ours, peer, limit)
    finally:
        where.clear()


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
