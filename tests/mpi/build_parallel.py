"""Build h5py against the system's parallel HDF5, in a virtual environment of its own.

    python tests/mpi/build_parallel.py [FOLDER]

Takes about four minutes, and Debian's packages ``libhdf5-openmpi-dev openmpi-bin libopenmpi-dev``
(or what your system has in their place). FOLDER is by default ``$H5BACKENDS_MPI``, or else
``h5backends/parallel-h5py`` in the user's cache folder, where the tests look for it. Run it again
to build anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("numpy", "cython", "pkgconfig", "setuptools>=77", "wheel", "mpi4py", "psutil")
_CHECK = "import h5py, mpi4py, sys; sys.exit(not h5py.get_config().mpi)"


def folder() -> Path:
    """Return where the environment is, or is to be."""
    given = os.environ.get("H5BACKENDS_MPI")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else cache / "h5backends" / "parallel-h5py"


def python_of(where: Path) -> Path:
    """Return the interpreter of an environment."""
    return where / "bin" / "python"


def why_unavailable(where: Path) -> str | None:
    """Return why MPI tests cannot run with this environment; None if they can."""
    if sys.platform == "win32":
        return "parallel HDF5 is tested with OpenMPI, which Windows lacks"
    if shutil.which("mpiexec") is None:
        return "there is no mpiexec: install openmpi-bin"
    python = python_of(where)
    if not python.exists():
        return f"there is no h5py for MPI in {where}: python tests/mpi/build_parallel.py"
    found = subprocess.run([python, "-c", _CHECK], check=False, capture_output=True, timeout=60)
    if found.returncode:
        return f"the h5py in {where} cannot do MPI: python tests/mpi/build_parallel.py"
    return None


def parallel_hdf5() -> tuple[Path, Path]:
    """Return the folders of the headers and the libraries of the system's parallel HDF5."""
    headers = Path("/usr/include/hdf5/openmpi")
    libraries = sorted(Path("/usr/lib").glob("*/hdf5/openmpi"))
    if os.environ.get("HDF5_INCLUDEDIR") and os.environ.get("HDF5_LIBDIR"):
        return Path(os.environ["HDF5_INCLUDEDIR"]), Path(os.environ["HDF5_LIBDIR"])
    if not headers.is_dir() or not libraries:
        sys.exit(
            "There is no parallel HDF5 here: install libhdf5-openmpi-dev, openmpi-bin and "
            "libopenmpi-dev, or set HDF5_INCLUDEDIR and HDF5_LIBDIR."
        )
    return headers, libraries[0]


def build(where: Path) -> None:
    """Make the environment."""
    headers, libraries = parallel_hdf5()
    if shutil.which("mpicc") is None:
        sys.exit("There is no mpicc: install libopenmpi-dev.")
    if where.exists():
        if not (where / "pyvenv.cfg").is_file():
            sys.exit(f"{where} is there, and is not a virtual environment: nothing was changed.")
        shutil.rmtree(where)
    subprocess.run([sys.executable, "-m", "venv", where], check=True)
    pip = [python_of(where), "-m", "pip", "install", "--quiet", "--upgrade"]
    subprocess.run([*pip, *TOOLS], check=True)
    settings = {
        "HDF5_MPI": "ON",
        "CC": "mpicc",
        "HDF5_INCLUDEDIR": str(headers),
        "HDF5_LIBDIR": str(libraries),
    }
    # With build isolation pip would compile an old mpi4py first, in tens of gigabytes.
    # And its cache may hold an h5py that was built in another way.
    local = ["--no-cache-dir", "--no-build-isolation", "--no-deps"]
    subprocess.run(
        [*pip, *local, "--no-binary=h5py", "h5py"], check=True, env=os.environ | settings
    )
    subprocess.run([*pip, *local, "--editable", ROOT], check=True)
    reason = why_unavailable(where)
    if reason:
        sys.exit(reason)
    print(f"built: {python_of(where)}")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else folder())
