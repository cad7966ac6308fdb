"""DataToExportTimedSaver: bundles appended as time goes by, for logs."""

from __future__ import annotations

from typing import Any, ClassVar

from h5backends.nodes import Node
from savers.data import DataToExport
from savers.export_enlargeable import DataToExportEnlargeableSaver, as_parts, time_of
from savers.interchange import DataLike, ExportLike
from savers.management import Openable

__all__ = ["DataToExportTimedSaver"]


class DataToExportTimedSaver(DataToExportEnlargeableSaver):
    """Appends bundles of data with the time they were taken, in seconds since 1970.

    See :class:`savers.export_enlargeable.DataToExportEnlargeableSaver` for what holds for points.

    Parameters
    ----------
    h5saver : H5SaverLowLevel, Path or str
        A saver, or the file to open.
    moving_axes : bool
        See :class:`savers.enlargeable.DataEnlargeableSaver`.
    **options
        For a path, see :func:`savers.management.open_saver`.

    Examples
    --------
    >>> import numpy as np
    >>> from savers import DataRaw, DataToExport
    >>> with DataToExportTimedSaver("log.h5", new_file=True) as saver:
    ...     for value in (20.1, 20.3):
    ...         point = DataRaw("temperature", units="degC", data=[np.array([value])])
    ...         saver.add_data("/RawData", DataToExport("oven", [point]))
    ...     saver.get_node("/RawData/Data0D/CH00/EnlData00").read().ravel()
    array([20.1, 20.3])
    """

    _keeps_times: ClassVar[bool] = False  # the axis is the time

    def __init__(self, h5saver: Openable, *, moving_axes: bool = False, **options: Any) -> None:
        super().__init__(h5saver, ("time",), ("s",), moving_axes=moving_axes, **options)

    def add_data(  # type: ignore[override]
        self,
        where: str | Node,
        data: ExportLike | DataLike,
        settings_as_xml: str = "",
        **kwargs: Any,
    ) -> None:
        """Append one point at the time of its timestamp.

        Parameters
        ----------
        where : str or Node
            The group.
        data : DataToExport
            Ours, or any like it. Not changed.
        settings_as_xml, **kwargs
            See :meth:`DataToExportEnlargeableSaver.add_data`.

        Raises
        ------
        H5Error
            See :meth:`DataToExportEnlargeableSaver.add_data`.
        """
        parts = data.data if type(data) is DataToExport else as_parts(data)
        stamp = time_of(data)
        self._append(where, parts, (stamp,), stamp, settings_as_xml, kwargs)
