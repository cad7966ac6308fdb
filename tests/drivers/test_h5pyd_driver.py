"""The h5pyd driver against a real HSDS: locations, access, values, the tree, and appending.

What a restart of the server must not lose is in ``test_h5pyd_restart.py``. The oracle is h5pyd
itself, used directly and without its cache.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h5backends.drivers.h5pyd_ import H5pydDriver
from h5backends.errors import (
    AttributeValueError,
    DTypeError,
    FileClosedError,
    FileFormatError,
    FileMissingError,
    FileOccupiedError,
    NodeExistsError,
    NodeKindError,
    NodeNameError,
    NodeNotFoundError,
    ReadOnlyError,
    RemoteAccessError,
    RemoteError,
    ShapeError,
    UnsupportedError,
)
from h5backends.types import ArraySpec, Capability, Filters, NodeKind, OpenOptions
from tests.hsds import HSDS, QUICK, h5pyd, why_unavailable

pytestmark = pytest.mark.skipif(why_unavailable() is not None, reason=str(why_unavailable()))

EARRAY, CARRAY, VLARRAY = NodeKind.EARRAY, NodeKind.CARRAY, NodeKind.VLARRAY


@pytest.fixture(scope="module")
def hsds() -> Iterator[HSDS]:
    with HSDS(settings=QUICK) as service:
        yield service


@pytest.fixture
def domain(hsds: HSDS, request: pytest.FixtureRequest) -> str:
    return f"{hsds.home}{abs(hash(request.node.nodeid)):x}.h5"


@pytest.fixture
def driver(hsds: HSDS, domain: str) -> Iterator[H5pydDriver]:
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        yield driver


def opened(hsds: HSDS, domain: str, mode: Any = "a", **extra: Any) -> H5pydDriver:
    return H5pydDriver.open(domain, mode, OpenOptions(extra={**hsds.login, **extra}))


def raw(hsds: HSDS, domain: str, mode: str = "r") -> Any:
    """The oracle: h5pyd without a cache, around the driver."""
    return contextlib.closing(h5pyd.File(domain, mode, use_cache=False, **hsds.login))


def growing(
    driver: H5pydDriver,
    name: str = "rows",
    dtype: str = "f8",
    row: tuple[int, ...] = (),
    **spec: Any,
) -> Any:
    chunks = spec.pop("chunks", (1000, *row))
    wanted = ArraySpec(EARRAY, np.dtype(dtype), (0, *row), chunks, **spec)
    return driver.create_array(driver.root(), name, wanted, None, {"CLASS": "EARRAY"})


def fixed(driver: H5pydDriver, data: Any, name: str = "fixed", **spec: Any) -> Any:
    data = np.ascontiguousarray(data).reshape(np.shape(data))
    wanted = ArraySpec(CARRAY, data.dtype, data.shape, **spec)
    return driver.create_array(driver.root(), name, wanted, data, {})


def whole(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(0, n, 1) for n in shape)


# -- locations and modes ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "location",
    [
        "hdf5://home/user/x.h5",
        "hdf5:///home/user/x.h5",
        "/home/user/x.h5",
        "/home/user//x.h5",
        PurePosixPath("/home/user/x.h5"),
        PurePosixPath("hdf5://home/user/x.h5"),  # a path cannot hold two slashes
    ],
)
def test_locations(location: Any) -> None:
    assert H5pydDriver.normalise(location) == "/home/user/x.h5"


@pytest.mark.parametrize(
    "location",
    ["x.h5", "home/u/x.h5", "C:\\data\\x.h5", "C:/data/x.h5", "/home/u/", "/", "", "/a/../x"],
)
def test_locations_that_are_none(location: str) -> None:
    with pytest.raises(FileFormatError, match=r"hdf5://home/<user>/<file>\.h5"):
        H5pydDriver.normalise(location)


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_missing_file_is_not_created(hsds: HSDS, domain: str, mode: Any) -> None:
    with pytest.raises(FileMissingError, match="no such file on the server"):
        opened(hsds, domain, mode)
    assert not H5pydDriver.exists(domain, OpenOptions(extra=hsds.login))


@pytest.mark.parametrize("mode", ["a", "w", "x"])
def test_new_file(hsds: HSDS, domain: str, mode: Any) -> None:
    options = OpenOptions(title="naïve", extra=hsds.login)
    with contextlib.closing(H5pydDriver.open(domain, mode, options)) as driver:
        assert driver.is_open
        assert driver.location == domain
        assert driver.mode == mode
        assert H5pydDriver.exists(domain, options)
    with raw(hsds, domain) as file:
        assert dict(file.attrs) == {"TITLE": "naïve"}


def test_existing_file(hsds: HSDS, domain: str) -> None:
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        driver.create_group(driver.root(), "kept", {})
    with pytest.raises(FileOccupiedError):
        opened(hsds, domain, "x")
    for mode in ("r", "r+", "a"):
        with contextlib.closing(opened(hsds, domain, mode)) as driver:
            assert driver.child_names(driver.root()) == ["kept"]
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        assert driver.child_names(driver.root()) == []


def test_folder_is_not_a_file(hsds: HSDS) -> None:
    for mode in ("r", "a", "w", "x"):
        with pytest.raises(FileFormatError, match="folder on the server"):
            opened(hsds, hsds.home.rstrip("/"), mode)
    assert not H5pydDriver.exists(hsds.home.rstrip("/"), OpenOptions(extra=hsds.login))


def test_missing_folder_is_named(hsds: HSDS) -> None:
    with pytest.raises(FileMissingError, match=f"no folder {hsds.home}a/ .*hstouch {hsds.home}a/"):
        opened(hsds, f"{hsds.home}a/b/c.h5", "w")


def test_environment_and_precedence(
    hsds: HSDS, domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in hsds.login.items():
        monkeypatch.setenv(f"HS_{name.upper()}", value)
    h5pyd.get_config()  # which has the environment as it was
    monkeypatch.setattr(h5pyd.config.Config, "_cfg", {"hs_endpoint": ""})
    with contextlib.closing(H5pydDriver.open(domain, "w", OpenOptions())) as driver:
        driver.create_group(driver.root(), "found", {})
        assert "found" in driver.native
    with pytest.raises(RemoteAccessError):
        H5pydDriver.open(domain, "r", OpenOptions(extra={"password": "not this one"}))


def test_no_endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HS_ENDPOINT", raising=False)
    monkeypatch.setattr(h5pyd.config.Config, "_cfg", {"hs_endpoint": ""})
    with pytest.raises(RemoteError, match="HS_ENDPOINT"):
        H5pydDriver.open("/home/user/x.h5", "r", OpenOptions())


# -- who may ----------------------------------------------------------------------------------
def test_wrong_password(hsds: HSDS, domain: str) -> None:
    with pytest.raises(RemoteAccessError, match="user name and password"):
        opened(hsds, domain, "a", password="wrong")
    with pytest.raises(RemoteAccessError):
        H5pydDriver.exists(domain, OpenOptions(extra={**hsds.login, "password": "wrong"}))


def test_another_users_folder(hsds: HSDS) -> None:
    with pytest.raises(RemoteAccessError, match="does not permit"):
        opened(hsds, f"/home/{hsds.other_username}/x.h5", "w")


def test_file_that_may_only_be_read(hsds: HSDS, domain: str) -> None:
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        driver.create_group(driver.root(), "g", {})
        with pytest.raises(RemoteAccessError):  # nobody else sees it yet
            opened(hsds, domain, "r", **hsds.other_login)
        rights = dict.fromkeys(("create", "update", "delete", "readACL", "updateACL"), False)
        driver.native.putACL({"userName": hsds.other_username, "read": True, **rights})
    with contextlib.closing(opened(hsds, domain, "r", **hsds.other_login)) as driver:
        assert driver.child_names(driver.root()) == ["g"]
    for mode in ("r+", "a"):
        with pytest.raises(RemoteAccessError, match="not change it"):
            opened(hsds, domain, mode, **hsds.other_login)


def test_server_that_is_not_there(tmp_path: Path) -> None:
    for endpoint in ("http+unix://%2Fno%2Fsuch.sock", "http://127.0.0.1:9", "nonsense"):
        start = time.monotonic()
        with pytest.raises(RemoteError, match="endpoint") as info:
            H5pydDriver.open("/home/u/x.h5", "r", OpenOptions(extra={"endpoint": endpoint}))
        assert not isinstance(info.value, RemoteAccessError)
        assert endpoint in str(info.value)
        assert time.monotonic() - start < 5


def test_admin_may_write_anywhere(hsds: HSDS, domain: str) -> None:
    opened(hsds, domain, "w").close()
    admin = {"username": hsds.admin_username, "password": hsds.admin_password}
    with contextlib.closing(opened(hsds, domain, "r+", **admin)) as driver:
        driver.create_group(driver.root(), "g", {})


# -- reading only, closed, forked -------------------------------------------------------------
def test_a_file_opened_for_reading_refuses_every_change(hsds: HSDS, domain: str) -> None:
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        driver.appender(growing(driver)).append(0, np.arange(3.0))
        driver.create_array(
            driver.root(), "v", ArraySpec(VLARRAY, np.dtype("u1"), (0,), (64,)), None, {}
        )
        driver.write_attr(driver.root(), "a", "b")
    with contextlib.closing(opened(hsds, domain, "r")) as driver:
        root, rows, ragged = driver.root(), driver.get("/rows"), driver.get("/v")
        spec = ArraySpec(CARRAY, np.dtype("f8"), (2,))
        for change in (
            lambda: driver.create_group(root, "n", {}),
            lambda: driver.create_array(root, "n", spec, None, {}),
            lambda: driver.remove(rows),
            lambda: driver.move(rows, root, "n"),
            lambda: driver.write_attr(root, "a", "c"),
            lambda: driver.delete_attr(root, "a"),
            lambda: driver.write(rows, (slice(0, 1, 1),), np.zeros(1)),
            lambda: driver.resize(rows, 1),
            lambda: driver.appender(rows).append(3, np.zeros(1)),
            lambda: driver.append_ragged(ragged, [np.zeros(1, "u1")]),
        ):
            with pytest.raises(ReadOnlyError):
                change()
        driver.flush()
    with raw(hsds, domain) as file:
        assert sorted(file) == ["rows", "v"]
        assert dict(file.attrs) == {"a": "b"}
        assert list(file["rows"][:]) == [0, 1, 2]


def test_closed(hsds: HSDS, domain: str) -> None:
    driver = opened(hsds, domain, "w")
    node = growing(driver)
    appender = driver.appender(node)
    driver.close()
    driver.close()
    assert not driver.is_open
    for call in (
        driver.root,
        driver.flush,
        driver.fsync,
        lambda: driver.get("/rows"),
        lambda: driver.read(node, (slice(0, 0, 1),)),
        lambda: driver.shape(node),
        lambda: driver.refresh(node),
        lambda: driver.native,
        lambda: appender.append(0, np.zeros(1)),
    ):
        with pytest.raises(FileClosedError):
            call()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_makes_no_request(driver: H5pydDriver) -> None:
    node = growing(driver)
    driver.appender(node).append(0, np.arange(5.0))
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        found = b"it was allowed"
        try:
            # Even before anyone calls abandon(), and certainly afterwards.
            for _ in range(2):
                with contextlib.suppress(FileClosedError):
                    driver.appender(node).append(5, np.zeros(1))
                    break
                driver.abandon()
            else:
                found = b"refused"
        finally:
            os.write(write_end, found)
            os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with os.fdopen(read_end, "rb") as answer:
        assert answer.read() == b"refused"
    driver.refresh(node)
    assert driver.shape(node) == (5,)
    driver.appender(node).append(5, np.arange(5.0, 6.0))


def test_capabilities(driver: H5pydDriver) -> None:
    wanted = Capability.REMOTE | Capability.REFRESH | Capability.SHARED_WRITE | Capability.FSYNC
    assert driver.capabilities == wanted | Capability.PERSISTENT | Capability.RESERVE


def test_reserved_rows_are_each_programs_own(hsds: HSDS, domain: str) -> None:
    """Drivers that know nothing of each other get different rows, also at the same time."""
    with contextlib.closing(opened(hsds, domain, "w")) as first:
        growing(first)
        first.flush()
        taken: list[int] = []

        def take(count: int) -> None:
            with contextlib.closing(opened(hsds, domain, "r+")) as driver:
                node = driver.get("/rows")
                for _ in range(15):
                    start = driver.reserve(node, count)
                    box = (slice(start, start + count, 1),)
                    driver.write(node, box, np.full(count, float(count)))
                    taken.extend(range(start, start + count))

        threads = [threading.Thread(target=take, args=(count,)) for count in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(taken) == list(range(90))
    with raw(hsds, domain) as file:
        values = file["rows"][:]
    assert [int((values == count).sum()) for count in (1, 2, 3)] == [15, 30, 45]


def test_reserving_after_rows_that_another_program_took(hsds: HSDS, domain: str) -> None:
    with contextlib.closing(opened(hsds, domain, "w")) as first:
        node = growing(first)
        first.appender(node).append(0, np.arange(4.0))
        with contextlib.closing(opened(hsds, domain, "r+")) as second:
            assert second.reserve(second.get("/rows"), 2) == 4
        assert first.reserve(node, 1) == 6
        assert first.shape(node) == (7,)
        first.appender(node).append(7, np.array([9.0]))
        first.fsync()
    with raw(hsds, domain) as file:
        assert file["rows"][:].tolist() == [0, 1, 2, 3, 0, 0, 0, 9]


def test_native_is_h5pyds_file(driver: H5pydDriver) -> None:
    driver.create_group(driver.root(), "g", {})
    assert isinstance(driver.native, h5pyd.File)
    assert list(driver.native) == ["g"]
    assert not driver.native.id.http_conn.cache_on


# -- attributes -------------------------------------------------------------------------------
ATTRIBUTES: dict[str, Any] = {
    "text": "plain",
    "empty text": "",
    "naïve/ünï €?&#%+": "ß漢字🎈",
    "long": "x" * 100 * 1024,
    "half": np.float16(0.1),
    "single": np.float32(np.pi),
    "double": np.float64(-0.0),
    "nan": np.array([np.nan, np.inf, -np.inf]),
    "int8": np.int8(-128),
    "int64": np.int64(-(2**63)),
    "uint64": np.uint64(2**64 - 1),
    "bool": np.bool_(True),
    "bools": np.array([[True, False]]),
    "complex64": np.complex64(1 - 2j),
    "complex": np.array([[1 + 2j], [complex(np.nan, -1)]]),
    "texts": np.array([["a", ""], ["é", "longer"]]),
    "none": np.empty(0),
    "none int": np.empty((3, 0), np.int32),
    "none complex": np.empty((0,), np.complex128),
    "big": np.random.default_rng(0).random(12800),
}


def same(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) or isinstance(got, str):
        return type(got) is type(wanted) and got == wanted
    got, wanted = np.asarray(got), np.asarray(wanted)
    if (got.dtype, got.shape) != (wanted.dtype, wanted.shape):
        return False
    if got.dtype.kind in "fc":
        return bool(np.array_equal(got, wanted, equal_nan=True)) and bool(
            np.array_equal(np.signbit(got.real), np.signbit(wanted.real))
        )
    return bool(np.array_equal(got, wanted))


@pytest.mark.parametrize("kind", ["at creation", "together", "one by one"])
def test_attributes(hsds: HSDS, domain: str, driver: H5pydDriver, kind: str) -> None:
    group = driver.create_group(driver.root(), "g", ATTRIBUTES if kind == "at creation" else {})
    if kind == "together":
        driver.write_attrs(group, ATTRIBUTES)
    if kind == "one by one":
        for name, value in ATTRIBUTES.items():
            driver.write_attr(group, name, value)
    assert driver.attr_names(group) == sorted(ATTRIBUTES)
    everything = driver.read_attrs(group)
    assert list(everything) == sorted(ATTRIBUTES)
    for name, value in ATTRIBUTES.items():
        assert same(everything[name], value), name
        assert same(driver.read_attr(group, name), value), name
        assert type(everything[name]) is type(value), name
    with raw(hsds, domain) as file:
        attrs = file["g"].attrs
        assert attrs["text"] == "plain"
        assert attrs["double"] == 0
        assert attrs["bool"]
        assert list(attrs["texts"].flat) == ["a", "", "é", "longer"]


def test_attribute_is_replaced_and_removed(driver: H5pydDriver) -> None:
    root = driver.root()
    for value in ATTRIBUTES.values():
        driver.write_attr(root, "a", value)
        driver.flush()
        assert same(driver.read_attr(root, "a"), value)
    driver.delete_attr(root, "a")
    with pytest.raises(KeyError):
        driver.read_attr(root, "a")
    with pytest.raises(KeyError):
        driver.delete_attr(root, "a")
    for name in ATTRIBUTES:
        driver.write_attr(root, name, "x")
        driver.delete_attr(root, name)
    assert driver.read_attrs(root) == {}


def test_more_attributes_than_fit_into_one_request(driver: H5pydDriver) -> None:
    values = {f"a{n}": np.random.default_rng(n).random(12800) for n in range(12)}
    group = driver.create_group(driver.root(), "g", values)
    found = driver.read_attrs(group)
    assert found.keys() == values.keys()
    assert all(same(found[name], values[name]) for name in values)


def test_attributes_that_cannot_be_held(driver: H5pydDriver) -> None:
    root = driver.root()
    too_large = np.random.default_rng(0).random(100_000)
    for value in (too_large, "x" * 2_000_000, np.zeros(2, np.longdouble), np.zeros(2, "i4,f8")):
        with pytest.raises(AttributeValueError, match="'a'"):
            driver.write_attrs(root, {"fine": "x", "a": value})
        with pytest.raises(AttributeValueError):
            driver.create_group(root, "g", {"a": value})
    assert driver.read_attrs(root) == {}
    assert driver.child_names(root) == []


def test_attributes_of_foreign_files(hsds: HSDS, domain: str, driver: H5pydDriver) -> None:
    with raw(hsds, domain, "r+") as file:
        file.attrs["bytes"] = np.bytes_(b"fixed")
        file.attrs["nothing"] = h5pyd.Empty("f8")
        file.attrs["structured"] = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")])
        file.attrs["reference"] = file["/"].ref
    found = driver.read_attrs(driver.root())
    assert found["bytes"] == "fixed"
    assert same(found["nothing"], np.empty(0))
    assert list(found["structured"]["b"]) == [2.5, 4.5]
    assert isinstance(found["reference"], str | np.bytes_ | np.ndarray)


# -- arrays -----------------------------------------------------------------------------------
DTYPES = [
    *("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"),
    *(">f8", ">i2", ">c16", "S1", "S7"),
]
STRUCTURED = np.dtype(
    [("a", "f8"), ("b", "i2"), ("s", "S3"), ("c", "c16"), ("v", "f4", (3,)), ("t", "?")]
)


def values(dtype: Any, shape: tuple[int, ...], seed: int = 0) -> Any:
    dtype = np.dtype(dtype)
    generator = np.random.default_rng(seed)
    if dtype.names:
        result = np.empty(shape, dtype)
        for name in dtype.names:
            base, extra = dtype[name].subdtype or (dtype[name], ())
            result[name] = values(base, (*shape, *extra), seed)
        return result
    if dtype.kind == "S":
        return generator.choice([b"a", b"\xff\x80", b""], size=shape).astype(dtype)
    numbers = generator.integers(0, 2 if dtype.kind == "b" else 120, size=shape)
    if dtype.kind == "c":
        return (numbers - 1j * numbers).astype(dtype)
    return numbers.astype(dtype)


@pytest.mark.parametrize("dtype", [*DTYPES, STRUCTURED], ids=str)
def test_types(hsds: HSDS, domain: str, driver: H5pydDriver, dtype: Any) -> None:
    H5pydDriver.check_dtype(np.dtype(dtype), CARRAY)
    data = values(dtype, (5, 4))
    node = fixed(driver, data, chunks=(2, 4))
    rows = growing(driver, dtype=dtype, row=(4,))
    driver.appender(rows).append(0, data)
    driver.appender(rows).append(5, data[:2])
    scalar = fixed(driver, data[1, 2], "scalar")
    assert driver.spec(node).dtype == np.dtype(dtype)
    assert same(driver.read(node, whole((5, 4))), data)
    assert same(driver.read(rows, whole((7, 4))), data[[0, 1, 2, 3, 4, 0, 1]])
    assert same(driver.read(scalar, ()), data[1, 2])
    assert driver.read(scalar, ()).shape == ()
    with raw(hsds, domain) as file:
        oracle = file["fixed"][...]
        assert oracle.tobytes() == data.tobytes()


@pytest.mark.parametrize(
    "dtype", ["M8[s]", "m8[us]", "U3", "O", "V5", np.longdouble, np.clongdouble, "S0"], ids=str
)
def test_types_that_cannot_be_held(driver: H5pydDriver, dtype: Any) -> None:
    for kind in (CARRAY, EARRAY, VLARRAY):
        with pytest.raises(DTypeError):
            H5pydDriver.check_dtype(np.dtype(dtype), kind)
    spec = ArraySpec(CARRAY, np.dtype(dtype), (2,))
    with pytest.raises(DTypeError):
        driver.create_array(driver.root(), "x", spec, None, {})
    assert driver.child_names(driver.root()) == []


def test_aligned_structure_loses_only_its_padding(driver: H5pydDriver) -> None:
    dtype = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    data = np.zeros(3, dtype)
    data["b"] = [1, 2, 3]
    node = fixed(driver, data)
    assert driver.spec(node).dtype == np.dtype([("a", "i1"), ("b", "f8")])
    assert list(driver.read(node, whole((3,)))["b"]) == [1, 2, 3]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 3), (1,), (2, 3, 4)])
def test_extents(driver: H5pydDriver, shape: tuple[int, ...]) -> None:
    data = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
    node = fixed(driver, data)
    assert driver.shape(node) == driver.spec(node).shape == shape
    assert same(driver.read(node, whole(shape)), data)
    assert driver.kind(node) is CARRAY


def test_large_fixed_arrays_are_chunked(driver: H5pydDriver) -> None:
    data = np.arange(3_000_000, dtype=np.int32).reshape(1000, 3000)
    node = fixed(driver, data)
    assert driver.spec(node).chunks is not None
    assert same(driver.read(node, whole(data.shape)), data)
    small = fixed(driver, data[:5, :5], "small")
    assert driver.spec(small).chunks is None


def test_chunks_are_cut_to_what_cannot_grow(driver: H5pydDriver) -> None:
    node = growing(driver, row=(3,), chunks=(10, 100))
    assert driver.spec(node).chunks == (10, 3)
    assert driver.spec(fixed(driver, np.zeros(5), chunks=(100,))).chunks == (5,)


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [("f8", -1.5), ("f8", np.nan), ("i4", 7), ("?", True), ("c16", 1 + 2j), ("S4", b"ab")],
)
def test_fill_value(driver: H5pydDriver, dtype: str, fill: Any) -> None:
    node = growing(driver, dtype=dtype, fill=np.array(fill, dtype)[()])
    driver.resize(node, 4)
    driver.write(node, (slice(1, 3, 1),), np.zeros(2, dtype))  # zeros are values like others
    wanted = np.array([fill, 0, 0, fill] if dtype != "S4" else [fill, b"", b"", fill], dtype)
    assert same(driver.read(node, whole((4,))), wanted)
    assert same(np.array(driver.spec(node).fill, dtype), np.array(fill, dtype))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_boxes(box_array: tuple[H5pydDriver, Any, Any], data: st.DataObject) -> None:
    driver, node, mirror = box_array
    box = []
    for length in mirror.shape:
        start = data.draw(st.integers(0, length - 1))
        stop = data.draw(st.integers(start + 1, length))
        box.append(slice(start, stop, data.draw(st.integers(1, 4))))
    if data.draw(st.booleans()):
        new = np.random.default_rng(data.draw(st.integers(0, 99))).random(mirror[*box].shape)
        mirror[*box] = new
        driver.write(node, tuple(box), new)
    assert same(driver.read(node, tuple(box)), mirror[*box])


@pytest.fixture(scope="module")
def box_array(hsds: HSDS) -> Iterator[tuple[H5pydDriver, Any, Any]]:
    mirror = np.random.default_rng(0).random((11, 7, 5))
    with contextlib.closing(opened(hsds, f"{hsds.home}boxes.h5", "w")) as driver:
        yield driver, fixed(driver, mirror, chunks=(4, 3, 5)), mirror


def test_box_larger_than_one_request(driver: H5pydDriver) -> None:
    data = np.random.default_rng(0).random((2500, 1000))
    node = fixed(driver, data, chunks=(100, 1000))
    assert same(driver.read(node, whole(data.shape)), data)
    box = (slice(1, 2500, 2), slice(0, 1000, 1))
    assert same(driver.read(node, box), data[1::2])
    driver.write(node, box, data[::2])
    assert same(driver.read(node, box), data[::2])
    assert same(driver.read(node, (slice(0, 2500, 2), box[1])), data[::2])


def test_shorter_and_longer(driver: H5pydDriver) -> None:
    node = growing(driver, chunks=(10,))
    driver.appender(node).append(0, np.arange(35.0))
    driver.resize(node, 13)
    assert same(driver.read(node, whole((13,))), np.arange(13.0))
    driver.resize(node, 20)
    assert list(driver.read(node, (slice(10, 20, 1),))) == [10, 11, 12, *[0] * 7]
    driver.appender(node).append(20, np.arange(3.0))
    assert driver.shape(node) == (23,)


def test_kinds(hsds: HSDS, domain: str, driver: H5pydDriver) -> None:
    with raw(hsds, domain, "r+") as file:
        file.create_group("group")
        file.create_dataset("fixed", data=np.zeros(3))
        file.create_dataset("growing", shape=(0,), maxshape=(None,), dtype="f8", chunks=(10,))
        file.create_dataset("named", data=np.zeros(3)).attrs["CLASS"] = "EARRAY"
        file.create_dataset("other", data=np.zeros(3)).attrs["CLASS"] = "TABLE"
        ragged = h5pyd.special_dtype(vlen=np.dtype("f4"))
        file.create_dataset("ragged", shape=(0,), maxshape=(None,), dtype=ragged, chunks=(10,))
        file["soft"] = h5pyd.SoftLink("/growing")
        file["dangling"] = h5pyd.SoftLink("/nothing")
    wanted = {
        **{"fixed": CARRAY, "growing": EARRAY, "group": NodeKind.GROUP, "named": EARRAY},
        **{"other": CARRAY, "ragged": VLARRAY, "soft": EARRAY},
    }
    root = driver.root()
    assert {name: kind for name, _, kind in driver.scan(root)} == wanted
    assert driver.child_names(root) == sorted(wanted)
    assert {name: driver.kind(driver.child(root, name)) for name in wanted} == wanted
    named = driver.get("/named")
    driver.delete_attr(named, "CLASS")
    assert driver.kind(named) is CARRAY
    driver.write_attr(named, "CLASS", "EARRAY")
    assert driver.kind(named) is EARRAY


def test_scan_of_one_and_of_many(driver: H5pydDriver) -> None:
    for count in (1, 40):
        group = driver.create_group(driver.root(), f"g{count}", {})
        spec = ArraySpec(EARRAY, np.dtype("f8"), (0,), (10,))
        for n in range(count):
            driver.create_array(group, f"d{n}", spec, None, {"CLASS": "EARRAY", "TITLE": "x"})
        found = list(driver.scan(group))
        assert [name for name, _, _ in found] == sorted(f"d{n}" for n in range(count))
        assert {kind for _, _, kind in found} == {EARRAY}
        assert all(driver.path(node) == f"/g{count}/{name}" for name, node, _ in found)


# -- compression ------------------------------------------------------------------------------
def test_codecs_give_back_what_was_written_after_a_restart(hsds: HSDS, domain: str) -> None:
    data = np.random.default_rng(0).integers(0, 50, (300, 1000)).astype(np.int32)
    codecs = sorted(H5pydDriver.codecs() - {"shuffle"})
    assert codecs == ["blosc", "gzip", "lz4", "zstd"]
    wanted = [
        Filters(name, level, shuffle)
        for name in codecs
        for level in (None, 3)
        for shuffle in (False, True)
    ]
    driver = opened(hsds, domain, "w")
    for n, filters in enumerate(wanted):
        fixed(driver, data, f"d{n}", chunks=(100, 1000), filters=filters)
        found = driver.spec(driver.get(f"/d{n}")).filters
        assert (found.codec, found.shuffle) == (filters.codec, filters.shuffle)
    driver.close()
    hsds.kill()  # what was in its memory is gone: it reads from the store
    hsds.start()
    with raw(hsds, domain) as file:
        for n, filters in enumerate(wanted):
            assert np.array_equal(file[f"d{n}"][...], data), filters


@pytest.mark.parametrize(
    "filters",
    [Filters(shuffle=True), Filters("gzip", fletcher32=True), Filters("lzf"), Filters("blosc2"),
     Filters("bitshuffle"), Filters(fletcher32=True)],
    ids=str,
)  # fmt: skip
def test_filters_that_hsds_does_not_hold(driver: H5pydDriver, filters: Filters) -> None:
    with pytest.raises(UnsupportedError):
        fixed(driver, np.arange(10.0), chunks=(5,), filters=filters)
    assert driver.child_names(driver.root()) == []


# -- ragged rows ------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "u4", "f2", "f4", "f8"])
def test_ragged_rows(hsds: HSDS, domain: str, driver: H5pydDriver, dtype: str) -> None:
    spec = ArraySpec(VLARRAY, np.dtype(dtype), (0,), (64,))
    node = driver.create_array(driver.root(), "v", spec, None, {"CLASS": "VLARRAY"})
    rows = [np.arange(n % 7).astype(dtype) for n in range(700)]
    driver.append_ragged(node, rows[:1])
    driver.append_ragged(node, rows[1:2])
    driver.append_ragged(node, rows[2:])
    assert driver.shape(node) == (700,)
    assert driver.kind(node) is VLARRAY
    assert driver.spec(node).dtype == np.dtype(dtype)
    found = driver.read_ragged(node, 0, 700)
    assert all(same(a, b) for a, b in zip(found, rows, strict=True))
    assert all(same(a, b) for a, b in zip(driver.read_ragged(node, 60, 131), rows[60:131],
                                          strict=True))  # fmt: skip
    assert driver.read_ragged(node, 5, 5) == []
    found[3][...] = 0  # the caller's own
    with raw(hsds, domain) as file:
        assert list(file["v"][6]) == list(rows[6])


def test_ragged_rows_of_all_sizes(driver: H5pydDriver) -> None:
    spec = ArraySpec(VLARRAY, np.dtype("u1"), (0,), (64,))
    node = driver.create_array(driver.root(), "v", spec, None, {})
    generator = np.random.default_rng(0)
    rows = [generator.integers(0, 255, n).astype("u1") for n in (0, 1, *[999_999] * 6, 5)]
    driver.append_ragged(node, rows)
    with pytest.raises(ShapeError, match="1000000 bytes"):
        driver.append_ragged(node, [rows[1], np.zeros(1_000_001, "u1")])
    assert driver.shape(node) == (9,)
    found = driver.read_ragged(node, 0, 9)
    assert all(same(a, b) for a, b in zip(found, rows, strict=True))


# -- the tree ---------------------------------------------------------------------------------
NAMES = ["plain", "with space", "ünï-漢", "per%cent", "a&b=c", "ha#sh?", "do.t", "..x", "br[0]",
         "back\\slash", "co:lon", "quo'te\"", "com,ma;", "star*", "+plus"]  # fmt: skip


def test_names(hsds: HSDS, domain: str, driver: H5pydDriver) -> None:
    root = driver.root()
    for name in NAMES:
        assert not driver.has_child(root, name)
        group = driver.create_group(root, name, {"TITLE": name})
        driver.create_group(group, "below", {})
    assert driver.child_names(root) == sorted(NAMES)
    for name in NAMES:
        assert driver.has_child(root, name)
        assert driver.read_attr(driver.get(f"/{name}"), "TITLE") == name
        below = driver.get(f"/{name}/below")
        assert driver.path(below) == f"/{name}/below"
        assert driver.identity(below) == driver.identity(driver.child(driver.child(root, name),
                                                                      "below"))  # fmt: skip
    with raw(hsds, domain) as file:
        assert sorted(file) == sorted(NAMES)
    for name in NAMES:
        driver.remove(driver.child(root, name))
    assert driver.child_names(root) == []


def test_missing_nodes(driver: H5pydDriver) -> None:
    root = driver.root()
    gone = driver.create_group(root, "gone", {})
    array = growing(driver)
    for look in (
        lambda: driver.get("/nothing"),
        lambda: driver.get("/nothing/below"),
        lambda: driver.get("/rows/below"),
        lambda: driver.child(root, "nothing"),
        lambda: driver.child(gone, "nothing"),
    ):
        with pytest.raises((NodeNotFoundError, NodeKindError)):
            look()
    driver.remove(array)
    with pytest.raises(NodeNotFoundError):
        driver.get("/rows")


def test_a_name_that_is_taken(driver: H5pydDriver) -> None:
    root = driver.root()
    first = driver.create_group(root, "g", {"a": "first"})
    with pytest.raises(NodeExistsError):
        driver.create_group(root, "g", {"a": "second"})
    spec = ArraySpec(CARRAY, np.dtype("f8"), (2,))
    with pytest.raises(NodeExistsError):
        driver.create_array(root, "g", spec, None, {})
    with pytest.raises(NodeExistsError):
        driver.move(driver.create_group(root, "h", {}), root, "g")
    assert driver.identity(driver.get("/g")) == driver.identity(first)
    assert driver.child_names(root) == ["g", "h"]


def test_move(hsds: HSDS, domain: str, driver: H5pydDriver) -> None:
    root = driver.root()
    group = driver.create_group(root, "g", {})
    inner = driver.create_group(group, "inner", {"a": "b"})
    spec = ArraySpec(EARRAY, np.dtype("f8"), (0,), (10,))
    array = driver.create_array(inner, "array", spec, None, {})
    driver.appender(array).append(0, np.arange(3.0))
    moved = driver.move(driver.get("/g/inner"), root, "new")
    assert driver.path(moved) == "/new"
    assert driver.path(array) == "/new/array"  # handles follow
    assert driver.path(inner) == "/new"
    assert driver.child_names(group) == []
    assert same(driver.read(driver.get("/new/array"), whole((3,))), np.arange(3.0))
    with pytest.raises(NodeNameError, match="into itself"):
        driver.move(moved, driver.create_group(moved, "deeper", {}), "x")
    with pytest.raises(NodeNameError, match="root"):
        driver.move(root, group, "x")
    driver.move(moved, root, "new")  # to where it is
    driver.appender(array).append(3, np.arange(3.0, 5.0))
    with raw(hsds, domain) as file:
        assert sorted(file) == ["g", "new"]
        assert list(file["new/array"][:]) == [0, 1, 2, 3, 4]
        assert dict(file["new"].attrs) == {"a": "b"}


def test_remove_what_was_written_a_moment_ago(hsds: HSDS, domain: str) -> None:
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        group = driver.create_group(driver.root(), "g", {})
        spec = ArraySpec(EARRAY, np.dtype("f8"), (0,), (10,))
        array = driver.create_array(group, "a", spec, None, {})
        driver.appender(array).append(0, np.arange(3.0))
        driver.remove(group)
        driver.create_group(driver.root(), "g", {"new": "yes"})
    with raw(hsds, domain) as file:
        assert list(file["g"]) == []
        assert dict(file["g"].attrs) == {"new": "yes"}


# -- appending --------------------------------------------------------------------------------
@pytest.mark.parametrize("row", [(), (3,), (4, 5)])
def test_append_blocks_of_all_sizes(
    hsds: HSDS, domain: str, driver: H5pydDriver, row: tuple[int, ...]
) -> None:
    node = growing(driver, row=row, chunks=(100, *row))
    appender = driver.appender(node)
    total = 0
    for count in (1, 99, 1, 100, 250, 1000, 7, 3):
        block = np.arange(total, total + count).reshape(-1, *[1] * len(row)) + np.zeros(row)
        appender.append(total, block)
        total += count
        assert driver.shape(node) == (total, *row)
    with raw(hsds, domain) as file:
        stored = file["rows"][...]
    assert stored.shape == (total, *row)
    assert np.array_equal(stored.reshape(total, -1)[:, 0], np.arange(total))


def test_append_of_rows_larger_than_one_document(driver: H5pydDriver) -> None:
    row = (600, 400)  # 1.92 MB
    node = growing(driver, row=row, chunks=(1, *row))
    frames = np.random.default_rng(0).random((3, *row))
    driver.appender(node).append(0, frames)
    assert same(driver.read(node, whole((3, *row))), frames)


def test_the_memory_may_be_used_again(driver: H5pydDriver) -> None:
    node = growing(driver)
    block = np.arange(10.0)
    driver.appender(node).append(0, block)
    block[:] = -1
    assert same(driver.read(node, whole((10,))), np.arange(10.0))


def test_rows_without_elements(driver: H5pydDriver) -> None:
    node = growing(driver, row=(0,), chunks=(10, 1))
    driver.appender(node).append(0, np.empty((5, 0)))
    assert driver.shape(node)[0] == 5


def test_a_second_writer_is_noticed(hsds: HSDS, domain: str, driver: H5pydDriver) -> None:
    node = growing(driver)
    appender = driver.appender(node)
    appender.append(0, np.arange(10.0))
    with contextlib.closing(opened(hsds, domain, "r+")) as other:
        theirs = other.appender(other.get("/rows"))
        theirs.append(10, np.arange(10.0, 15.0))
        driver.refresh(node)
        assert driver.shape(node) == (15,)
        with pytest.raises(RemoteError, match="expected 10 rows; found 15 rows"):
            appender.append(10, np.arange(3.0))
        appender.append(15, np.arange(15.0, 18.0))
    assert same(driver.read(node, whole((18,))), np.arange(18.0))


def _read_while_it_grows(
    domain: str, login: dict[str, str], total: int, ready: Any, answers: Any
) -> None:
    """Poll as fast as possible; report rows that were visible before their values were."""
    driver = H5pydDriver.open(domain, "r", OpenOptions(extra=login))
    node = driver.get("/rows")
    row = driver.shape(node)[1:]
    seen = torn = polls = 0
    ready.release()
    deadline = time.monotonic() + 60
    while seen < total and time.monotonic() < deadline:
        driver.refresh(node)
        length = driver.shape(node)[0]
        polls += 1
        if length > seen:
            found = driver.read(node, (slice(seen, length, 1), *whole(row)))
            wanted = np.arange(seen + 1, length + 1)[:, None]
            torn += int((found.reshape(length - seen, -1) != wanted).any(axis=1).sum())
            seen = length
    driver.close()
    answers.put((polls, seen, torn))


@pytest.mark.parametrize(
    ("block", "chunk", "row"),
    [(1, 8192, ()), (1000, 8192, ()), (10_000, 8192, ()), (1, 1, (256, 128)), (50, 100, (256,))],
)
def test_no_reader_sees_a_row_before_its_values(
    hsds: HSDS, domain: str, block: int, chunk: int, row: tuple[int, ...]
) -> None:
    # One process writes, two others read without a pause.
    total = 100 * block
    driver = opened(hsds, domain, "w")
    node = growing(driver, row=row, chunks=(chunk, *row))
    context = multiprocessing.get_context("spawn")
    ready, answers = context.Semaphore(0), context.Queue()
    arguments = (domain, hsds.login, total, ready, answers)
    readers = [
        context.Process(target=_read_while_it_grows, args=arguments, daemon=True) for _ in "ab"
    ]
    for reader in readers:
        reader.start()
    for _ in readers:
        assert ready.acquire(timeout=30)
    appender = driver.appender(node)
    for begin in range(0, total, block):
        numbers = np.arange(begin + 1.0, begin + block + 1)
        appender.append(begin, numbers.reshape(-1, *[1] * len(row)) + np.zeros(row))
    results = [answers.get(timeout=60) for _ in readers]
    for reader in readers:
        reader.join(20)
    driver.close()
    assert all(polls > 20 and seen == total for polls, seen, _ in results), results
    assert [torn for _, _, torn in results] == [0, 0], results


class Cutter:
    """A line to the HSDS that breaks when told to, once the request or the answer is under way."""

    def __init__(self, hsds: HSDS) -> None:
        self._target = hsds.socket
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut: str | None = None
        self.cuts = 0
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._target))
                self._sockets += (near, far)
                for what, source, target in (("request", near, far), ("answer", far, near)):
                    threading.Thread(
                        target=self._forward, args=(what, source, target), daemon=True
                    ).start()

    def _forward(self, what: str, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.cut == what:
                    self.cut = None
                    self.cuts += 1
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        for end in self._sockets:
            end.close()


@pytest.mark.parametrize("seed", range(3))
def test_broken_connections_cost_no_row_and_double_none(
    hsds: HSDS, domain: str, seed: int
) -> None:
    generator = random.Random(seed)
    with contextlib.closing(Cutter(hsds)) as line:
        driver = opened(hsds, domain, "w", endpoint=line.endpoint)
        rows, frames = growing(driver), growing(driver, "frames", row=(3,), chunks=(5, 3))
        spec = ArraySpec(VLARRAY, np.dtype("f8"), (0,), (64,))
        ragged = driver.create_array(driver.root(), "ragged", spec, None, {})
        appenders = driver.appender(rows), driver.appender(frames)
        total = 0

        def write(what: int, step: int, block: Any) -> None:
            if what == 0:
                appenders[0].append(total, block)
            elif what == 1:
                appenders[1].append(total, block[:, None] + np.zeros(3))
            elif what == 2:
                driver.append_ragged(ragged, list(block[:, None]))
            elif what == 3:
                driver.write_attr(driver.root(), "step", np.int64(step))
            else:
                driver.create_group(driver.root(), f"g{step}", {"step": str(step)})

        for step in range(40):
            count = generator.choice((1, 3, 300))
            for what in generator.sample(range(5), 5):
                line.cut = generator.choice((None, "request", "answer"))
                write(what, step, np.arange(total, total + count, dtype=float))
            total += count
        assert line.cuts > 50
        line.cut = None
        driver.close()
    with raw(hsds, domain) as file:
        assert np.array_equal(file["rows"][:], np.arange(total))
        assert np.array_equal(file["frames"][:], np.arange(total)[:, None] + np.zeros(3))
        assert [float(row[0]) for row in file["ragged"][:]] == list(range(total))
        assert file.attrs["step"] == 39
        assert sorted(file) == sorted(["rows", "frames", "ragged", *(f"g{n}" for n in range(40))])
        assert all(file[f"g{n}"].attrs["step"] == str(n) for n in range(40))


# -- what newer versions of h5pyd lose --------------------------------------------------------
# Each of these was lost, silently, by h5pyd 1.0.0 (docs/explanations/decisions/0003). They run
# with whatever version is installed.
def test_an_attribute_replaced_after_a_flush_does_not_cost_rows(hsds: HSDS, domain: str) -> None:
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        node = growing(driver)
        driver.write_attr(node, "count", np.int64(0))
        for step in range(3):
            driver.appender(node).append(5 * step, np.arange(5 * step + 1.0, 5 * step + 6.0))
            driver.flush()
            driver.write_attr(node, "count", np.int64(5 * step + 5))
    with raw(hsds, domain) as file:
        assert list(file["rows"][:]) == list(range(1, 16))
        assert file["rows"].attrs["count"] == 15


def test_an_attribute_deleted_in_a_new_handle_stays_deleted(hsds: HSDS, domain: str) -> None:
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        driver.write_attrs(driver.root(), {"gone": "x", "kept": "y"})
    with contextlib.closing(opened(hsds, domain, "a")) as driver:
        driver.delete_attr(driver.root(), "gone")
    with raw(hsds, domain) as file:
        assert dict(file.attrs) == {"kept": "y"}


def test_a_full_read_after_flush_resize_and_write(driver: H5pydDriver) -> None:
    node = growing(driver)
    driver.appender(node).append(0, np.arange(5.0))
    driver.flush()
    driver.resize(node, 8)
    driver.write(node, (slice(5, 8, 1),), np.arange(5.0, 8.0))
    assert same(driver.read(node, whole((8,))), np.arange(8.0))


def test_moved_nodes_have_moved(hsds: HSDS, domain: str) -> None:
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        driver.create_group(driver.root(), "old", {})
    with contextlib.closing(opened(hsds, domain, "a")) as driver:
        driver.move(driver.get("/old"), driver.root(), "new")
    with raw(hsds, domain) as file:
        assert list(file) == ["new"]


def test_appending_in_a_second_session_truncates_nothing(hsds: HSDS, domain: str) -> None:
    with contextlib.closing(opened(hsds, domain, "w")) as driver:
        driver.appender(growing(driver)).append(0, np.arange(5.0))
    late = opened(hsds, domain, "a")
    node = late.get("/rows")
    with contextlib.closing(opened(hsds, domain, "a")) as driver:
        driver.appender(driver.get("/rows")).append(5, np.arange(5.0, 8.0))
    late.refresh(node)
    late.appender(node).append(8, np.arange(8.0, 9.0))
    late.close()
    with raw(hsds, domain) as file:
        assert list(file["rows"][:]) == list(range(9))


def test_h5pyd_itself_writes_through(hsds: HSDS, domain: str) -> None:
    # For those who use ``native``; also the reason why a newer version must not creep in.
    with pytest.raises(OSError, match="Not Found"):
        h5pyd.File(domain, "r+", use_cache=False, **hsds.login)
    with raw(hsds, domain, "w") as file:
        rows = file.create_dataset("rows", (0,), maxshape=(None,), dtype="f8", chunks=(1000,))
        rows.attrs["count"] = 0
        for step in range(3):
            rows.resize((5 * step + 5,))
            rows[5 * step :] = np.arange(5 * step + 1, 5 * step + 6)
            file.flush()
            rows.attrs["count"] = 5 * step + 5
        assert list(rows[:]) == list(range(1, 16))
        file.attrs["gone"] = "x"
    with raw(hsds, domain, "a") as file:
        del file.attrs["gone"]
    with raw(hsds, domain) as file:
        assert list(file["rows"][:]) == list(range(1, 16))
        assert file["rows"].attrs["count"] == 15
        assert list(file.attrs) == []
        with pytest.raises(OSError, match="write intent"):
            file["rows"][0] = 9
