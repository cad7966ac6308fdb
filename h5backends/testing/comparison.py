"""The comparison that the suite uses, under the name that tests of other packages import."""

from h5backends.comparison import difference, same

__all__ = ["difference", "same"]
