"""HDF5Data: a measurement of deformability cytometry (``.rtdc``), wherever its features are."""

from __future__ import annotations

from typing import Any

from h5backends.arrays import Array
from h5backends.errors import NodeKindError, NodeNotFoundError, SelectionError
from h5backends.readers.cache import HDF5ImageCache, ImageCorrCache
from h5backends.readers.features import IMAGE_FEATURES, PROTECTED_FEATURES
from h5backends.readers.measurement import Measurement

__all__ = ["HDF5Data"]


class HDF5Data(Measurement):
    """A measurement: features of events, images, metadata, logs, tables, basins.

    Parameters
    ----------
    path : path, h5py.File, H5Backend or binary file object
        The file. One that is given open stays its owner's to close.
    pixel_size : float, optional
        Size of a pixel in micrometres, in place of that in the file.
    md5_5m : str, optional
        MD5 sum of the first 5 MiB; computed when it is asked for.
    meta, basins, logs, tables : optional
        In place of what is in the file, which is read when it is asked for.
    image_cache_size : int
        How many chunks of each stack of images to keep.
    image_chunk_size : int
        How many images a chunk has at most; made to fit the chunks of the file.
    index_mapping : int, slice, list or ndarray, optional
        Which events: the first n, those of a slice, those of a list (in any order, also repeated)
        or of a mask. numpy's rules apply.
    basin_roots : iterable of path, optional
        Folders that basins may be in, with everything below them. By default the folder of the
        file; an empty list for none.
    cache_bytes : int, optional
        How many bytes of each stack to keep, in place of `image_cache_size`.

    Attributes
    ----------
    path : Path, file object or None
        Where the measurement is.
    meta : dict
        Metadata: ``section:name`` to value.
    logs : dict of list of str
        Lines by the name of the log.
    tables : dict
        Columns by name, or an array, by the name of the table.
    basins : list of dict
        Definitions of basins, internal ones first.
    md5_5m : str
        MD5 sum of the first 5 MiB.

    Raises
    ------
    FileError
        The file cannot be read.

    Notes
    -----
    Can be pickled for other processes; each opens the file anew. The file may be live, or one
    that a crash left behind, see :func:`h5backends.swmr.reader.open_h5_file_for_reading`.

    Examples
    --------
    >>> with HDF5Data("M001_data.rtdc") as data:                   # doctest: +SKIP
    ...     deform = data["deform"]
    ...     image = data["image"][17]
    """

    def _forget(self) -> None:
        super()._forget()
        self._scalars: dict[str, Any] = {}
        self._images: dict[str, Any] = {}

    # -- features -------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self._events)

    def __bool__(self) -> bool:
        return True

    def keys(self) -> list[str]:
        """Return the names of all features, those of basins included, sorted."""
        return sorted(self._events.names())

    def __contains__(self, item: object) -> bool:
        return item in self._events.names()

    @property
    def features_scalar_frame(self) -> list[str]:
        """The features, sorted, that are the same for all events of a frame."""
        return [name for name in self.keys() if name in PROTECTED_FEATURES]

    def __getitem__(self, feat: str) -> Any:
        """Return a feature.

        Parameters
        ----------
        feat : str
            Its name.

        Returns
        -------
        ndarray, shape (len(self),)
            For one number an event; read-only, read once.
        HDF5ImageCache
            For ``image``, ``image_bg`` and ``mask`` (``bool``).
        dataset, MappedHDF5Dataset, or dict of these
            For anything else.

        Raises
        ------
        NodeNotFoundError
            Neither the file nor a basin that is there has it.
        """
        _ = self.h5
        if not isinstance(feat, str):
            raise NodeNotFoundError(
                "a feature is asked for by its name", file=self.path, found=repr(feat)
            )
        if feat in self._scalars:
            return self._scalars[feat]
        found = self.get_image_cache(feat) if feat in IMAGE_FEATURES else self._events.find(feat)
        if found is None:
            raise NodeNotFoundError(
                f"there is no feature {feat!r}",
                file=self.path,
                remedy=self._absent_basins(),
            )
        if len(getattr(found, "shape", ())) == 1 and feat not in IMAGE_FEATURES:
            array = Array(found)
            values = array.read((slice(0, array.shape[0], 1),))
            values.flags.writeable = False
            self._scalars[feat] = values
            return values
        return found

    def _absent_basins(self) -> str | None:
        absent = [
            str(definition.get("name") or definition["paths"][0])
            for number, definition in enumerate(self.basins)
            if self._events.basin(number).group is None
        ]
        return f"Files of basins are not there: {', '.join(absent)}." if absent else None

    def get_basin_data(self, index: int) -> tuple[Any, list[str], Any]:
        """Return where the features of a basin are.

        Parameters
        ----------
        index : int
            Which of :attr:`basins`.

        Returns
        -------
        group : h5py.Group or None
            None if the file of the basin is not there.
        features : list of str
            Those that the group has and the basin offers.
        index_mapping : int, slice, list, ndarray or None
            Which events of the group are those of this measurement.

        Raises
        ------
        BasinIdentifierMismatchError, MeasurementError, FileAccessError
            The basin does not belong here, refers to itself, or is where it may not be.
        SelectionError
            There is no such basin.
        """
        if not 0 <= index < len(self.basins):
            raise SelectionError(
                f"there is no basin {index}", expected=f"0 to {len(self.basins) - 1}"
            )
        basin = self._events.basin(index)
        return basin.group, list(basin.features), basin.index_mapping

    def _get_basin_data_file(self, bn_dict: dict[str, Any]) -> tuple[Any, list[str]]:
        """Return group and features of a basin in another file, by its definition."""
        basin = self._events.basin_of(bn_dict)
        return basin.group, list(basin.features)

    # Of a definition it is plain which kind of basin it is of.
    _get_basin_data_internal = _get_basin_data_file

    # -- images ---------------------------------------------------------------------------------
    def get_image_cache(self, feat: str) -> HDF5ImageCache | None:
        """Return a stack of images, in the file or in a basin, None if there is none.

        Raises
        ------
        NodeKindError
            It is no stack of images.
        """
        _ = self.h5
        if feat not in self._images:
            found = self._events.find(feat)
            if found is not None and len(getattr(found, "shape", ())) < 2:
                raise NodeKindError(
                    "this is no stack of images", file=self.path, node=f"/events/{feat}"
                )
            self._images[feat] = (
                None
                if found is None
                else HDF5ImageCache(
                    found,
                    self.image_chunk_size,
                    self.image_cache_size,
                    feat == "mask",
                    cache_bytes=self.cache_bytes,
                )
            )
        cache: HDF5ImageCache | None = self._images[feat]
        return cache

    @property
    def image(self) -> HDF5ImageCache | None:
        """Images of the events, shape ``(len(self), height, width)``; None if there are none."""
        return self.get_image_cache("image")

    @property
    def image_bg(self) -> HDF5ImageCache | None:
        """Backgrounds of the images; None if there are none."""
        return self.get_image_cache("image_bg")

    @property
    def mask(self) -> HDF5ImageCache | None:
        """Which pixels of the images belong to the object, ``bool``; None if it is not known."""
        return self.get_image_cache("mask")

    @property
    def image_corr(self) -> ImageCorrCache | None:
        """Images minus backgrounds; None if either is missing."""
        image, image_bg = self.image, self.image_bg
        if image is None or image_bg is None:
            return None
        if "image_corr" not in self._images:
            self._images["image_corr"] = ImageCorrCache(image, image_bg)
        corrected: ImageCorrCache = self._images["image_corr"]
        return corrected

    @property
    def image_num_chunks(self) -> int:
        """How many chunks of ``image_chunk_size`` images there are."""
        return -(-len(self) // self.image_chunk_size)
