"""Copy a whole file to another driver or place, and make sure that it arrived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from h5backends.backend import H5Backend
from h5backends.copying import Progress, size_of
from h5backends.drivers.base import SupportsSwmr
from h5backends.types import Capability
from h5backends.verifying import CopyDiffersError, verify_copy
from savers.exporters.belonging import refreshed
from savers.log import fold_logs

__all__ = ["UNFINISHED", "Transfer", "transfer"]

UNFINISHED = "unfinished_copy_of"
"""Attribute of the root of a copy until it is complete and compared."""
_OF_THE_FILE = ("swmr_compatible", "swmr_active", "h5backends_layout", "PYTABLES_FORMAT_VERSION")
"""Attributes of a root that say how its own file is made."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a copy amounts to.

    Parameters
    ----------
    nbytes : int
        Bytes of all arrays.
    nodes : int or None
        How many groups and arrays were compared; None if that was not asked for.
    live : bool
        Whether the original may be growing: the copy has what its writer had flushed.
    """

    nbytes: int
    nodes: int | None
    live: bool


def transfer(
    source: H5Backend,
    copy: H5Backend,
    copying: Progress | None = None,
    comparing: Progress | None = None,
    *,
    verify: bool = True,
    reopen: Callable[[], Any] | None = None,
) -> Transfer:
    """Copy everything in a file into a new one, and compare.

    While the copy is not complete and compared, its root has the attribute ``unfinished_copy_of``.

    Parameters
    ----------
    source, copy : H5Backend
        Two open files, of any drivers; `copy` is new.
    copying, comparing : callable, optional
        Told bytes done and bytes in all, of the one step and the other.
    verify : bool
        Whether to read both files again and compare them.
    reopen : callable, optional
        Closes `copy` and opens it again with ``mode="r+"``, so that what is compared was stored.

    Raises
    ------
    CopyDiffersError
        The copy is not what the original is.
    NodeExistsError, DTypeError, StorageError, RemoteError
        It cannot be made.
    """
    driver = source.session.driver
    live = isinstance(driver, SupportsSwmr) and driver.swmr_active
    refreshed(source.root())
    own = {name: copy.root().attrs[name] for name in _OF_THE_FILE if name in copy.root().attrs}
    copy.root().attrs[UNFINISHED] = source.filename
    source.copy_to(copy, progress=copying)
    nodes = None
    if verify:
        copy.flush()
        if reopen is not None:
            reopen()
        nodes = _compared(source, copy, comparing, live)
    root = copy.root()
    for name in _OF_THE_FILE:
        if name in own:
            root.attrs[name] = own[name]
        elif name in root.attrs:
            del root.attrs[name]
    # A file that is being written keeps its log elsewhere, and shapes are out of date.
    fold_logs(copy)
    copy.reconcile_swmr_attrs()
    del root.attrs[UNFINISHED]
    copy.flush()
    return Transfer(size_of(source.root()), nodes, live or _is_shared(source))


def _compared(source: H5Backend, copy: H5Backend, progress: Progress | None, live: bool) -> int:
    try:
        return verify_copy(source.root(), copy.root(), progress)
    except CopyDiffersError as exc:
        if live or _is_shared(source):
            exc.remedy = (
                "If the original is being written, that is its writer's work meanwhile: copy it "
                "again, or without comparing."
            )
        raise


def _is_shared(source: H5Backend) -> bool:
    return Capability.SHARED_WRITE in source.session.driver.capabilities
