"""The colours that stand for values, with a bar beside the plot that tells which."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bokeh.models import ColorBar, LinearColorMapper, LogColorMapper
from bokeh.palettes import Viridis256
from numpy.typing import NDArray

from savers.view.page.words import literal

__all__ = ["Colours"]

_EMPTY = "#ececec"
"""Colour of what has no value."""


class Colours:
    """A scale of colours that follows the values.

    Parameters
    ----------
    fig : bokeh.plotting.figure
        The bar is put on its right.
    title : str
        What the values are.
    log_scale : bool
        Whether the scale is logarithmic.
    """

    def __init__(self, fig: Any, title: str, log_scale: bool) -> None:
        self._log_scale = log_scale
        mapper = LogColorMapper if log_scale else LinearColorMapper
        self.mapper = mapper(palette=Viridis256, low=0.0 + log_scale, high=10.0)
        self.mapper.nan_color = _EMPTY
        bar = ColorBar(color_mapper=self.mapper, title=literal(title), width=14)
        bar.title_text_font_style = "normal"
        fig.add_layout(bar, "right")

    def fit(self, levels: tuple[float, float] | None, values: NDArray[Any]) -> None:
        """Make the scale as long as the values need it.

        Parameters
        ----------
        levels : tuple of float, or None
            Lowest and highest value; None, without any, leaves it as it is.
        values : ndarray of float
            All that are shown: on a logarithmic scale those above zero count.
        """
        if levels is None:
            return
        low, high = levels
        if self._log_scale:
            shown = values[np.isfinite(values) & (values > 0)]
            low, high = (float(shown.min()), float(shown.max())) if shown.size else (1.0, 10.0)
        if not high > low:
            high = low + (abs(low) * 1e-3 or 1.0)
        if (self.mapper.low, self.mapper.high) != (low, high) and math.isfinite(high - low):
            self.mapper.update(low=low, high=high)
