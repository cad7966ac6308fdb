"""Laws of HSDS: time of a flush by its size, and requests a second by clients and data nodes."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from h5backends import H5Backend
from savers.bench import process, remote
from savers.bench.figures import Unit
from savers.bench.harness import RowSkippedError, Setting, require
from savers.bench.scaling.client_process import FRAME_SHAPE
from savers.bench.scaling.law import Curve, Law, Sample, Scale, sizes

__all__ = ["BATCH", "BATCHES", "FRAMES", "LAWS", "REQUEST", "SINGLES"]

_CLIENT = "savers.bench.scaling.client_process"
_BATCHES = (1, 10, 100, 1_000, 10_000, 100_000)
_CLIENTS = (1, 2, 4, 8)
_NODES = (1, 2, 3, 4)
_CLIENTS_OF_NODES = 4
BATCH = 1_000
"""Numbers in a request of the laws of clients and nodes."""
REQUEST = "append and flush"
_WHOLE = "the same numbers with raw h5pyd"
_EMPTY = "request of h5pyd without data"
SINGLES = "one number a request"
BATCHES = f"{BATCH:,} numbers a request"
FRAMES = f"a frame of {2 * FRAME_SHAPE[0] * FRAME_SHAPE[1] // 1024} KiB a request"


# -- one client, requests of any size -----------------------------------------------------------
def _requests(setting: Setting) -> Generator[Sample]:
    import h5pyd

    server = remote.server(setting)
    times = setting.size(3, 30)
    try:
        with H5Backend("h5pyd") as h5:
            h5.open_file(server.new(), "w", **server.login)
            array = h5.create_earray("/", "a", "float64")
            array.append(0.0)
            h5.flush()
            for batch in sizes(_BATCHES, setting.size(1_000, _BATCHES[-1])):
                yield Sample(REQUEST, batch, _appended(h5, array, batch, times))
        with h5pyd.File(server.new(), "w", use_cache=False, **server.login) as file:
            for batch in sizes(_BATCHES, setting.size(1_000, _BATCHES[-1])):
                raw = file.create_dataset(f"a{batch}", (batch,), "f8", chunks=(batch,))
                write = functools.partial(raw.__setitem__, ..., np.arange(batch, dtype=float))
                yield Sample(_WHOLE, batch, _repeated(write, times))
                yield Sample(_EMPTY, batch, _repeated(raw.refresh, times))
    finally:
        server.clear()


def _appended(h5: H5Backend, array: Any, batch: int, times: int) -> float:
    """Return the seconds of appending so many numbers, up to the flush."""
    seconds, first = 0.0, len(array)
    for turn in range(times):
        values = np.arange(first + turn * batch, first + (turn + 1) * batch, dtype=float).tolist()
        begin = time.perf_counter()
        for value in values:
            array.append(value)
        h5.flush()
        seconds += time.perf_counter() - begin
    require(np.array_equal(array[:], np.arange(len(array), dtype=float)), "rows are torn")
    require(len(array) == first + times * batch, "rows lack")
    return seconds / times


def _repeated(work: Any, times: int) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begin) / times


# -- many clients -------------------------------------------------------------------------------
def _loaded(server: remote.Server, clients: int, x: int, setting: Setting) -> Iterator[Sample]:
    """Have so many programs send requests at once, each into a domain of its own."""
    requests = setting.size(8, 240) // clients
    work = {
        SINGLES: f"numbers {requests} 1",
        BATCHES: f"numbers {requests} {BATCH}",
        FRAMES: f"frames {requests} 1",
        _EMPTY: f"empty {requests} 1",
    }
    locations = [server.new() for _ in range(clients)]
    try:
        with contextlib.ExitStack() as stack:
            running = [stack.enter_context(process.child(_CLIENT)) for _ in locations]
            for client, location in zip(running, locations, strict=True):
                client.tell(json.dumps({"location": location, "login": server.login}))
            for client in running:
                client.hear()
            for curve, line in work.items():
                begin = time.perf_counter()
                for client in running:
                    client.tell(line)
                for client in running:
                    client.hear()
                seconds = time.perf_counter() - begin
                yield Sample(curve, x, clients * requests / seconds)
        for location in locations:
            _check(server, location, requests)
    finally:
        server.clear()


def _check(server: remote.Server, location: str, requests: int) -> None:
    """Read back all that a client has written."""
    with H5Backend("h5pyd") as h5:
        h5.open_file(location, "r", **server.login)
        nodes: list[Any] = [h5.get_node(f"/{name}") for name in ("numbers", "frames")]
        numbers, frames = (node.read() for node in nodes)
    right = np.array_equal(numbers, np.arange(requests * (1 + BATCH)))
    require(right, "numbers of a client lack")
    steps = np.arange(requests).reshape(-1, 1, 1)
    require(len(frames) == requests and (frames == steps).all(), "frames of a client lack")


def _clients(setting: Setting) -> Generator[Sample]:
    server = remote.server(setting)
    for clients in sizes(_CLIENTS, setting.size(2, _CLIENTS[-1])):
        yield from _loaded(server, clients, clients, setting)


# -- many data nodes ----------------------------------------------------------------------------
def _nodes(setting: Setting) -> Generator[Sample]:
    from h5backends.testing import hsds

    why = hsds.why_unavailable()
    if why is not None:
        raise RowSkippedError(f"no server of its own: {why}")
    clients = setting.size(2, _CLIENTS_OF_NODES)
    for nodes in sizes(_NODES, setting.size(2, _NODES[-1])):
        with hsds.HSDS(nodes, hsds.QUICK) as started:
            server = remote.Server(started.home, started.login)
            yield from _loaded(server, clients, nodes, setting)


_RATES = (
    Curve(SINGLES),
    Curve(BATCHES),
    Curve(FRAMES),
    Curve(_EMPTY, limit=True),
)
_RATE = "requests a second, all clients"
LAWS = (
    Law(
        "hsds-requests",
        "Time of a flush to HSDS by the numbers that it sends",
        "numbers since the last flush",
        "time per flush",
        Scale.COUNT,
        Unit.SECONDS,
        (Curve(REQUEST), Curve(_WHOLE, limit=True), Curve(_EMPTY, limit=True)),
        _requests,
        rounds=2,
        budget=40,
    ),
    Law(
        "hsds-clients",
        "Clients of one HSDS",
        "clients, each with a domain of its own",
        _RATE,
        Scale.COUNT,
        Unit.REQUESTS_PER_SECOND,
        _RATES,
        _clients,
        rounds=1,
        budget=90,
    ),
    Law(
        "hsds-nodes",
        f"Data nodes of one HSDS, {_CLIENTS_OF_NODES} clients",
        "data nodes",
        _RATE,
        Scale.COUNT,
        Unit.REQUESTS_PER_SECOND,
        _RATES,
        _nodes,
        rounds=1,
        budget=90,
    ),
)
