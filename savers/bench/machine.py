"""Where and on what machine a comparison ran: without that, its figures say little."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from h5backends import workers

__all__ = ["Machine", "folder"]

_MEMORY = Path("/dev/shm")
_PACKAGES = (
    "h5backends", "numpy", "h5py", "tables", "h5pyd", "hsds", "hdf5plugin", "isal",
    "pymodaq_data", "swmr-tools", "dcnum",
)  # fmt: skip
_ROOM = 4 << 30
"""Bytes that the rows need at most."""


@contextlib.contextmanager
def folder() -> Iterator[tuple[Path, bool]]:
    """Make a folder for the run, in memory where the system has such a place.

    A disk would drown what is compared.

    Yields
    ------
    path : Path
        The folder; it is removed at the end.
    in_memory : bool
        Whether it is in memory.
    """
    in_memory = _has_room_in_memory()
    parent = _MEMORY if in_memory else None
    with tempfile.TemporaryDirectory(
        prefix="h5backends-bench-", dir=parent, ignore_cleanup_errors=True
    ) as name:
        yield Path(name), in_memory


def _has_room_in_memory() -> bool:
    if not (_MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)):
        return False
    return bool(psutil.disk_usage(str(_MEMORY)).free > _ROOM)


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | _hdf5()


def _hdf5() -> dict[str, str]:
    """Return the versions of HDF5 in the libraries."""
    import h5py
    import tables

    return {
        "HDF5 in h5py": h5py.version.hdf5_version,
        "HDF5 in tables": str(tables.hdf5_version),
    }


def _load() -> float:
    return float(psutil.getloadavg()[0])


@dataclass
class Machine:
    """What the machine is, and how busy it was.

    Parameters
    ----------
    in_memory : bool
        Whether files were written into memory.
    """

    in_memory: bool
    system: str = field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    cores: int = field(default_factory=workers.cores)
    memory: int = field(default_factory=lambda: int(psutil.virtual_memory().total))
    """Bytes."""
    load_before: float = field(default_factory=_load)
    """Programs that wanted a processor, over the last minute."""
    load_after: float | None = None
    python: str = field(default_factory=platform.python_version)
    versions: dict[str, str] = field(default_factory=_versions)

    def finish(self) -> None:
        """Note how busy it is at the end."""
        self.load_after = _load()

    @property
    def was_loaded(self) -> bool:
        """Whether more programs wanted a processor than there are, before or after."""
        after = self.load_before if self.load_after is None else self.load_after
        return max(self.load_before, after) > self.cores

    def lines(self) -> list[str]:
        """Describe it in lines of text."""
        after = "" if self.load_after is None else f" before and {self.load_after:.1f} after"
        load = f"load average {self.load_before:.1f}{after}"
        if self.was_loaded:
            load += ": other programs were busy, times are too long and ratios noisy"
        place = "in memory" if self.in_memory else "in the folder for temporary files"
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return [
            f"{self.system}, {self.cores} cores, {self.memory / 2**30:.0f} GiB; files {place}",
            load,
            f"Python {self.python}, {versions}",
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return asdict(self) | {"was_loaded": self.was_loaded}
