"""Plots of scaling laws: small SVG files that are readable on light and on dark pages."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from h5backends.errors import FileMissingError, FileOccupiedError, StorageError
from savers.bench.figures import Unit
from savers.bench.scaling.law import Curve, Law, LawResult, Scale, size
from savers.interchange.packages import package

__all__ = ["PlotFolder", "figure_of"]

_GREY = "#7d8590"
"""Of text and axes, on white and on black alike."""
_COLOURS = ("#2f81d6", "#d9692a", "#2a9d6f", "#a15cc4", "#c79a1e")
_STYLE = {
    "svg.fonttype": "none",  # text stays text: small, and found by a search
    "svg.hashsalt": "h5backends",  # the same figures give the same file
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.0,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _GREY
    ),
}
_SIZE = (6.3, 4.2)
"""Inches."""
_DRIVERS = {"h5py": ("o", "-"), "tables": ("s", (0, (5, 1.5)))}
_NARROW = 200
"""Within such a factor more than the powers of ten are labelled."""
_LIMITS = ((0, (1, 1.5)), (0, (3, 1.5, 1, 1.5)), (0, (4, 2)))


def _matplotlib(module: str) -> Any:
    return package(f"matplotlib{module}", "'h5backends[plot]'")


class PlotFolder:
    """Where plots go, one for each law.

    Parameters
    ----------
    path : Path
        A folder; made if there is none.
    laws : sequence of Law
        What will be plotted.
    overwrite : bool
        Whether plots that are there may be replaced.

    Raises
    ------
    PackageMissingError
        matplotlib is not installed.
    FileMissingError
        The folder cannot be made for want of the one above.
    FileOccupiedError
        There is such a plot, which is not to be replaced, or no folder.
    """

    def __init__(self, path: Path, laws: Sequence[Law], *, overwrite: bool) -> None:
        _matplotlib(".figure")
        self._path = path
        if path.exists() and not path.is_dir():
            raise FileOccupiedError("not a folder", file=str(path))
        if not path.absolute().parent.is_dir():
            raise FileMissingError(
                "there is no such folder", file=str(path.parent), remedy="Make it first."
            )
        there = [file for law in laws if (file := self.file(law)).exists()]
        if there and not overwrite:
            raise FileOccupiedError(
                "the file is there already",
                file=str(there[0]),
                remedy="Choose another folder; --overwrite says that plots may be replaced.",
            )

    def file(self, law: Law) -> Path:
        """Return where the plot of a law goes."""
        return self._path / f"{law.name}.svg"

    def write(self, law: Law, result: LawResult) -> None:
        """Plot a law, also again; nothing where nothing was measured.

        Raises
        ------
        StorageError
            It cannot be written; what was there before still is.
        """
        if not result.samples:
            return
        path = self.file(law)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._path.mkdir(exist_ok=True)
            with _matplotlib("").rc_context(_STYLE):
                figure = figure_of(law, result)
                # Without the date, for the same figures to give the same file.
                figure.savefig(beside, format="svg", transparent=True, metadata={"Date": None})
            os.replace(beside, path)
        except OSError as exc:
            beside.unlink(missing_ok=True)
            raise StorageError("cannot be written", file=str(path), found=str(exc)) from exc


def figure_of(law: Law, result: LawResult) -> Any:
    """Draw a law.

    Parameters
    ----------
    law : Law
        Which.
    result : LawResult
        Its figures.

    Returns
    -------
    matplotlib.figure.Figure
        With one line for each curve that was measured.
    """
    with _matplotlib("").rc_context(_STYLE):
        figure = _matplotlib(".figure").Figure(_SIZE, layout="constrained")
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log", title=law.title)
        # Ticks of times and bytes have the units, with their prefixes.
        hertz = f" ({law.scale.value})" if law.scale is Scale.HERTZ else ""
        rate = "" if law.unit is Unit.SECONDS else f" ({law.unit.value})"
        axes.set(xlabel=law.x + hertz, ylabel=law.y + rate)
        works = list(dict.fromkeys(_work(curve) for curve in law.curves if not curve.limit))
        dots = iter(_LIMITS)
        for curve in law.curves:
            xs, ys = result.points(curve.name)
            if curve.limit:
                how: dict[str, Any] = {"color": _GREY, "linestyle": next(dots), "zorder": 1.5}
            else:
                driver = curve.name.rpartition(", ")[2]
                marker, line = _DRIVERS.get(driver, _DRIVERS["h5py"])
                colour = _COLOURS[works.index(_work(curve)) % len(_COLOURS)]
                how = {"color": colour, "marker": marker, "linestyle": line}
            if xs:
                label = f"limit: {curve.name}" if curve.limit else curve.name
                axes.plot(xs, ys, label=label, gid=curve.name, **how)
        _finish(axes, law, result)
    return figure


def _work(curve: Curve) -> str:
    """Return what a curve is about, whichever the driver."""
    work, _, driver = curve.name.rpartition(", ")
    return work if driver in _DRIVERS else curve.name


def _finish(axes: Any, law: Law, result: LawResult) -> None:
    """Put ticks where something was measured, a grid and a legend."""
    ticker = _matplotlib(".ticker")
    xs = sorted({x for found in result.samples.values() for x in found})
    step = -(-len(xs) // 9)
    axes.xaxis.set_major_locator(ticker.FixedLocator(xs[::step]))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(lambda x, _: _tick(x, law.scale))
    _at_least_a_decade(axes)
    unit = "s" if law.unit is Unit.SECONDS else ""
    axes.yaxis.set_major_formatter(ticker.EngFormatter(unit, sep=" " if unit else ""))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    low, high = axes.get_ylim()
    if high / low < _NARROW:
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.grid(color=_GREY, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.figure.legend(loc="outside lower center", ncols=2)


def _at_least_a_decade(axes: Any) -> None:
    """Keep small changes small to the eye."""
    low, high = axes.get_ylim()
    missing = math.sqrt(max(1.0, 10 * low / high))
    axes.set_ylim(low / missing, high * missing)


def _tick(value: float, scale: Scale) -> str:
    """Write a size as short as can be."""
    if scale is Scale.BYTES:
        return size(value, scale)
    for step, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= step:
            return f"{value / step:g}{suffix}"
    return f"{value:g}"
