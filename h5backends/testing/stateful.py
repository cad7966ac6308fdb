"""A hypothesis state machine: any sequence of operations on a file equals the same on a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from h5backends.backend import H5Backend
from h5backends.errors import (
    DataError,
    DTypeError,
    NodeExistsError,
    NodeNotFoundError,
    SelectionError,
)
from h5backends.nodes import CARRAY, EARRAY, GROUP, VLARRAY, Node, StringARRAY
from h5backends.testing import strategies as own
from h5backends.testing.comparison import difference
from h5backends.testing.model import ModelArray, ModelGroup, ModelNode, ModelRows

__all__ = ["FileMachine", "check_driver"]

_Array = TypeVar("_Array", bound=CARRAY)
_ATTRS = st.sampled_from(["a", "b", "units", "title", "long name"])
_ROW_SHAPES = st.sampled_from([(), (), (1,), (3,), (2, 2)])
_CHUNKS = st.sampled_from([1, 2, 5, 64])


class FileMachine(RuleBasedStateMachine):
    """One file, through the facade, and the same file as plain Python objects.

    Parameters
    ----------
    driver : str
        Name of the driver.
    location : str
        A place where no file is yet.
    options : dict
        What ``open_file`` needs beside it.
    """

    def __init__(self, driver: str, location: str, options: dict[str, Any]) -> None:
        super().__init__()
        self._h5 = H5Backend(driver)
        self._location = location
        self._options = options
        self._model = ModelGroup()

    @initialize()
    def create(self) -> None:
        """Begin with an empty file."""
        self._h5.open_file(self._location, "w", **self._options)

    # -- making ---------------------------------------------------------------------------------
    @rule(data=st.data(), name=own.names)
    def make_group(self, data: st.DataObject, name: str) -> None:
        """Make a group, or get the one that is there."""
        where, parent = self._draw_group(data)
        if isinstance(parent.children.get(name), (ModelArray, ModelRows)):
            return
        group = self._h5.get_set_group(where, name)
        parent.children.setdefault(name, ModelGroup())
        assert group.path == f"{where.rstrip('/')}/{name}"

    @rule(data=st.data(), name=own.names, dtype=own.dtypes)
    def make_fixed(self, data: st.DataObject, name: str, dtype: np.dtype[Any]) -> None:
        """Make an array of fixed extent."""
        shapes = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
        values = data.draw(own.arrays(dtype, shapes))
        self._make(
            data,
            name,
            ModelArray(values=values),
            lambda where: self._h5.create_carray(where, name, values),
        )

    @rule(data=st.data(), name=own.names, dtype=own.dtypes, row_shape=_ROW_SHAPES, rows=_CHUNKS)
    def make_growing(
        self,
        data: st.DataObject,
        name: str,
        dtype: np.dtype[Any],
        row_shape: tuple[int, ...],
        rows: int,
    ) -> None:
        """Make a growing array."""
        model = ModelArray(values=np.empty((0, *row_shape), dtype), grows=True)

        def make(where: str) -> Node:
            return self._h5.create_earray(where, name, dtype, row_shape, chunks=(rows, *row_shape))

        self._make(data, name, model, make)

    @rule(data=st.data(), name=own.names, kind=st.sampled_from(["i4", "f8", "string"]))
    def make_ragged(self, data: st.DataObject, name: str, kind: str) -> None:
        """Make a ragged array, or one of text."""
        model = ModelRows(dtype=None if kind == "string" else np.dtype(kind))
        self._make(data, name, model, lambda where: self._h5.create_vlarray(where, name, kind))

    def _make(
        self, data: st.DataObject, name: str, model: ModelNode, make: Callable[[str], Node]
    ) -> None:
        where, parent = self._draw_group(data)
        if name in parent.children:
            with pytest.raises(NodeExistsError):
                make(where)
            return
        try:
            node = make(where)
        except DTypeError:
            return  # the driver says beforehand what it cannot hold; the invariant sees no trace
        parent.children[name] = model
        assert node.path == f"{where.rstrip('/')}/{name}"

    # -- changing the tree ----------------------------------------------------------------------
    @precondition(lambda self: self._model.children)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """Remove a node."""
        path = self._draw_path(data)
        self._h5.remove_node(path)
        self._model.take(path)
        with pytest.raises(NodeNotFoundError):
            self._h5.get_node(path)

    @precondition(lambda self: self._model.children)
    @rule(data=st.data(), name=own.names)
    def move(self, data: st.DataObject, name: str) -> None:
        """Move or rename a node."""
        path = self._draw_path(data)
        where, parent = self._draw_group(data)
        if name in parent.children or f"{where}/".startswith(f"{path}/"):
            with pytest.raises(ValueError, match=r"exists already|into itself"):
                self._h5.move_node(path, where, name)
            return
        node = self._h5.move_node(path, where, name)
        parent.children[name] = self._model.take(path)
        assert node.path == f"{where.rstrip('/')}/{name}"

    @precondition(lambda self: self._model.children)
    @rule(data=st.data(), name=own.names)
    def copy(self, data: st.DataObject, name: str) -> None:
        """Copy a node with everything below it."""
        path = self._draw_path(data)
        where, parent = self._draw_group(data)
        inside = isinstance(self._model.get(path), ModelGroup) and where.startswith(path)
        if name in parent.children or (inside and f"{where}/".startswith(f"{path}/")):
            with pytest.raises(ValueError, match=r"exists already|into itself"):
                self._h5.copy_node(path, where, name)
            return
        self._h5.copy_node(path, where, name)
        parent.children[name] = self._model.clone(path)

    # -- attributes -----------------------------------------------------------------------------
    @rule(data=st.data(), name=_ATTRS, value=own.attribute_values)
    def set_attribute(self, data: st.DataObject, name: str, value: Any) -> None:
        """Set an attribute of any node."""
        if name == "title":
            value = str(value)[:30]
        path = data.draw(st.sampled_from(self._model.paths()))
        self._h5.set_attr(path, name, value)
        self._model.get(path).attrs[name] = value

    @rule(data=st.data())
    def delete_attribute(self, data: st.DataObject) -> None:
        """Delete an attribute that was set."""
        found = [(path, name) for path, node in self._model.walk() for name in node.attrs]
        found = [(path, name) for path, name in found if name != "title"]
        if found:
            path, name = data.draw(st.sampled_from(sorted(found)))
            del self._h5.get_node(path).attrs[name]
            del self._model.get(path).attrs[name]
            assert not self._h5.has_attr(path, name)

    # -- data -----------------------------------------------------------------------------------
    @precondition(lambda self: self._growing())
    @rule(data=st.data(), count=st.integers(1, 12), single=st.booleans())
    def append(self, data: st.DataObject, count: int, single: bool) -> None:
        """Append a row or a block."""
        path = data.draw(st.sampled_from(self._growing()))
        model = self._model.get(path)
        assert isinstance(model, ModelArray)
        row_shape = model.values.shape[1:]
        rows = data.draw(own.arrays(model.values.dtype, (1 if single else count, *row_shape)))
        self._array(path, EARRAY).append(rows[0] if single else rows)
        model.append(rows)

    @precondition(lambda self: self._growing())
    @rule(data=st.data())
    def append_what_does_not_fit(self, data: st.DataObject) -> None:
        """Be refused; the invariant sees that nothing was taken."""
        path = data.draw(st.sampled_from(self._growing()))
        misfits: tuple[Any, ...] = (np.zeros((2, 7, 7)), np.zeros(0), [[1], [1, 2]], object())
        for rows in misfits:
            with pytest.raises(DataError):
                self._array(path, EARRAY).append(rows)

    @precondition(lambda self: self._model.paths(ModelRows))
    @rule(data=st.data())
    def append_ragged(self, data: st.DataObject) -> None:
        """Append a row of any length, or a text."""
        path = data.draw(st.sampled_from(self._model.paths(ModelRows)))
        model = self._model.get(path)
        assert isinstance(model, ModelRows)
        row: Any = data.draw(own.texts if model.dtype is None else own.ragged_rows(model.dtype))
        self._array(path, VLARRAY).append(row)
        model.rows.append(row)

    @precondition(lambda self: self._model.paths(ModelArray))
    @rule(data=st.data())
    def overwrite(self, data: st.DataObject) -> None:
        """Overwrite a selection."""
        path = data.draw(st.sampled_from(self._model.paths(ModelArray)))
        model = self._model.get(path)
        assert isinstance(model, ModelArray)
        key = data.draw(own.keys(model.values.shape, writing=True))
        part = np.asarray(model.values[key])
        values = data.draw(own.arrays(model.values.dtype, part.shape))
        self._array(path, CARRAY)[key] = values
        model.values = model.values.copy()
        model.values[key] = values

    @precondition(lambda self: self._model.paths(ModelArray))
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        """Read a selection."""
        path = data.draw(st.sampled_from(self._model.paths(ModelArray)))
        model = self._model.get(path)
        assert isinstance(model, ModelArray)
        key = data.draw(own.keys(model.values.shape))
        expected = model.values[key]
        if isinstance(expected, np.ndarray) and not expected.ndim:
            expected = expected[()]  # a node gives a scalar, never an array without axes
        self._same(self._array(path, CARRAY)[key], expected, f"{path}[{key!r}]")

    @precondition(lambda self: self._model.paths(ModelRows))
    @rule(data=st.data(), index=st.integers(-5, 5), part=st.slices(6))
    def read_ragged(self, data: st.DataObject, index: int, part: slice) -> None:
        """Read one row and several."""
        path = data.draw(st.sampled_from(self._model.paths(ModelRows)))
        model = self._model.get(path)
        assert isinstance(model, ModelRows)
        node = self._array(path, VLARRAY)
        self._same(node[part], model.rows[part], f"{path}[{part}]")
        if -len(model.rows) <= index < len(model.rows):
            self._same(node[index], model.rows[index], f"{path}[{index}]")
        else:
            with pytest.raises(SelectionError):
                node[index]

    # -- the file -------------------------------------------------------------------------------
    @rule()
    def flush(self) -> None:
        """Write what is in memory."""
        self._h5.flush()

    @rule(mode=st.sampled_from(["a", "r+"]))
    def reopen(self, mode: str) -> None:
        """Close the file, compare all of it, and go on."""
        self._h5.close_file()
        self._h5.open_file(self._location, "r", **self._options)
        self._compare()
        self._h5.open_file(self._location, mode, **self._options)

    @invariant()
    def same_tree(self) -> None:
        """The nodes are those of the model."""
        if self._h5.isopen():
            kinds = {node.path: type(node) for node in self._h5.walk_nodes("/")}
            assert kinds == {path: _kind(node) for path, node in self._model.walk()}

    def teardown(self) -> None:
        """Compare everything once more, as it is in the closed file."""
        if self._h5.isopen():
            self._compare()
            self.reopen("a")
        self._h5.close_file()

    # -- help -----------------------------------------------------------------------------------
    def _compare(self) -> None:
        for path, model in self._model.walk():
            node = self._h5.get_node(path)
            for name, value in model.attrs.items():
                self._same(node.attrs[name], value, f"{path}.attrs[{name!r}]")
            if isinstance(model, ModelArray):
                assert isinstance(node, CARRAY)
                assert node.shape == model.values.shape
                self._same(node.read(), model.values, path)
            elif isinstance(model, ModelRows):
                assert isinstance(node, VLARRAY)
                assert len(node) == len(model.rows)
                self._same(node.read(), model.rows, path)

    def _same(self, found: Any, expected: Any, where: str) -> None:
        text = difference(found, expected, where)
        assert text is None, text

    def _growing(self) -> list[str]:
        found = self._model.walk()
        return sorted(path for path, node in found if isinstance(node, ModelArray) and node.grows)

    def _draw_group(self, data: st.DataObject) -> tuple[str, ModelGroup]:
        path = data.draw(st.sampled_from(self._model.paths(ModelGroup)))
        return path, self._model.group(path)

    def _draw_path(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self._model.paths()[1:]))

    def _array(self, path: str, kind: type[_Array]) -> _Array:
        node = self._h5.get_node(path)
        assert isinstance(node, kind)
        return node


def _kind(model: ModelNode) -> type[Node]:
    match model:
        case ModelArray(grows=True):
            return EARRAY
        case ModelArray():
            return CARRAY
        case ModelRows(dtype=None):
            return StringARRAY
        case ModelRows():
            return VLARRAY
    return GROUP


def check_driver(
    driver: str,
    place: Callable[[], tuple[str, dict[str, Any]]],
    examples: int = 50,
    steps: int = 30,
) -> None:
    """Run the machine on a driver.

    Parameters
    ----------
    driver : str
        Name of the driver.
    place : callable
        Returns a new location, where no file is, and what ``open_file`` needs beside it.
    examples : int
        How many files to play with.
    steps : int
        How many operations on each.
    """
    run_state_machine_as_test(
        lambda: FileMachine(driver, *place()),  # type: ignore[arg-type]  # any factory will do
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True
        ),
    )
