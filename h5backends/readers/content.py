"""What a measurement file says beside its events: metadata, logs, tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from h5backends.errors import H5Error, StorageError

__all__ = ["lines", "members", "read_logs", "read_meta", "read_tables", "reading"]

_FOREIGN = (OSError, RuntimeError, ValueError, KeyError, TypeError)
"""What h5py raises for something that cannot be read."""


@contextmanager
def reading(node: Any) -> Iterator[None]:
    """Raise this package's errors in place of h5py's, naming what was being read."""
    try:
        yield
    except H5Error:
        raise
    except _FOREIGN as exc:
        raise StorageError("this cannot be read", node=node, found=exc) from exc


def text(value: Any) -> Any:
    """Return bytes as text, anything else as it is."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def lines(dataset: Any) -> list[str]:
    """Return the lines of a dataset of text."""
    with reading(dataset.name):
        content = np.asarray(dataset[()], object).reshape(-1).tolist()
    return [str(text(line)) for line in content]


def members(h5: Any, name: str) -> list[tuple[str, Any]]:
    """Return the datasets of a group by name, none if there is no such group."""
    import h5py

    group = h5.get(name)
    if not isinstance(group, h5py.Group):
        return []
    found = []
    for key in sorted(group):
        with reading(f"{group.name}/{key}"):
            item = group[key]
        if isinstance(item, h5py.Dataset):
            found.append((key, item))
    return found


def read_meta(h5: Any) -> dict[str, Any]:
    """Return the attributes of a file: ``section:name`` to value."""
    with reading(h5.name):
        return {name: text(value) for name, value in h5.attrs.items()}


def read_logs(h5: Any) -> dict[str, list[str]]:
    """Return the logs of a file that are not empty: name to lines."""
    logs = {name: lines(dataset) for name, dataset in members(h5, "logs")}
    return {name: content for name, content in logs.items() if content}


def read_tables(h5: Any) -> dict[str, NDArray[Any] | dict[str, NDArray[Any]]]:
    """Return the tables of a file: name to columns, or to an array where it has no columns."""
    tables: dict[str, Any] = {}
    for name, dataset in members(h5, "tables"):
        with reading(dataset.name):
            content = dataset[()]
        columns = content.dtype.names
        if columns is None:
            tables[name] = content
        else:
            tables[name] = {str(key): content[key].reshape(-1) for key in columns}
    return tables
