"""The colours that stand for values in a figure, and the bar that tells which."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savers.plotting.text import plain
from savers.view.model.choice import Part
from savers.view.model.setup import Setup

__all__ = ["EMPTY", "Colours"]

EMPTY = "#e6e6e6"
"""Colour of what has no value."""


@dataclass(frozen=True, slots=True)
class Colours:
    """A scale of colours.

    Parameters
    ----------
    values : masked array of float
        What is drawn; masked where it has no colour.
    norm : matplotlib.colors.Normalize
        From values to places on the scale.
    palette : str
        matplotlib's name of it.
    notes : list of str
        What a reader of the figure should know beside it.
    """

    values: np.ma.MaskedArray[Any, Any]
    norm: Any
    palette: str
    notes: list[str]

    @classmethod
    def of(
        cls, setup: Setup, values: NDArray[Any], levels: tuple[float, float] | None, log: bool
    ) -> Colours:
        """Choose the scale for values.

        Parameters
        ----------
        setup : Setup
            What they are.
        values : ndarray of float
            NaN where there is none.
        levels : tuple of float, or None
            The lowest and the highest; None without any.
        log : bool
            Whether the scale is logarithmic.
        """
        from matplotlib.colors import LogNorm, Normalize

        drawn = np.ma.masked_invalid(values)
        if setup.part is Part.PHASE:
            return cls(drawn, Normalize(-math.pi, math.pi), "twilight", [])
        if log:
            positive = drawn.compressed()
            positive = positive[positive > 0]
            if positive.size:
                norm = LogNorm(float(positive.min()), float(positive.max()))
                return cls(np.ma.masked_less_equal(drawn, 0), norm, "viridis", [])
        notes = ["no value above zero for a logarithmic scale"] if log else []
        return cls(drawn, Normalize(*(levels or (0.0, 1.0))), "viridis", notes)

    def add_bar(self, axes: Any, drawn: Any, setup: Setup) -> None:
        """Put the bar beside the axes as they are, not beside the place they could have had."""
        beside = axes.inset_axes((1.02, 0, 0.035, 1))
        axes.figure.colorbar(drawn, cax=beside, label=plain(setup.value))
        if not self.values.count():
            axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color="0.4")
