"""The paper plan of a beamline that delivers 100 GB/s."""

from __future__ import annotations

from savers.bench.figures import Unit
from savers.bench.machine import Machine
from savers.bench.report import figure, number
from savers.bench.scaling import framed, several
from savers.bench.scaling.constants import Constants, whole
from savers.bench.scaling.law import Scale, size

__all__ = ["TITLE", "steps"]

TITLE = "A beamline of 100 GB/s"

_RATE = 100e9
_FRAME = 4 << 20
"""Bytes, or the closest size that was measured."""
_CORES = 64
"""Of a machine that would be bought; an assumption."""
_LINK = 50e9
"""Bytes a second of its network (400 Gb/s); an assumption."""
_LOAD = 0.5
"""Share of a measured rate that is planned with."""
_MINUTES = 10
"""Of one file."""
_GB = 1e9


def _speed(seconds: float, nbytes: float) -> float:
    """Return gigabytes a second."""
    return nbytes / seconds / _GB


def _counted(programs: float) -> str:
    return "One program reaches" if programs == 1 else f"{programs:g} programs, a file each, reach"


def _up(value: float) -> str:
    return f"{whole(value):,}"


def steps(machine: Machine, constants: Constants) -> list[str]:
    """Derive the plan.

    Raises
    ------
    MissingError
        A constant was not measured.
    """
    rate = _RATE / _GB
    frame, seconds = constants.near("frames", f"{framed.FRAME}, h5py", _FRAME)
    frames = _RATE / frame
    stored, raw, packed, disk = (
        _speed(constants.at("frames", curve, frame), frame)
        for curve in (f"{framed.FRAME}, h5py", framed.RAW, framed.COMPRESSED, framed.DISK)
    )
    ratio = constants.constant("frames", framed.RATIO)
    programs, together = constants.least("writers", several.WRITERS)
    of_machine = _speed(together, several.WRITER_BYTES)
    single = _speed(constants.first("writers", several.WRITERS)[1], several.WRITER_BYTES)
    core = packed / machine.cores
    left = rate / ratio
    bounds = {
        "cores that compress": rate / core / _LOAD / _CORES,
        "network": rate / (_LINK / _GB) / _LOAD,
        "copies of chunks, were it like this machine": left / of_machine / _LOAD,
    }
    machines = max(whole(bound) for bound in bounds.values())
    per_machine = left / machines
    writers = whole(per_machine / (stored * _LOAD))
    files = machines * writers
    of_one = frames / files
    return [
        f"{rate:g} GB/s in frames of {size(frame, Scale.BYTES)} are {number(frames)} frames a "
        "second.",
        f"**A writer.** A frame is stored in {figure(seconds, Unit.SECONDS)}, "
        f"{number(stored)} GB/s (`write_direct_chunk` alone: {number(raw)} GB/s). "
        f"{rate:g} / {number(stored)} = {_up(rate / stored)} programs would do "
        f"nothing else; at {_LOAD:.0%} load {_up(rate / stored / _LOAD)}.",
        f"**A machine.** {_counted(programs)} {number(of_machine)} GB/s "
        f"on {machine.cores} cores, {number(of_machine / single)} times one: this is what a "
        "machine copies into its files, and no number of files changes it. Uncompressed, "
        f"{rate:g} / {number(of_machine)} / {_LOAD:g} = {_up(rate / of_machine / _LOAD)} "
        "such machines.",
        f"**Compression.** bitshuffle-lz4 packs and stores {number(packed)} GB/s on "
        f"{machine.cores} cores, {number(core)} GB/s a core: {rate:g} / {number(core)} / {_LOAD:g}"
        f" = {_up(rate / core / _LOAD)} cores. The frames (photon noise, made up) become "
        f"{number(ratio)} times smaller; {number(left)} GB/s remain.",
        f"**Storage.** The disk here takes {number(disk)} GB/s with `fsync`: "
        f"{_up(rate / disk)} of them for {rate:g} GB/s, {_up(left / disk)} compressed. The "
        f"storage to ask for takes {number(left / _LOAD)} GB/s from {machines} clients.",
        "**Machines.** "
        + "; ".join(f"{what}: {_up(bound)}" for what, bound in bounds.items())
        + f" (assumed: {_CORES} cores and a link of {_LINK / _GB:g} GB/s each, "
        f"{_LOAD:.0%} load). The largest counts: **{machines:,} machines**.",
        f"**Files.** Each machine stores {number(per_machine)} GB/s, which {writers} "
        f"{'program' if writers == 1 else 'programs'} at {_LOAD:.0%} load can: {files:,} files "
        f"are written at once, {number(of_one)} frames a second each. A new one every {_MINUTES} "
        f"minutes (`Rotation`) holds {number(left / files * 60 * _MINUTES)} GB.",
        *_reading(constants, files, of_one),
    ]


def _reading(constants: Constants, files: int, of_one: float) -> list[str]:
    """Derive what comes after the writers."""
    key = constants.last("points", "number, h5py")[1]
    at, delay = constants.near("latency", "median, one reader", of_one)
    many, opened = constants.last("files", several.MASTER)
    own = constants.last("files", several.OWN)[1]
    an_hour = files * 60 // _MINUTES
    mapping = max(0.0, opened - own) / many
    return [
        f"**One array for the users.** A virtual master joins the files: an hour has {an_hour:,}. "
        f"Opening it for one point costs {figure(mapping, Unit.SECONDS)} for each file more, "
        f"{figure(own + an_hour * mapping, Unit.SECONDS)} for the hour: one master an hour, or a "
        "scan, not one a run.",
        f"**Looking on.** A key a frame costs {figure(key, Unit.SECONDS)}, "
        f"{number(100 * key * of_one)} % of a writer's time. At {at:,g} Hz a follower has a "
        f"frame {figure(delay, Unit.SECONDS)} after the append (median); readers need no answer "
        "from writers, and each takes its own share of the file system's reading.",
        "**One file a machine through MPI** instead of one a program saves files, not bytes: "
        "arrays then grow together, so each growth waits for the slowest program. One program a "
        "file has nobody to wait for, which is why it is planned here.",
    ]
