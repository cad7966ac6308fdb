"""The conformance suite: what any driver, ours or a stranger's, has to pass.

It needs pytest and hypothesis (``pip install 'h5backends[test]'``); only tests import it. A driver
is tested by subclassing :class:`DriverConformance`, with an *oracle* that reads the closed file
around the driver::

    class TestMyDriver(DriverConformance):
        driver = "mine"

        @pytest.fixture
        def oracle(self):
            return look_with_my_library

:mod:`h5backends.testing.hsds` starts a server to test with, and needs neither of the two.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from h5backends.late import imported_late

if TYPE_CHECKING:
    from h5backends.testing.comparison import difference, same
    from h5backends.testing.conformance import DriverConformance
    from h5backends.testing.suite import Oracle, Seen

__all__ = ["DriverConformance", "Oracle", "Seen", "difference", "same"]

_HOMES = {
    "DriverConformance": "conformance",
    "Oracle": "suite",
    "Seen": "suite",
    "difference": "comparison",
    "same": "comparison",
}

if sys.modules.get("pytest") is not None:  # failures then show values
    sys.modules["pytest"].register_assert_rewrite(
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


__getattr__, __dir__ = imported_late(__name__, _HOMES)
