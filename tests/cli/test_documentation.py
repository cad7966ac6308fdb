"""The commands in the documentation work as they stand."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "record-and-follow.md"


def test_commands_of_the_how_to(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fences = [t for t in MarkdownIt().parse(PAGE.read_text("utf-8")) if t.type == "fence"]
    lines = [line for t in fences if t.info == "sh" for line in t.content.splitlines()]
    assert len(lines) > 4
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "h5backends"
        result = run(*arguments)
        assert result.code == 0, (line, result)
        assert result.out, line
