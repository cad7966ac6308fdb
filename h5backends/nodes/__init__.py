"""The nodes of a file: groups, fixed, growing and ragged arrays, arrays of text.

A node holds the open file (its session) and the driver's handle, nothing else, so making one is
cheap and two nodes for the same place are equal.
"""

from h5backends.nodes.array import CARRAY, EARRAY
from h5backends.nodes.base import Node
from h5backends.nodes.group import GROUP, make_node
from h5backends.nodes.ragged import VLARRAY, StringARRAY

__all__ = ["CARRAY", "EARRAY", "GROUP", "VLARRAY", "Node", "StringARRAY", "make_node"]
