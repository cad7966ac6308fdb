"""Several MPI ranks write one file, with an h5py that was built for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from h5backends.errors import UnsupportedError
from h5backends.references import H5FlowDataManager, ref_region_dtype
from h5backends.superblock import FileState, file_state
from h5backends.swmr import repair
from tests.mpi.build_parallel import ROOT, folder, python_of, why_unavailable

TIME_LIMIT = 120.0
"""What takes longer hangs."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment() -> Path:
    where = folder()
    reason = why_unavailable(where)
    if reason:
        pytest.skip(reason)
    return python_of(where)


@pytest.fixture(params=[2, 4])
def run(request: pytest.FixtureRequest, environment: Path, tmp_path: Path) -> Run:
    """Run a scenario with 2 and with 4 ranks, on the file ``tmp_path / "ranks.h5"``."""

    def run(scenario: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        command = ["mpiexec", "--oversubscribe", "-n", str(request.param)]
        if os.geteuid() == 0:
            command.insert(1, "--allow-run-as-root")
        program = Path(__file__).with_name("program.py")
        done = subprocess.run(
            [*command, environment, program, scenario, tmp_path / "ranks.h5"],
            check=False,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            # This very checkout, and one thread for each rank.
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert status or done.stdout.count("done") == request.param
        return done

    return run


@pytest.fixture
def ranks(request: pytest.FixtureRequest, run: Run) -> int:
    """How many ranks there are."""
    return int(request.node.callspec.params["run"])


def test_rows_and_references_of_all_ranks(run: Run, ranks: int, tmp_path: Path) -> None:
    run("events")
    run("grow")
    with H5FlowDataManager(tmp_path / "ranks.h5", "r") as dm:
        own, shared = dm["own", :], dm["shared", :]
        total = 30 * sum(range(ranks)) + 2
        assert np.array_equal(own["place"][:, 0], np.arange(total))
        assert sorted(shared) == list(range(ranks))
        found = dm["shared", "own", :]["place"][:, :, 0]
        assert np.array_equal(np.sort(found.compressed()), np.arange(total))
        assert dm.get_attrs("shared")["units"] == "mV"
    with h5py.File(tmp_path / "ranks.h5") as file:  # the tables are as tight as they can be
        pairs = file["shared/ref/own/ref"][:]
        for column, name, other in ((0, "shared", "own"), (1, "own", "shared")):
            owners = pairs[:, column]
            table = file[f"{name}/ref/{other}/ref_region"][:]
            assert table.dtype == ref_region_dtype
            for parent in np.unique(owners):
                rows = np.flatnonzero(owners == parent)
                assert table[parent].tolist() == (rows[0], rows[-1] + 1)


@pytest.mark.parametrize("scenario", ["sections", "errors", "dropped", "facade"])
def test_scenario(run: Run, scenario: str) -> None:
    run(scenario)


def test_compressed_rows(run: Run, tmp_path: Path) -> None:
    run("compressed")
    with h5py.File(tmp_path / "ranks.h5") as file:
        assert file["a/data"].compression == "gzip"
        assert file["a/data"].id.get_num_chunks() > 0
        assert file["a/ref/b/ref"].compression is None


def test_a_crash_between_data_and_references(run: Run, ranks: int, tmp_path: Path) -> None:
    path = tmp_path / "ranks.h5"
    run("crash", status=9)

    def check() -> None:
        with H5FlowDataManager(path, "r") as dm:
            found = dm["a", "b", :]
            assert found.shape == (15 * ranks, 1)
            assert found[: 10 * ranks, 0].tolist() == dm["a", : 10 * ranks].tolist()
            assert found.mask[10 * ranks :].all()

    check()
    if file_state(path) is not FileState.CLOSED:
        repair(path)
    with H5FlowDataManager(path) as dm:
        assert len(dm.get_ref("a", "b")[0]) == 10 * ranks + 7
        dm.write_ref("a", "b", [[10 * ranks, 3]])  # takes the place of what was never completed
        assert dm["a", "b", 10 * ranks].tolist() == [[3]]
        assert dm.get_ref("a", "b")[0][10 * ranks].tolist() == [10 * ranks, 3]


def test_without_mpi_it_is_said(tmp_path: Path) -> None:
    if h5py.get_config().mpi:
        pytest.skip("this h5py can do MPI")
    with pytest.raises(UnsupportedError, match="parallel"):
        H5FlowDataManager(tmp_path / "a.h5", mpi=True)
    assert not (tmp_path / "a.h5").exists()
