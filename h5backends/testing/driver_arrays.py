"""Conformance of a driver: fixed, growing and ragged arrays, compression, chunks."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from h5backends.drivers import registry
from h5backends.drivers.base import SupportsDirectChunk, SupportsRefresh, SupportsVirtual
from h5backends.testing.suite import (
    OpenDriver,
    Oracle,
    Suite,
    check,
    full,
    make_fixed,
    make_growing,
    make_ragged,
    node_attrs,
    require_dtype,
)
from h5backends.testing.values import NUMBERS, STORED_DTYPES, sample
from h5backends.types import (
    ArraySpec,
    Box,
    Capability,
    Filters,
    NodeKind,
    OpenOptions,
    VirtualPart,
)

__all__ = ["ArrayConformance"]

_SHAPES: dict[str, tuple[int, ...]] = {
    "scalar": (),
    "one": (1,),
    "vector": (11,),
    "image": (4, 5),
    "stack": (2, 3, 4),
    "empty": (0,),
    "empty image": (3, 0),
}
_CODECS = ["gzip", "lzf", "blosc", "lz4", "bitshuffle", "zstd", "blosc2"]
_SHUFFLE_THEMSELVES = {"blosc", "blosc2", "bitshuffle"}
_BOXES: list[Box] = [
    (slice(0, 7, 1), slice(0, 5, 1)),
    (slice(2, 5, 1), slice(1, 4, 1)),
    (slice(0, 7, 3), slice(0, 5, 1)),
    (slice(1, 6, 2), slice(0, 5, 4)),
    (slice(3, 4, 1), slice(2, 3, 1)),
    (slice(0, 0, 1), slice(0, 5, 1)),
    (slice(2, 6, 1), slice(0, 0, 1)),
]


class ArrayConformance(Suite):
    """A driver as a holder of arrays."""

    # -- fixed ----------------------------------------------------------------------------------
    @pytest.mark.parametrize("name", STORED_DTYPES)
    @pytest.mark.parametrize("shape", _SHAPES.values(), ids=_SHAPES.keys())
    def test_array_fixed(
        self,
        open_driver: OpenDriver,
        oracle: Oracle,
        location: str,
        name: str,
        shape: tuple[int, ...],
    ) -> None:
        dtype = STORED_DTYPES[name]
        driver = open_driver()
        data = sample(dtype, shape)
        handle = make_fixed(driver, "array", data)
        assert driver.shape(handle) == data.shape
        assert driver.spec(handle).dtype == dtype
        check(driver.read(handle, full(data.shape)), data)
        driver.close()
        check(oracle(location)["/array"].values, data, "in the file")
        driver = open_driver("r")
        check(driver.read(driver.get("/array"), full(data.shape)), data, "after opening again")

    @pytest.mark.parametrize("chunks", [None, (3, 2)], ids=["contiguous", "chunked"])
    @pytest.mark.parametrize("box", _BOXES, ids=repr)
    def test_array_boxes(
        self,
        open_driver: OpenDriver,
        oracle: Oracle,
        location: str,
        box: Box,
        chunks: tuple[int, ...] | None,
    ) -> None:
        driver = open_driver()
        data = np.arange(35, dtype="f8").reshape(7, 5)
        handle = make_fixed(driver, "array", data, chunks=chunks)
        check(driver.read(handle, box), data[box])
        data[box] = -data[box] - 0.5
        driver.write(handle, box, np.array(data[box]))
        check(driver.read(handle, full(data.shape)), data)
        driver.close()
        check(oracle(location)["/array"].values, data)

    @pytest.mark.parametrize("name", ["bool", "c16", "S7", "compound", "f2"])
    def test_array_boxes_of_other_types(self, open_driver: OpenDriver, name: str) -> None:
        driver = open_driver()
        data = sample(STORED_DTYPES[name], (7, 5))
        handle = make_fixed(driver, "array", data)
        for index, box in enumerate(_BOXES):
            check(driver.read(handle, box), data[box], f"box {index}")
            part = sample(data.dtype, data[box].shape, seed=index)
            data[box] = part
            driver.write(handle, box, part)
            check(driver.read(handle, full(data.shape)), data, f"after writing box {index}")

    @pytest.mark.parametrize("name", ["f8", "compound", "bool"])
    def test_array_scalar_is_overwritten(self, open_driver: OpenDriver, name: str) -> None:
        driver = open_driver()
        handle = make_fixed(driver, "array", sample(STORED_DTYPES[name], ()))
        value = sample(STORED_DTYPES[name], (), seed=5)
        driver.write(handle, (), value)
        check(np.asarray(driver.read(handle, ())), value)

    @pytest.mark.parametrize("fill", [None, 7.5])
    def test_array_without_data_it_is_filled(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, fill: float | None
    ) -> None:
        driver = open_driver()
        value = None if fill is None else np.float64(fill)
        spec = ArraySpec(NodeKind.CARRAY, np.dtype("f8"), (4, 6), (2, 6), fill=value)
        attrs = node_attrs(NodeKind.CARRAY)
        handle = driver.create_array(driver.root(), "array", spec, None, attrs)
        expected = np.full((4, 6), fill or 0.0)
        check(driver.read(handle, full((4, 6))), expected)
        driver.write(handle, (slice(1, 2, 1), slice(0, 6, 1)), np.ones((1, 6)))
        expected[1] = 1
        driver.close()
        check(oracle(location)["/array"].values, expected)

    def test_array_the_caller_keeps_the_memory(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        data = np.arange(4.0)
        handle = make_fixed(driver, "array", data)
        data[:] = -1
        found = driver.read(handle, full((4,)))
        check(found, np.arange(4.0))
        found[:] = -2
        check(driver.read(handle, full((4,))), np.arange(4.0))

    # -- description ----------------------------------------------------------------------------
    @pytest.mark.parametrize(
        "spec",
        [
            ArraySpec(NodeKind.CARRAY, np.dtype("i4"), (3, 4)),
            ArraySpec(NodeKind.CARRAY, np.dtype("f8"), ()),
            ArraySpec(NodeKind.CARRAY, np.dtype("u2"), (30, 40), (10, 40)),
            ArraySpec(NodeKind.EARRAY, np.dtype("f8"), (0,), (512,)),
            ArraySpec(NodeKind.EARRAY, np.dtype("u2"), (0, 16, 8), (1, 16, 8)),
            ArraySpec(NodeKind.EARRAY, np.dtype("f4"), (0, 3), (64, 3), Filters("gzip", 3)),
            ArraySpec(
                NodeKind.CARRAY,
                np.dtype("i8"),
                (9,),
                (3,),
                Filters("gzip", 1, shuffle=True, fletcher32=True),
            ),
            ArraySpec(NodeKind.VLARRAY, np.dtype("i4"), (0,), (64,)),
        ],
        ids=lambda spec: f"{spec.kind.name}-{spec.shape}-{spec.filters.codec}",
    )
    def test_array_described_as_created(self, open_driver: OpenDriver, spec: ArraySpec) -> None:
        driver = open_driver()
        missing = _needed(spec.filters) - type(driver).codecs()
        if missing:
            pytest.skip(f"{driver.name} says it has no {', '.join(sorted(missing))}")
        require_dtype(driver, spec.dtype, spec.kind)
        driver.create_array(driver.root(), "array", spec, None, node_attrs(spec.kind))
        for _ in range(2):
            found = replace(driver.spec(driver.get("/array")), fill=None)
            if spec.kind is NodeKind.VLARRAY:
                found = replace(found, chunks=spec.chunks)
            assert found == spec
            driver.close()
            driver = open_driver("r")

    @pytest.mark.parametrize("codec", _CODECS)
    @pytest.mark.parametrize("extra", ["", "shuffle", "fletcher32"])
    def test_array_compression(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, codec: str, extra: str
    ) -> None:
        driver = open_driver()
        filters = Filters(
            codec, 5 if codec == "gzip" else None, extra == "shuffle", extra == "fletcher32"
        )
        missing = _needed(filters) - type(driver).codecs()
        if missing:
            pytest.skip(f"{driver.name} says it has no {', '.join(sorted(missing))} here")
        data = (np.arange(4000) % 17).astype("u2").reshape(40, 100)
        fixed = make_fixed(driver, "fixed", data, chunks=(10, 100), filters=filters)
        growing = make_growing(
            driver, "growing", data.dtype, (100,), chunk_rows=16, filters=filters
        )
        driver.appender(growing).append(0, data[:21])
        driver.appender(growing).append(21, np.ascontiguousarray(data[21:]))
        for handle in (fixed, growing):
            found = driver.spec(handle).filters
            assert found.codec == codec
            assert found.fletcher32 == filters.fletcher32
            if codec not in _SHUFFLE_THEMSELVES:
                assert found.shuffle == filters.shuffle
            check(driver.read(handle, full(data.shape)), data)
        driver.close()
        seen = oracle(location)
        check(seen["/fixed"].values, data, "in the file")
        check(seen["/growing"].values, data, "in the file")

    def test_array_codecs_are_of_the_common_vocabulary(self) -> None:
        codecs = registry.load(self.driver).codecs()
        assert codecs <= {*_CODECS, "shuffle", "fletcher32"}

    # -- growing --------------------------------------------------------------------------------
    @pytest.mark.parametrize("name", STORED_DTYPES)
    def test_array_growing(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, name: str
    ) -> None:
        dtype = STORED_DTYPES[name]
        driver = open_driver()
        handle = make_growing(driver, "array", dtype)
        appender = driver.appender(handle)
        data = sample(dtype, (61,))
        start = 0
        # Less than a chunk of 8 rows, exactly to its end, over several, one by one.
        for count in (3, 5, 8, 20, 1, 1, 1, 9, 13):
            appender.append(start, np.array(data[start : start + count]))
            start += count
            assert driver.shape(handle) == (start,)
            check(driver.read(handle, full((start,))), data[:start])
        driver.close()
        check(oracle(location)["/array"].values, data)
        driver = open_driver()
        driver.appender(driver.get("/array")).append(61, data)
        check(driver.read(driver.get("/array"), full((122,))), np.concatenate([data, data]))

    @pytest.mark.parametrize("row_shape", [(3,), (1,), (2, 3), (64, 64), (0,)], ids=repr)
    def test_array_growing_by_rows(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, row_shape: tuple[int, ...]
    ) -> None:
        driver = open_driver()
        handle = make_growing(driver, "array", np.dtype("u2"), row_shape, chunk_rows=4)
        data = sample(np.dtype("u2"), (11, *row_shape))
        appender = driver.appender(handle)
        for start, stop in ((0, 1), (1, 3), (3, 9), (9, 11)):
            appender.append(start, np.array(data[start:stop]))
        assert driver.shape(handle) == data.shape
        check(driver.read(handle, full(data.shape)), data)
        driver.close()
        check(oracle(location)["/array"].values, data)

    def test_array_the_buffer_may_be_used_again(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        handle = make_growing(driver, "array", np.dtype("f8"))
        appender = driver.appender(handle)
        rows = np.empty(8)
        for block in range(4):
            rows[:] = block
            appender.append(8 * block, rows)
        check(driver.read(handle, full((32,))), np.repeat(np.arange(4.0), 8))

    def test_array_appending_again_from_the_same_start(
        self, open_driver: OpenDriver, oracle: Oracle, location: str
    ) -> None:
        """As after a write that failed half way."""
        driver = open_driver()
        handle = make_growing(driver, "array", np.dtype("f8"))
        appender = driver.appender(handle)
        appender.append(0, np.arange(5.0))
        driver.resize(handle, 30)
        appender.append(5, np.arange(5.0, 21.0))
        assert driver.shape(handle) == (21,)
        appender.append(21, np.arange(21.0, 25.0))
        driver.close()
        check(oracle(location)["/array"].values, np.arange(25.0))

    @pytest.mark.parametrize("fill", [None, -1.0])
    def test_array_resize(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, fill: float | None
    ) -> None:
        driver = open_driver()
        value = None if fill is None else np.float64(fill)
        handle = make_growing(driver, "array", np.dtype("f8"), (2,), fill=value)
        driver.appender(handle).append(0, np.arange(20.0).reshape(10, 2))
        driver.resize(handle, 4)
        assert driver.shape(handle) == (4, 2)
        driver.resize(handle, 6)
        expected = np.full((6, 2), fill or 0.0)
        expected[:4] = np.arange(8.0).reshape(4, 2)
        check(driver.read(handle, full((6, 2))), expected)
        driver.resize(handle, 6)
        driver.close()
        check(oracle(location)["/array"].values, expected)
        driver = open_driver()
        driver.resize(driver.get("/array"), 0)
        assert driver.shape(driver.get("/array")) == (0, 2)

    def test_array_growing_arrays_are_overwritten_inside(
        self, open_driver: OpenDriver, oracle: Oracle, location: str
    ) -> None:
        driver = open_driver()
        handle = make_growing(driver, "array", np.dtype("i4"))
        driver.appender(handle).append(0, np.arange(20, dtype="i4"))
        driver.write(handle, (slice(3, 18, 5),), np.array([-1, -2, -3], "i4"))
        expected = np.arange(20, dtype="i4")
        expected[3:18:5] = [-1, -2, -3]
        check(driver.read(handle, full((20,))), expected)
        driver.close()
        check(oracle(location)["/array"].values, expected)

    def test_array_two_arrays_at_once(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        handles = [make_growing(driver, name, np.dtype("i8")) for name in "ab"]
        appenders = [driver.appender(handle) for handle in handles]
        for start in range(0, 30, 3):
            for sign, appender in zip((1, -1), appenders, strict=True):
                appender.append(start, sign * np.arange(start, start + 3))
        check(driver.read(handles[0], full((30,))), np.arange(30))
        check(driver.read(handles[1], full((30,))), -np.arange(30))

    def test_array_refresh_keeps_what_is_there(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        if Capability.REFRESH not in driver.capabilities:
            pytest.skip(f"{driver.name} says it cannot refresh an array")
        assert isinstance(driver, SupportsRefresh)
        handle = make_growing(driver, "array", np.dtype("f8"))
        driver.appender(handle).append(0, np.arange(5.0))
        driver.refresh(handle)
        assert driver.shape(handle) == (5,)
        check(driver.read(handle, full((5,))), np.arange(5.0))

    def test_array_direct_chunks(
        self, open_driver: OpenDriver, oracle: Oracle, location: str
    ) -> None:
        driver = open_driver()
        if Capability.DIRECT_CHUNK not in driver.capabilities:
            pytest.skip(f"{driver.name} says it cannot write chunks directly")
        assert isinstance(driver, SupportsDirectChunk)
        handle = make_growing(driver, "array", np.dtype("<i4"), (3,), chunk_rows=2)
        data = np.arange(12, dtype="<i4").reshape(4, 3)
        driver.resize(handle, 4)
        for start in (0, 2):
            driver.write_chunk(handle, (start, 0), data[start : start + 2].tobytes())
        mask, raw = driver.read_chunk(handle, (2, 0))
        assert (mask, raw) == (0, data[2:].tobytes())
        check(driver.read(handle, full((4, 3))), data)
        driver.close()
        check(oracle(location)["/array"].values, data)

    @pytest.mark.parametrize("kind", [NodeKind.CARRAY, NodeKind.EARRAY], ids=lambda k: k.name)
    def test_array_virtual(self, open_driver: OpenDriver, location: str, kind: NodeKind) -> None:
        driver = open_driver()
        if Capability.VIRTUAL not in driver.capabilities:
            pytest.skip(f"{driver.name} says it cannot make virtual arrays")
        assert isinstance(driver, SupportsVirtual)
        grows = kind is NodeKind.EARRAY
        last = VirtualPart("part1.h5", "/array", 2, None if grows else 2)
        parts = [VirtualPart("part0.h5", "/array", 0, 2), last]
        spec = ArraySpec(kind, np.dtype("<f8"), (4, 3), fill=np.float64(-1))
        driver.create_virtual(driver.root(), "array", spec, parts, {"units": "V"})
        driver.close()
        data = np.arange(12.0).reshape(4, 3)
        for number in (0, 1):
            with contextlib.closing(open_driver("r")) as reader:
                array = reader.get("/array")
                rows = reader.shape(array)[0]
                assert rows == (2 if grows else 4)
                found = reader.read(array, full((rows, 3)))
                check(found[: 2 * number], data[: 2 * number])
                assert (found[2 * number :] == -1).all()
                assert reader.read_attr(array, "units") == "V"
                assert reader.kind(array) is kind
            place = os.path.join(os.path.dirname(location), f"part{number}.h5")
            part = type(driver).open(place, "w", OpenOptions())
            array = make_growing(part, "array", np.dtype("<f8"), (3,))
            part.appender(array).append(0, data[2 * number : 2 * number + 2])
            part.close()
        driver = open_driver("r")
        assert driver.shape(driver.get("/array")) == (4, 3)
        check(driver.read(driver.get("/array"), full((4, 3))), data)

    # -- ragged ---------------------------------------------------------------------------------
    @pytest.mark.parametrize("name", NUMBERS)
    def test_array_ragged(
        self, open_driver: OpenDriver, oracle: Oracle, location: str, name: str
    ) -> None:
        dtype = np.dtype(name)
        driver = open_driver()
        handle = make_ragged(driver, "array", dtype)
        rows = [sample(dtype, (length,), length) for length in (3, 0, 1, 7, 2, 2, 500)]
        driver.append_ragged(handle, rows[:1])
        driver.append_ragged(handle, rows[1:5])
        driver.append_ragged(handle, rows[5:])
        assert driver.shape(handle) == (7,)
        assert driver.spec(handle).dtype == dtype
        check(driver.read_ragged(handle, 0, 7), rows)
        check(driver.read_ragged(handle, 2, 5), rows[2:5])
        check(driver.read_ragged(handle, 3, 3), [])
        driver.close()
        check(oracle(location)["/array"].values, rows)
        driver = open_driver()
        driver.append_ragged(driver.get("/array"), rows[:2])
        check(driver.read_ragged(driver.get("/array"), 5, 9), [*rows[5:], *rows[:2]])

    def test_array_ragged_rows_of_one_length(self, open_driver: OpenDriver) -> None:
        driver = open_driver()
        handle = make_ragged(driver, "array", np.dtype("f8"))
        rows = [np.arange(3.0), np.arange(3.0) + 1, np.arange(3.0) + 2]
        driver.append_ragged(handle, rows)
        driver.append_ragged(handle, [np.ones(1)])
        check(driver.read_ragged(handle, 0, 4), [*rows, np.ones(1)])

    def test_array_ragged_without_rows(
        self, open_driver: OpenDriver, oracle: Oracle, location: str
    ) -> None:
        driver = open_driver()
        make_ragged(driver, "array", np.dtype("f8"))
        driver.close()
        check(oracle(location)["/array"].values, [])
        driver = open_driver("r")
        assert driver.shape(driver.get("/array")) == (0,)
        check(driver.read_ragged(driver.get("/array"), 0, 0), [])


def _needed(filters: Filters) -> set[str]:
    wanted: dict[str, Any] = {
        filters.codec or "": filters.codec,
        "shuffle": filters.shuffle,
        "fletcher32": filters.fletcher32,
    }
    return {name for name, needed in wanted.items() if needed}
