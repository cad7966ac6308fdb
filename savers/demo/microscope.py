"""A stage that takes time to settle, and a spectrometer that looks at the sample on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savers.demo.sample import Sample

__all__ = ["Microscope", "Stage"]

_ENCODER = 0.01
"""Deviation of the stage from where it should be, in micrometres."""
_COUNTS = 400.0
"""Photons at the brightest place, in all channels."""


class Stage:
    """A piezo stage that has to settle after every move.

    Parameters
    ----------
    settle : float
        Seconds from a command until it stands still; longer steps take as much again.
    wait : callable
        Waits for so many seconds, and returns False if somebody wants to stop.
    seed : int
        Of its small deviations.
    """

    def __init__(self, settle: float, wait: Callable[[float], bool], seed: int = 0) -> None:
        self.settle = settle
        self._wait = wait
        self._random = np.random.default_rng(seed)
        self.position: tuple[float, float] | None = None

    def move(self, y: float, x: float, step: float) -> bool:
        """Go to a place and wait until the stage stands still.

        Parameters
        ----------
        y, x : float
            Where to, in micrometres.
        step : float
            Distance of two neighbours; the way back at the end of a line takes longer.

        Returns
        -------
        bool
            False if somebody wants to stop before.
        """
        before = self.position or (y, x)
        distance = math.dist(before, (y, x))
        deviation = self._random.normal(scale=_ENCODER, size=2)
        self.position = (y + float(deviation[0]), x + float(deviation[1]))
        return self._wait(self.settle * (1 + math.log1p(max(0.0, distance / step - 1))))


@dataclass(frozen=True, slots=True)
class Microscope:
    """A spectrometer that looks at one spot of a sample.

    Parameters
    ----------
    sample : Sample
        What is on the stage.
    extent : tuple of float
        Height and width of the sample in micrometres.
    channels : int
        Of the spectrometer.
    random : numpy.random.Generator
        Where the noise of single photons comes from.
    """

    sample: Sample
    extent: tuple[float, float]
    channels: int
    random: np.random.Generator

    @property
    def wavelengths(self) -> NDArray[np.float64]:
        """Of the channels, in nanometres, shape (channels,)."""
        return np.linspace(500.0, 700.0, self.channels)

    def spectrum(self, y: float, x: float) -> NDArray[np.int64]:
        """Return the photons of one exposure.

        Parameters
        ----------
        y, x : float
            Where the stage is, in micrometres.

        Returns
        -------
        ndarray of int64, shape (channels,)
        """
        height, width = self.extent
        brightness = self.sample.at(y / (height or 1.0), x / (width or 1.0))
        line = 560.0 + 60.0 * brightness  # bright places shine redder, too
        shape = np.exp(-(((self.wavelengths - line) / 18.0) ** 2))
        mean = _COUNTS * (0.05 + brightness) * shape / shape.sum() + 0.2
        return np.asarray(self.random.poisson(mean), np.int64)
