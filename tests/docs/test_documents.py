"""Every block of the README and the documentation runs, in order, in one folder."""

from __future__ import annotations

import contextlib
import io
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
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{where}: {command}\n{done.stdout}{done.stderr}"
    assert done.stdout, f"{where}: {command} says nothing"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for token in MarkdownIt().parse(document.read_text(encoding="utf-8")):
        for child in token.children or []:
            target = str(child.attrs.get("href", "")).split("#")[0]
            if target and "://" not in target:
                assert (document.parent / target).exists(), f"{target} in {document.name}"
