"""Side by side with the real dcnum on real measurements: the same names, signatures, results."""

from __future__ import annotations

import inspect
import shutil
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from h5backends import readers
from h5backends.readers import cache as our_cache

NAMES = [
    "cytoshot_extended-moments-features",
    "cytoshot_full-features_2023",
    "cytoshot_full-features_2024",
    "cytoshot_full-features_legacy_allev_2023",
    "shapein_empty",
    "shapein_raw-with-variable-length-logs",
]
FULL = "cytoshot_full-features_legacy_allev_2023"
MAPPINGS = [None, 3, slice(1, 9), slice(1, 9, 3), [5, 0, 2], [4, 4]]


@pytest.fixture(autouse=True)
def _quiet_peer() -> Any:
    """Let the peer warn of what it does not cache, and leave its files open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, dcnum: Any, tmp_path: Path) -> Path:
    """A real measurement."""
    return Path(shutil.copy(dcnum.measurements[request.param], tmp_path / "m.rtdc"))


@pytest.fixture
def full(dcnum: Any, tmp_path: Path) -> Path:
    """A real measurement with all features."""
    return Path(shutil.copy(dcnum.measurements[FULL], tmp_path / "full.rtdc"))


def same(found: Any, expected: Any) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def same_features(ours: Any, theirs: Any) -> None:
    assert ours.keys() == theirs.keys()
    assert len(ours) == len(theirs)
    for name in theirs.keys():  # noqa: SIM118 - it has no iterator
        if not len(theirs) or name == "trace":
            continue  # the peer fails on these
        same(ours[name][:], theirs[name][:])


# -- names --------------------------------------------------------------------------------------
def test_everything_it_exports_is_here(dcnum: Any) -> None:
    public = {
        name
        for name, thing in vars(dcnum.read).items()
        if name[0] != "_" and not inspect.ismodule(thing)
    }
    assert public <= {*readers.__all__, "annotations"}
    assert readers.PROTECTED_FEATURES == dcnum.read.PROTECTED_FEATURES


def test_calls_written_for_it_work_here(dcnum: Any) -> None:
    pairs = [
        (getattr(readers, n), getattr(dcnum.read, n))
        for n in readers.__all__
        if hasattr(dcnum.read, n)
    ]
    pairs += [
        (getattr(our_cache, n), getattr(dcnum.read.cache, n))
        for n in ("BaseImageChunkCache", "ImageCorrCache")
    ]
    pairs += [(readers.MappedHDF5Dataset, dcnum.read.mapped.MappedHDF5Dataset)]
    for ours, theirs in pairs:
        if not callable(theirs) or (
            isinstance(theirs, type) and issubclass(theirs, BaseException)
        ):
            continue
        wanted = _parameters(theirs)
        assert list(_parameters(ours))[: len(wanted)] == list(wanted), theirs
        for name, parameter in wanted.items():
            if parameter.default is not parameter.empty:
                assert _parameters(ours)[name].default == parameter.default, (theirs, name)
        for name, member in inspect.getmembers(theirs):
            if isinstance(theirs, type) and name[0] != "_" and name != "mro":
                assert hasattr(ours, name), (theirs, name)
                if inspect.isroutine(member):
                    mine = list(_parameters(getattr(ours, name)))
                    assert mine[: len(_parameters(member))] == list(_parameters(member))


def _parameters(thing: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(thing).parameters)


# -- measurements -------------------------------------------------------------------------------
@pytest.mark.parametrize("mapping", MAPPINGS, ids=str)
def test_features_of_real_measurements(path: Path, dcnum: Any, mapping: Any) -> None:
    with dcnum.read.HDF5Data(path) as theirs:
        if len(theirs) < 9 and mapping is not None:
            pytest.skip("fewer events than the mapping takes")
    theirs = dcnum.read.HDF5Data(path, index_mapping=mapping)
    ours = readers.HDF5Data(path, index_mapping=mapping)
    same_features(ours, theirs)
    assert ours.features_scalar_frame == theirs.features_scalar_frame
    assert ours.get_ppid() == theirs.get_ppid()
    for name in ("image", "image_bg", "mask", "image_corr"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert (mine is None) == (other is None)
        if other is None or not len(other):
            continue
        assert mine.shape == other.shape
        same(mine[:], other[:])
        same(mine[0], other[0])
        same(mine[-1], other[-1])
        same(mine[1:3], other[1:3])
        same(mine[[2, 0, 2]] if len(other) > 2 else 0, other[[2, 0, 2]] if len(other) > 2 else 0)
    ours.close()
    theirs.close()


def test_what_real_measurements_say(path: Path, dcnum: Any) -> None:
    ours, theirs = readers.HDF5Data(path), dcnum.read.HDF5Data(path)
    assert ours.meta == theirs.meta
    assert ours.meta_nest == theirs.meta_nest
    assert ours.logs == theirs.logs
    assert ours.basins == theirs.basins
    assert ours.md5_5m == theirs.md5_5m
    assert ours.pixel_size == theirs.pixel_size
    assert ours.image_chunk_size == theirs.image_chunk_size
    assert ours.image_num_chunks == theirs.image_num_chunks
    assert ours.tables.keys() == theirs.tables.keys()
    for name, table in theirs.tables.items():
        assert ours.tables[name].keys() == table.keys()
        for column, values in table.items():
            same(ours.tables[name][column], values)
    with h5py.File(path) as file:
        identifier = readers.get_measurement_identifier(file)
        assert identifier == dcnum.read.get_measurement_identifier(file)
    for size, count in ((65536, 80), (1000, 3), (65536, 0)):
        assert readers.md5sum(path, size, count) == dcnum.read.md5sum(path, size, count)


@pytest.mark.parametrize("chunk_size", [1, 3, 4, 1000])
def test_chunks_of_real_images(full: Path, dcnum: Any, chunk_size: int) -> None:
    with h5py.File(full) as file:
        stack = file["events/image"]
        ours = readers.HDF5ImageCache(stack, chunk_size, 2)
        theirs = dcnum.read.HDF5ImageCache(stack, chunk_size, 2)
        assert list(ours.iter_chunks()) == list(theirs.iter_chunks())
        for name in ("num_chunks", "chunk_size", "chunk_shape", "image_shape", "shape", "dtype"):
            assert getattr(ours, name) == getattr(theirs, name)
        for number in theirs.iter_chunks():
            same(ours.get_chunk(number), theirs.get_chunk(number))
            assert ours.get_chunk_size(number) == theirs.get_chunk_size(number)
            assert ours.get_chunk_slice(number) == theirs.get_chunk_slice(number)


def test_flicker_in_real_images(dcnum: Any) -> None:
    for name in ("cytoshot_full-features_2023", FULL, "shapein_raw-with-variable-length-logs"):
        with readers.HDF5Data(dcnum.measurements[name]) as data:
            images = data.image[:]  # type: ignore[index]
            for options in ({}, {"brightness_threshold": 0.5}, {"count_threshold": 1}):
                theirs = dcnum.read.detect_flickering(images, **options)
                assert readers.detect_flickering(data, **options) == theirs


# -- identifiers --------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [0, 0.34, 0.2645, 1, 12, 0.123456789, np.float64(0.1)])
@pytest.mark.parametrize(
    "mapping", [None, 0, 7, slice(1, 2), slice(None, 5, 2), [1, 2], np.arange(3), "text"], ids=str
)
def test_pipeline_identifiers(dcnum: Any, size: float, mapping: Any) -> None:
    ours, theirs = readers.HDF5Data, dcnum.read.HDF5Data
    keywords = {"pixel_size": size, "index_mapping": mapping}
    ppid = theirs.get_ppid_from_ppkw(keywords)
    assert ours.get_ppid_from_ppkw(keywords) == ppid
    assert ours.get_ppid_code() == theirs.get_ppid_code()
    try:
        expected = theirs.get_ppkw_from_ppid(ppid)
    except ValueError:
        with pytest.raises(ValueError, match="cannot be told"):
            ours.get_ppkw_from_ppid(ppid)
    else:
        assert ours.get_ppkw_from_ppid(ppid) == expected


@pytest.mark.parametrize("mapping", [0, 4, slice(2, 9, 2), [3, 1], np.array([7, 7])], ids=str)
def test_mapping_indices(dcnum: Any, mapping: Any) -> None:
    same(readers.get_mapping_indices(mapping), dcnum.read.get_mapping_indices(mapping))


# -- basins -------------------------------------------------------------------------------------
def _with_basins(dcnum: Any, source: Path, target: Path, count: int, **basin: Any) -> None:
    """Have the peer write a measurement that refers to another."""
    with h5py.File(source) as src, h5py.File(target, "w") as dst:
        dcnum.write.copy_metadata(h5_src=src, h5_dst=dst)
        dst.attrs["experiment:event count"] = count
        writer = dcnum.write.HDF5Writer(dst)
        writer.store_basin(name="the basin", **basin)
        writer.store_feature_chunk("userdef0", np.arange(count))


@pytest.mark.parametrize("mapping", [None, [4, 5, 6], [9, 0, 9, 3]], ids=str)
# Of events out of order the peer loses the order, where a basin has a mapping.
@pytest.mark.parametrize("index_mapping", [None, slice(1, 3), [0, 2]], ids=str)
@pytest.mark.parametrize("features", [None, ["image", "deform"]], ids=str)
def test_basins_that_it_wrote(
    full: Path, dcnum: Any, mapping: Any, index_mapping: Any, features: Any
) -> None:
    target = full.with_name("target.rtdc")
    rows = None if mapping is None else np.array(mapping)
    count = 11 if rows is None else len(rows)
    with h5py.File(full) as file:
        identifier = readers.get_measurement_identifier(file)
    _with_basins(
        dcnum,
        full,
        target,
        count,
        paths=[full],
        mapping=rows,
        features=features,
        identifier=identifier,
    )
    ours = readers.HDF5Data(target, index_mapping=index_mapping)
    theirs = dcnum.read.HDF5Data(target, index_mapping=index_mapping)
    assert ours.basins == theirs.basins
    same_features(ours, theirs)
    mine, other = ours.get_basin_data(0), theirs.get_basin_data(0)
    assert sorted(mine[1]) == sorted(other[1])
    if mapping is not None:
        same(mine[2], other[2])
    ours.close()
    theirs.close()


def test_internal_basins_that_it_wrote(full: Path, dcnum: Any) -> None:
    target = full.with_name("target.rtdc")
    _with_basins(dcnum, full, target, 4, paths=[full], mapping=np.array([3, 3, 1, 8]))
    with dcnum.write.HDF5Writer(target) as writer:
        writer.store_basin(
            name="zz", internal_data={"userdef1": np.arange(9)}, mapping=np.array([8, 0, 1, 1])
        )
    with readers.HDF5Data(target) as ours, dcnum.read.HDF5Data(target) as theirs:
        assert ours.basins == theirs.basins
        same_features(ours, theirs)


def test_another_measurement(full: Path, dcnum: Any) -> None:
    target = full.with_name("target.rtdc")
    _with_basins(dcnum, full, target, 11, paths=[full], identifier="another")
    for package in (readers, dcnum.read):
        error = package.BasinIdentifierMismatchError
        with package.HDF5Data(target) as data, pytest.raises(error, match="does not match"):
            data["deform"]


def test_pipelines_of_basins(full: Path, dcnum: Any) -> None:
    """What the peer makes of basins when it makes a file of basins only."""
    target = full.with_name("target.rtdc")
    dcnum.write.create_with_basins(path_out=target, basin_paths=[full])
    with readers.HDF5Data(target) as ours, dcnum.read.HDF5Data(target) as theirs:
        same_features(ours, theirs)


# -- concatenation ------------------------------------------------------------------------------
@pytest.mark.parametrize("features", [None, ["deform", "image"]], ids=str)
@pytest.mark.parametrize("frames", [True, False])
def test_concatenation(full: Path, dcnum: Any, features: Any, frames: bool) -> None:
    paths = [full]
    for number in range(2):
        paths.append(full.with_name(f"{number}.rtdc"))
        shutil.copy(full, paths[-1])
    ours = readers.concatenated_hdf5_data(
        paths, full.with_name("ours"), compute_frame=frames, features=features
    )
    theirs = dcnum.read.concatenated_hdf5_data(
        paths, full.with_name("theirs"), compute_frame=frames, features=features
    )
    same_features(ours, theirs)
    assert ours.meta == theirs.meta
    assert ours.get_ppid() == theirs.get_ppid()
    # Each reads what the other made.
    with dcnum.read.HDF5Data(full.with_name("ours")) as read:
        same_features(ours, read)
    with readers.HDF5Data(full.with_name("theirs")) as read:
        same_features(read, theirs)
