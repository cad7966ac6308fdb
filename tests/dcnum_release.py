"""The source archive of dcnum 0.31.0: the peer to compare with, and real measurements.

Its own requirements (numba, OpenCV, ...) are not needed to read measurements, so the package is
imported from the archive. The archive comes from PyPI at run time, and is kept in the folder for
temporary files.
"""

from __future__ import annotations

import getpass
import importlib
import os
import subprocess
import sys
import tarfile
import tempfile
import uuid
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

VERSION = "0.31.0"
_TIME_LIMIT = 240


class NotThereError(Exception):
    """The archive cannot be had."""


def _own_folder() -> Path:
    """Return a folder for temporary files that nobody else can put code into."""
    folder = Path(tempfile.gettempdir()) / f"h5backends-tests-of-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        return Path(tempfile.mkdtemp())
    return folder


def _unpacked() -> Path:
    """Return the folder of the unpacked archive, fetched from PyPI the first time."""
    kept = _own_folder() / f"dcnum-{VERSION}"
    if kept.is_dir():
        return kept
    with tempfile.TemporaryDirectory(dir=kept.parent) as name:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        command += ["--no-binary", ":all:", "-d", name, f"dcnum=={VERSION}"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False
            )
        except subprocess.TimeoutExpired as exc:
            raise NotThereError(f"pip did not fetch it within {_TIME_LIMIT} s") from exc
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise NotThereError(f"pip cannot fetch it: {last[0]}")
        (archive,) = Path(name).glob("*.tar.gz")
        with tarfile.open(archive) as file:
            file.extractall(name, filter="data")
        (folder,) = Path(name).glob("dcnum-*/")
        for zipped in (folder / "tests" / "data").glob("fmt-hdf5_*.zip"):
            with zipfile.ZipFile(zipped) as file:
                file.extractall(folder / "measurements" / zipped.stem)
        fresh = kept.with_name(f"{kept.name}-{uuid.uuid4().hex[:8]}")
        folder.rename(fresh)
    try:
        fresh.rename(kept)  # of several processes that fetch it, the first one wins
    except OSError:
        return fresh if not kept.is_dir() else kept
    return kept


def load() -> Any:
    """Return the peer: its modules ``read`` and ``write``, and paths of ``measurements`` by name.

    Raises
    ------
    NotThereError
        PyPI cannot be reached, or something that the peer imports is missing.
    """
    folder = _unpacked()
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        modules = {n: importlib.import_module(f"dcnum.{n}") for n in ("read", "write")}
        version = importlib.import_module("dcnum").__version__
    except ImportError as exc:
        raise NotThereError(f"dcnum cannot be imported: {exc}") from exc
    if version != VERSION:
        raise NotThereError(f"dcnum {version} is installed, {VERSION} is needed")
    found = {p.parent.name.removeprefix("fmt-hdf5_"): p for p in folder.rglob("*.rtdc")}
    return SimpleNamespace(**modules, measurements=dict(sorted(found.items())))
