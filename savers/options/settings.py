"""SaverSettings: what a saver can be told by a program, the environment or a TOML file.

The names are those of the settings of PyMoDAQ's saver. Values are checked by pydantic when they
are set, and what is wrong is said in this package's own errors.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnparsableError

from h5backends.policy import FlushPolicy
from h5backends.types import SaveType
from savers.options.file import Origin
from savers.options.problems import (
    PREFIX,
    refuse_unknown_variables,
    refused,
    unparsable,
)
from savers.options.sections import BackendOptions, Checked, DataFormat, FlushOptions

__all__ = ["SaverSettings"]

_origin: ContextVar[Origin | None] = ContextVar("origin of settings", default=None)


class SaverSettings(Checked, BaseSettings):
    """Settings of a saver: arguments, else environment, else TOML file, else defaults.

    Variables of the environment are called ``H5SAVER_`` and the name of the setting, with two
    underscores between a section and what is in it:
    ``H5SAVER_BACKEND__SWMR_OPTIONS__ENABLE_SWMR=1``. The variable ``H5SAVER_SETTINGS_FILE`` names
    a file to be read if :meth:`load` is not given one.

    Parameters
    ----------
    **values
        Settings by their names; sections as mappings or objects.

    Raises
    ------
    SettingsError
        A setting does not exist or cannot have this value; the message says which, where it
        stands, and what is possible.
    FileMissingError, FileAccessError
        The file cannot be read.

    Examples
    --------
    >>> settings = SaverSettings(base_path="data", backend={"backend_type": "tables"})
    >>> settings.backend.swmr_options.flush_interval = 10
    >>> settings["backend", "backend_type"], settings["backend", "swmr_options", "flush_interval"]
    ('tables', 10)
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        validate_assignment=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    save_type: str = Field(default="scan", description="What files are recorded for.")
    base_path: str | None = Field(
        default=None,
        description="Folder that all data go into (on a server, a domain). By default `Data` in "
        "the home folder; a path in a file is relative to that file.",
    )
    base_name: str = Field(
        default="Scan",
        description="What the names of files begin with that are no datasets of scans.",
    )
    custom_name: bool = Field(default=False, description="Ask for the name of every new file.")
    backend: BackendOptions = BackendOptions()
    data_format: DataFormat = DataFormat()
    flush_policy: FlushOptions | None = Field(
        default=None,
        description="When points leave the program; by default within a second, and within "
        "milliseconds while readers are attached.",
    )

    def __init__(self, **values: Any) -> None:
        origin = _origin.get() or Origin.of_environment()
        refuse_unknown_variables(type(self))
        try:
            with _from(origin):
                super().__init__(**values)
        except ValidationError as exc:
            raise refused(exc, type(self), origin, values) from exc
        except UnparsableError as exc:
            raise unparsable(type(self)) from exc

    @classmethod
    def load(
        cls, file: str | os.PathLike[str] | None = None, table: str = "", **values: Any
    ) -> Self:
        """Read settings from a TOML file.

        Parameters
        ----------
        file : path-like, optional
            The file; by default the one that the environment names, or none.
        table : str
            The table of it that the settings are in, such as ``"tool.h5saver"``; by default they
            are the whole file.
        **values
            Settings that count more than environment and file.

        Raises
        ------
        SettingsError, FileMissingError, FileAccessError
            See the class.
        """
        origin = Origin.of_environment(table) if file is None else Origin.read(file, table)
        with _from(origin):
            return cls(**values)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, what counts most first; pydantic calls this."""
        origin = _origin.get()
        content = {} if origin is None else dict(origin.content)
        return init_settings, env_settings, InitSettingsSource(settings_cls, content)

    @field_validator("save_type", mode="before")
    @classmethod
    def _known_type(cls, value: Any) -> Any:
        name = value.name if isinstance(value, SaveType) else value
        names = [kind.name for kind in SaveType]
        if not isinstance(name, str) or name.lower() not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return name.lower()

    @field_validator("base_path", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise ValueError("a folder")
        return str(value) if isinstance(value, Path) else value

    @field_validator("base_name")
    @classmethod
    def _possible_everywhere(cls, name: str) -> str:
        if not name.strip() or any(c in '<>:"/\\|?*' or ord(c) < 32 for c in name):
            raise ValueError('a name without any of < > : " / \\ | ? *, which Windows forbids')
        return name

    @field_validator("flush_policy", mode="before")
    @classmethod
    def _as_options(cls, value: Any) -> Any:
        if isinstance(value, FlushPolicy):
            return {name: getattr(value, name) for name in FlushOptions.model_fields}
        return value


@contextlib.contextmanager
def _from(origin: Origin) -> Iterator[None]:
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)
