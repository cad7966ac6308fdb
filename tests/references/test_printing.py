"""Printing what there is, for files of every library."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np
import pytest
import tables

from h5backends.errors import NodeKindError
from h5backends.references import H5FlowDataManager, print_attr, print_data, print_ref
from tests.conftest import Place


@contextlib.contextmanager
def opened(kind: str, place: Place) -> Iterator[Any]:
    """Open the file that the manager made, with one library or another."""
    with contextlib.ExitStack() as stack:
        if kind == "manager":
            yield stack.enter_context(
                H5FlowDataManager(place.location, "r", backend=place.driver, **place.options)
            )
        elif kind == "facade":
            yield stack.enter_context(place.open("r"))
        elif kind == "group":
            yield stack.enter_context(place.open("r")).root()
        elif kind == "h5py":
            yield stack.enter_context(h5py.File(place.location))
        elif kind == "PyTables":
            yield stack.enter_context(tables.open_file(place.location))
        else:
            import h5pyd

            file = h5pyd.File(place.location, "r", use_cache=False, **place.options)
            yield stack.enter_context(contextlib.closing(file))


@pytest.mark.parametrize(
    ("driver", "kind"),
    [
        ("h5py", "manager"),
        ("h5py", "h5py"),
        ("tables", "facade"),
        ("tables", "PyTables"),
        ("tables", "group"),
        ("h5pyd", "h5pyd"),
        ("h5pyd", "manager"),
    ],
)
def test_printing(
    driver: str, kind: str, make_place: Callable[..., Place], capsys: pytest.CaptureFixture[str]
) -> None:
    place = make_place(driver)
    with H5FlowDataManager(place.location, backend=driver, **place.options) as dm:
        dm.create_dset("events", "f8")
        dm.create_dset("charge/hits", "i4", (2,))
        dm.create_ref("events", "charge/hits")
        dm.set_attrs("charge", gain=np.float64(2.5), label="first")
        dm.reserve_data("charge/hits", 3)
    with opened(kind, place) as file:
        print_data(file)
        assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
            ["charge/hits/data", "(3,", "2)", "int32"],
            ["events/data", "(0,)", "float64"],
        ]
        print_ref(file)
        assert capsys.readouterr().out == "events/ref/charge/hits/ref  (0, 2)  uint32\n"
        print_attr(file)
        lines = capsys.readouterr().out.splitlines()
        start = lines.index("charge")
        shown = dict(line.split(maxsplit=1) for line in lines[start + 1 : start + 6])
        assert "2.5" in shown["gain"]
        assert "first" in shown["label"]
        assert "events/ref/charge/hits/ref" in lines


def test_nothing_to_print(capsys: pytest.CaptureFixture[str], local_place: Place) -> None:
    with local_place.open("w") as h5:
        print_ref(h5)
        print_data(h5)
    assert capsys.readouterr().out == ""
    for wrong in (np.zeros(3), "events.h5", None):
        with pytest.raises(NodeKindError):
            print_ref(wrong)
