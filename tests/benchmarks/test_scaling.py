"""Every law of ``h5backends scaling``, in its quick form: that it works, not how long it takes."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

from h5backends import EARRAY
from savers.bench.harness import Setting
from savers.bench.scaling import growing, plots, served
from savers.bench.scaling.law import Law, LawResult, measure
from savers.bench.scaling.registry import LAWS
from tests.benchmarks.conftest import use_server_of_the_tests

QUICK_SIZES = {
    "points": {100, 300, 1_000, 3_000, 10_000},
    "signals": {1, 3, 10},
    "nodes": {30, 100, 300},
    "frames": {1 << 10, 1 << 12, 1 << 14, 1 << 16},
    "writers": {1, 2},
    "files": {1, 3},
    "latency": {100, 1_000},
    "readers": {1, 2},
    "hsds-requests": {1, 10, 100, 1_000},
    "hsds-clients": {1, 2},
    "hsds-nodes": {1, 2},
}


@pytest.fixture
def server(law: Law, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of the tests, where the law looks for one."""
    if law in served.LAWS:
        use_server_of_the_tests(request, monkeypatch)


def measured(law: Law, setting: Setting) -> LawResult:
    *_, result = measure(law, setting)
    return result


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_law(law: Law, setting: Setting, tmp_path: Path) -> None:
    """Each size of each curve is measured, and the plot shows all of them."""
    result = measured(law, setting)
    assert not result.failed, result.notes
    assert set(result.samples) == {curve.name for curve in law.curves}, result.notes
    sizes = {curve: set(found) for curve, found in result.samples.items()}
    assert set.union(*sizes.values()) == QUICK_SIZES[law.name]
    for curve, found in sizes.items():
        # A log is followed to a tenth of what numbers are.
        most = 3_000 if curve.startswith("log") else math.inf
        assert found == {x for x in QUICK_SIZES[law.name] if x <= most}, curve
    for found in result.samples.values():
        for values in found.values():
            assert len(values) == 1
            assert math.isfinite(values[0])
            assert values[0] > 0
    folder = plots.PlotFolder(tmp_path / "plots", [law], overwrite=False)
    folder.write(law, result)
    _check_plot(folder.file(law), law)


def _check_plot(path: Path, law: Law) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 60_000
    root = ElementTree.fromstring(text)
    drawn = {
        group.get("id"): group.findall(".//{http://www.w3.org/2000/svg}path")
        for group in root.iter("{http://www.w3.org/2000/svg}g")
    }
    for curve in law.curves:
        assert drawn[curve.name], f"{curve.name} is not drawn"
        label = f"limit: {curve.name}" if curve.limit else curve.name
        assert f">{label}<" in text, "the legend lacks it"
    assert f">{law.title}<" in text
    assert law.x in text
    assert law.y in text
    # Light and dark pages: no background, and nothing drawn in black or white.
    assert "#ffffff" not in text
    assert not re.search(r"(fill|stroke): #000000", text)
    assert "fill: #000" not in text


def test_names() -> None:
    assert [law.name for law in LAWS] == list(QUICK_SIZES)
    for law in LAWS:
        names = [curve.name for curve in law.curves]
        assert len(set(names)) == len(names)
        assert any(curve.limit for curve in law.curves) or law.name == "nodes"


# -- what was measured is looked at -------------------------------------------------------------
def test_a_lost_number_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = EARRAY.append

    def forgetful(self: EARRAY, value: Any, *args: Any, **kwargs: Any) -> None:
        if value != 77.0:
            append(self, value, *args, **kwargs)

    monkeypatch.setattr(EARRAY, "append", forgetful)
    result = measured(growing.LAWS[0], Setting(tmp_path, quick=True))
    assert result.failed
    assert "other numbers are there" in result.notes[-1]


@pytest.mark.parametrize("name", ["writers", "readers"])
def test_a_law_that_is_left(name: str, tmp_path: Path) -> None:
    """What Ctrl-C leaves in the middle leaves no process and no file."""
    (law,) = (law for law in LAWS if law.name == name)
    running = measure(law, Setting(tmp_path, quick=True))
    for _ in law.curves:
        next(running)
    running.close()
    children = psutil.Process().children()
    assert not [p for p in children if "savers.bench" in " ".join(p.cmdline())]
    assert list(tmp_path.iterdir()) == []
