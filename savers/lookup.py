"""Look-ups of one node or attribute that list nothing, and arrays brought up to date."""

from __future__ import annotations

import contextlib
from typing import Any

from h5backends import codec
from h5backends.drivers.base import Driver, SupportsSwmr
from h5backends.nodes import CARRAY, GROUP, Node
from h5backends.superblock import FileState, file_state
from h5backends.types import Capability

__all__ = ["attribute", "child", "fresh", "is_live"]


def child(group: GROUP, name: str) -> Node | None:
    """Return a node of a group, None without it; the group's names are not listed."""
    with group.session.lock:
        return group.get_child(name) if name in group else None


def attribute(node: Node, name: str, default: Any = None) -> Any:
    """Return one attribute of a node, at the cost of one look-up where it is missing, too."""
    session = node.session
    with session.lock:
        session.require_alive()
        try:
            stored = session.driver.read_attr(node.handle, name)
        except KeyError:
            return default
    return codec.decode(name, stored)


def fresh(array: CARRAY) -> CARRAY:
    """Return an array brought up to date, where it is followed while another program writes it."""
    session = array.session
    driver = session.driver
    if not session.writable and isinstance(driver, SupportsSwmr) and driver.swmr_active:
        array.refresh()
    return array


def is_live(driver: type[Driver], location: str) -> bool:
    """Tell whether a file is read by following it: a SWMR writer has it, or left it behind.

    Parameters
    ----------
    driver : type
        The driver that will open it.
    location : str
        The file, as the driver names it.
    """
    if Capability.SWMR_READ in driver.capabilities:
        # Opening it says better what is wrong with a file that cannot be looked at.
        with contextlib.suppress(OSError):
            return file_state(location) is FileState.SWMR_WRITING
    return False
