"""The documentation builds without a warning, and its reference is complete."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["h5backends", "h5backends.follow", "h5backends.swmr", "h5backends.errors", "savers"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx", reason="python -m pip install 'h5backends[docs]'")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "docs", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_pages(site: Path) -> None:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        built = site / page.relative_to(ROOT / "docs").with_suffix(".html")
        assert built.stat().st_size > 1000, page


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_reference(site: Path, package: str) -> None:
    text = "".join(page.read_text("utf-8") for page in (site / "reference/api").glob("*.html"))
    for name in importlib.import_module(package).__all__:
        assert f">{name}</span>" in text or f".{name}" in text, f"{package}.{name}"
