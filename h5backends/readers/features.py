"""Names that features of events have in measurements of deformability cytometry."""

from __future__ import annotations

__all__ = ["IMAGE_FEATURES", "PROTECTED_FEATURES"]

PROTECTED_FEATURES = [
    "bg_off",
    "flow_rate",
    "frame",
    "g_force",
    "pressure",
    "temp",
    "temp_amb",
    "time",
    *(f"userdef{number}" for number in range(10)),
]
"""Scalar features of the frame that an event is in: the same for all events of a frame."""

IMAGE_FEATURES = ("image", "image_bg", "mask")
"""Stacks with one image for each event."""
