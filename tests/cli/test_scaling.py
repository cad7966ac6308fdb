"""The command ``scaling``: what it measures, shows, plots, writes and plans; bad input; Ctrl-C.

That every law works is tested in tests/benchmarks/test_scaling.py.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from savers.bench.figures import Unit
from savers.bench.harness import RowSkippedError, Setting
from savers.bench.machine import Machine
from savers.bench.output import marks
from savers.bench.scaling import beamline, fleet, framed, registry, served, several
from savers.bench.scaling.law import Constant, Curve, Law, LawResult, Sample, Scale, measure, size
from savers.bench.scaling.plots import figure_of
from savers.bench.scaling.report import ScalingReport
from tests.cli.conftest import posix

FAST = "points"


def made_up(*found: Sample | Constant | str | BaseException, **changes: Any) -> Law:
    """A law whose samples are given."""

    def samples(_: Setting) -> Iterator[Sample | Constant | str]:
        for each in found:
            if isinstance(each, BaseException):
                raise each
            yield each

    curves = (Curve("work", flat=True), Curve("bound", limit=True))
    law = Law("made-up", "Something", "things", "time", Scale.COUNT, Unit.SECONDS, curves, samples)
    return dataclasses.replace(law, **changes)


def line(curve: str, power: float, *sizes: float) -> list[Sample]:
    return [Sample(curve, x, 1e-6 * x**power) for x in sizes]


def measured(law: Law, folder: Path) -> LawResult:
    *_, result = measure(law, Setting(folder))
    return result


# -- measuring ----------------------------------------------------------------------------------
def test_rounds_and_medians(tmp_path: Path) -> None:
    turns = iter([1.0, 9.0, 3.0])

    def samples(_: Setting) -> Iterator[Sample]:
        yield Sample("work", 10, next(turns))

    result = measured(made_up(samples=samples), tmp_path)
    assert result.samples == {"work": {10: [1.0, 9.0, 3.0]}}
    assert result.at("work", 10) == 3.0
    assert result.at("work", 11) is None
    *_, quick = measure(made_up(Sample("work", 1, 1.0)), Setting(tmp_path, quick=True))
    assert quick.samples == {"work": {1: [1.0]}}


def test_no_round_begins_that_would_exceed_the_budget(tmp_path: Path) -> None:
    def samples(_: Setting) -> Iterator[Sample]:
        time.sleep(0.02)
        yield Sample("work", 10, 1.0)

    assert measured(made_up(samples=samples, budget=0.03), tmp_path).samples["work"][10] == [1.0]
    long = measured(made_up(samples=samples, budget=60), tmp_path)
    assert len(long.samples["work"][10]) == 3


def test_a_round_that_takes_too_long_is_cut(tmp_path: Path) -> None:
    closed = []

    def samples(_: Setting) -> Iterator[Sample]:
        try:
            for x in range(1, 1000):
                time.sleep(0.01)
                yield Sample("work", x, 1.0)
        finally:
            closed.append(True)

    result = measured(made_up(samples=samples, budget=0.05), tmp_path)
    assert 1 <= len(result.samples["work"]) < 999
    assert "larger sizes lack" in result.notes[0]
    assert closed


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 1.0])
def test_the_power_is_that_of_the_upper_end(power: float, tmp_path: Path) -> None:
    beginning = [Sample("work", 1, 7.0), Sample("work", 3, 5.0)]
    result = measured(made_up(*beginning, *line("work", power, 10, 30, 100)), tmp_path)
    assert result.exponent("work") == pytest.approx(power)


def test_the_power_needs_three_sizes(tmp_path: Path) -> None:
    assert measured(made_up(*line("work", 1, 10, 30)), tmp_path).exponent("work") is None
    assert measured(made_up(), tmp_path).exponent("work") is None


def test_a_law_that_fails_or_is_left_out(tmp_path: Path) -> None:
    failed = measured(made_up(Sample("work", 1, 1.0), OSError("no room")), tmp_path)
    assert failed.failed
    assert failed.notes == ["failed: OSError: no room"]
    skipped = measured(made_up(RowSkippedError("no server")), tmp_path)
    assert not skipped.failed
    assert skipped.notes == ["no server"]


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (1e7, Scale.COUNT, "10,000,000"),
        (100, Scale.COUNT, "100"),
        (5000, Scale.HERTZ, "5,000 Hz"),
        (1 << 16, Scale.BYTES, "64 KiB"),
        (64 << 20, Scale.BYTES, "64 MiB"),
        (3, Scale.BYTES, "3 B"),
    ],
)
def test_sizes_are_written_for_people(value: float, scale: Scale, text: str) -> None:
    assert size(value, scale) == text


# -- the command --------------------------------------------------------------------------------
def test_list_and_names(run: Any) -> None:
    result = run("scaling", "--list")
    assert result.code == 0
    names = [text.split(":")[0] for text in result.out.splitlines()]
    assert names == [law.name for law in registry.LAWS]
    some = run("scaling", "--list", "hsds", "nodes").out.splitlines()
    assert [text.split(":")[0] for text in some] == [
        "nodes", "hsds-requests", "hsds-clients", "hsds-nodes",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["point", "hsds-", "", "no such"])
def test_unknown_names(run: Any, name: str) -> None:
    result = run("scaling", "--quick", name)
    assert result.code == 2
    assert "no law is called" in result.err
    assert "Traceback" not in result.err


def test_everything_it_writes(run: Any, tmp_path: Path) -> None:
    begin, end = marks("scaling")
    page, figures, plots = tmp_path / "page.md", tmp_path / "laws.json", tmp_path / "plots"
    page.write_text(f"# Before\n\n{begin}\nold\n{end}\n\nafter\n")
    result = run(
        "scaling", "--quick", FAST, "nodes",
        "--json", figures, "--markdown", page, "--plots", plots,
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "number, tables" in result.out
    assert "2 of 2: nodes measured;" in result.err
    found = json.loads(figures.read_text())
    assert found["quick"]
    assert [law["name"] for law in found["laws"]] == [FAST, "nodes"]
    samples = dict(map(tuple, found["laws"][0]["samples"]["number, h5py"]))
    assert list(samples) == [100, 300, 1_000, 3_000, 10_000]
    text = page.read_text()
    assert text.startswith(f"# Before\n\n{begin}\n")
    assert text.endswith(f"{end}\n\nafter\n")
    assert "old" not in text
    assert "the figures mean little" in text
    assert sorted(path.name for path in plots.iterdir()) == ["nodes.svg", "points.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["laws.json", "page.md", "plots"]
    for rows in _tables(text):
        assert len({row.count("|") for row in rows}) == 1

    again = tmp_path / "again.md"
    shown = run("scaling", "--from", figures, "--markdown", again, "--plots", tmp_path / "new")
    assert shown.code == 0, shown.err
    assert shown.out == result.out
    assert again.read_text().strip() in text
    for plot in plots.iterdir():
        assert (tmp_path / "new" / plot.name).read_bytes() == plot.read_bytes()


def _tables(text: str) -> Iterator[list[str]]:
    for part in text.split("\n\n"):
        if part.startswith("|"):
            yield part.splitlines()


@pytest.mark.parametrize("option", ["--json", "--markdown", "--plots"])
def test_nothing_is_overwritten_unasked(run: Any, tmp_path: Path, option: str) -> None:
    target = tmp_path / "out"
    kept = target
    if option == "--plots":
        target.mkdir()
        kept = target / f"{FAST}.svg"
    kept.write_text("something else")
    arguments = ("scaling", "--quick", FAST, option, target)
    result = run(*arguments)
    assert result.code == 1
    assert "there already" in result.err
    assert "1 of 1" not in result.err, "nothing was measured in vain"
    assert kept.read_text() == "something else"
    assert run(*arguments, "--overwrite").code == 0
    assert "something else" not in kept.read_text()


@pytest.mark.parametrize("option", ["--json", "--markdown", "--plots"])
def test_a_folder_that_is_not_there(run: Any, tmp_path: Path, option: str) -> None:
    result = run("scaling", "--quick", FAST, option, tmp_path / "no" / "out")
    assert result.code == 1
    assert "no such folder" in result.err
    assert list(tmp_path.iterdir()) == []


def test_plots_into_a_file(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    result = run("scaling", "--quick", FAST, "--plots", path, "--overwrite")
    assert result.code == 1
    assert "not a folder" in result.err
    assert path.read_text() == "x"


def test_without_matplotlib(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run("scaling", "--quick", FAST, "--plots", tmp_path / "plots")
    assert result.code == 1
    assert "h5backends[plot]" in result.err
    assert "1 of 1" not in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_the_exit_code(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    laws = (
        made_up(OSError("no [bold] room"), name="broken"),
        made_up(*line("work", 1, 10, 30, 100), name="whole"),
    )
    monkeypatch.setattr(registry, "LAWS", laws)
    result = run("scaling", "--plots", tmp_path / "plots")
    assert result.code == 1
    assert "broken: failed: OSError: no [bold] room" in result.out
    assert "+1.00, GROWS" in result.out, "the other laws go on, and growth is told"
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["whole.svg"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"laws": [{}]}', '{"laws": [], "machine": 3}'])
def test_an_earlier_run_of_another_kind(run: Any, tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    result = run("scaling", "--from", path)
    assert result.code == 1
    assert "not a measurement of scaling laws" in result.err
    assert run("scaling", "--from", tmp_path / "no.json").code == 1


def test_interrupted_in_this_process(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What there is of the law that was interrupted is shown as well."""
    law = made_up(*line("work", 0, 10, 30, 100), KeyboardInterrupt())
    monkeypatch.setattr(registry, "LAWS", (law,))
    result = run("scaling", "--json", tmp_path / "a.json")
    assert result.code == 130
    assert "+0.00, flat" in result.out
    (found,) = json.loads((tmp_path / "a.json").read_text())["laws"]
    assert [x for x, _ in found["samples"]["work"]] == [10, 30, 100]


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_from_outside(start: Any, tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.json"
    running = start(
        "scaling", "--quick", FAST, "writers", "readers", "--json", path, TMPDIR=str(tmp_path)
    )
    running.until(path.exists, "the first law")
    running.signal(number)
    assert running.finish() == 130
    assert FAST in "\n".join(running.lines)
    assert "Traceback" not in running.errors, running.errors
    assert json.loads(path.read_text())["laws"][0]["name"] == FAST


# -- plots --------------------------------------------------------------------------------------
def test_a_plot(tmp_path: Path) -> None:
    law = made_up(*line("work", 0, 10, 30, 100), *line("bound", -1, 10, 100))
    figure = figure_of(law, measured(law, tmp_path))
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("things", "time")
    work, bound = axes.get_lines()
    assert list(work.get_xdata()) == [10, 30, 100]
    assert bound.get_linestyle() != work.get_linestyle()
    low, high = axes.get_ylim()
    assert high / low > 9.9, "small changes stay small"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["work", "limit: bound"]


# -- plans --------------------------------------------------------------------------------------
def constants() -> dict[str, LawResult]:
    """Round figures of all laws that the plans need."""
    found: dict[str, LawResult] = {}

    def take(law: str, curve: str, *pairs: tuple[float, float]) -> None:
        result = found.setdefault(law, LawResult(law))
        for x, y in pairs:
            result.take(Sample(curve, x, y))

    frame = 4 << 20
    for curve, speed in (
        (f"{framed.FRAME}, h5py", 2e9),
        (framed.RAW, 2.5e9),
        (framed.COMPRESSED, 1e9),
        (framed.DISK, 0.5e9),
    ):
        take("frames", curve, (frame, frame / speed))
    found["frames"].take(Constant(framed.RATIO, 4.0))
    nbytes = several.WRITER_BYTES
    take("writers", several.WRITERS, (1, nbytes / 2e9), (2, nbytes / 3e9), (4, nbytes / 2.5e9))
    take("files", several.MASTER, (1, 0.001), (100, 0.002))
    take("files", several.OWN, (1, 0.001), (100, 0.001))
    take("points", "number, h5py", (100, 1e-6), (1000, 5e-7))
    take("latency", "median, one reader", (100, 0.002), (1000, 0.003))
    take("hsds-requests", served.REQUEST, (1, 0.005), (1000, 0.006), (10_000, 0.015))
    take("hsds-clients", served.SINGLES, (1, 100.0), (2, 200.0))
    take("hsds-clients", served.BATCHES, (1, 50.0), (2, 100.0))
    take("hsds-nodes", served.BATCHES, (1, 100.0), (4, 150.0))
    return found


def test_the_plans(tmp_path: Path) -> None:
    machine = Machine(in_memory=True)
    machine.cores = 2
    laws = {law.name: law for law in registry.LAWS}
    entries = [(laws[name], result) for name, result in constants().items()]
    first, second = ScalingReport(machine, False, entries).plans()
    assert (first.title, second.title) == (beamline.TITLE, fleet.TITLE)
    text = first.markdown()
    assert "23,842 frames a second" in text
    assert "100 / 2 = 50 programs would do nothing else; at 50% load 100" in text
    assert "2 programs, a file each, reach 3 GB/s on 2 cores, 1.5 times one" in text
    assert "100 / 3 / 0.5 = 67 such machines" in text
    assert "100 / 0.5 / 0.5 = 400 cores" in text
    assert "4 times smaller; 25 GB/s remain" in text
    assert "200 of them for 100 GB/s, 50 compressed" in text
    # 400 cores of 64; 4 links; 25 GB/s at half of 3: the largest.
    assert "cores that compress: 7; network: 4; copies of chunks" in text
    assert "**17 machines**" in text
    text = second.markdown()
    assert "1 us more for each number beyond: 5,000 numbers" in text
    assert "2 clients send at best 200 requests a second" in text
    assert "1,000,000 / 200 / 0.5 x 2 cores = **20,000 cores**" in text
    assert "1,000 / 100 / 0.5 x 2 cores = **40 cores**" in text
    assert "changed by a factor of 1.5" in text


@pytest.mark.parametrize("law", ["frames", "writers", "latency", "files", "points"])
def test_no_plan_without_its_constants(law: str) -> None:
    found = constants()
    del found[law]
    laws = {law.name: law for law in registry.LAWS}
    entries = [(laws[name], result) for name, result in found.items()]
    (only,) = ScalingReport(Machine(in_memory=True), False, entries).plans()
    assert only.title == fleet.TITLE
