"""The superblock, read and mended as bytes."""

from __future__ import annotations

import itertools
import random
import shutil
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends.errors import FileFormatError, FileMissingError
from h5backends.superblock import (
    HEAD_SIZE,
    SIGNATURE,
    FileState,
    checksum,
    file_state,
    looks_like,
    mended_end,
    parse,
    patched,
    read_superblock,
    state_of,
)
from tests.swmr.writers import ALL_KINDS, Writer, crashed, small_file

VERSIONS: dict[int, Any] = {
    0: {"libver": ("earliest", "v110")},
    2: {"libver": ("v108", "v110")},
    3: {"libver": ("v110", "v110")},
}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    """A superblock version."""
    return int(request.param)


@pytest.fixture
def closed(tmp_path: Path, version: int) -> Path:
    """A finished file with a superblock of that version."""
    return small_file(tmp_path / "closed.h5", **VERSIONS[version])


@pytest.mark.parametrize(
    ("data", "value"),
    [
        # The vectors published with lookup3: hashlittle(..., 0).
        (b"", 0xDEADBEEF),
        (b"Four score and seven years ago", 0x17770551),
    ],
)
def test_checksum(data: bytes, value: int) -> None:
    assert checksum(data) == value


@pytest.mark.parametrize("user_block", [0, 512, 4096])
def test_agrees_with_the_library(tmp_path: Path, version: int, user_block: int) -> None:
    path = small_file(tmp_path / "f.h5", userblock_size=user_block, **VERSIONS[version])
    block = read_superblock(path)
    with h5py.File(path, "r") as file:
        assert block.version == file.id.get_create_plist().get_version()[0] == version
        assert block.offset == file.userblock_size == user_block
        assert block.root == h5py.h5o.get_info(file.id).addr
    assert block.end == block.file_size == path.stat().st_size
    assert block.checksum_ok
    assert not block.writer_open
    assert state_of(block) is FileState.CLOSED
    assert patched(block) == block.raw


def test_version_1(tmp_path: Path) -> None:
    # Written where the rank of chunk indices differs from the default; h5py cannot ask for it,
    # so its bytes are made from those of version 0, which lack only the four bytes at 24.
    path = small_file(tmp_path / "f.h5", **VERSIONS[0])
    old = read_superblock(path)
    head = path.read_bytes()[:HEAD_SIZE]
    new = head[:8] + b"\1" + head[9:24] + b"\x20\0\0\0" + head[24:]
    block = parse(new, old.file_size)
    assert (block.version, block.end, block.root) == (1, old.end, old.root)
    again = parse(patched(block, end=12345, flags=1) + new[60:], old.file_size)
    assert (again.end, again.flags, again.root) == (12345, 1, old.root)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_writer_leaves_its_mark(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    state = FileState.SWMR_WRITING if kind.startswith("swmr") else FileState.WRITING
    with Writer(path, kind) as writer:
        assert file_state(path) is state
        writer.kill()
        assert file_state(path) is state
    block = read_superblock(path)
    assert block.writer_open
    assert block.swmr_writer == kind.startswith("swmr")
    mended = parse(patched(block) + bytes(64), block.file_size, block.offset)
    assert state_of(mended) is FileState.CLOSED


def test_mended_like_the_library_does(tmp_path: Path) -> None:
    """What `patched` writes is byte for byte what HDF5 writes when it closes the file."""
    path, copy = tmp_path / "f.h5", tmp_path / "copy.h5"
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file["x"] = np.arange(10)
        file.flush()
        file.swmr_mode = True
        shutil.copy(path, copy)
    live, finished = read_superblock(copy), read_superblock(path)
    assert live.raw != finished.raw
    assert patched(live, end=finished.end) == finished.raw


def test_header_cut_at_every_byte(closed: Path, tmp_path: Path) -> None:
    whole = closed.read_bytes()
    cut = tmp_path / "cut.h5"
    seen = set()
    for size in range(HEAD_SIZE):
        cut.write_bytes(whole[:size])
        seen.add(state := file_state(cut))
        assert state in {FileState.EMPTY, FileState.DAMAGED, FileState.TRUNCATED}
        if state is not FileState.TRUNCATED:
            with pytest.raises(FileFormatError):
                read_superblock(cut)
    assert len(seen) == 3


def test_every_flipped_bit_of_a_checked_header_is_seen(closed: Path, version: int) -> None:
    if version < 2:
        pytest.skip("superblock 0 has no checksum")
    whole = bytearray(closed.read_bytes())
    size = len(read_superblock(closed).raw)
    for bit in range(8 * size):
        whole[bit // 8] ^= 1 << bit % 8
        closed.write_bytes(whole)
        assert file_state(closed) in {FileState.DAMAGED, FileState.NOT_HDF5}
        whole[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("seed", range(0, 400, 100))
def test_flipped_bytes_give_a_state_or_an_error(closed: Path, seed: int) -> None:
    whole = closed.read_bytes()
    for number in range(seed, seed + 100):
        chance = random.Random(number)
        head = bytearray(whole[:HEAD_SIZE])
        for _ in range(chance.randint(1, 8)):
            head[chance.randrange(HEAD_SIZE)] = chance.randrange(256)
        closed.write_bytes(bytes(head) + whole[HEAD_SIZE:])
        assert isinstance(file_state(closed), FileState)
        try:
            block = read_superblock(closed)
        except FileFormatError:
            continue
        assert len(patched(block)) == len(block.raw)


@given(st.binary(max_size=HEAD_SIZE), st.integers(0, 2**40), st.sampled_from([0, 512, 2**20]))
def test_any_bytes_are_a_superblock_or_an_error(tail: bytes, size: int, offset: int) -> None:
    try:
        block = parse(SIGNATURE + tail, size, offset)
    except FileFormatError:
        return
    assert isinstance(state_of(block), FileState)
    assert mended_end(block) >= size
    if block.end >= 0:
        assert parse(patched(block, end=block.end) + bytes(64), size, offset).end == block.end


def test_longer_and_shorter_than_recorded(closed: Path) -> None:
    whole = closed.read_bytes()
    closed.write_bytes(whole + b"x")
    assert file_state(closed) is FileState.OVERHANG
    assert mended_end(read_superblock(closed)) == len(whole) + 1
    closed.write_bytes(whole[:-1])
    assert file_state(closed) is FileState.TRUNCATED


def test_an_absurd_claim_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    crashed(path, "plain-v0")
    block = read_superblock(path)
    head = patched(block, end=2**50, flags=1)
    absurd = parse(head + bytes(64), block.file_size)
    assert absurd.end == 2**50
    assert mended_end(absurd) == block.file_size


def test_an_end_that_the_addresses_cannot_hold(tmp_path: Path) -> None:
    head = SIGNATURE + bytes([3, 2, 2, 1]) + bytes(2) + b"\xff\xff" + bytes([9, 0, 20, 0])
    block = parse(head + checksum(head).to_bytes(4, "little"), 2**20)
    assert block.checksum_ok
    with pytest.raises(FileFormatError, match="too large"):
        patched(block)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"time,value\n0,1\n", "text beginning with 'time,value"),
        ("größe;µm\n".encode(), "text beginning with 'größe"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "a PNG image"),
        (b"PK\x03\x04" + bytes(20), "a zip archive"),
        (bytes(64), "zeros"),
        (b"\x89HDF", "the first 4 bytes of an HDF5 file"),
        (b"\xde\xad\xbe\xef" * 8, "bytes beginning with de ad be ef"),
        (("x" * 47 + "µ").encode()[:48], "text beginning with 'xxx"),
    ],
)
def test_says_what_it_looks_like(tmp_path: Path, content: bytes, words: str) -> None:
    assert looks_like(content).startswith(words)
    path = tmp_path / "f.h5"
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        read_superblock(path)
    assert caught.value.found is not None
    assert caught.value.found.startswith(words)
    assert str(path) in str(caught.value)


def test_not_hdf5_missing_and_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    assert file_state(path) is FileState.MISSING
    with pytest.raises(FileMissingError):
        read_superblock(path)
    path.write_bytes(b"hello" * 1000)
    assert file_state(path) is FileState.NOT_HDF5
    with pytest.raises(OSError, match=r"directory|denied"):
        file_state(tmp_path)


def test_a_header_that_is_being_replaced(tmp_path: Path) -> None:
    """A reader beside a writer sees the one header or the other, never a mixture."""
    path = small_file(tmp_path / "f.h5", libver=("v110", "v110"))
    block = read_superblock(path)
    heads = [block.raw, patched(block, flags=5)]
    over = threading.Event()

    def replace() -> None:
        with open(path, "r+b", buffering=0) as file:
            for head in itertools.cycle(heads):
                # In two pieces, so that now and then there is a mixture to be seen.
                file.seek(0)
                file.write(head[:20])
                file.write(head[20:])
                if over.wait(0.0005):
                    return

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        seen = {file_state(path) for _ in range(300)}
    finally:
        over.set()
        thread.join()
    assert seen <= {FileState.CLOSED, FileState.SWMR_WRITING}
