"""The sections of a saver's settings: driver, server, readers, storage, flushing."""

from __future__ import annotations

from typing import Annotated, Any

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

from h5backends import filters
from h5backends.drivers import registry
from h5backends.errors import H5Error
from h5backends.policy import FlushPolicy
from savers.options.problems import refused, unknown

__all__ = [
    "BackendOptions",
    "Checked",
    "CompressionOptions",
    "DataFormat",
    "FlushOptions",
    "HsdsOptions",
    "SwmrOptions",
]

_NEVER = frozenset({"", "none", "never"})


def _none_in_words(value: Any) -> Any:
    """TOML and the environment have no None."""
    return None if isinstance(value, str) and value.strip().lower() in _NEVER else value


_Limit = BeforeValidator(_none_in_words)


class Checked:
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


class _Section(Checked, BaseModel):
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
