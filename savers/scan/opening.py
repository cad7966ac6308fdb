"""Finding or beginning a scan: which file, which group, for readers to follow, after a crash."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from h5backends.drivers import registry
from h5backends.errors import DTypeError, FileCrashedError, NodeNotFoundError, SwmrError
from h5backends.localfile import check_before_open
from h5backends.nodes import GROUP
from h5backends.types import Capability
from savers import layout
from savers.low_level import DEFAULT_BACKEND, H5SaverLowLevel
from savers.scan.axes import ScanAxes, ScanKind
from savers.scan.recording import Recording, record, require_same_axes
from savers.scan.rotation import Rotation, require_virtual

__all__ = ["About", "Opening", "add_group", "find_scan", "group_type", "in_files", "in_saver"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class About:
    """What a new scan's group says about it."""

    title: str
    attrs: dict[str, Any]


class Opening:
    """Opens files for a scan.

    Parameters
    ----------
    kind : ScanKind
        What is recorded.
    live : bool or None
        Whether readers are to follow; None for where the driver and the file allow it.
    mend : bool
        Whether a file that a crash left behind is to be repaired.
    backend : str or None
        The driver.
    **options
        For :meth:`H5SaverLowLevel.from_file`.
    """

    def __init__(
        self, kind: ScanKind, live: bool | None, mend: bool, backend: str | None, **options: Any
    ) -> None:
        self.driver = backend or DEFAULT_BACKEND
        self.options = options
        capabilities = registry.load(self.driver).capabilities
        self._remote = Capability.REMOTE in capabilities
        can = Capability.SWMR_WRITE in capabilities
        # What a server shows is always up to date.
        self.live = can if live is None else live and not self._remote
        self._insists = live is True
        self._kind = kind
        self.mend = mend

    def open(self, path: str | Path, mode: str = "a") -> H5SaverLowLevel:
        """Open a file.

        Raises
        ------
        FileCrashedError
            A crash left it behind, and nobody said that it is to be repaired.
        FileError, RemoteError, SwmrError
            See :meth:`H5SaverLowLevel.init_file`.
        """
        try:
            return self._open(path, mode)
        except FileCrashedError as exc:
            self._repair(path, exc)
            return self._open(path, mode)

    def _open(self, path: str | Path, mode: str) -> H5SaverLowLevel:
        kind = "logger" if self._kind is ScanKind.LOG else "scan"
        options = {"backend": self.driver, "mode": mode, **self.options}
        if self.live and mode != "r":
            try:
                return H5SaverLowLevel.from_file(path, kind, swmr_mode=True, **options)
            except SwmrError as exc:
                if self._insists:
                    raise
                _log.warning("%s: nobody can read along: %s", path, exc)
        return H5SaverLowLevel.from_file(path, kind, **options)

    def prepare(self, path: Path) -> None:
        """Make sure that a local file can be written to, at the cost of a look at its header.

        Raises
        ------
        FileError
            It cannot; one that a crash left behind only if nobody said that it is to be repaired.
        """
        try:
            check_before_open(str(path), "r+", self.driver)
        except FileCrashedError as exc:
            self._repair(path, exc)

    def _repair(self, path: str | Path, why: FileCrashedError) -> None:
        if not self.mend:
            why.remedy = f"{why.remedy or ''} Or begin with resume=True.".lstrip()
            raise why
        from h5backends.swmr import repair

        repair(path)
        _log.warning("%s: mended after a crash", path)


def in_saver(
    saver: H5SaverLowLevel,
    axes: ScanAxes,
    about: About,
    resume: bool | str,
    owned: bool,
    **arrays: Any,
) -> Recording:
    """Begin a scan in an open file, or go on with one.

    Parameters
    ----------
    saver : H5SaverLowLevel
        The file.
    axes : ScanAxes
        Those of the scan.
    about : About
        For a new one.
    resume : bool or str
        Whether to go on with the last one of this kind, or with which.
    owned : bool
        Whether the file is closed with the scan.
    **arrays
        For :func:`savers.scan.recording.record`.
    """
    group = None
    if resume:
        group = find_scan(saver, axes, "" if resume is True else resume)
    if group is None:
        group = add_group(saver, axes.kind, about)
    else:
        require_same_axes(saver, group, axes)
    return record(saver, group.path, axes, owned, **arrays)


def in_files(
    where: str | Path,
    opening: Opening,
    axes: ScanAxes,
    about: About,
    resume: bool | str,
    rotate: Rotation | None,
    **arrays: Any,
) -> Recording:
    """Begin a scan in a file, or in several, or go on with one; see :func:`in_saver`."""
    if rotate is not None:
        from savers.scan.parts import RotatedRecording

        require_virtual(opening.driver)
        if opening.options.get("new_file"):
            raise DTypeError(
                "a scan with rotate never replaces files",
                found="new_file=True",
                remedy="Choose another name for it.",
            )
        path = Path(layout.file_name(str(where))).absolute()
        return RotatedRecording(path, opening, rotate, axes, about, resume, **arrays)
    if resume and opening.options.get("new_file"):
        raise DTypeError(
            "a scan cannot go on in a file that is replaced",
            found="resume and new_file=True",
            remedy="Give one of them.",
        )
    saver = opening.open(where)
    try:
        return in_saver(saver, axes, about, resume, True, **arrays)
    except BaseException:
        saver.close_file()
        raise


def group_type(kind: ScanKind) -> str:
    """Return the type of the group that a scan is in."""
    return "data_logger" if kind is ScanKind.LOG else "scan"


def find_scan(saver: H5SaverLowLevel, axes: ScanAxes, name: str = "") -> GROUP | None:
    """Return the scan in a file that is to go on: the last one, or that of a name.

    Parameters
    ----------
    saver : H5SaverLowLevel
        The open file.
    axes : ScanAxes
        Those of the scan.
    name : str
        Its name; by default the last one of this kind.

    Raises
    ------
    NodeNotFoundError
        There is none of this name.
    """
    groups = saver.get_groups(saver.raw_group, group_type(axes.kind))
    if not name:
        return groups[-1] if groups else None
    for group in groups:
        if name in (group.name, group.path):
            return group
    raise NodeNotFoundError(
        "there is no such scan to go on with",
        file=saver.filename,
        node=name,
        expected=", ".join(group.name for group in groups) or "none: the file has no scans",
    )


def add_group(
    saver: H5SaverLowLevel, kind: ScanKind, about: About, name: str | None = None
) -> GROUP:
    """Return the group for a scan: a new one of the next number, or that of a name.

    Parameters
    ----------
    saver : H5SaverLowLevel
        The open file.
    kind : ScanKind
        What is recorded.
    about : About
        For a new one.
    name : str, optional
        Its name; made if it is missing.
    """
    where, wanted = saver.raw_group, group_type(kind)
    if name is None:
        return saver.add_generic_group(where, about.title, metadata=about.attrs, group_type=wanted)
    attrs = {"description": "", "settings": "", **about.attrs}
    return saver.add_group(name, wanted, where, about.title, attrs)
