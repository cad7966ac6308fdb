"""What a subclass of the conformance suite provides, and what its tests use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from h5backends.backend import H5Backend
from h5backends.drivers import registry
from h5backends.drivers.base import Driver
from h5backends.errors import DTypeError, H5Error
from h5backends.testing.comparison import difference
from h5backends.types import ArraySpec, Filters, Handle, Mode, NodeKind, OpenOptions, Stored

__all__ = ["OpenDriver", "OpenFile", "Oracle", "Seen", "Suite"]


@dataclass(frozen=True)
class Seen:
    """One node as the oracle sees it in the closed file.

    Parameters
    ----------
    kind : NodeKind
        What the library itself makes of it.
    attrs : mapping
        Attributes: ``str``, numpy scalars, arrays (text: kind ``U``).
    values : ndarray, list of ndarray, or None
        Content of an array in the stored type; the rows of a ragged one; None for a group.
    """

    kind: NodeKind
    attrs: Mapping[str, Any] = field(default_factory=dict)
    values: NDArray[Any] | list[NDArray[Any]] | None = None


class Oracle(Protocol):
    """Reads a closed file around the driver, with nothing of this package in between."""

    def __call__(self, location: str) -> Mapping[str, Seen]:
        """Return all nodes by their absolute path, the root as ``/``."""


class OpenDriver(Protocol):
    """Opens the test's file at the level of the driver; closed when the test ends."""

    def __call__(self, mode: Mode = "a") -> Driver: ...


class OpenFile(Protocol):
    """Opens the test's file through the facade; closed when the test ends."""

    def __call__(self, mode: str = "a", **kwargs: Any) -> H5Backend: ...


class Suite:
    """Fixtures and help of every part of the suite.

    A subclass sets :attr:`driver` and overrides the fixtures ``oracle`` and, where the defaults
    do not fit, ``location`` and ``options``.
    """

    driver: ClassVar[str]
    """The name that the driver is registered under."""

    @pytest.fixture
    def location(self, tmp_path: Path) -> str:
        """A place where no file is yet."""
        return str(tmp_path / "conformance.h5")

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        """What ``open_file`` needs beside the location."""
        return {}

    @pytest.fixture
    def oracle(self) -> Oracle:
        """The way to see what is in a closed file."""
        pytest.fail(f"{type(self).__name__} needs a fixture 'oracle', see h5backends.testing")

    @pytest.fixture
    def open_driver(self, location: str, options: dict[str, Any]) -> Iterator[OpenDriver]:
        """Open the file with the driver alone."""
        opened: list[Driver] = []

        def open_(mode: Mode = "a") -> Driver:
            kind = registry.load(self.driver)
            driver = kind.open(kind.normalise(location), mode, OpenOptions(extra=options))
            opened.append(driver)
            return driver

        yield open_
        for driver in opened:
            driver.close()

    @pytest.fixture
    def open_file(self, location: str, options: dict[str, Any]) -> Iterator[OpenFile]:
        """Open the file with the facade."""
        opened: list[H5Backend] = []

        def open_(mode: str = "a", **kwargs: Any) -> H5Backend:
            h5 = H5Backend(self.driver, kwargs.pop("flush_policy", None))
            opened.append(h5)
            h5.open_file(location, mode, **options, **kwargs)
            return h5

        yield open_
        for h5 in opened:
            h5.close_file()


# -- help for tests at the level of the driver ---------------------------------------------------
def node_attrs(kind: NodeKind, **others: Stored) -> dict[str, Stored]:
    """Return the attributes that the facade gives to every new node."""
    versions = {NodeKind.GROUP: "1.0", NodeKind.VLARRAY: "1.4"}
    attrs: dict[str, Stored] = {
        "TITLE": "",
        "CLASS": kind.value,
        "VERSION": versions.get(kind, "1.1"),
    }
    if kind in {NodeKind.EARRAY, NodeKind.VLARRAY}:
        attrs["EXTDIM"] = np.int32(0)
    return attrs | others


def make_group(driver: Driver, parent: Handle, name: str) -> Handle:
    """Create a group as the facade does."""
    return driver.create_group(parent, name, node_attrs(NodeKind.GROUP))


def make_fixed(driver: Driver, name: str, data: NDArray[Any], **spec: Any) -> Handle:
    """Create a ``CARRAY`` in the root as the facade does, or skip if its type is not for it."""
    require_dtype(driver, data.dtype, NodeKind.CARRAY)
    whole = ArraySpec(NodeKind.CARRAY, data.dtype, data.shape, **spec)
    attrs = node_attrs(NodeKind.CARRAY)
    try:
        return driver.create_array(driver.root(), name, whole, data, attrs)
    except DTypeError as exc:
        # Allowed for a library's own limits, as long as nothing is left behind.
        assert not driver.has_child(driver.root(), name)
        pytest.skip(f"{driver.name} says it holds no {data.dtype} of shape {data.shape}: {exc}")


def make_growing(
    driver: Driver,
    name: str,
    dtype: np.dtype[Any],
    row_shape: tuple[int, ...] = (),
    *,
    chunk_rows: int = 8,
    filters: Filters = Filters(),  # noqa: B008 - frozen
    fill: Any = None,
    parent: Handle = None,
) -> Handle:
    """Create an ``EARRAY`` as the facade does, or skip if its type is not for it.

    It is created in the root unless another parent is given.
    """
    require_dtype(driver, dtype, NodeKind.EARRAY)
    chunks = (chunk_rows, *(max(1, n) for n in row_shape))
    spec = ArraySpec(NodeKind.EARRAY, dtype, (0, *row_shape), chunks, filters, fill)
    return driver.create_array(
        driver.root() if parent is None else parent, name, spec, None, node_attrs(NodeKind.EARRAY)
    )


def make_ragged(driver: Driver, name: str, dtype: np.dtype[Any]) -> Handle:
    """Create a ``VLARRAY`` in the root as the facade does, or skip if its type is not for it."""
    require_dtype(driver, dtype, NodeKind.VLARRAY)
    spec = ArraySpec(NodeKind.VLARRAY, dtype, (0,), (64,))
    return driver.create_array(driver.root(), name, spec, None, node_attrs(NodeKind.VLARRAY))


def require_dtype(driver: Driver, dtype: np.dtype[Any], kind: NodeKind) -> None:
    """Skip the test if the driver says beforehand that it cannot hold a type."""
    try:
        type(driver).check_dtype(dtype, kind)
    except DTypeError as exc:
        pytest.skip(f"{driver.name} says it holds no {dtype} in a {kind.value}: {exc}")


def full(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the box around a whole array."""
    return tuple(slice(0, n, 1) for n in shape)


# -- help for all tests -------------------------------------------------------------------------
def check(found: Any, expected: Any, where: str = "value") -> None:
    """Fail unless two values are the same, see :mod:`h5backends.testing.comparison`."""
    text = difference(found, expected, where)
    if text is not None:
        pytest.fail(text, pytrace=False)


def refusal(kind: type[H5Error], action: Callable[[], object]) -> H5Error:
    """Return the error that an action raises; it must be of this very type and say what to do."""
    with pytest.raises(H5Error) as caught:
        action()
    error = caught.value
    if type(error) is not kind:
        pytest.fail(f"raised {type(error).__name__} instead of {kind.__name__}: {error}")
    return error
