"""Image caches: the array itself under any index, and what is kept of it."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from h5backends import H5Backend
from h5backends.errors import FileClosedError, SelectionError, ShapeError, StorageError
from h5backends.readers.cache import (
    BaseImageChunkCache,
    EmptyDatasetWarning,
    HDF5ImageCache,
    ImageCorrCache,
)
from h5backends.readers.mapped import MappedHDF5Dataset
from tests.conftest import Place

CODECS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunks": {"chunks": (3, 4, 5)},
    "gzip": {"chunks": (3, 4, 5), "compression": "gzip"},
    "gzip, parts of images": {"chunks": (4, 3, 2), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (5, 4, 5), "compression": "lzf"},
    "checksum": {"chunks": (2, 4, 5), "compression": "gzip", "fletcher32": True},
    "zstd": {"chunks": (7, 4, 5), **hdf5plugin.Zstd()},
    "one chunk": {"chunks": (100, 4, 5), "maxshape": (None, 4, 5), "compression": "gzip"},
}


def stack(count: int, dtype: str = "u2") -> np.ndarray[Any, Any]:
    return np.arange(count * 20).reshape(count, 4, 5).astype(dtype)


def same(found: Any, expected: Any) -> None:
    assert not np.ndim(expected) or isinstance(found, np.ndarray)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@st.composite
def indices(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Any index that numpy accepts, and some that it does not."""
    length = shape[0]
    rows = st.integers(-length - 1, length)
    masks = hnp.arrays(bool, (length,))
    lists = st.lists(rows, max_size=12).map(lambda n: np.array(n, int))
    plain = hnp.basic_indices(shape, allow_newaxis=False)
    return draw(st.one_of(rows, rows.map(np.int64), masks, lists, lists.map(list), plain))


def compare(cache: Any, data: np.ndarray[Any, Any], index: Any) -> None:
    try:
        expected = data[index]
    except IndexError:
        with pytest.raises(IndexError):
            cache[index]
    else:
        same(cache[index], expected)


# -- the same as the array ----------------------------------------------------------------------
@pytest.mark.parametrize("codec", CODECS.values(), ids=list(CODECS))
@given(st.data())
def test_any_indices_as_in_numpy(codec: dict[str, Any], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 23))
    images = stack(count)
    if "chunks" in codec and "maxshape" not in codec:
        codec = {**codec, "maxshape": (None, 4, 5)}
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        kept = file.create_dataset("i", data=images, **codec)
        cache = HDF5ImageCache(
            kept,
            data.draw(st.sampled_from([1, 2, 3, 6, 7, 1000])),
            cache_bytes=data.draw(st.sampled_from([None, 1, 500, 10_000])),
        )
        for _ in range(data.draw(st.integers(1, 8))):
            compare(cache, images, data.draw(indices(images.shape)))
            assert cache.cached_bytes <= max(cache.cache_bytes, images.nbytes)
        for number in cache.iter_chunks():
            same(cache.get_chunk(number), images[cache.get_chunk_slice(number)])
            assert len(cache.get_chunk(number)) == cache.get_chunk_size(number)
        same(np.asarray(cache), images)
        assert [int(image[0, 0]) for image in cache] == images[:, 0, 0].tolist()


@given(st.data())
def test_mapped_and_boolean_and_corrected(data: st.DataObject) -> None:
    images = stack(17, "u1") % 3
    rows = np.array(data.draw(st.lists(st.integers(0, 16), min_size=1, max_size=25)))
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        kept = file.create_dataset("i", data=images, chunks=(4, 4, 5), compression="gzip")
        other = file.create_dataset("bg", data=images[::-1], chunks=(5, 4, 5))
        masks = HDF5ImageCache(MappedHDF5Dataset(kept, rows), 3, boolean=True)
        expected = images[rows] != 0
        corrected = ImageCorrCache(HDF5ImageCache(kept, 3), HDF5ImageCache(other, 3))
        mapped = ImageCorrCache(
            HDF5ImageCache(MappedHDF5Dataset(kept, rows)),
            HDF5ImageCache(MappedHDF5Dataset(other, rows)),
        )
        difference = images.astype("i2") - images[::-1]
        for _ in range(5):
            compare(masks, expected, data.draw(indices(expected.shape)))
            compare(corrected, difference, data.draw(indices(images.shape)))
            compare(mapped, difference[rows], data.draw(indices(expected.shape)))
        for number in masks.iter_chunks():
            same(masks.get_chunk(number), expected[masks.get_chunk_slice(number)])
        for number in corrected.iter_chunks():
            same(corrected.get_chunk(number), difference[corrected.get_chunk_slice(number)])


def test_arrays_of_every_driver(place: Place) -> None:
    images = stack(11)
    with place.open("w") as h5:
        kept = h5.create_earray("/", "i", "u2", data_shape=(4, 5), chunks=(3, 4, 5))
        kept.append(images)
        cache = HDF5ImageCache(kept, 4)
        same(cache[:], images)
        same(cache[-1], images[-1])
        kept.append(images[:2])  # still in memory
        cache.refresh()
        same(cache[:], np.concatenate([images, images[:2]]))


# -- what is read, and kept ---------------------------------------------------------------------
class Counted(BaseImageChunkCache):
    """Counts what it is asked for."""

    def __init__(self, count: int, *args: Any, block: int | None = None, **kwargs: Any) -> None:
        super().__init__((count, 4, 5), *args, **kwargs)
        self.asked: list[tuple[int, int]] = []
        self.block = block

    @property
    def _block_size(self) -> int:
        return self.block or super()._block_size

    def _get_chunk_data(self, chunk_slice: slice) -> np.ndarray[Any, Any]:
        start, stop, _ = chunk_slice.indices(len(self))
        self.asked.append((start, stop))
        return stack(len(self))[start:stop]


def test_the_least_recently_used_goes_first() -> None:
    cache = Counted(40, 10, 2)
    assert cache.dtype == stack(1).dtype
    cache.asked.clear()
    for row in (0, 10, 5, 20, 6, 15):
        cache[row]
    # 0-10 was used between 10-20 and 20-30: it stays, the other goes.
    assert cache.asked == [(0, 10), (10, 20), (20, 30), (10, 20)]
    assert cache.cached_bytes == cache.cache_bytes == 2 * 10 * 4 * 5 * 2


def test_out_of_order_one_block_in_order_more_and_more() -> None:
    cache = Counted(1000, block=5)
    cache.asked.clear()
    for row in (500, 17, 902, 44):
        cache[row]
    assert [stop - start for start, stop in cache.asked[-4:]] == [5, 5, 5, 5]
    cache.asked.clear()
    for image, expected in zip(cache, stack(1000), strict=True):
        assert image[0, 0] == expected[0, 0]
    assert len(cache.asked) < 20
    assert sum(stop - start for start, stop in cache.asked) <= 1000


def test_a_limit_in_bytes() -> None:
    cache = Counted(1000, block=5, cache_bytes=3 * 5 * 40)
    for row in (0, 100, 200, 300, 400, 100):
        cache[row]
        assert cache.cached_bytes <= 600
    list(cache)
    assert cache.cached_bytes <= 600


@pytest.mark.parametrize("codec", [None, "gzip", "lzf"])
@pytest.mark.parametrize("size", [2, 3])
def test_views_are_read_only_and_copies_are_not(
    codec: str | None, size: int, tmp_path: Path
) -> None:
    images = stack(9)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kept = file.create_dataset("i", data=images, chunks=(2, 4, 5), compression=codec)
        cache = HDF5ImageCache(kept, size)
        for view in (cache[4], cache[5], cache.get_chunk(1)):
            with pytest.raises(ValueError, match="read-only"):
                view[...] = 0
        for copy in (cache[2:4], cache[[4]], cache[4, 1:]):
            copy[...] = 0
        same(cache[:], images)


def test_a_random_image_costs_one_hdf5_chunk(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 9, (200, 64, 64), "u1")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("i", data=images, chunks=(10, 64, 64), compression="gzip")
    with h5py.File(tmp_path / "a.h5") as file:
        cache = HDF5ImageCache(file["i"])
        same(cache[57], images[57])
        assert cache.cached_bytes == 10 * 64 * 64
        same(cache[123], images[123])
        assert cache.cached_bytes == 2 * 10 * 64 * 64
        cache.clear()
        assert cache.cached_bytes == 0
        same(cache[57], images[57])


# -- growing ------------------------------------------------------------------------------------
def test_a_stack_that_grows_under_swmr(tmp_path: Path) -> None:
    images = stack(50)
    with H5Backend("h5py") as writer, H5Backend("h5py") as reader:
        writer.open_file(tmp_path / "a.h5", "w", swmr_mode=True)
        writer.define_compression("gzip", 1)
        kept = writer.create_earray("/", "i", "u2", data_shape=(4, 5), chunks=(8, 4, 5))
        writer.enable_swmr()
        kept.append(images[:11])
        writer.flush()
        reader.open_file(tmp_path / "a.h5", "r", swmr_mode=True)
        cache = HDF5ImageCache(reader.get_node("/i"), 4)
        same(cache[:], images[:11])
        for stop in (12, 13, 30, 50):
            kept.append(images[len(cache) : stop])
            writer.flush()
            assert len(cache) < stop
            with pytest.raises(IndexError):
                cache[stop - 1]
            kept_before = cache.cached_bytes
            cache.refresh(appended=True)
            assert cache.cached_bytes == kept_before > 0
            assert len(cache) == stop
            same(cache[stop - 1], images[stop - 1])
            same(cache[:], images[:stop])
            same(cache.get_chunk(-1), images[(stop - 1) // 4 * 4 : stop])
    cache.clear()
    with pytest.raises(FileClosedError):
        cache[0]


def test_images_and_backgrounds_that_grow(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        options: dict[str, Any] = {"chunks": (2, 4, 5), "maxshape": (None, 4, 5)}
        image = file.create_dataset("i", data=stack(3), compression="gzip", **options)
        image_bg = file.create_dataset("b", data=stack(3) + 1, compression="gzip", **options)
        cache = ImageCorrCache(HDF5ImageCache(image, 2), HDF5ImageCache(image_bg, 2))
        same(cache[:], np.full((3, 4, 5), -1, "i4"))
        image.resize(7, 0)
        image_bg.resize(5, 0)
        image[3:] = 9
        image_bg[3:] = 2
        cache.refresh()
        assert len(cache) == 5  # images that have a background by now
        same(cache[3:], np.full((2, 4, 5), 7, "i4"))
        same(cache.get_chunk(2), np.full((1, 4, 5), 7, "i4"))


@pytest.mark.parametrize("limit", [6, None])
def test_a_full_stack_that_is_filled_is_read_anew(limit: int | None, tmp_path: Path) -> None:
    images = stack(6)
    with h5py.File(tmp_path / "a.h5", "w", libver=("v110", "v110")) as file:
        options: dict[str, Any] = {"chunks": (2, 4, 5), "maxshape": (limit, 4, 5)}
        kept = file.create_dataset("i", images.shape, "u2", compression="gzip", **options)
        cache = HDF5ImageCache(kept)
        assert not cache[:].any()
        kept[...] = images
        assert not cache[:].any()
        cache.refresh()
        same(cache[:], images)


def test_a_stack_that_shrank(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kept = file.create_dataset("i", data=stack(9), maxshape=(None, 4, 5), chunks=(2, 4, 5))
        cache = HDF5ImageCache(kept)
        list(cache)
        kept.resize(3, 0)
        cache.refresh()
        same(cache[:], stack(3))
        with pytest.raises(IndexError):
            cache[3]


# -- threads ------------------------------------------------------------------------------------
def test_from_several_threads(tmp_path: Path) -> None:
    images = np.arange(300 * 64 * 64, dtype="u4").reshape(300, 64, 64)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("i", data=images, chunks=(7, 64, 64), compression="gzip")
    wrong: list[int] = []
    with h5py.File(tmp_path / "a.h5") as file:
        cache = HDF5ImageCache(file["i"], cache_bytes=40 * 64 * 64 * 4)

        def read(seed: int) -> None:
            order = range(300) if seed % 2 else np.random.default_rng(seed).integers(0, 300, 300)
            wrong.extend(int(n) for n in order if cache[n][3, 4] != images[n, 3, 4])

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_inside_a_held_session(tmp_path: Path) -> None:
    """What waits for a thread never holds what the thread needs."""
    images = np.arange(400 * 64 * 64, dtype="u4").reshape(400, 64, 64)
    with H5Backend("tables") as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        h5.define_compression("gzip", 1)
        kept = h5.create_earray("/", "i", "u4", data_shape=(64, 64), chunks=(8, 64, 64))
        kept.append(images)
        cache = HDF5ImageCache(kept)
        with h5.session.hold():
            assert sum(int(image[1, 1]) for image in cache) == int(images[:, 1, 1].sum())


# -- bad input ----------------------------------------------------------------------------------
def test_nothing_in_it(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("i", (0, 4, 5), "u1", maxshape=(None, 4, 5), chunks=(2, 4, 5))
    expected = pytest.warns(EmptyDatasetWarning, match=r"'/i'.*a\.h5")
    with h5py.File(tmp_path / "a.h5") as file, expected:
        HDF5ImageCache(file["i"])
    with h5py.File(tmp_path / "a.h5", "a") as file:
        kept = file["i"]
        cache = HDF5ImageCache(kept)  # more may come
        assert len(cache) == cache.num_chunks == 0
        assert list(cache) == list(cache.iter_chunks()) == []
        same(cache[:], np.zeros((0, 4, 5), "u1"))
        for look in (lambda: cache[0], lambda: cache[-1], lambda: cache.get_chunk(0)):
            with pytest.raises(SelectionError):
                look()
        kept.resize(3, 0)
        cache.refresh()
        assert cache[-1].shape == (4, 5)


@pytest.mark.parametrize("index", ["image", 1.5, None, [[1], [2, 3]], (0, 0, 0, 0), True])
def test_no_index(index: Any) -> None:
    with pytest.raises(SelectionError):
        HDF5ImageCache(stack(3))[index]


def test_what_no_cache_can_be() -> None:
    with pytest.raises(ShapeError, match="scalar"):
        HDF5ImageCache(np.float64(1))
    for sizes in ({"chunk_size": 0}, {"cache_size": 0}, {"cache_bytes": 0}):
        with pytest.raises(ShapeError, match="1 or more"):
            HDF5ImageCache(stack(3), **sizes)
    with pytest.raises(ShapeError, match="background"):
        ImageCorrCache(HDF5ImageCache(stack(3)), HDF5ImageCache(stack(4)))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("u1", "i2"), ("i1", "i2"), ("u2", "i4"), ("f4", "f4"), ("bool", "i2")],
)
def test_differences_do_not_overflow(dtype: str, expected: str) -> None:
    low = np.zeros((2, 3, 3), dtype)
    high = np.full((2, 3, 3), np.iinfo(dtype).max if dtype[0] in "ui" else 1, dtype)
    found = ImageCorrCache(HDF5ImageCache(low), HDF5ImageCache(high))
    assert found.dtype == found[0].dtype == expected
    np.testing.assert_array_equal(found[:], low.astype("f8") - high)


def test_a_damaged_chunk_is_an_error_that_names_the_dataset(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kept = file.create_dataset("i", data=stack(6), chunks=(2, 4, 5), compression="gzip")
        kept.id.write_direct_chunk((2, 0, 0), b"not deflated")
    with h5py.File(tmp_path / "a.h5") as file:
        cache = HDF5ImageCache(file["i"])
        same(cache[0], stack(6)[0])
        with pytest.raises(StorageError, match="'/i'"):
            cache[2]
        same(cache[4], stack(6)[4])


def test_images_beside_a_damaged_chunk(tmp_path: Path) -> None:
    """What is read together with it, or ahead, is no reason to fail."""
    images = stack(60)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kept = file.create_dataset("i", data=images, chunks=(2, 4, 5), compression="gzip")
        kept.id.write_direct_chunk((40, 0, 0), b"not deflated")
    with h5py.File(tmp_path / "a.h5") as file:
        cache = HDF5ImageCache(file["i"])
        for row in range(60):
            if row in (40, 41):
                with pytest.raises(StorageError):
                    cache[row]
            else:
                same(cache[row], images[row])


def test_threads_that_hold_the_file_and_the_cache(tmp_path: Path) -> None:
    images = stack(100)
    with H5Backend("h5py") as h5:
        h5.open_file(tmp_path / "a.h5", "w")
        h5.define_compression("gzip", 1)
        kept = h5.create_earray("/", "i", "u2", data_shape=(4, 5), chunks=(2, 4, 5))
        kept.append(images)
        cache = HDF5ImageCache(kept, cache_bytes=1000)

        def read(hold: bool) -> None:
            for row in np.random.default_rng(hold).integers(0, 100, 300):
                with h5.session.hold() if hold else contextlib.nullcontext():
                    same(cache[row], images[row])

        threads = [threading.Thread(target=read, args=(hold,)) for hold in (True, False)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)


def test_missing_chunks_are_fill_values(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kept = file.create_dataset(
            "i", (9, 4, 5), "u1", chunks=(2, 2, 5), compression="gzip", fillvalue=7
        )
        kept[4] = 1
        expected = kept[...]
        same(HDF5ImageCache(kept)[:], expected)
