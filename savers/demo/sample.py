"""What a simulated microscope looks at: a picture from a file, a landscape, or one made up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import FileAccessError, FileFormatError, FileMissingError, ShapeError
from savers.interchange.packages import PackageMissingError, package

__all__ = ["Sample", "find_sample"]

_GREY = (0.299, 0.587, 0.114)
"""How bright red, green and blue are."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture.

    Parameters
    ----------
    name : str
        What it shows.
    brightness : ndarray of float64, shape (rows, columns)
        From 0 to 1; the first row is at the bottom.
    """

    name: str
    brightness: NDArray[np.float64]

    def at(self, y: float, x: float) -> float:
        """Return the brightness between pixels.

        Parameters
        ----------
        y, x : float
            From 0, the lower or left edge, to 1.
        """
        rows, columns = self.brightness.shape
        v, u = (min(max(p, 0.0), 1.0) * (n - 1) for p, n in ((y, rows), (x, columns)))
        row, column = min(int(v), max(0, rows - 2)), min(int(u), max(0, columns - 2))
        cell = self.brightness[row : row + 2, column : column + 2]
        cell = np.pad(cell, [(0, 2 - n) for n in cell.shape], mode="edge")
        v, u = v - row, u - column
        return float(np.array([1 - v, v]) @ cell @ np.array([1 - u, u]))


def find_sample(file: Path | None = None) -> Sample:
    """Return what to look at.

    Parameters
    ----------
    file : Path, optional
        An array of numpy (``.npy``), or a picture of any format that matplotlib reads. Without,
        the landscape that matplotlib brings along, or, where that is not installed, one made up.

    Raises
    ------
    FileMissingError, FileAccessError, FileFormatError, ShapeError
        The file is not there, or is no picture.
    PackageMissingError
        matplotlib is needed to read it.
    """
    if file is not None:
        return Sample(file.name, _brightness(_read(file), file))
    try:
        cbook = package("matplotlib.cbook", "'h5backends[plot]'")
        with cbook.get_sample_data("jacksboro_fault_dem.npz") as archive:
            return Sample("landscape (Jacksboro)", _scaled(archive["elevation"][::-1]))
    except (PackageMissingError, OSError):  # some distributors leave the samples out
        return Sample("landscape (made up)", _made_up())


def _read(file: Path) -> NDArray[Any]:
    try:
        if file.suffix.lower() == ".npy":
            return np.asarray(np.load(file, allow_pickle=False))
        reader = package("matplotlib.image", "'h5backends[plot]'")
        return np.asarray(reader.imread(file))[::-1]
    except FileNotFoundError as exc:
        raise FileMissingError("there is no such picture", file=file) from exc
    except PermissionError as exc:
        raise FileAccessError("the picture cannot be read", file=file) from exc
    except PackageMissingError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError) as exc:
        raise FileFormatError("this is no picture", file=file, found=str(exc)) from exc


def _brightness(picture: NDArray[Any], file: Path) -> NDArray[np.float64]:
    if picture.ndim == 3 and picture.shape[2] in (3, 4):
        picture = picture[:, :, :3] @ np.array(_GREY)
    if picture.ndim != 2 or 0 in picture.shape or picture.dtype.kind not in "biuf":
        raise ShapeError(
            "this is no picture",
            file=file,
            expected="rows and columns of numbers, or of colours",
            found=f"{picture.dtype} of shape {picture.shape}",
        )
    return _scaled(picture)


def _scaled(values: NDArray[Any]) -> NDArray[np.float64]:
    """Bring values to 0 to 1."""
    values = np.nan_to_num(values.astype(np.float64), posinf=np.nan, neginf=np.nan)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return np.nan_to_num((values - low) / ((high - low) or 1.0))


def _made_up(size: int = 256) -> NDArray[np.float64]:
    """Make a landscape: noise whose amplitude falls with frequency, as that of mountains does."""
    noise = np.fft.rfft2(np.random.default_rng(4).normal(size=(size, size)))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    return _scaled(np.fft.irfft2(noise / frequency**1.8, (size, size)))
