"""The raw group, and the log in it."""

from __future__ import annotations

from h5backends.errors import ReadOnlyError
from h5backends.nodes import GROUP, Node
from savers import layout
from savers.log import LogARRAY
from savers.low_level.groups import GroupSaver

__all__ = ["LogSaver"]


class LogSaver(GroupSaver):
    """A file with a group that data go into, and a log."""

    _raw_group_name: str
    _logger_array: LogARRAY | None
    _logger_where: str | None

    @property
    def raw_group(self) -> GROUP:
        """The group that data go into; in a file read that has none, the root.

        Raises
        ------
        FileClosedError
        """
        root = self.root()
        if self._raw_group_name not in root and not self.session.writable:
            return root
        return self._group(f"/{self._raw_group_name}")

    def get_set_logger(self, where: Node | str | None = None) -> LogARRAY:
        """Return the array that takes log lines, made if it is missing.

        :meth:`add_log` writes to it from now on.

        Parameters
        ----------
        where : Node or str, optional
            The group it is in; the raw group by default.

        Returns
        -------
        LogARRAY
            Works while SWMR is on, too.

        Raises
        ------
        ReadOnlyError, StructureFrozenError
            It is missing and cannot be made now.
        """
        group = self.raw_group if where is None else self._group(where)
        session = self.session
        with session.lock:
            if layout.LOGGER not in group:
                if not session.writable:
                    raise ReadOnlyError(
                        "the file has no log, and was opened for reading only",
                        file=self.filename,
                        node=group.path,
                    )
                self.add_string_array(group, layout.LOGGER, metadata={"type": "log"})
            node = group.get_child(layout.LOGGER)
            self._logger_array = LogARRAY(session, node.handle)
            self._logger_where = group.path
        return self._logger_array

    def add_log(self, msg: str) -> None:
        """Append one line to the log.

        Parameters
        ----------
        msg : str
            Any text.

        Raises
        ------
        DTypeError
            Not a text.
        """
        self._logger().append(msg)

    def _logger(self) -> LogARRAY:
        logger = self._logger_array
        if logger is None or logger.session is not self.session:
            logger = self.get_set_logger(self._logger_where)
        return logger
