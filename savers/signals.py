"""H5Saver: a saver that tells the rest of a program when its file becomes another one."""

from __future__ import annotations

import logging
import threading
from typing import Any, ClassVar

from psygnal import EmitLoopError, Signal, SignalInstance

from savers.settings import H5SaverBase

__all__ = ["H5Saver"]

_log = logging.getLogger(__name__)


class H5Saver(H5SaverBase):
    """A saver with settings and signals, for programs with windows and for those without.

    The signals are psygnal's, so no Qt is needed; in a Qt program they go where Qt's go. They are
    emitted in the thread that opens the file, once it is ready, and no lock is held then: a slot
    may use the saver. What a slot raises is logged, and never disturbs the recording.

    Connect with ``saver.file_changed_sig.connect(slot)`` to be called in that thread, and with
    ``connect(window.some_qt_signal.emit)`` or ``connect(slot, thread="main")`` to be called in the
    thread of the windows; the how-to on embedding has both.

    Parameters
    ----------
    save_type, backend, settings, select_file
        See :class:`savers.settings.H5SaverBase`.

    Attributes
    ----------
    new_file_sig : SignalInstance
        Emitted without arguments when a new file was made and is ready. A slot that begins
        another new file itself is not called for that one.
    file_changed_sig : SignalInstance
        Emitted with the location of the file, as a str, whenever a file becomes the present one:
        made, loaded or opened again.

    Examples
    --------
    >>> from savers import SaverSettings
    >>> saver = H5Saver(settings=SaverSettings(base_path="data"))
    >>> files = []
    >>> _ = saver.file_changed_sig.connect(files.append)
    >>> saver.init_file()
    True
    >>> files == [saver.current_h5_file]
    True
    >>> saver.close()
    """

    new_file_sig: ClassVar[Signal] = Signal(description="A new file was made and is ready")
    file_changed_sig: ClassVar[Signal] = Signal(
        str, description="Another file is the present one", reemission="queued"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._announcing: set[int] = set()
        """Threads that are telling of a new file."""
        super().__init__(*args, **kwargs)

    def close(self) -> None:
        """Write everything and close the file, see :meth:`close_file`."""
        self.close_file()

    def _file_opened(self, new: bool) -> None:
        location = self.current_h5_file
        thread = threading.get_ident()
        if new and thread not in self._announcing:
            self._announcing.add(thread)
            try:
                self._emit(self.new_file_sig)
            finally:
                self._announcing.discard(thread)
        if location == self.current_h5_file:  # else its successor was told of already
            self._emit(self.file_changed_sig, location)

    def _emit(self, signal: SignalInstance, *args: Any) -> None:
        try:
            signal.emit(*args)
        except EmitLoopError as exc:
            _log.error(
                "%s: a slot of %s failed; recording goes on",
                self.current_h5_file,
                signal.name,
                exc_info=exc.__cause__ or exc,
            )
