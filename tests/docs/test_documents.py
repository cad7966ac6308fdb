"""Every block of the README and the documentation runs, in order, in one folder."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _blocks(document: Path) -> Iterator[tuple[str, str, int]]:
    for token in MarkdownIt().parse(document.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map:
            yield token.info.strip(), token.content, token.map[0] + 1


@pytest.fixture
def server(
    document: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real HSDS for the pages that need one, where h5pyd looks for it."""
    if "HS_ENDPOINT" in document.read_text(encoding="utf-8"):
        hsds = request.getfixturevalue("hsds")
        monkeypatch.setenv("HS_ENDPOINT", hsds.endpoint)
        monkeypatch.setenv("HS_USERNAME", hsds.username)
        monkeypatch.setenv("HS_PASSWORD", hsds.password)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what a reader would.

    The ``python`` blocks, of which a ``text`` block right behind must be what they printed, and
    the lines with our command in ``sh`` blocks; ``console`` is for what waits for a user.
    """
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed: str | None = None
    for language, content, line in _blocks(document):
        if language == "python":
            output = io.StringIO()
            # Blank lines in front make a traceback point at the line of the document.
            code = compile("\n" * line + content, str(document), "exec")
            with contextlib.redirect_stdout(output):
                exec(code, namespace)
            printed = output.getvalue()
        elif language == "sh":
            for command in content.splitlines():
                if command.startswith("h5backends "):
                    _run(command, f"{document.name}, line {line}")
        elif language == "text" and printed is not None:
            assert printed.strip() == content.strip(), f"{document.name}, line {line}"
            printed = None


def _run(command: str, where: str) -> None:
    expected = re.search(r"# exit code (\d+)", command)
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command, comments=True)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    code = int(expected[1]) if expected else 0
    assert done.returncode == code, f"{where}: {command}\n{done.stdout}{done.stderr}"
    assert done.stdout or code, f"{where}: {command} says nothing"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for token in MarkdownIt().parse(document.read_text(encoding="utf-8")):
        for child in token.children or []:
            target = str(child.attrs.get("href", "")).split("#")[0]
            if target and "://" not in target:
                assert (document.parent / target).exists(), f"{target} in {document.name}"
