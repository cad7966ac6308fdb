"""Which files may be looked at, and what the page may say of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from h5backends.errors import FileAccessError, FileMissingError
from h5backends.heartbeat import WriterState
from savers.view.model.library import Library
from savers.view.model.progress import Progress
from savers.view.model.source import Address, Standing
from savers.view.page.words import age, headline, literal, log_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shown" / "below").mkdir(parents=True)
    for name in ("a.h5", "below/b.nxs", "notes.txt", ".hidden.h5"):
        (tmp_path / "shown" / name).write_bytes(b"x")
    (tmp_path / "secret.h5").write_bytes(b"x")
    os.utime(tmp_path / "shown" / "a.h5", (1, 1))
    return tmp_path / "shown"


def test_files_of_a_folder(folder: Path) -> None:
    library = Library(Address(str(folder)))
    assert library.names() == ["below/b.nxs", "a.h5"], "the newest first"
    assert library.find(None).location == str(folder.resolve() / "below" / "b.nxs")
    assert library.find("a.h5").location == str(folder.resolve() / "a.h5")


@pytest.mark.parametrize(
    "name", ["../secret.h5", "below/../../secret.h5", "link.h5", "", "\0", "."]
)
def test_nothing_outside_the_folder(folder: Path, name: str) -> None:
    library = Library(Address(str(folder)))
    if name == "link.h5":
        (folder / name).symlink_to(folder.parent / "secret.h5")
    with pytest.raises((FileAccessError, FileMissingError)) as caught:
        library.find(name or str(folder.parent / "secret.h5"))
    assert isinstance(caught.value, FileAccessError)


def test_missing_and_empty(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileMissingError):
        Library(Address(str(folder))).find("none.h5")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileMissingError):
        Library(Address(str(tmp_path / "empty"))).find(None)


def test_one_file_is_all_there_is(folder: Path) -> None:
    library = Library(Address(str(folder / "a.h5")))
    assert library.find(None).location == str(folder / "a.h5")
    with pytest.raises(FileAccessError):
        library.find("below/b.nxs")


def test_viewers_share_a_file(folder: Path) -> None:
    library = Library(Address(str(folder)))
    address = library.find("a.h5")
    first, second = library.borrow(address), library.borrow(address)
    assert first is second
    library.give_back(first)
    assert library.borrow(address) is second
    library.give_back(second)
    library.give_back(second)
    assert library.borrow(address) is not second
    library.close()


def test_text_of_files_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    standing = Standing(WriterState.WRITING, evil, "", "", 1)
    trouble = Standing(WriterState.UNKNOWN, "", evil, evil)
    for text in (
        headline(evil, standing, Progress(), 0.0),
        headline(evil, trouble, Progress(), 0.0),
        log_text([evil]),
    ):
        assert "<script" not in text
        assert "&lt;script" in text
    for mark in ("$$", r"\(", r"\["):
        assert mark not in literal(f"a {mark}x{mark} b")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "just now"),
        (0.123, "0.1 s ago"),
        (75, "1 min 15 s ago"),
        (3 * 3600 + 61, "3 h 01 min ago"),
        (90 * 3600, "3 days ago"),
    ],
)
def test_age(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_headline_tells_how_far_it_is() -> None:
    standing = Standing(WriterState.WRITING, "python (pid 1 on lab)", "", "", 1)
    text = headline("run.h5", standing, Progress(3, 10, 100.0), 101.5)
    assert "writing" in text
    assert "python (pid 1 on lab)" in text
    assert "3 of 10 points, the last one 1.5 s ago" in text
    closed = Standing(WriterState.FINISHED, "", "", "", 2)
    assert "ago" not in headline("run.h5", closed, Progress(3, 10, 100.0), 101.5)
