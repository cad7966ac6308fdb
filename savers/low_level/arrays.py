"""Arrays with the attributes that loaders and browsers need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from h5backends.backend import H5Backend
from h5backends.errors import AttributeValueError, ShapeError
from h5backends.nodes import CARRAY, EARRAY, GROUP, Node, StringARRAY
from savers import layout
from savers.enums import DataDim, DataType, member

__all__ = ["ArraySaver"]


class ArraySaver(H5Backend):
    """A file that arrays of data and of text are made in."""

    fill_value: float

    def add_string_array(
        self,
        where: Node | str,
        name: str,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> StringARRAY:
        """Create a growing array of text.

        Parameters
        ----------
        where : Node or str
            The group to make it in.
        name, title : str
            Its name and title.
        metadata : mapping, optional
            More attributes. Not changed.
        """
        attrs = {"data_type": DataType.strings.name, **_own(metadata, name)}
        array = self.create_vlarray(where, name, "string", title, metadata=attrs)
        assert isinstance(array, StringARRAY)
        return array

    def add_array(
        self,
        where: GROUP | str,
        name: str,
        data_type: DataType | str,
        array_to_save: ArrayLike | None = None,
        data_shape: tuple[int, ...] | None = None,
        array_type: DTypeLike | None = None,
        fill_value: Any = None,
        data_dimension: DataDim | str | None = None,
        scan_shape: tuple[int, ...] = (),
        add_scan_dim: bool = False,
        enlargeable: bool = False,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        *,
        chunks: tuple[int, ...] | None = None,
    ) -> CARRAY | EARRAY:
        """Create an array with the attributes that loaders and browsers need.

        Parameters
        ----------
        where : GROUP or str
            The group to make it in.
        name : str
            Its name; the first letter is capitalised.
        data_type : DataType or str
            What it holds.
        array_to_save : array_like, optional
            Its content. Of an enlargeable array only the type is taken, nothing is appended.
        data_shape : tuple of int, optional
            Shape of one point (with `add_scan_dim`), of one row (with `enlargeable`), or of the
            whole array.
        array_type : dtype, optional
            Type of the elements; by default that of `array_to_save`, else float64.
        fill_value : number, optional
            Value of points that nobody has written; by default :attr:`fill_value`, or zero where
            the type cannot hold that.
        data_dimension : DataDim or str, optional
            Dimensionality; by default that of the shape of a point.
        scan_shape : tuple of int
            Shape of the scan.
        add_scan_dim : bool
            Make an array of ``scan_shape + data_shape`` to be filled point by point; a point of
            shape ``(1,)`` takes no axis of its own. Space is taken when points are written.
        enlargeable : bool
            Make an ``EARRAY`` that grows row by row, otherwise a ``CARRAY``.
        title : str
            Its title.
        metadata : mapping, optional
            More attributes. Not changed.
        chunks : tuple of int, optional
            Chunk shape; chosen for you.

        Returns
        -------
        CARRAY or EARRAY

        Raises
        ------
        ShapeError
            No shape is given, or it disagrees with the content.
        DTypeError
            The type cannot be stored, or `fill_value` does not fit it.
        AttributeValueError
            `metadata` has a value that cannot be stored, or a name that says how the array is.
        """
        kind = member(DataType, data_type)
        values = None if array_to_save is None else np.asarray(array_to_save)
        point = _point_shape(values, data_shape, name)
        dimension = member(DataDim, data_dimension or DataDim.of_shape(point))
        attrs = {"data_type": kind.name, "data_dimension": dimension.name, **_own(metadata, name)}
        name = layout.capitalize(name)
        if enlargeable:
            dtype = array_type or (np.float64 if values is None else values.dtype)
            return self.create_earray(
                where,
                name,
                dtype,
                None if data_shape is None else point,
                title,
                chunks=chunks,
                fill_value=fill_value,
                metadata=attrs,
            )
        shape = point
        if add_scan_dim:
            shape = tuple(int(n) for n in scan_shape) + (() if point == (1,) else point)
        if values is not None:
            _check_shape(values.shape, shape, name)
            return self.create_carray(
                where, name, values, title, dtype=array_type, chunks=chunks, metadata=attrs
            )
        dtype = np.dtype(array_type or np.float64)
        fill = layout.default_fill(dtype, self.fill_value) if fill_value is None else fill_value
        return self.create_carray(
            where,
            name,
            None,
            title,
            shape=shape,
            dtype=dtype,
            chunks=chunks,
            fill_value=fill,
            metadata=attrs,
        )


def _point_shape(values: Any, data_shape: tuple[int, ...] | None, name: str) -> tuple[int, ...]:
    if data_shape is not None:
        return tuple(int(n) for n in data_shape)
    if values is None:
        raise ShapeError(
            "an array needs content, or a shape",
            node=name,
            expected="array_to_save or data_shape",
        )
    shape: tuple[int, ...] = values.shape
    return shape


def _check_shape(found: tuple[int, ...], wanted: tuple[int, ...], name: str) -> None:
    if found != wanted:
        raise ShapeError(
            "the content does not have the shape that was asked for",
            node=name,
            expected=str(wanted),
            found=str(found),
        )


def _own(metadata: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """Return attributes that a caller gave, unless they would say how the array is stored."""
    taken = layout.PROTECTED_ATTRIBUTES.intersection(metadata or ())
    if taken:
        raise AttributeValueError(
            "these attributes describe the array itself and cannot be given",
            node=name,
            found=", ".join(sorted(taken)),
            remedy="Use other names.",
        )
    return dict(metadata or {})
