"""A small scan of two signals, as any measurement program would record it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from savers import Axis, DataRaw, DataToExport, DataToExportExtendedSaver

SCAN = "/RawData/Scan000"
POWER = f"{SCAN}/Data0D/CH00/Data00"
SPECTRUM = f"{SCAN}/Data1D/CH00/Data00"
ENERGY = np.linspace(1.5, 1.6, 40)


def spectrum(number: int) -> np.ndarray:
    """Return the spectrum at a point."""
    return np.exp(-(((ENERGY - 1.55) / 0.01) ** 2)) * number


def write_scan(path: Path, points: int = 6, backend: str = "h5py") -> Path:
    """Write a scan over a delay: a power with error bars, and a spectrum."""
    with DataToExportExtendedSaver(path, (points,), new_file=True, backend=backend) as saver:
        scan = saver.add_scan_group(title="delay scan")
        delay = Axis("delay", "fs", offset=0.0, scaling=5.0, size=points)
        saver.add_nav_axes(scan, [delay])
        energy = Axis("energy", "eV", ENERGY)
        for n in range(points):
            power = DataRaw("power", units="W", data=[np.array([n / 4])], errors=[np.array([0.1])])
            line = DataRaw("spectrum", units="V", data=[spectrum(n)], axes=[energy])
            saver.add_data(scan, DataToExport("point", [power, line]), (n,))
    return path
