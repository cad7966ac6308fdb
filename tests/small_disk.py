"""A file system of one MiB, and a way to fill it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["Ballast", "CannotMountError", "mounted", "small_disk", "unmount_all"]

_SIZE = 1024 * 1024


class CannotMountError(Exception):
    """No small file system can be had here; the message says why."""


@contextlib.contextmanager
def mounted(place: Path, size: int = _SIZE) -> Iterator[Path]:
    """A file system of so many bytes, at a folder that is made for it.

    Raises
    ------
    CannotMountError
        This system, or this user, cannot.
    """
    if sys.platform != "linux":
        raise CannotMountError("only Linux lets a test mount a small file system")
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CannotMountError("there is no 'mount' here") from None
    if done.returncode:
        raise CannotMountError(f"this user may not mount a file system: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def unmount_all(folder: Path) -> None:
    """Unmount what a program that was killed left mounted in a folder."""
    if sys.platform != "linux":
        return
    inside = os.fsencode(folder.resolve()) + b"/"
    for mount in Path("/proc/self/mounts").read_bytes().splitlines():
        place = mount.split()[1]
        if place.startswith(inside):
            subprocess.run(["umount", "--lazy", os.fsdecode(place)], check=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    try:
        with mounted(tmp_path / "disk") as place:
            yield place
    except CannotMountError as exc:
        pytest.skip(str(exc))


class Ballast:
    """A file that takes the room on the disk, and gives it back."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "ballast"

    def fill(self, leave: int = 0) -> None:
        room = shutil.disk_usage(self._path.parent).free - leave
        with self._path.open("wb") as file:
            file.write(bytes(max(0, room)))

    def drop(self) -> None:
        self._path.unlink()
