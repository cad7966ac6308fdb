"""The TOML file that settings are read from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from h5backends.errors import FileAccessError, FileMissingError
from savers.options.problems import FILE_VARIABLE, SettingsError

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """What a file says, and which file it is.

    Parameters
    ----------
    file : str or None
        Its path; None without a file.
    content : mapping
        The settings in it.
    """

    file: str | None = None
    content: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_environment(cls, table: str = "") -> Self:
        """Read the file that the environment names; without one, nothing is in it."""
        file = os.environ.get(FILE_VARIABLE)
        return cls.read(file, table) if file else cls()

    @classmethod
    def read(cls, file: str | os.PathLike[str], table: str = "") -> Self:
        """Read a file, or one table of it.

        Raises
        ------
        FileMissingError, FileAccessError
            It cannot be read.
        SettingsError
            It is not TOML, or does not have the table.
        """
        path = Path(file).expanduser().absolute()
        content = _parse(path)
        for name in filter(None, table.split(".")):
            found = content.get(name)
            if not isinstance(found, dict):
                raise SettingsError(
                    f"the settings file has no table [{table}]",
                    file=path,
                    found=", ".join(content) or "nothing",
                    remedy=f"Add [{table}], or name the table that there is.",
                )
            content = found
        if "base_path" in content:
            content = {**content, "base_path": _beside(path, content["base_path"])}
        return cls(str(path), content)


def _parse(path: Path) -> dict[str, Any]:
    try:
        # Editors of Windows put a mark before the first letter.
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as exc:
        raise FileMissingError("there is no such settings file", file=path) from exc
    except OSError as exc:
        raise FileAccessError(
            "the settings file cannot be read", file=path, found=exc.strerror
        ) from exc
    except ValueError as exc:
        raise SettingsError(
            "the settings file is not TOML",
            file=path,
            found=str(exc),
            remedy="Texts stand in quotes; paths of Windows in single ones, as 'D:\\data'.",
        ) from exc


def _beside(file: Path, folder: Any) -> Any:
    """Return a folder that is meant relative to the file; others as they are."""
    if not isinstance(folder, str) or folder.startswith(("~", "/", "\\", "hdf5:")):
        return folder
    return str(file.parent / folder) if folder.strip() else folder
