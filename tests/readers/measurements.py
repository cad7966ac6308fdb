"""Measurements to read, as instruments and analysis programs write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

COUNT = 11


def content(count: int = COUNT, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Return features of events."""
    generator = np.random.default_rng(seed)
    return {
        "deform": generator.random(count),
        "area_um": generator.random(count) * 100,
        "frame": np.arange(5, 5 + count),
        "time": np.arange(count) / 10,
        "image": generator.integers(0, 255, (count, 8, 12), "u1"),
        "image_bg": generator.integers(0, 255, (count, 8, 12), "u1"),
        "mask": generator.integers(0, 2, (count, 8, 12), "u1") * 255,
    }


def write(
    path: Path, features: dict[str, np.ndarray[Any, Any]] | None = None, **attrs: Any
) -> dict[str, np.ndarray[Any, Any]]:
    """Write a measurement; return its features."""
    features = content() if features is None else features
    with h5py.File(path, "w") as file:
        events = file.create_group("events")
        for name, values in features.items():
            limits = (None, *values.shape[1:])
            stack = {"chunks": (3, *limits[1:]), "compression": "gzip"} if values.ndim == 3 else {}
            events.create_dataset(name, data=values, maxshape=limits, **stack)
        count = next((len(v) for v in features.values()), 0)
        known = {
            "experiment:event count": count,
            "experiment:date": "2026-01-31",
            "experiment:time": "12:30:00",
            "setup:identifier": "test bench",
            "imaging:pixel size": 0.34,
        }
        file.attrs.update(known | {name.replace("__", ":"): v for name, v in attrs.items()})
    return features


def add_basin(
    path: Path,
    *paths: Path | str,
    key: str = "basin",
    mapping: Any = None,
    kind: str = "file",
    **definition: Any,
) -> None:
    """Add the definition of a basin to a measurement."""
    with h5py.File(path, "a") as file:
        basin: dict[str, Any] = {"type": kind, "name": key, "format": "hdf5"}
        basin["paths"] = [str(p) for p in paths]
        if mapping is not None:
            basin["mapping"] = f"basinmap{sum(n.startswith('basinmap') for n in file['events'])}"
            file["events"][basin["mapping"]] = np.asarray(mapping, "u8")
        add_lines(file, f"basins/{key}", json.dumps(basin | definition, indent=2))


def add_lines(file: h5py.File, path: str, text: str) -> None:
    """Add text as a dataset of lines."""
    lines = [line.encode("utf-8", "surrogateescape") for line in text.split("\n")]
    file[path] = np.array(lines, f"S{max(map(len, lines)) or 1}")
