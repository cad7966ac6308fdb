"""Drivers are found by entry point, loaded when asked for, and a stranger's is like ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import h5backends
from h5backends import H5Backend
from h5backends.drivers import registry
from h5backends.drivers.base import Driver
from h5backends.errors import DriverNotInstalledError, UnknownDriverError
from h5backends.types import Capability

PACKAGE = Path(__file__).parent.parent / "package_with_entrypoint"
OURS = ["h5py", "h5pyd", "memory", "tables"]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own and return what it said."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
        check=False,
    )


def test_our_drivers() -> None:
    assert set(OURS) <= set(registry.driver_names())
    assert registry.backends_available() == h5backends.backends_available
    assert {"h5py", "h5pyd", "tables"} <= set(h5backends.backends_available)
    assert "memory" not in h5backends.backends_available, "what is in memory does not last"
    for name in OURS:
        assert issubclass(registry.load(name), Driver)
        assert registry.load(name) is registry.load(name)


def test_drivers_are_asked_for_capabilities() -> None:
    assert "h5py" in registry.drivers_with(Capability.SWMR_WRITE)
    assert "memory" not in registry.drivers_with(Capability.PERSISTENT)
    assert "h5pyd" in registry.drivers_with(Capability.REMOTE)


@pytest.mark.parametrize("name", ["hdf4", "", "H5PY", None, 3])
def test_unknown_backend(name: str) -> None:
    with pytest.raises(UnknownDriverError, match="h5py, h5pyd, memory, tables") as caught:
        H5Backend(name)
    assert isinstance(caught.value, ValueError)
    assert repr(name) in str(caught.value)


def test_an_unknown_backend_leaves_the_file_open(tmp_path: Path) -> None:
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "file.h5", "w")
        with pytest.raises(UnknownDriverError):
            h5.set_backend("none")
        assert h5.isopen()
        h5.set_backend("memory")
        assert not h5.isopen()


def test_importing_loads_no_library() -> None:
    code = """
import sys
import h5backends
from h5backends import H5Backend
H5Backend("memory")
h5backends.backends_available
print(sorted({"h5py", "tables", "h5pyd", "pytest", "hypothesis"} & set(sys.modules)))
"""
    result = run(code)
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize("name", ["h5py", "tables", "h5pyd"])
def test_missing_library(name: str) -> None:
    code = f"""
import sys
sys.modules[{name!r}] = None  # as if it were not installed
from h5backends import H5Backend
from h5backends.drivers import registry
from h5backends.errors import DriverNotInstalledError
H5Backend("memory")
try:
    H5Backend({name!r})
except DriverNotInstalledError as exc:
    assert isinstance(exc, ImportError)
    print(exc)
"""
    result = run(code)
    assert "python -m pip install" in result.stdout, result.stderr
    assert name in result.stdout.split("pip install")[1]


def test_a_driver_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point of a package whose own library is missing, and one that is broken."""
    info = tmp_path / "ghost-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ghost\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[h5backends.drivers]\nghost = ghost_driver:Ghost\nbroken = broken_driver:Broken\n"
    )
    (tmp_path / "ghost_driver.py").write_text("import no_such_library\n")
    (tmp_path / "broken_driver.py").write_text("raise ImportError('libhdf5.so: not found')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.refresh()
    try:
        with pytest.raises(DriverNotInstalledError, match="pip install no_such_library"):
            H5Backend("ghost")
        with pytest.raises(DriverNotInstalledError, match=r"libhdf5.so.*force-reinstall"):
            H5Backend("broken")
        assert not {"ghost", "broken"} & set(registry.drivers_with(Capability.NONE))
    finally:
        monkeypatch.undo()
        registry.refresh()
    assert "ghost" not in registry.driver_names()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stranger's package, installed by pip into a folder of its own."""
    pytest.importorskip("pip", reason="this environment has no pip to install a package with")
    source = tmp_path_factory.mktemp("source") / "npzstore"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--target", str(target), str(source)),
        ],
        check=True,
        timeout=120,
        capture_output=True,
    )
    return target


def test_a_strangers_driver_is_found(stranger: Path) -> None:
    code = "import h5backends; print(h5backends.backends_available)"
    assert "'npz'" in run(code, PYTHONPATH=str(stranger)).stdout
    assert "'npz'" not in run(code).stdout


def test_a_strangers_driver_passes_the_suite(stranger: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"),
            *("--rootdir", str(tmp_path), str(PACKAGE / "check_npzstore.py")),
        ],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(stranger), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr
    assert " passed" in result.stdout
