"""Pictures of what is in a file, for a lab book; matplotlib, which they need, is an extra."""

from savers.plotting.choosing import Chosen, Where, chosen_plot
from savers.plotting.figure import figure_of, file_types

__all__ = ["Chosen", "Where", "chosen_plot", "figure_of", "file_types"]
