"""The file of a data manager, and the one beside it for data that are not to be kept."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from h5backends.backend import H5Backend
from h5backends.drivers import registry
from h5backends.drivers.base import Driver
from h5backends.errors import NodeExistsError, NodeKindError, NodeNameError, NodeNotFoundError
from h5backends.nodes import CARRAY, EARRAY, GROUP, Node
from h5backends.policy import FlushPolicy
from h5backends.references.ranks import Ranks
from h5backends.references.selecting import is_count
from h5backends.types import Capability

__all__ = ["Files", "normalised"]

_MODES = ("r", "r+", "a", "w", "x")


class Files:
    """Opens files when they are needed, and finds things in them.

    Parameters
    ----------
    location : str or Path
        The file.
    backend : str
        Name of the driver.
    mode : {"r", "r+", "a", "w", "x"}
        As in :meth:`H5Backend.open_file`.
    options : mapping
        For the library underneath.
    ranks : Ranks
        Who opens it together.
    dropped : sequence of str
        Names of what is not to be kept.
    compression : str, int or None
        Of the arrays made here; a number is gzip's level.
    """

    def __init__(
        self,
        location: str | Path,
        backend: str,
        mode: str,
        options: Mapping[str, Any],
        ranks: Ranks,
        dropped: Sequence[str],
        compression: str | int | None,
    ) -> None:
        if mode not in _MODES:
            raise ValueError(f"mode must be one of {', '.join(_MODES)}, not {mode!r}")
        self.driver: type[Driver] = registry.load(backend)
        self.location = self.driver.normalise(location)
        self.mode = mode
        self.dropped = tuple(normalised(name) for name in dropped)
        self._options = dict(options)
        self._ranks = ranks
        self._compression = ("gzip", compression) if is_count(compression) else (compression, None)
        self._known: dict[str, Node] = {}  # each look-up is a request where a server has the file
        self._main = self._backend(backend)
        self._side: H5Backend | None = None
        self._side_location: str | None = None
        # On a server nothing is gained by a second file: what is removed is gone.
        if self.dropped and mode != "r" and Capability.LOCAL in self.driver.capabilities:
            self._side = self._backend(backend)
            name = ranks.from_first(f"{Path(self.location).stem}.dropped-{uuid.uuid4().hex[:12]}")
            self._side_location = str(Path(self.location).with_name(f"{name}.h5"))

    def _backend(self, name: str) -> H5Backend:
        # Ranks flush together or not at all: never by the clock of one of them.
        policy = FlushPolicy(seconds=None) if self._ranks.many else None
        return H5Backend(name, flush_policy=policy)

    # -- opening and closing --------------------------------------------------------------------
    @property
    def main(self) -> H5Backend:
        """The file, opened if it is not open."""
        if not self._main.isopen():
            self._known.clear()
            self._open(self._main, self.location, self.mode)
            if self.mode in ("w", "x"):
                self.mode = "r+"  # opened again, it is there
        return self._main

    @property
    def side(self) -> H5Backend | None:
        """The file for what is not kept, opened if it is not open; None without one."""
        if self._side is not None and not self._side.isopen():
            assert self._side_location is not None
            exists = self._ranks.from_first(os.path.exists(self._side_location))
            self._open(self._side, self._side_location, "r+" if exists else "x")
        return self._side

    def _open(self, h5: H5Backend, location: str, mode: str) -> None:
        together = {"comm": self._ranks.comm} if self._ranks.many else {}
        h5.open_file(location, mode, title="h5flow file", **self._options, **together)

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._main.isopen()

    def close(self) -> None:
        """Write everything and close."""
        self._known.clear()
        self._main.close_file()
        if self._side is not None:
            self._side.close_file()

    def flush(self) -> None:
        """Hand everything written so far to the operating system or the server."""
        self.main.flush()
        if self._side is not None and self._side.isopen():
            self._side.flush()

    def discard_side(self) -> None:
        """Remove the file of what is not kept; it is closed."""
        if self._side_location is not None and self._ranks.rank == 0:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self._side_location)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other threads from changing the file between several steps."""
        with self.main.session.lock:
            yield

    @property
    def shared(self) -> bool:
        """Whether other programs may write at the same time."""
        return Capability.RESERVE in self.driver.capabilities

    def opened(self) -> list[H5Backend]:
        """Return the file, and the one for what is not kept if there is one."""
        return [h5 for h5 in (self.main, self.side) if h5 is not None]

    # -- finding --------------------------------------------------------------------------------
    def find(self, path: str) -> Node | None:
        """Return what stands at a path, in either file; None if nothing does."""
        files = self.opened()
        node = self._known.get(path)
        if node is not None:
            return node
        for h5 in files:
            with contextlib.suppress(NodeNotFoundError):
                node = self._known[path] = h5.get_node(f"/{path}")
                return node
        return None

    def get(self, path: str) -> Node:
        """Return what stands at a path.

        Raises
        ------
        NodeNotFoundError
            Nothing does.
        """
        node = self.find(path)
        if node is None:
            raise NodeNotFoundError("there is no such node", file=self.location, node=f"/{path}")
        return node

    def array(self, path: str) -> CARRAY:
        """Return an array.

        Raises
        ------
        NodeNotFoundError, NodeKindError
        """
        node = self.get(path)
        if not isinstance(node, CARRAY):
            raise NodeKindError(
                "this is not an array of fixed rows",
                file=self.location,
                node=node.path,
                found=type(node).__name__,
            )
        return node

    def growing(self, path: str) -> EARRAY:
        """Return an array that can grow.

        Raises
        ------
        NodeNotFoundError, NodeKindError
        """
        node = self.array(path)
        if not isinstance(node, EARRAY):
            raise NodeKindError(
                "this array cannot grow", file=self.location, node=node.path, expected="an EARRAY"
            )
        return node

    def length(self, path: str) -> int:
        """Return how many rows an array has now, also by the work of other programs."""
        return len(self.fresh(path))

    def fresh(self, path: str) -> CARRAY:
        """Return an array as it is now, also by the work of other programs."""
        node = self.array(path)
        if self.shared:
            node.refresh()
        return node

    def remove(self, path: str, name: str) -> None:
        """Remove what stands at a path, because something of this name goes.

        What is dropped stays where it is until all of it goes; it may be in the file itself too,
        from another time.
        """
        self._known.clear()
        for h5 in (self.main, None if self._is_dropped(name) else self.side):
            if h5 is not None:
                with contextlib.suppress(NodeNotFoundError):
                    h5.remove_node(f"/{path}")

    # -- making ---------------------------------------------------------------------------------
    def home(self, *names: str) -> H5Backend:
        """Return the file that something new belongs into.

        Parameters
        ----------
        *names : str
            The names that it has to do with: if one of them is dropped, so is it.
        """
        side = self.side
        if side is not None and any(self._is_dropped(name) for name in names):
            return side
        return self.main

    def _is_dropped(self, name: str) -> bool:
        return any(f"{name}/".startswith(f"{entry}/") for entry in self.dropped)

    def group(self, h5: H5Backend, path: str) -> GROUP:
        """Return a group, made with those above it if it is missing."""
        node: Node = h5.root()
        for name in path.split("/"):
            try:
                node = h5.get_set_group(node, name)
            except NodeExistsError:  # made by another program a moment ago
                node = h5.get_node(node, name)
        if not isinstance(node, GROUP):
            raise NodeKindError("this node is not a group", file=self.location, node=node.path)
        return node

    def make(
        self,
        h5: H5Backend,
        path: str,
        dtype: Any,
        row_shape: tuple[int, ...],
        packed: bool = True,
        **more: Any,
    ) -> EARRAY:
        """Return a growing array, made if it is missing.

        Parameters
        ----------
        h5 : H5Backend
            The file to make it in.
        path : str
            Where.
        dtype, row_shape, **more
            As in :meth:`H5Backend.create_earray`.
        packed : bool
            Whether it is compressed, where that was asked for.
        """
        if self.find(path) is None:
            where, _, name = path.rpartition("/")
            h5.define_compression(*(self._compression if packed else (None, None)))
            # Another program may make it at this moment.
            with contextlib.suppress(NodeExistsError):
                return h5.create_earray(self.group(h5, where), name, dtype, row_shape, **more)
        return self.growing(path)


def normalised(name: str) -> str:
    """Return a name without slashes at its ends.

    Raises
    ------
    NodeNameError
        It is not one.
    """
    if not isinstance(name, (str, Path)) or not str(name).strip("/"):
        raise NodeNameError(
            "a dataset is named by its path, as in 'stage0/obj0'", found=repr(name)
        )
    return "/".join(part for part in str(name).split("/") if part)
