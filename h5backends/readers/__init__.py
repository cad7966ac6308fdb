"""Reading stacks of images and measurements of deformability cytometry through caches.

Importing it loads no HDF5 library, and each of its parts only when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from h5backends.late import imported_late

if TYPE_CHECKING:
    from h5backends.errors import BasinIdentifierMismatchError, MeasurementError
    from h5backends.readers.cache import (
        BaseImageChunkCache,
        EmptyDatasetWarning,
        HDF5ImageCache,
        ImageCorrCache,
    )
    from h5backends.readers.concatenate import concatenated_hdf5_data
    from h5backends.readers.features import PROTECTED_FEATURES
    from h5backends.readers.flicker import detect_flickering
    from h5backends.readers.identity import get_measurement_identifier, md5sum
    from h5backends.readers.mapped import (
        MappedHDF5Dataset,
        get_mapped_object,
        get_mapping_indices,
    )
    from h5backends.readers.rtdc import HDF5Data

_HOMES = {
    "PROTECTED_FEATURES": "readers.features",
    "BaseImageChunkCache": "readers.cache",
    "BasinIdentifierMismatchError": "errors",
    "EmptyDatasetWarning": "readers.cache",
    "HDF5Data": "readers.rtdc",
    "HDF5ImageCache": "readers.cache",
    "ImageCorrCache": "readers.cache",
    "MappedHDF5Dataset": "readers.mapped",
    "MeasurementError": "errors",
    "concatenated_hdf5_data": "readers.concatenate",
    "detect_flickering": "readers.flicker",
    "get_mapped_object": "readers.mapped",
    "get_mapping_indices": "readers.mapped",
    "get_measurement_identifier": "readers.identity",
    "md5sum": "readers.identity",
}

__all__ = [
    "PROTECTED_FEATURES",
    "BaseImageChunkCache",
    "BasinIdentifierMismatchError",
    "EmptyDatasetWarning",
    "HDF5Data",
    "HDF5ImageCache",
    "ImageCorrCache",
    "MappedHDF5Dataset",
    "MeasurementError",
    "concatenated_hdf5_data",
    "detect_flickering",
    "get_mapped_object",
    "get_mapping_indices",
    "get_measurement_identifier",
    "md5sum",
]


__getattr__, __dir__ = imported_late(__name__, _HOMES, "h5backends")
