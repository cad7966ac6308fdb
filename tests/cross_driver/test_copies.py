"""Files between drivers: every writer with every reader, copies through all, hostile content."""

from __future__ import annotations

import datetime
import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import CARRAY, EARRAY, GROUP, VLARRAY, H5Backend, Node
from tests.conftest import DRIVERS, LOCAL, Place

ATTRS: dict[str, Any] = {
    "units": "µm",
    "empty": "",
    "number": 3,
    "factor": 0.1,
    "flag": True,
    "nothing": None,
    "pair": (1, ("a", 2.5)),
    "born": datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
    "z": 1 + 2j,
    "long": "é" * 60_000,
    "array": np.arange(5, dtype=np.int16),
    "names": np.array(["x", "µ"]),
}
ARRAYS: dict[str, Any] = {
    "floats": np.linspace(0, 1, 7),
    "halves": np.arange(4, dtype=np.float16),
    "bytes": np.array([b"ab", b"c"]),
    "flags": np.array([[True, False], [False, True]]),
    "texts": np.array(["a", "µµ", ""]),
    "times": np.array(["2026-01-01", "NaT"], "M8[ms]"),
    "complex": np.array([1 + 2j, 3j]),
    "image": np.arange(12, dtype=np.uint16).reshape(3, 4),
    "scalar": np.float64(2.5),
    "none": np.zeros((3, 0)),
}


def write(h5: H5Backend) -> None:
    """Fill a file with one of everything that all drivers hold."""
    group = h5.add_group("raw", "scan", "/", title="Messung µ", metadata=ATTRS)
    h5.get_set_group(group, "inner", title="inside")
    for name, values in ARRAYS.items():
        h5.create_carray(group, name, values, title=name, metadata={"units": "mW"})
    h5.define_compression("gzip")
    grown = h5.create_earray("/Raw/inner", "grown", "float64", (2,))
    grown.append(np.arange(20.0).reshape(10, 2))
    h5.define_compression(None)
    ragged = h5.create_vlarray(group, "ragged", "int32")
    for length in (3, 0, 2):
        ragged.append(np.arange(length))
    log = h5.create_vlarray(group, "log", "string")
    for line in ("first", "", "dritte Zeile: µ"):
        log.append(line)


def content(h5: H5Backend) -> dict[str, Any]:
    """Return everything in a file as plain objects."""
    return {node.path: _described(node) for node in h5.walk_nodes("/")}


def _described(node: Node) -> Any:
    own = {"VERSION", "PYTABLES_FORMAT_VERSION", "CLASS", "swmr_compatible", "FLAVOR"}
    attrs = {k: _plain(v) for k, v in node.attrs.items() if k not in own}
    if node.path == "/":
        attrs.pop("swmr_active", None)
    if isinstance(node, GROUP):
        return "group", attrs
    assert isinstance(node, CARRAY)
    kind = type(node).__name__
    return kind, node.shape, str(node.dtype), _plain(node.read()), attrs


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        # The bytes of NaT are equal, NaT itself is not.
        return str(value.dtype), value.shape, value.tobytes() if value.dtype != object else None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


@pytest.mark.parametrize("reader", LOCAL)
@pytest.mark.parametrize("writer", LOCAL)
def test_every_reader_sees_what_every_writer_wrote(
    writer: str, reader: str, make_place: Any
) -> None:
    place: Place = make_place(writer)
    with place.open("w") as h5:
        write(h5)
    with place.open("r") as h5:
        written = content(h5)
    with H5Backend(reader) as h5:
        h5.open_file(place.location, "r")
        assert content(h5) == written
        kinds = {node.path: type(node) for node in h5.walk_nodes("/")}
        assert kinds["/Raw/inner/grown"] is EARRAY
        assert kinds["/Raw/ragged"] is VLARRAY
        assert h5.get_node("/Raw").attrs["pair"] == ATTRS["pair"]
        assert h5.get_node("/Raw").attrs["born"] == ATTRS["born"]


@pytest.mark.parametrize("reader", LOCAL)
@pytest.mark.parametrize("writer", LOCAL)
def test_one_goes_on_where_the_other_stopped(writer: str, reader: str, make_place: Any) -> None:
    place: Place = make_place(writer)
    with place.open("w") as h5:
        write(h5)
    with H5Backend(reader) as h5:
        h5.open_file(place.location, "a")
        h5.get_node("/Raw/inner/grown").append([20.0, 21.0])
        h5.get_node("/Raw/log").append("vierte")
        h5.get_node("/Raw").attrs["number"] = 4
    with place.open("r") as h5:
        assert np.array_equal(h5.get_node("/Raw/inner/grown")[:].ravel(), np.arange(22.0))
        assert h5.get_node("/Raw/log")[-1] == "vierte"
        assert h5.get_node("/Raw").attrs["number"] == 4


@pytest.mark.parametrize("first", DRIVERS)
def test_a_copy_through_all_drivers_comes_back_equal(first: str, make_place: Any) -> None:
    places = [make_place(name) for name in (first, *(d for d in DRIVERS if d != first), first)]
    with places[0].open("w") as h5:
        write(h5)
    with places[0].open("r") as h5:
        original = content(h5)
    done: list[tuple[int, int]] = []
    for source, target in itertools.pairwise(places):
        with source.open("r") as old, target.open("w") as new:
            old.copy_to(new, progress=lambda *step: done.append(step))
    with places[-1].open("r") as h5:
        assert content(h5) == original
    assert done
    assert done[-1][0] == done[-1][1] > 0


@pytest.mark.parametrize("driver", LOCAL)
def test_nothing_in_a_file_is_executed(driver: str, tmp_path: Path) -> None:
    witness = tmp_path / "executed"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (witness,)

    trap = pickle.dumps(Trap())
    call = f"__import__('pathlib').Path({str(witness)!r}).touch()"
    form = json.dumps({"module": "builtins", "type": "float", "data": call})
    path = tmp_path / "hostile.h5"
    with H5Backend(driver) as h5:
        h5.open_file(path, "w")
        h5.create_vlarray("/", "log", "string").append("honest")
    with h5py.File(path, "r+") as file:
        file.attrs["json"] = form
        file.attrs["pickled"] = np.bytes_(trap)
        file["log"].resize((2,))
        file["log"][1] = np.frombuffer(trap, np.uint8)
    for reader in LOCAL:
        with H5Backend(reader) as h5:
            h5.open_file(path, "r")
            assert h5.root().attrs["json"] == form
            assert isinstance(h5.root().attrs["pickled"], str)
            texts = h5.get_node("/log").read()
            assert texts[0] == "honest"
            assert isinstance(texts[1], str)
            assert not witness.exists()
    # The trap is real: whoever evaluates or unpickles it springs it.
    with pytest.raises(TypeError):
        float(eval(call))  # noqa: S307 - the proof that the text does something
    assert witness.exists()
    witness.unlink()
    pickle.loads(trap)
    assert witness.exists()
