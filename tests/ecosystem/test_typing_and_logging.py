"""What type checkers and programs that log see of the packages."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import h5backends
import savers

ROOT = Path(__file__).parents[2]
RIGHT = """
    from h5backends import CARRAY, EARRAY, FlushPolicy, GROUP, H5Backend
    from savers import Axis, DataLoader, DataRaw, DataWithAxes, H5BrowserUtil, Scan

    h5 = H5Backend("h5py", flush_policy=FlushPolicy(rows=10))
    array: EARRAY = h5.create_earray("/", "a", "f8")
    rows: int = array.shape[0]
    group: GROUP = h5.root()
    with Scan("a.h5", [Axis("x", "mm", size=3)]) as scan:
        for point in scan:
            point.write(power=point["x"])
    loaded: DataWithAxes = DataLoader("a.h5").load_data("/a", lazy=True)
    text: str = H5BrowserUtil("a.h5").tree()
    data = DataRaw("power", units="W", data=[])
    reveal_type(data.units)
    reveal_type(h5.get_node("/").attrs["units"])
    reveal_type(scan.done)
"""
WRONG = """
    from h5backends import H5Backend
    from savers import Axis, Scan

    H5Backend(3)
    H5Backend("h5py").create_earray("/", 1, "f8")
    Axis("x", unit="mm")
    with Scan("a.h5") as scan:
        scan.nothing()
"""


def checked(folder: Path, program: str) -> tuple[int, str]:
    (folder / "program.py").write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "program.py"],
        cwd=folder,
        # An editable installation is found by a hook of the import, which mypy does not run.
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_types_are_seen(tmp_path: Path) -> None:
    code, text = checked(tmp_path, RIGHT)
    ours = [line for line in text.splitlines() if line.startswith("program.py")]
    assert not [line for line in ours if "error" in line], text
    revealed = [line.partition("Revealed type is ")[2].strip('"') for line in ours]
    revealed = [kind.removeprefix("builtins.") for kind in revealed]
    assert [r for r in revealed if r] == ["str", "Any", "int"], text
    assert code == 0, text


def test_the_packages_say_that_they_have_types() -> None:
    for package in (h5backends, savers):
        assert Path(package.__file__ or "").with_name("py.typed").is_file()


def test_mistakes_are_seen(tmp_path: Path) -> None:
    _, text = checked(tmp_path, WRONG)
    lines = {int(line.split(":")[1]) for line in text.splitlines() if line.startswith("program")}
    assert lines == {5, 6, 7, 9}, text


@pytest.mark.parametrize("package", ["h5backends", "savers"])
def test_quiet_unless_asked(package: str) -> None:
    program = f"""
        import logging, sys
        import {package}
        logger = logging.getLogger("{package}.somewhere")
        logger.warning("once")
        assert logger.parent.level == logging.NOTSET and logging.getLogger().handlers == []
        logging.basicConfig(stream=sys.stdout, format="%(name)s %(message)s")
        logger.warning("twice")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == (f"{package}.somewhere twice\n", "")
