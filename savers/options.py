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
from typing import Annotated, Any, Self

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnparsableError

from h5backends import filters
from h5backends.drivers import registry
from h5backends.errors import H5Error
from h5backends.policy import FlushPolicy
from h5backends.types import SaveType
from savers.options_errors import (
    PREFIX,
    SettingsError,
    refuse_unknown_variables,
    refuse_unparsable,
    refused,
    unknown,
)
from savers.options_file import Origin

__all__ = [
    "BackendOptions",
    "CompressionOptions",
    "DataFormat",
    "FlushOptions",
    "HsdsOptions",
    "SaverSettings",
    "SettingsError",
    "SwmrOptions",
]

_origin: ContextVar[Origin | None] = ContextVar("origin of settings", default=None)

_NEVER = frozenset({"", "none", "never"})


def _none_in_words(value: Any) -> Any:
    """TOML and the environment have no None."""
    return None if isinstance(value, str) and value.strip().lower() in _NEVER else value


_Limit = BeforeValidator(_none_in_words)


class _Checked:
    """Access by PyMoDAQ's ``settings["a", "b"]``, and errors of ours, for all sections."""

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as exc:
            raise refused(exc, type(self)) from exc
        except ValueError as exc:  # pydantic's for a name that is none
            raise unknown((name,), type(self)) from exc

    def __getitem__(self, key: str | tuple[str, ...]) -> Any:
        place, name = self._find(key)
        return getattr(place, name)

    def __setitem__(self, key: str | tuple[str, ...], value: Any) -> None:
        place, name = self._find(key)
        setattr(place, name, value)

    def _find(self, key: str | tuple[str, ...]) -> tuple[Any, str]:
        path = (key,) if isinstance(key, str) else tuple(key)
        place: Any = self
        for name in path[:-1]:
            place = getattr(place, name, None)
        if not path or path[-1] not in getattr(type(place), "model_fields", ()):
            raise unknown(path, type(self))
        return place, path[-1]


class _Section(_Checked, BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class SwmrOptions(_Section):
    """Whether others may read along, and how soon they see points."""

    enable_swmr: bool = Field(
        default=False, description="Let readers in while the file is written."
    )
    flush_interval: int = Field(
        default=0, ge=0, description="Flush every so many points; 0 leaves it to the flush policy."
    )


class HsdsOptions(_Section):
    """The server, and who asks; what is missing comes from h5pyd's own configuration."""

    endpoint: str | None = Field(
        default=None, description="Address, as `http://hsds.example.org:5101`."
    )
    user: str | None = Field(default=None, description="Name of the user.")
    password: SecretStr | None = Field(
        default=None, description="The password; better not in a file."
    )
    bucket: str | None = Field(default=None, description="The bucket, if not the server's own.")
    api_key: SecretStr | None = Field(default=None, description="A key instead of a password.")
    timeout: float | None = Field(
        default=None,
        gt=0,
        description="Seconds for which to keep trying while the server is away.",
    )


class BackendOptions(_Section):
    """Which library writes, and what it needs."""

    backend_type: str = Field(
        default="h5py", description="Name of the driver: `h5py`, `tables`, `h5pyd`."
    )
    swmr_options: SwmrOptions = SwmrOptions()
    hsds_options: HsdsOptions = HsdsOptions()

    @field_validator("backend_type")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in registry.driver_names():
            raise ValueError(f"a driver: {', '.join(registry.driver_names())}")
        return name


class CompressionOptions(_Section):
    """Compression of the arrays that are made from now on."""

    h5comp_library: str = Field(
        default="none", description="`gzip` (or `zlib`), `zstd`, `blosc2`, ..."
    )
    h5comp_level: Annotated[int | None, _Limit] = Field(
        default=None, description="Effort, from 0 up."
    )
    shuffle: bool | None = Field(
        default=None,
        description="Rearrange bytes by significance first; by default where it helps.",
    )
    fletcher32: bool = Field(default=False, description="Keep a checksum with every chunk.")

    @field_validator("h5comp_library", "h5comp_level")
    @classmethod
    def _understood(cls, value: Any, info: ValidationInfo) -> Any:
        found = {**info.data, str(info.field_name): value}
        try:
            filters.parse(found.get("h5comp_library"), found.get("h5comp_level"))
        except H5Error as exc:
            raise ValueError(exc.expected or exc.what) from exc
        return value


class DataFormat(_Section):
    """How arrays are stored."""

    fill_value: float = Field(
        default=np.nan, description="Value of points that nobody has written yet."
    )
    compression_options: CompressionOptions = CompressionOptions()


class FlushOptions(_Section):
    """When points leave the program, see :class:`h5backends.FlushPolicy`."""

    rows: Annotated[int | None, _Limit] = Field(
        default=None, gt=0, description="After so many rows."
    )
    seconds: Annotated[float | None, _Limit] = Field(
        default=1.0, gt=0, description="After so many seconds; `never` for no such limit."
    )
    bytes: Annotated[int | None, _Limit] = Field(
        default=None, gt=0, description="After so many bytes."
    )
    fsync: bool = Field(default=False, description="Also wait for the storage device.")

    def policy(self) -> FlushPolicy:
        """Return them as the policy that savers take."""
        return FlushPolicy(self.rows, self.seconds, self.bytes, self.fsync)


class SaverSettings(_Checked, BaseSettings):
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
            raise refuse_unparsable(type(self)) from exc

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
