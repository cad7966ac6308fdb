"""The real HSDS of the tests, under the name that they import it by."""

from h5backends.testing.hsds import HSDS, QUICK, h5pyd, why_unavailable

__all__ = ["HSDS", "QUICK", "h5pyd", "why_unavailable"]
