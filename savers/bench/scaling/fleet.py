"""The paper plan of 10,000 instruments that record through HSDS."""

from __future__ import annotations

from savers.bench.figures import Unit
from savers.bench.machine import Machine
from savers.bench.report import figure, number
from savers.bench.scaling import served
from savers.bench.scaling.constants import Constants, whole

__all__ = ["TITLE", "steps"]

TITLE = "A fleet of 10,000 instruments on HSDS"

_INSTRUMENTS = 10_000
_SIGNALS = 10
_HERTZ = 10
_LOAD = 0.5
"""Share of a measured rate that is planned with."""
_CHUNK = 64 << 10
"""Bytes of a chunk of rows here."""
_DAY = 86_400
_LAW = "hsds-clients"


def steps(machine: Machine, constants: Constants) -> list[str]:
    """Derive the plan.

    Raises
    ------
    MissingError
        A constant was not measured.
    """
    numbers = _INSTRUMENTS * _SIGNALS * _HERTZ
    fixed = constants.first("hsds-requests", served.REQUEST)[1]
    each = max(constants.slope("hsds-requests", served.REQUEST), 1e-12)
    of_clients, singles = constants.most(_LAW, served.SINGLES)
    _, batches = constants.most(_LAW, served.BATCHES)

    def needed(requests: float, rate: float) -> str:
        """Divide a load by what the measured machine bears."""
        cores = requests / rate / _LOAD * machine.cores
        return (
            f"{number(requests)} / {number(rate)} / {_LOAD:g} x {machine.cores} cores = "
            f"**{whole(cores):,} cores**"
        )

    # A request of other sizes, from the one that was measured under load.
    def under_load(count: float) -> float:
        return batches * (fixed + served.BATCH * each) / (fixed + count * each)

    clients = "One client sends" if of_clients == 1 else f"{of_clients:g} clients send"
    minute = 60 * _SIGNALS * _HERTZ
    return [
        f"**Load (assumed).** {_INSTRUMENTS:,} instruments with {_SIGNALS} signals at {_HERTZ} Hz "
        f"are {numbers:,} numbers a second, {numbers * 8 / 1e6:g} MB/s, "
        f"{number(numbers * 8 * _DAY / 1e12)} TB a day.",
        f"**A flush** of one number by one client takes {figure(fixed, Unit.SECONDS)} and "
        f"{figure(each, Unit.SECONDS)} more for each number beyond: "
        f"{number(fixed / each)} numbers cost as much as the request that carries them.",
        f"**What a server bears.** {clients} at best {number(singles)} requests a second with one "
        f"number each, and {number(batches)} with {served.BATCH:,}, together with their server on "
        f"{machine.cores} cores. Planned with {_LOAD:.0%} of it.",
        f"*Every number a request*: {needed(numbers, singles)}. Not to be done.",
        "*An array for each signal, a flush a second*: "
        f"{needed(_INSTRUMENTS * _SIGNALS, singles)}. Still requests, not data, are the load.",
        f"*One array for all signals of an instrument, a flush every 10 s*, {served.BATCH:,} "
        f"numbers each: {needed(_INSTRUMENTS / 10, batches)}.",
        f"*The same, a flush a minute*, {minute:,} numbers each, which take "
        f"{number((fixed + minute * each) / (fixed + served.BATCH * each))} times as long: "
        f"{needed(_INSTRUMENTS / 60, under_load(minute))}. What a crash of an instrument's "
        "program costs is then a minute.",
        *_stored(machine, constants),
    ]


def _stored(machine: Machine, constants: Constants) -> list[str]:
    """Derive what the data nodes and the storage need."""
    one, most = (find("hsds-nodes", served.BATCHES) for find in (constants.first, constants.last))
    row = 8 * _SIGNALS
    rows = _CHUNK // row
    objects = _INSTRUMENTS * _HERTZ * _DAY / rows
    return [
        f"**Data nodes.** From {one[0]:g} to {most[0]:g} data nodes the rate changed by a factor "
        f"of {number(most[1] / one[1])} on {machine.cores} cores, which clients and nodes share. "
        "A node is a process with one thread: one for each core of the step chosen, half of them "
        "service nodes (assumed).",
        f"**Objects.** A chunk of {_CHUNK >> 10} KiB holds {rows} rows of {_SIGNALS} signals, "
        f"{number(rows / _HERTZ)} s: {number(objects / 1e6)} million objects a day. A flush that "
        f"does not fill its chunk has it stored again: at one every 10 s up to "
        f"{number(_INSTRUMENTS / 10 * _CHUNK / 1e6)} MB/s are written for "
        f"{number(_INSTRUMENTS * _HERTZ * row / 1e6)} MB/s of data, at one a minute up to "
        f"{number(_INSTRUMENTS / 60 * _CHUNK / 1e6)} MB/s. Larger chunks make fewer objects and "
        "more of that; compression makes both smaller.",
    ]
