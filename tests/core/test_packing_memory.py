"""An append to a compressed array that fails for want of memory, and so does taking it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from h5backends import FlushPolicy, H5Backend, packing
from tests.conftest import LOCAL
from tests.torture.rows import stored

CHUNK = 8192


@pytest.mark.parametrize("then", ["append", "flush", "close"])
@pytest.mark.parametrize("driver", LOCAL)
def test_rows_that_were_refused_are_not_taken(
    tmp_path: Path, driver: str, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.h5"
    rows = np.arange(20 * CHUNK, dtype="f8")
    h5 = H5Backend(driver, FlushPolicy(seconds=None))
    h5.open_file(path, "w")
    h5.define_compression("gzip", 1)
    array: Any = h5.create_earray("/", "array", "f8", chunks=(CHUNK,))
    taken = CHUNK + 10
    array.append(rows[:taken])
    session = h5.session
    pack, resize, calls = packing.Budget.pack, session.driver.resize, [0, 0]

    def pack_some(*args: Any) -> Any:
        calls[0] += 1
        if calls[0] > 6:
            raise MemoryError
        future = pack(*args)
        if calls[0] == 5:  # some of them are in the file by now
            next(iter(session.budget._queues)).drain()
        return future

    def resize_later(*args: Any) -> None:
        calls[1] += 1
        if packing.Budget.pack is pack_some:  # as long as memory is short
            raise MemoryError
        resize(*args)

    monkeypatch.setattr(packing.Budget, "pack", pack_some)
    monkeypatch.setattr(session.driver, "resize", resize_later)
    with pytest.raises(MemoryError):
        array.append(rows[taken : 15 * CHUNK])
    monkeypatch.setattr(packing.Budget, "pack", pack)
    assert calls[1]
    assert len(array) == array.shape[0] == taken
    if then == "append":
        array.append(rows[taken : 15 * CHUNK])
        taken = 15 * CHUNK
    elif then == "flush":
        h5.flush()
    assert len(array) == taken
    h5.close_file()
    np.testing.assert_array_equal(stored(path), rows[:taken])
