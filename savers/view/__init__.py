"""A live view of a file in a web browser; Bokeh, which it needs, is loaded when one is served."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from h5backends.errors import UnsupportedError

if TYPE_CHECKING:
    from savers.view.model.source import Address
    from savers.view.server import ViewServer

__all__ = ["Address", "ViewServer"]

_HOMES = {"Address": "model.source", "ViewServer": "server"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'savers.view' has no attribute {name!r}")
    try:
        module = import_module(f"savers.view.{home}")
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in {"bokeh", "tornado"}:
            raise
        raise UnsupportedError(
            "the live view needs Bokeh, which is not installed",
            found=exc,
            remedy="Install it with: pip install 'h5backends[view]'",
        ) from exc
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
