"""The conformance suite: what any driver, ours or a stranger's, has to pass.

It needs pytest and hypothesis (``pip install 'h5backends[test]'``); only tests import it. A driver
is tested by subclassing :class:`DriverConformance`, with an *oracle* that reads the closed file
around the driver::

    class TestMyDriver(DriverConformance):
        driver = "mine"

        @pytest.fixture
        def oracle(self):
            return look_with_my_library
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{part}"
        for part in (
            "driver_arrays",
            "driver_attributes",
            "driver_files",
            "driver_tree",
            "facade_bad_input",
            "facade_nodes",
            "facade_values",
            "suite",
        )
    )
)

from h5backends.testing.comparison import difference, same  # noqa: E402 - after the registration
from h5backends.testing.driver_arrays import ArrayConformance  # noqa: E402
from h5backends.testing.driver_attributes import AttributeConformance  # noqa: E402
from h5backends.testing.driver_files import FileConformance  # noqa: E402
from h5backends.testing.driver_tree import TreeConformance  # noqa: E402
from h5backends.testing.facade_bad_input import BadInputConformance  # noqa: E402
from h5backends.testing.facade_nodes import NodeConformance  # noqa: E402
from h5backends.testing.facade_values import ValueConformance  # noqa: E402
from h5backends.testing.suite import Oracle, Seen  # noqa: E402

__all__ = ["DriverConformance", "Oracle", "Seen", "difference", "same"]


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
