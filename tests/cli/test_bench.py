"""The command ``bench``: what it shows and writes, peers that are missing, Ctrl-C.

That every row works is tested in tests/benchmarks/test_rows.py.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from savers.bench import process, registry
from savers.bench.figures import (
    Against,
    Result,
    Unit,
    at_least,
    at_most,
    spread,
    times_the_cost,
    times_the_speed,
)
from savers.bench.harness import Row, RowSkippedError, Setting, Works, clock, measure
from savers.bench.machine import Machine
from savers.bench.output import BEGIN, END
from savers.bench.peers import H5PY, Peer
from savers.bench.report import Report, figure
from tests.cli.conftest import posix

FAST = "append-number-h5py"


def row(works: Works | Exception, **changes: Any) -> Row:
    """A row whose works are given."""

    @contextmanager
    def prepare(_: Setting) -> Iterator[Works]:
        if isinstance(works, Exception):
            raise works
        yield works

    made = Row("made-up", "something", Unit.SECONDS, times_the_speed(2), prepare, H5PY)
    return dataclasses.replace(made, **changes)


def measured(made: Row, folder: Path) -> Result:
    *_, result = measure(made, Setting(folder))
    return result


# -- figures ------------------------------------------------------------------------------------
def test_ratios_are_medians_of_pairs() -> None:
    result = Result("a", Unit.SECONDS, times_the_speed(2), [1, 2, 4], [4, 4, 4], [0.5, 1, 4])
    assert result.score == 2
    assert result.reached
    result.bar = times_the_speed(0.95, Against.LIMIT)
    assert result.score == 0.5
    assert not result.reached
    result.bar = times_the_cost(1.3)
    assert result.score == 2
    assert not result.reached
    result.bar = at_most(2)
    assert result.score == 2
    assert result.reached


def test_a_rate_is_better_when_it_is_higher() -> None:
    result = Result("a", Unit.ROWS_PER_SECOND, at_least(100), [200.0], [50.0])
    assert result.ratio(result.peer, speed=True) == 4
    assert result.ratio(result.peer, speed=False) == 0.25
    assert result.reached


def test_without_samples_nothing_is_claimed() -> None:
    result = Result("a", Unit.SECONDS, times_the_speed(2), [1.0])
    assert result.score is None
    assert result.reached is None


def test_spread_leaves_out_the_extremes() -> None:
    assert spread([1.0]) == 0
    assert spread([1, 2, 3, 4, 1000]) == 1
    assert spread([5, 5, 5]) == 0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.5e-7, Unit.SECONDS, "250 ns"),
        (0.0123, Unit.SECONDS, "12.3 ms"),
        (0.0, Unit.SECONDS, "0 ns"),
        (123456.0, Unit.ROWS_PER_SECOND, "123,456 rows/s"),
        (3 * 2**20, Unit.BYTES, "3 MiB"),
        (-(2**20), Unit.BYTES, "-1 MiB"),
        (0.0123, Unit.SHARE, "1.23 %"),
        (1.5, Unit.FACTOR, "1.5"),
    ],
)
def test_figures_are_written_for_people(value: float, unit: Unit, text: str) -> None:
    assert figure(value, unit) == text


# -- measuring ----------------------------------------------------------------------------------
def test_all_take_turns(tmp_path: Path) -> None:
    turns: list[str] = []

    def work(name: str) -> Any:
        return lambda: turns.append(name) or 1.0

    works = Works(work("ours"), work("peer"), work("limit"))
    rounds = [len(result.ours) for result in measure(row(works, rounds=3), Setting(tmp_path))]
    assert rounds == [1, 2, 3, 3], "there is something to show after every round"
    first, second = ["peer", "limit", "ours"], ["ours", "limit", "peer"]
    assert turns == first + second + first


def test_a_quick_run_has_two_rounds(tmp_path: Path) -> None:
    *_, result = measure(row(Works(lambda: 1.0), peer=None), Setting(tmp_path, quick=True))
    assert result.ours == [1.0, 1.0]


def test_the_clock() -> None:
    assert clock(lambda: sum(range(1000)), 10) > 0


def test_a_peer_that_is_not_installed(tmp_path: Path) -> None:
    absent = Peer("no such peer", "no-such-peer", lambda: __import__("no_such_peer"))
    assert Setting(tmp_path).peer(absent) is None
    result = measured(row(Works(lambda: 1.0), peer=absent), tmp_path)
    assert len(result.ours) == 7
    assert result.peer == []
    assert not result.failed
    assert "h5backends[bench]" in result.notes[0]


def test_a_peer_that_fails(tmp_path: Path) -> None:
    answers = iter([1.0])

    def peer() -> float:
        return next(answers)

    result = measured(row(Works(lambda: 1.0, peer)), tmp_path)
    assert len(result.ours) == 7
    assert result.peer == []
    assert not result.failed
    assert result.notes == ["the peer failed: StopIteration: "]


def test_what_fails_here_is_told(tmp_path: Path) -> None:
    def ours() -> float:
        raise OSError("no room")

    result = measured(row(Works(ours)), tmp_path)
    assert result.failed
    assert "failed: OSError: no room" in result.notes


def test_a_row_that_cannot_be_measured_here(tmp_path: Path) -> None:
    result = measured(row(RowSkippedError("no server")), tmp_path)
    assert not result.failed
    assert result.notes == ["no server"]
    assert result.reached is None


def test_warnings_of_peers_are_not_errors(tmp_path: Path) -> None:
    import warnings

    def peer() -> float:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return 1.0

    assert len(measured(row(Works(lambda: 1.0, peer)), tmp_path).peer) == 7


# -- names --------------------------------------------------------------------------------------
def test_rows_by_name() -> None:
    assert [row.name for row in registry.select([FAST])] == [FAST]
    both = [row.name for row in registry.select(["walk", "append-number", "walk"])]
    assert both == ["append-number-h5py", "append-number-tables", "walk-h5py", "walk-tables"]
    assert len(registry.select([])) == len(registry.ROWS)


@pytest.mark.parametrize("name", ["appendd", "app", "", "append-number-h5py-"])
def test_unknown_names(run: Any, name: str) -> None:
    result = run("bench", "--rows", name)
    assert result.code == 2
    assert "no row is called" in result.err
    assert "Traceback" not in result.err


def test_list(run: Any) -> None:
    result = run("bench", "--list", "--rows", "walk", "import")
    assert result.code == 0
    assert [line.split(":")[0] for line in result.out.splitlines()] == [
        "walk-h5py", "walk-tables", "import-h5backends", "import-savers",
    ]  # fmt: skip
    assert "at least 5 x the peer's speed" in result.out


# -- the command --------------------------------------------------------------------------------
def test_table_json_and_markdown(run: Any, tmp_path: Path) -> None:
    files = {"--json": tmp_path / "figures.json", "--markdown": tmp_path / "table.md"}
    options = [str(part) for pair in files.items() for part in pair]
    result = run("bench", "--quick", "--rows", FAST, "append-number-tables", *options)
    assert result.code == 0, result.err
    assert FAST in result.out
    assert "cores" in result.out
    assert "numpy" in result.out
    found = json.loads(files["--json"].read_text())
    assert [row["name"] for row in found["rows"]] == [FAST, "append-number-tables"]
    assert found["quick"]
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["load_after"] is not None
    first = found["rows"][0]
    assert len(first["ours"]) == len(first["peer"]) == len(first["limit"]) == 2
    pairs = zip(first["peer"], first["ours"], strict=True)
    assert first["score"] == pytest.approx(statistics.median(p / o for p, o in pairs))
    text = files["--markdown"].read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {8}
    assert f"`{FAST}`" in text
    assert "raw PyTables" in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures.json", "table.md"]


@pytest.mark.parametrize("option", ["--json", "--markdown"])
def test_nothing_is_overwritten_unasked(run: Any, tmp_path: Path, option: str) -> None:
    path = tmp_path / "kept"
    path.write_text("something else")
    arguments = ("bench", "--quick", "--rows", FAST, option, path)
    result = run(*arguments)
    assert result.code == 1
    assert "there already" in result.err
    assert "1 of 1" not in result.err, "nothing was measured in vain"
    assert path.read_text() == "something else"
    assert run(*arguments, "--overwrite").code == 0
    assert "something else" not in path.read_text()


def test_a_folder_that_is_not_there(run: Any, tmp_path: Path) -> None:
    result = run("bench", "--quick", "--rows", FAST, "--json", tmp_path / "no" / "a.json")
    assert result.code == 1
    assert "no such folder" in result.err
    assert run("bench", "--rows", FAST, "--json", tmp_path, "--overwrite").code == 1


def test_a_full_disk_does_not_hide_the_table(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()

    def ours() -> float:
        if folder.is_dir():
            folder.rmdir()
        return 1.0

    monkeypatch.setattr(registry, "ROWS", (row(Works(ours, lambda: 3.0)),))
    result = run("bench", "--json", folder / "a.json")
    assert result.code == 1
    assert "yes, 3" in result.out
    assert "cannot be written" in result.err
    assert "Traceback" not in result.err


def test_only_what_is_between_the_marks(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nafter \\1\n")
    for _ in range(2):
        result = run("bench", "--quick", "--rows", FAST, "--markdown", path)
        assert result.code == 0, result.err
        text = path.read_text()
        assert text.startswith(f"# Before\n\n{BEGIN}\n")
        assert text.endswith(f"{END}\n\nafter \\1\n")
        assert "old" not in text
        assert text.count(f"`{FAST}`") == 1


def test_an_earlier_run_is_shown_again(run: Any, tmp_path: Path) -> None:
    figures, whole, part = tmp_path / "figures.json", tmp_path / "whole.md", tmp_path / "part.md"
    measure = ("--quick", "--rows", "append-number", "dereference")
    first = run("bench", *measure, "--json", figures, "--markdown", whole)
    again = run("bench", "--from", figures, "--markdown", part, "--rows", "append-number")
    assert again.code == 0, again.err
    assert "1 of" not in again.err, "nothing was measured"
    lines = [line for line in whole.read_text().splitlines() if "dereference" not in line]
    assert part.read_text().split() == " ".join(lines).split()
    assert run("bench", "--from", figures).out == first.out


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"rows": [{}]}', '{"rows": [], "machine": 3}'])
def test_an_earlier_run_of_another_kind(run: Any, tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    result = run("bench", "--from", path)
    assert result.code == 1
    assert "not a comparison" in result.err
    assert run("bench", "--from", tmp_path / "no.json").code == 1


def test_a_failure_is_the_exit_code(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ours() -> float:
        raise OSError("no [bold] room")

    rows = (row(Works(ours), name="broken"), row(Works(lambda: 1.0, lambda: 3.0)))
    monkeypatch.setattr(registry, "ROWS", rows)
    result = run("bench", "--json", tmp_path / "a.json")
    assert result.code == 1
    assert "broken: failed: OSError: no [bold] room" in result.out
    assert "yes, 3" in result.out, "the other rows go on"
    assert [
        entry["failed"] for entry in json.loads((tmp_path / "a.json").read_text())["rows"]
    ] == [
        True,
        False,
    ]


def test_interrupted_in_this_process(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What there is of the row that was interrupted is shown as well."""
    answers = iter([1.0, 1.0])

    def ours() -> float:
        for answer in answers:
            return answer
        raise KeyboardInterrupt

    rows = (row(Works(lambda: 2.0, lambda: 8.0), name="whole"), row(Works(ours, lambda: 3.0)))
    monkeypatch.setattr(registry, "ROWS", rows)
    result = run("bench", "--json", tmp_path / "a.json")
    assert result.code == 130
    assert "whole" in result.out
    assert "yes, 4" in result.out
    found = json.loads((tmp_path / "a.json").read_text())["rows"]
    assert [entry["ours"] for entry in found] == [[2.0] * 7, [1.0, 1.0]]


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_from_outside(start: Any, tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.json"
    running = start(
        "bench", "--quick", "--rows", FAST, "import", "memory", "--json", path,
        TMPDIR=str(tmp_path),
    )  # fmt: skip
    running.until(path.exists, "the first row")
    running.signal(number)
    assert running.finish() == 130
    assert FAST in "\n".join(running.lines)
    assert "Traceback" not in running.errors, running.errors
    assert json.loads(path.read_text())["rows"][0]["name"] == FAST


def test_files_of_a_row_go_with_it(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    paths: list[Path] = []

    def ours() -> float:
        paths.append(setting.path("a"))
        paths[-1].write_text("x")
        return 1.0

    shared = setting.shared_path("a")
    shared.write_text("x")
    assert len([*measure(row(Works(ours)), setting)]) == 8
    assert len(set(paths)) == 7
    assert not any(path.exists() for path in paths)
    assert [*tmp_path.iterdir()] == [shared]


def test_the_server_needs_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = sys.modules['hypothesis'] = None\n"
    code += "from h5backends.testing.hsds import HSDS, why_unavailable; print(1)"
    assert process.number("-c", code) == 1


def test_a_process_that_fails() -> None:
    with pytest.raises(RuntimeError, match=r"code 1 and said: ValueError: too hot"):
        process.number("-c", "raise ValueError('too hot')")


def test_a_busy_machine_is_told() -> None:
    machine = Machine(in_memory=True)
    machine.load_before, machine.load_after, machine.cores = 0.5, 9.0, 2
    assert any("other programs were busy" in line for line in machine.lines())
    machine.load_after = 1.0
    assert not any("other programs were busy" in line for line in machine.lines())


def test_cells_keep_to_their_table() -> None:
    result = Result("a", Unit.SECONDS, at_most(1), [0.5], notes=["a | b\nc"])
    made = row(Works(lambda: 1.0), title="one | two")
    text = Report(Machine(in_memory=False), False, [(made, result)]).markdown()
    assert "one \\| two" in text
    assert "a \\| b c" in text
