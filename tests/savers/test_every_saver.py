"""What holds for every saver: bad input, any text, full disks, SWMR, hundreds of signals."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h5backends import FlushPolicy
from h5backends.errors import (
    AttributeValueError,
    DTypeError,
    FileClosedError,
    NodeError,
    NodeKindError,
    NodeNameError,
    NodeNotFoundError,
    ShapeError,
    StorageError,
    StructureFrozenError,
)
from h5backends.nodes import GROUP
from savers import (
    Axis,
    BkgSaver,
    DataEnlargeableSaver,
    DataExtendedSaver,
    DataLoader,
    DataRaw,
    DataSaverLoader,
    DataToExport,
    DataToExportEnlargeableSaver,
    DataToExportExtendedSaver,
    DataToExportSaver,
    DataToExportTimedSaver,
    DataWithAxes,
    ErrorSaverLoader,
    H5SaverLowLevel,
)
from tests.conftest import LOCAL, Place
from tests.savers.conftest import open_saver
from tests.small_disk import Ballast

POINTS = 400


@dataclass(frozen=True)
class Kind:
    """A saver, and how a point is given to it.

    Parameters
    ----------
    make : callable
        Makes it of a saver of files.
    add : callable
        Adds data as the point of a number: saver, place, data, number.
    bundles : bool
        Whether it takes bundles.
    repeats : bool
        Whether later points must fit the first one.
    array : str
        Name of the array of a signal.
    """

    make: Callable[[H5SaverLowLevel], Any]
    add: Callable[[Any, Any, Any, int], None]
    bundles: bool
    repeats: bool
    array: str = "Data00"


KINDS = {
    "data": Kind(DataSaverLoader, lambda s, w, d, n: s.add_data(w, d), False, False),
    "background": Kind(BkgSaver, lambda s, w, d, n: s.add_data(w, d), False, False, "Bkg00"),
    "errors": Kind(
        ErrorSaverLoader, lambda s, w, d, n: s.add_data(w, d), False, False, "ErrorBar00"
    ),
    "enlargeable": Kind(
        DataEnlargeableSaver, lambda s, w, d, n: s.add_data(w, d, [float(n)]), False, True,
        "EnlData00",
    ),
    "extended": Kind(
        lambda saver: DataExtendedSaver(saver, (POINTS,)),
        lambda s, w, d, n: s.add_data(w, d, (n,)), False, True,
    ),
    "export": Kind(DataToExportSaver, lambda s, w, d, n: s.add_data(w, d), True, False),
    "export enlargeable": Kind(
        DataToExportEnlargeableSaver,
        lambda s, w, d, n: s.add_data(w, d, axis_value=float(n)), True, True, "EnlData00",
    ),
    "export extended": Kind(
        lambda saver: DataToExportExtendedSaver(saver, (POINTS,)),
        lambda s, w, d, n: s.add_data(w, d, (n,)), True, True,
    ),
    "timed": Kind(
        DataToExportTimedSaver, lambda s, w, d, n: s.add_data(w, d), True, True, "EnlData00"
    ),
}  # fmt: skip
BUNDLES = {name: kind for name, kind in KINDS.items() if kind.bundles}
REPEATS = {name: kind for name, kind in KINDS.items() if kind.repeats}

every = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
every_with_bundles = pytest.mark.parametrize("kind", BUNDLES.values(), ids=BUNDLES)
every_with_points = pytest.mark.parametrize("kind", REPEATS.values(), ids=REPEATS)


def one_signal(saver: H5SaverLowLevel, where: GROUP) -> DataWithAxes:
    """Load the only signal below a group."""
    arrays = [
        node
        for node in saver.walk_nodes(where)
        if node.name in {"Data00", "EnlData00", "Bkg00", "ErrorBar00"}
    ]
    assert len(arrays) == 1
    return DataLoader(saver).load_data(arrays[0])


# -- bad input ----------------------------------------------------------------------------------

NOT_DATA: list[Any] = [5, None, "text", [5], {"a": 1}, np.arange(3.0), object()]
NO_PLACE = {
    "/Nowhere": NodeNotFoundError,
    "/RawData/Logger": NodeKindError,
    "/RawData/..": NodeNameError,
    None: NodeNameError,
    3: NodeNameError,
}


@every
def test_what_is_not_data(saver: H5SaverLowLevel, kind: Kind) -> None:
    made = kind.make(saver)
    group = saver.add_det_group("/RawData")
    for _ in range(2):  # as the first point, and as a later one
        for bad in NOT_DATA:
            with pytest.raises(DTypeError):
                kind.add(made, group, bad, 0)
        kind.add(made, group, DataRaw("d", data=[np.arange(3.0)]), 0)


@every
def test_wrong_places(saver: H5SaverLowLevel, kind: Kind) -> None:
    data = DataRaw("d", data=[np.arange(3.0)])
    for where, error in NO_PLACE.items():
        with pytest.raises(error):
            kind.add(kind.make(saver), where, data, 0)
    other = H5SaverLowLevel.from_file("other", new_file=True, backend="memory")
    with pytest.raises(NodeError, match="another file"):
        kind.add(kind.make(saver), other.raw_group, data, 0)
    other.close_file()
    assert saver.raw_group.children_name() == ["Logger"]


@every
def test_a_closed_file(kind: Kind, make_place: Any) -> None:
    saver = open_saver(make_place("h5py"), new_file=True)
    made = kind.make(saver)
    data = DataRaw("d", data=[np.arange(3.0)])
    kind.add(made, "/RawData", data, 0)
    saver.close_file()
    with pytest.raises(FileClosedError):
        kind.add(made, "/RawData", data, 1)
    another = kind.make(saver)
    with pytest.raises(FileClosedError):
        kind.add(another, "/RawData", data, 1)


MISFITS = {
    "more dimensions": (ShapeError, np.zeros((3, 2), int)),
    "longer": (ShapeError, np.zeros(4, int)),
    "complex": (DTypeError, np.zeros(3, complex)),
    "text": (DTypeError, np.array(["a", "b", "c"])),
    "NaN": (DTypeError, np.array([1, np.nan, 2])),
    "fractions": (DTypeError, np.array([1.5, 0, 0])),
    "too large": (DTypeError, np.array([0, 0, 70_000])),
    "too small": (DTypeError, np.array([0, 0, -40_000])),
}


@every_with_points
def test_points_that_do_not_fit(saver: H5SaverLowLevel, kind: Kind) -> None:
    made = kind.make(saver)
    group = saver.add_det_group("/RawData")
    first = np.array([1, 2, 3], np.int16)
    kind.add(made, group, DataRaw("d", origin="o", data=[first]), 0)
    for error, array in MISFITS.values():
        with pytest.raises(error) as caught:
            kind.add(made, group, DataRaw("d", origin="o", data=[array]), 1)
        assert caught.value.file == saver.filename
        assert kind.array in str(caught.value.node)
    for number, dtype in enumerate(["i8", "u1", ">i4"], 1):
        kind.add(made, group, DataRaw("d", origin="o", data=[first.astype(dtype)]), number)
    found = one_signal(saver, group)
    assert found.data[0].dtype == np.int16
    assert found.data[0][:4].tolist() == [[1, 2, 3]] * 4


@every
def test_an_attribute_that_cannot_be_stored(saver: H5SaverLowLevel, kind: Kind) -> None:
    made, group = kind.make(saver), saver.add_det_group("/RawData")
    with pytest.raises(AttributeValueError, match="lamp"):
        kind.add(made, group, DataRaw("d", data=[np.zeros(3)], lamp=object()), 0)
    kind.add(made, group, DataRaw("d", data=[np.ones(3)], lamp="on"), 0)
    found = one_signal(saver, group)
    assert found.lamp == "on"
    assert found.data[0].ravel()[:3].tolist() == [1.0, 1.0, 1.0]


def test_a_bundle_that_cannot_be_saved_leaves_nothing(saver: H5SaverLowLevel) -> None:
    export = DataToExportSaver(saver)
    good = DataRaw("a", origin="o", data=[np.zeros(3)])
    bad = DataRaw("b", origin="o", data=[np.zeros(3), np.zeros(3)], lamp=object())
    for _ in range(2):
        with pytest.raises(AttributeValueError):
            export.add_data("/RawData", DataToExport("d", [good, bad]))
    bad = DataRaw("b", origin="o", data=[np.zeros(3), np.zeros(3)], lamp="off")
    export.add_data("/RawData", DataToExport("d", [good, bad]))
    arrays = [path for path, _ in saver.raw_group.walk_arrays() if "Logger" not in path]
    assert arrays == [
        f"/RawData/Data1D/{name}" for name in ("CH00/Data00", "CH01/Data00", "CH01/Data01")
    ]


EMPTY = {
    "nothing": DataRaw("d", data=[np.empty(0)]),
    "no lines": DataRaw("d", data=[np.empty((0, 3))]),
    "an axis of no length": DataRaw("d", data=[np.empty(0)], axes=[Axis("x", "m", np.empty(0))]),
}


@every
@pytest.mark.parametrize("data", EMPTY.values(), ids=EMPTY)
def test_empty_data(saver: H5SaverLowLevel, kind: Kind, data: DataWithAxes) -> None:
    group = saver.add_det_group("/RawData")
    made = kind.make(saver)
    for number in range(2):
        kind.add(made, group, data, number)
        if not kind.repeats:
            break
    found = one_signal(saver, group)
    lead = {"Data00": (POINTS,), "EnlData00": (2,)}[kind.array] if kind.repeats else ()
    assert found.shape == (*lead, *data.shape)
    assert [axis.label for axis in found.get_sig_axes() if axis.label] == [
        axis.label for axis in data.axes
    ]


# -- any text -----------------------------------------------------------------------------------

WORDS = [
    "µΩ·m²",
    "日本 🧲",
    "a/b",
    "..",
    "",
    " ",
    "12",
    '{"a": 1}',
    "None",
    "line\nbreak",
    "\ud800",
]


@every
def test_words(saver: H5SaverLowLevel, kind: Kind) -> None:
    made = kind.make(saver)
    for word in WORDS:
        group = saver.add_det_group("/RawData")
        axis = Axis(word, word, np.arange(3.0))
        data = DataRaw(word, units=word, origin=word or "o", labels=[word], data=[np.arange(3.0)],
                       axes=[axis], note=word)  # fmt: skip
        kind.add(made, group, data, 0)
        found = one_signal(saver, group)
        assert (found.name, found.units, found.origin, found.labels, found.note) == (
            word, word, word or "o", [word], word,
        )  # fmt: skip
        signal = [a for a in found.axes if a.index == found.sig_indexes[0]]
        assert [(a.label, a.units) for a in signal] == [(word, word)]


TEXT = st.text(st.characters(exclude_characters="\0"), max_size=12)
ARRAYS = st.builds(
    lambda shape, dtype, seed: np.random.default_rng(seed).integers(0, 100, shape).astype(dtype),
    st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    st.sampled_from(["f8", "f4", "i2", "u1", "?", "c16"]),
    st.integers(0, 999),
)


@pytest.mark.parametrize("driver", ["memory", *LOCAL])
@given(array=ARRAYS, texts=st.lists(TEXT, min_size=5, max_size=5), points=st.integers(1, 4))
@settings(max_examples=15)
def test_any_signal_comes_back_from_every_saver(
    tmp_path_factory: pytest.TempPathFactory,
    driver: str,
    array: np.ndarray,
    texts: list[str],
    points: int,
) -> None:
    place = Place(driver, str(tmp_path_factory.getbasetemp() / f"{uuid.uuid4().hex}.h5"))
    name, units, origin, label, word = texts
    axes = [Axis(f"{label}{n}", units, np.arange(float(length)), n)
            for n, length in enumerate(array.shape)]  # fmt: skip
    data = DataRaw(name, units=units, origin=origin or "o", labels=[label], axes=axes,
                   data=[array], errors=[array], word=word)  # fmt: skip
    with open_saver(place, new_file=True) as saver:
        for kind in REPEATS.values():
            group = saver.add_det_group("/RawData")
            made = kind.make(saver)
            for number in range(points):
                kind.add(made, group, data, number)
            (path,) = [n.path for n in saver.walk_nodes(group) if n.name == kind.array]
            found = DataLoader(saver).load_data(path)
            assert (found.name, found.units, found.origin) == (name, units, origin or "o")
            assert (found.labels, found.word) == ([label], word)
            assert found.errors is not None
            for values in (found.data[0], found.errors[0]):
                assert values.dtype == array.dtype
                rows = values[:points].reshape(points, *array.shape)
                np.testing.assert_array_equal(rows, np.stack([array] * points))
    Path(place.location).unlink(missing_ok=True)


# -- many signals -------------------------------------------------------------------------------


@every_with_bundles
def test_more_than_99_channels(saver: H5SaverLowLevel, kind: Kind) -> None:
    made = kind.make(saver)
    numbers = np.random.default_rng(0).permutation(105)
    for point in range(2):
        signals = [
            DataRaw(f"d{n}", origin="o", data=[np.array([n + point / 2])])
            for n in (numbers if point else range(105))  # in whatever order
        ]
        if kind.repeats or not point:
            kind.add(made, "/RawData", DataToExport("p", signals), point)
    loader = DataLoader(saver)
    for number in (0, 9, 10, 99, 100, 104):
        found = loader.load_data(f"/RawData/Data0D/CH{number:02d}/{kind.array}")
        assert found.name == f"d{number}"
        points = range(1 + kind.repeats)
        assert found.data[0][:2].tolist() == [number + point / 2 for point in points]


# -- a disk that is full ------------------------------------------------------------------------


@every_with_points
@pytest.mark.parametrize("driver", LOCAL)
def test_a_full_disk(small_disk: Path, driver: str, kind: Kind) -> None:
    """Points that were taken stay, the error names the file, and it goes on with room."""
    path = small_disk / "file.h5"
    ballast = Ballast(small_disk)
    frames = np.random.default_rng(0).random((POINTS, 30, 30))
    saver = H5SaverLowLevel.from_file(
        path, new_file=True, backend=driver, flush_policy=FlushPolicy(seconds=None)
    )
    made = kind.make(saver)

    def point(number: int) -> Any:
        image = DataRaw("image", origin="o", data=[frames[number]])
        if not kind.bundles:
            return image
        small = DataRaw("small", origin="o", data=[np.array([float(number)])])
        return DataToExport("p", [small, image])

    kind.add(made, "/RawData", point(0), 0)
    saver.flush()
    ballast.fill(leave=400_000)
    taken, refused = 1, None
    while refused is None and taken < POINTS - 5:
        try:
            kind.add(made, "/RawData", point(taken), taken)
            taken += 1
        except StorageError as exc:
            refused = exc
    assert refused is not None
    assert refused.file == str(path)
    with pytest.raises(StorageError):
        kind.add(made, "/RawData", point(taken), taken)
    ballast.drop()
    wanted = taken
    for number in range(taken, min(taken + 3, POINTS)):
        kind.add(made, "/RawData", point(number), number)
        wanted += 1
    saver.close_file()
    with H5SaverLowLevel.from_file(path, mode="r", backend=driver) as saver:
        folder = "/RawData/Data2D/CH00" if kind.bundles else "/RawData"
        found = saver.get_node(f"{folder}/{kind.array}").read()
        np.testing.assert_array_equal(found[:wanted], frames[:wanted])
        assert len(found) == wanted or np.isnan(found[wanted:]).all()
        if kind.bundles:
            small = saver.get_node(f"/RawData/Data0D/CH00/{kind.array}").read().ravel()
            assert small[:wanted].tolist() == list(range(wanted))


# -- SWMR ---------------------------------------------------------------------------------------


@every_with_points
def test_points_reach_readers(make_place: Any, kind: Kind) -> None:
    """Every saver of points lets readers in, and they see each point as a whole."""
    place = make_place("h5py")
    saver = open_saver(place, new_file=True, swmr_mode=True)
    made = kind.make(saver)

    def point(number: int) -> Any:
        line = DataRaw("line", origin="o", data=[np.full(300, float(number))],
                       axes=[Axis("x", "m", np.arange(300.0))])  # fmt: skip
        value = DataRaw("value", origin="o", data=[np.array([float(number)])])
        return DataToExport("p", [line, value]) if kind.bundles else line

    kind.add(made, "/RawData", point(0), 0)
    if not saver.is_swmr_active:
        saver.enable_swmr()  # a saver of single signals cannot know when it has them all
    with DataLoader(place.location, swmr_mode=True) as reader:
        for number in range(1, 6):
            kind.add(made, "/RawData", point(number), number)
            saver.flush()
            folder = "/RawData/Data1D/CH00" if kind.bundles else "/RawData"
            lines = reader.load_data(f"{folder}/{kind.array}")
            assert lines.data[0][: number + 1, 7].tolist() == list(range(number + 1))
            if kind.bundles:
                values = reader.load_data(f"/RawData/Data0D/CH00/{kind.array}").data[0]
                assert values[: number + 1].tolist() == list(range(number + 1))
        if kind.bundles:
            with pytest.raises(StructureFrozenError):
                kind.add(made, "/RawData/", DataRaw("new", origin="o", data=[np.zeros((2, 2))]), 6)
    saver.close_file()
    with DataLoader(place.location) as loader:
        assert loader.load_data(f"{folder}/{kind.array}").data[0][5, 0] == 5.0


@pytest.mark.parametrize("name", ["data", "background", "errors", "export"])
def test_single_data_before_and_after_swmr(make_place: Any, name: str) -> None:
    kind, place = KINDS[name], make_place("h5py")
    saver = open_saver(place, new_file=True, swmr_mode=True)
    made = kind.make(saver)
    data = DataRaw("d", data=[np.arange(3.0)])
    kind.add(made, "/RawData", data, 0)
    saver.enable_swmr()
    with pytest.raises(StructureFrozenError):
        kind.add(made, "/RawData", data, 0)
    with DataLoader(place.location, swmr_mode=True) as reader:
        assert one_signal(reader.h5saver, reader.raw_group).data[0].tolist() == [0.0, 1.0, 2.0]
    saver.finalize_swmr(keep_open=True)
    kind.add(made, saver.add_det_group("/RawData"), data, 0)
    saver.close_file()


@every_with_points
def test_axes_that_move_while_readers_look(make_place: Any, kind: Kind) -> None:
    place = make_place("h5py")
    saver = open_saver(place, new_file=True, swmr_mode=True)
    fitting = {
        "extended": lambda s: DataExtendedSaver(s, (POINTS,), moving_axes=True),
        "export extended": lambda s: DataToExportExtendedSaver(s, (POINTS,), moving_axes=True),
        "enlargeable": lambda s: DataEnlargeableSaver(s, moving_axes=True),
        "export enlargeable": lambda s: DataToExportEnlargeableSaver(s, moving_axes=True),
        "timed": lambda s: DataToExportTimedSaver(s, moving_axes=True),
    }
    (name,) = [name for name, other in KINDS.items() if other is kind]
    made = fitting[name](saver)
    for number in range(4):
        axis = Axis("x", "m", np.arange(3.0) + number)
        kind.add(
            made, "/RawData", DataRaw("d", origin="o", data=[np.zeros(3)], axes=[axis]), number
        )
        if not saver.is_swmr_active:
            saver.enable_swmr()
    saver.flush()
    folder = "/RawData/Data1D/CH00" if kind.bundles else "/RawData"
    with DataLoader(place.location, swmr_mode=True) as reader:
        positions = reader.load_axis_positions(f"{folder}/{kind.array}")["x"]
        np.testing.assert_array_equal(positions[:4], np.arange(3.0) + np.arange(4.0)[:, None])
    saver.close_file()
