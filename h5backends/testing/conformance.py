"""The whole suite: everything that a driver has to pass, in one class."""

from __future__ import annotations

from h5backends.testing.driver_arrays import ArrayConformance
from h5backends.testing.driver_attributes import AttributeConformance
from h5backends.testing.driver_files import FileConformance
from h5backends.testing.driver_tree import TreeConformance
from h5backends.testing.facade_bad_input import BadInputConformance
from h5backends.testing.facade_nodes import NodeConformance
from h5backends.testing.facade_values import ValueConformance

__all__ = ["DriverConformance"]


class DriverConformance(
    FileConformance,
    TreeConformance,
    AttributeConformance,
    ArrayConformance,
    NodeConformance,
    ValueConformance,
    BadInputConformance,
):
    """Everything that a driver has to pass, alone and under the facade."""
