"""Scripted scans: axes in, a loop over points, values out, in a file that survives everything."""

from savers.scan.point import Point
from savers.scan.rotation import Rotation
from savers.scan.scan import Scan

__all__ = ["Point", "Rotation", "Scan"]
