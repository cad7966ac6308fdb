"""Axes of a figure that show moments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["show_times"]


def show_times(
    axes: Any, which: str, seconds: NDArray[np.float64], as_numbers: bool = False
) -> NDArray[Any]:
    """Label an axis with dates and times of this computer's zone.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Of the figure.
    which : {"x", "y"}
        The axis.
    seconds : ndarray of float64
        Moments in seconds since 1970.
    as_numbers : bool
        Whether to return the numbers that matplotlib counts days with.

    Returns
    -------
    ndarray
        The moments as matplotlib takes them; what is not finite is NaT or NaN.
    """
    from matplotlib import dates

    known = seconds[np.isfinite(seconds)]
    moment = datetime.fromtimestamp(float(known[0]) if known.size else 0.0).astimezone()
    axis = getattr(axes, f"{which}axis")
    locator = dates.AutoDateLocator(tz=moment.tzinfo)
    axis.set_major_locator(locator)
    axis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=moment.tzinfo))
    label = axis.get_label_text()
    getattr(axes, f"set_{which}label")(f"{label} ({moment.tzname()})" if label else label)
    stamps = np.full(seconds.shape, np.datetime64("NaT", "us"))
    stamps[np.isfinite(seconds)] = (known * 1e6).round().astype("datetime64[us]")
    return np.asarray(dates.date2num(stamps)) if as_numbers else stamps
