"""The machine's own counters as streams of numbers: something real to record on any computer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

__all__ = ["Counter", "available_counters"]

_FAILURES = (OSError, RuntimeError, AttributeError, ValueError, LookupError, psutil.Error)
"""What psutil raises for a counter that this system does not have, or not in a form it knows."""

_Reading = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Counter:
    """One family of counters, read together.

    Parameters
    ----------
    name : str
        Name of the stream.
    title : str
        What it is, in words.
    units : str
        Unit of all its values.
    labels : tuple of str
        What each value is; fixed from the start.
    source : callable
        Returns the present values by label.
    """

    name: str
    title: str
    units: str
    labels: tuple[str, ...]
    source: Callable[[], _Reading]

    def read(self) -> NDArray[np.float64]:
        """Return the present values.

        Returns
        -------
        ndarray of float64, shape (len(labels),), in `units`
            NaN for what cannot be read now: a sensor or a core may go away at any time.
        """
        try:
            found = self.source()
        except _FAILURES:
            found = {}
        return np.array([found.get(label, np.nan) for label in self.labels], np.float64)


def available_counters() -> list[Counter]:
    """Return the counters that this machine has.

    Returns
    -------
    list of Counter
        Load of each core, memory, bytes read from and written to disks, bytes sent and received
        over networks, frequency of each core and temperatures, as far as the system shows them.
    """
    families = (
        ("cpu_percent", "Load of each core since the last point", "percent", _load),
        ("memory", "Main memory", "byte", _memory),
        ("disk", "Bytes moved by all disks since the start of the system", "byte", _disk),
        ("network", "Bytes moved by all networks since the start of the system", "byte", _network),
        ("cpu_frequency", "Frequency of each core", "MHz", _frequency),
        ("temperature", "Temperatures", "degC", _temperature),
    )
    counters = []
    for name, title, units, source in families:
        try:
            labels = tuple(source())
        except _FAILURES:
            continue
        if labels:
            counters.append(Counter(name, title, units, labels, source))
    return counters


def _load() -> _Reading:
    return {f"cpu{n}": load for n, load in enumerate(psutil.cpu_percent(percpu=True))}


def _memory() -> _Reading:
    memory = psutil.virtual_memory()
    return {"used": memory.used, "available": memory.available}


def _disk() -> _Reading:
    moved = psutil.disk_io_counters()
    return {} if moved is None else {"read": moved.read_bytes, "written": moved.write_bytes}


def _network() -> _Reading:
    moved = psutil.net_io_counters()
    return {} if moved is None else {"sent": moved.bytes_sent, "received": moved.bytes_recv}


def _frequency() -> _Reading:
    return {f"cpu{n}": core.current for n, core in enumerate(psutil.cpu_freq(percpu=True))}


def _temperature() -> _Reading:
    return {
        f"{chip} {sensor.label or n}".strip(): sensor.current
        for chip, sensors in psutil.sensors_temperatures().items()
        for n, sensor in enumerate(sensors)
        if sensor.current is not None
    }
