"""Reading stacks of images and measurements of deformability cytometry through caches.

Importing it loads no HDF5 library.
"""

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
