"""Which settings of a saver count already, so that only those that were changed are set anew."""

from __future__ import annotations

from typing import Any

from h5backends.types import SaveType
from savers.low_level import H5SaverLowLevel
from savers.options import SaverSettings

__all__ = ["AppliedSettings"]


class AppliedSettings:
    """The settings as a saver has them.

    Parameters
    ----------
    saver : H5SaverLowLevel
        The saver, made with the backend of `settings`.
    settings : SaverSettings
        The settings it was made with.
    """

    def __init__(self, saver: H5SaverLowLevel, settings: SaverSettings) -> None:
        self._saver = saver
        self._known: dict[str, Any] = {"backend": settings.backend.backend_type}

    def backend_changed(self, settings: SaverSettings) -> bool:
        """Tell whether the settings name another backend than the last time."""
        return bool(self._known["backend"] != settings.backend.backend_type)

    def apply(self, settings: SaverSettings) -> None:
        """Set on the saver what was changed; its backend is the right one already.

        Raises
        ------
        UnsupportedError
            The driver lacks the compression.
        """
        if self.backend_changed(settings):
            self._known["backend"] = settings.backend.backend_type
            self._known.pop("compression", None)  # what one driver has, another may lack
        saver = self._saver
        if self._changed("save_type", settings.save_type):
            saver.save_type = SaveType[settings.save_type]
            self._known["save_type"] = settings.save_type
        packing = settings.data_format.compression_options
        if self._changed("compression", packing):
            saver.define_compression(
                packing.h5comp_library,
                packing.h5comp_level,
                shuffle=packing.shuffle,
                fletcher32=packing.fletcher32,
            )
            self._known["compression"] = packing.model_copy()
        fill = settings.data_format.fill_value
        if self._changed("fill", repr(fill)):  # NaN differs from itself
            saver.fill_value = fill
            self._known["fill"] = repr(fill)
        interval = settings.backend.swmr_options.flush_interval
        if self._changed("interval", interval):
            saver.set_swmr_flush_interval(interval)
            self._known["interval"] = interval
        policy = None if settings.flush_policy is None else settings.flush_policy.policy()
        if self._changed("policy", policy):
            if policy is None:
                saver._policy = None  # the automatic one, from the next file on
            else:
                saver.flush_policy = policy
            self._known["policy"] = policy

    def _changed(self, name: str, value: Any) -> bool:
        return bool(self._known.get(name) != value)
