"""Rebuild the files of a writer as they stood after each single change, and look into them.

The writer runs with every change that it makes to its folder recorded (`recorder.c`, below all
Python and all HDF5). The record is then played back, change by change, and a write of several
pages also in part, as a kill would leave it; after each the data file is read as `repair` would
mend it, and everything that was announced by then has to be in it.

For a power failure, of what was not synchronised with the storage device by then any part may be
missing: some of these parts are chosen at random.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from h5backends import H5Backend
from h5backends.errors import H5Error
from h5backends.overlay import MendedFile
from tests.crash import plan
from tests.crash.writer import Request

__all__ = ["Moments", "can_record", "record", "replay", "replay_power_failures"]

_HEAD = struct.Struct("<cHQQ")
_PAGE = 4096
_SOURCE = Path(__file__).with_name("recorder.c")


class Change(NamedTuple):
    """One change: ``w`` bytes written at a place, ``t`` cut to a length, ``u`` taken away.

    ``s`` stands for "synchronised".
    """

    what: str
    name: str
    place: int
    data: bytes


@dataclass
class Moments:
    """What was found.

    Parameters
    ----------
    tried : int
        Moments that were looked at.
    lost : list of str
        Those in which something flushed was not there.
    torn : list of str
        Those in which something not flushed was there in part.
    """

    tried: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)


def can_record() -> bool:
    """Whether this machine can record what a program writes."""
    return sys.platform == "linux" and shutil.which("cc") is not None


def record(request: Request, folder: Path) -> list[Change]:
    """Run a writer to its end and return the changes that it made to its folder."""
    library, log = folder / "recorder.so", folder / "log"
    work = Path(request.location).parent
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl", "-lpthread"], check=True
    )
    subprocess.run(
        [sys.executable, "-m", "tests.crash.writer", request.text()],
        env={
            **os.environ,
            "LD_PRELOAD": str(library),
            "RECORDER_FOLDER": str(work),
            "RECORDER_LOG": str(log),
        },
        check=True,
    )
    return list(_changes(log.read_bytes()))


def _changes(raw: bytes) -> Iterator[Change]:
    at = 0
    while at < len(raw):
        what, length, place, size = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        name = raw[at : at + length].decode()
        at += length
        data = b"" if what != b"w" else raw[at : at + size]
        at += len(data)
        yield Change(what.decode(), name, place, data)


def replay(request: Request, changes: list[Change], folder: Path) -> Moments:
    """Play the changes back in a new folder, and look at the data file after each."""
    found = Moments()
    name = Path(request.location).name
    announced = -2  # not even made
    for change in changes:
        if change.what == "w" and change.name == Path(request.announce).name:
            announced = int(change.data)
            continue
        if change.what == "s":
            continue
        for part in _parts(change):
            _apply(folder, part)
            if announced < -1 and not _is_built(folder / name):
                continue
            announced = max(announced, -1)
            _look(found, request, folder / name, announced, part)
    return found


def replay_power_failures(
    request: Request, changes: list[Change], folder: Path, count: int, seed: int
) -> Moments:
    """Cut the power `count` times, and look at what the storage device may then hold."""
    chance = random.Random(seed)
    name = Path(request.location).name
    announcement = Path(request.announce).name
    first = next(
        i for i, change in enumerate(changes) if change.name == announcement and change.data
    )
    found = Moments()
    for number, moment in enumerate(sorted(chance.choices(range(first, len(changes)), k=count))):
        place = folder / f"{number}"
        place.mkdir()
        announced = -1
        waiting: list[Change] = []
        for change in changes[: moment + 1]:
            if change.name == announcement:
                announced = int(change.data) if change.data else announced
            elif change.what == "s":
                for past in [past for past in waiting if past.name == change.name]:
                    _apply(place, past)
                waiting = [past for past in waiting if past.name != change.name]
            else:
                waiting.append(change)
        share = chance.random()
        for change in waiting:
            if chance.random() < share:
                _apply(place, change)
        _look(found, request, place / name, announced, changes[moment])
        shutil.rmtree(place)
    return found


def _parts(change: Change) -> Iterator[Change]:
    """A change, and before it what a kill in the middle of it would leave."""
    if change.what == "w":
        # Linux looks for a kill at the edge of each page.
        middle = (len(change.data) // 2 + change.place + _PAGE - 1) // _PAGE * _PAGE
        if change.place < middle < change.place + len(change.data):
            yield change._replace(data=change.data[: middle - change.place])
    yield change


def _apply(folder: Path, change: Change) -> None:
    path = folder / change.name
    if change.what == "u":
        path.unlink(missing_ok=True)
        return
    with open(path, "r+b" if path.exists() else "w+b", buffering=0) as file:
        if change.what == "t":
            file.truncate(change.place)
        else:
            file.seek(change.place)
            file.write(change.data)


def _is_built(path: Path) -> bool:
    """Whether the first flush, which made the arrays, is over: nothing is promised before."""
    try:
        with _opened(path) as h5:
            return all(name in h5.root() for name in plan.STREAMS)
    except (H5Error, OSError, RuntimeError):
        return False


def _opened(path: Path) -> H5Backend:
    """Open as `repair` would leave it, whoever may hold it."""
    import h5py

    from h5backends.drivers.h5py_ import H5pyDriver
    from h5backends.session import Session

    h5 = H5Backend("h5py")
    h5._session = Session(H5pyDriver(h5py.File(MendedFile(path), "r"), str(path), "r"))
    return h5


def _look(found: Moments, request: Request, path: Path, announced: int, change: Change) -> None:
    found.tried += 1
    where = f"after round {announced}, {change.what} {change.name} at {change.place}"
    try:
        with _opened(path) as h5:
            losses = plan.inspect(h5, request.seed, announced, request.plain)
    except (H5Error, OSError, RuntimeError, KeyError, ValueError) as exc:
        found.lost.append(f"{where}: {exc}")
        return
    if losses.lost:
        found.lost.append(f"{where}: {'; '.join(losses.lost)}")
    if losses.torn:
        found.torn.append(f"{where}: {'; '.join(losses.torn)}")
