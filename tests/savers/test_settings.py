"""Settings of a saver, where they come from, and the names of files that nobody else gets."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from h5backends import FlushPolicy, H5Backend
from h5backends.errors import (
    DTypeError,
    FileAccessError,
    FileClosedError,
    FileFormatError,
    FileMissingError,
    FileOccupiedError,
    H5Error,
    RemoteAccessError,
    SwmrError,
    UnsupportedError,
)
from h5backends.types import SaveType
from savers import (
    DataLoader,
    DataRaw,
    DataToExport,
    DataToExportTimedSaver,
    H5SaverBase,
    SaverSettings,
    SettingsError,
    naming,
)

ROOT = Path(__file__).parents[2]
TODAY = datetime.date(2026, 11, 25)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith("H5SAVER_"):
            monkeypatch.delenv(name)


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    """Write a settings file and return its path."""

    def write(text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "saver.toml"
        path.write_text(textwrap.dedent(text), encoding)
        return path

    return write


def at(folder: Path, **kwargs: Any) -> H5SaverBase:
    """A saver whose files go into a folder."""
    return H5SaverBase(settings=SaverSettings(base_path=folder, **kwargs))


class TestSources:
    def test_arguments_before_environment_before_file_before_defaults(
        self, toml: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = toml("""
            base_name = "file"
            save_type = "logger"
            [backend]
            backend_type = "tables"
            [flush_policy]
            rows = 3
        """)
        monkeypatch.setenv("H5SAVER_BACKEND__BACKEND_TYPE", "h5pyd")
        monkeypatch.setenv("h5saver_flush_policy__seconds", "never")
        monkeypatch.setenv("H5SAVER_BASE_NAME", "environment")
        settings = SaverSettings.load(file, base_name="argument")
        assert settings.base_name == "argument"
        assert settings.backend.backend_type == "h5pyd"
        assert settings.save_type == "logger"
        assert settings.custom_name is False
        assert settings.flush_policy is not None
        assert settings.flush_policy.policy() == FlushPolicy(rows=3, seconds=None)

    def test_the_environment_names_the_file(
        self, toml: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = toml('[tool.lab.h5saver]\nbase_name = "x"\n')
        monkeypatch.setenv("H5SAVER_SETTINGS_FILE", str(file))
        assert SaverSettings.load(table="tool.lab.h5saver").base_name == "x"
        file.write_text('base_name = "y"\nbase_path = "."')
        assert H5SaverBase().settings.base_name == "y"
        assert H5SaverBase(settings=file).settings.base_path == str(tmp_path)

    @pytest.mark.parametrize(
        ("given", "found"),
        [("data", "here/data"), ("../data", "here/../data"), ("~/data", "~/data"),
         ("/home/me", "/home/me"), ("hdf5://home/me", "hdf5://home/me")],
    )  # fmt: skip
    def test_a_path_in_a_file_is_relative_to_it(
        self, tmp_path: Path, given: str, found: str
    ) -> None:
        (tmp_path / "here").mkdir()
        file = tmp_path / "here" / "saver.toml"
        file.write_text(f'base_path = "{given}"')
        wanted = str(tmp_path / found) if found.startswith("here") else found
        assert SaverSettings.load(file).base_path == wanted

    def test_the_mark_that_editors_of_windows_write(self, toml: Any) -> None:
        assert SaverSettings.load(toml('base_name = "x"', "utf-8-sig")).base_name == "x"

    def test_pymodaqs_access(self) -> None:
        settings = SaverSettings()
        settings["backend", "swmr_options", "enable_swmr"] = True
        settings["base_name"] = "Run"
        assert settings.backend.swmr_options.enable_swmr
        assert settings["base_name"] == settings.base_name == "Run"
        assert settings["backend", "backend_type"] == "h5py"

    def test_two_savers_share_no_section(self) -> None:
        one, other = SaverSettings(), SaverSettings()
        one.backend.swmr_options.enable_swmr = True
        one.data_format.compression_options.h5comp_library = "gzip"
        assert not other.backend.swmr_options.enable_swmr
        assert SaverSettings().data_format.compression_options.h5comp_library == "none"

    def test_a_password_is_not_shown(self) -> None:
        settings = SaverSettings(backend={"hsds_options": {"password": "secret word"}})
        assert "secret word" not in repr(settings) + str(settings)
        with pytest.raises(SettingsError) as caught:
            settings.backend.hsds_options.password = 12  # type: ignore[assignment]
        assert "12" not in str(caught.value)

    def test_importing_the_package_loads_no_settings_library(self) -> None:
        code = (
            "import sys, savers\n"
            "assert not {'pydantic', 'psygnal', 'h5py'} & set(sys.modules)\n"
            "savers.H5SaverBase\n"
            "assert 'psygnal' not in sys.modules\n"
            "savers.BackgroundWriter, savers.H5Saver\n"
        )
        subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "key", "words"),
        [
            ('base_pth = "x"', "base_pth", "'base_path'"),
            ('backend_type = "h5py"', "backend_type", "'backend.backend_type'"),
            ('[backend]\nbackend_type = "hdf4"', "backend.backend_type", "h5py, h5pyd"),
            ('backend = "h5py"', "backend", "BackendOptions"),
            ("[backend.swmr_options]\nflush_interval = -1",
             "backend.swmr_options.flush_interval", "-1 in the file"),
            ('save_type = "banana"', "save_type", "detector"),
            ('base_name = "a/b"', "base_name", "Windows"),
            ('base_name = ""', "base_name", "Windows"),
            ('base_path = " "', "base_path", "a folder"),
            ("base_path = 3", "base_path", "string"),
            ('[data_format]\nfill_value = "x"', "data_format.fill_value", "number"),
            ('[data_format.compression_options]\nh5comp_library = "zip"',
             "data_format.compression_options.h5comp_library", "blosc2"),
            ('[data_format.compression_options]\nh5comp_library = "gzip"\nh5comp_level = 12',
             "data_format.compression_options.h5comp_level", "from 0 to 9"),
            ("[flush_policy]\nrows = 0", "flush_policy.rows", "greater than 0"),
            ("[flush_policy]\nseconds = -2.5", "flush_policy.seconds", "-2.5"),
            ('flush_policy = "often"', "flush_policy", "often"),
        ],
    )  # fmt: skip
    def test_a_wrong_setting_in_a_file(self, toml: Any, text: str, key: str, words: str) -> None:
        file = toml(text)
        with pytest.raises(SettingsError) as caught:
            SaverSettings.load(file)
        error = caught.value
        assert (error.key, error.file) == (key, str(file))
        assert words in str(error)
        assert isinstance(error, ValueError)
        assert error.expected
        assert error.found
        assert error.remedy

    def test_all_that_is_wrong_is_said_at_once(self, toml: Any) -> None:
        with pytest.raises(SettingsError, match="3 settings") as caught:
            SaverSettings.load(toml('nonsense = 1\nsave_type = 2\n[flush_policy]\nrows = "x"'))
        for key in ("nonsense", "save_type", "flush_policy.rows"):
            assert key in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "error", "words"),
        [
            ("base_path = x", SettingsError, "line 1"),
            ('base_path = "C:\\data"', SettingsError, "single"),
            (b"\xff\xfe", SettingsError, "TOML"),
            (None, FileMissingError, "settings file"),
        ],
    )
    def test_a_file_that_is_none(
        self, tmp_path: Path, text: Any, error: type[Exception], words: str
    ) -> None:
        file = tmp_path / "saver.toml"
        if text is not None:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(error, match=words) as caught:
            SaverSettings.load(file)
        assert caught.value.file == str(file)  # type: ignore[attr-defined]

    def test_a_folder_instead_of_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileAccessError):
            SaverSettings.load(tmp_path)

    def test_a_table_that_is_missing(self, toml: Any) -> None:
        with pytest.raises(SettingsError, match=r"\[tool.lab\].*found other"):
            SaverSettings.load(toml("[other]\nx = 1"), "tool.lab")

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("H5SAVER_BASEPATH", "x", "H5SAVER_BASE_PATH"),
            ("H5SAVER_BACKEND", "h5py", "H5SAVER_BACKEND__BACKEND_TYPE"),
            ("H5SAVER_CUSTOM_NAME", "maybe", "H5SAVER_CUSTOM_NAME"),
            ("H5SAVER_FLUSH_POLICY__ROWS", "ten", "H5SAVER_FLUSH_POLICY__ROWS"),
        ],
    )
    def test_a_wrong_variable(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
    ) -> None:
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError, match=words):
            SaverSettings()

    def test_assigning_is_checked_and_leaves_what_was(self) -> None:
        settings = SaverSettings()
        packing = settings.data_format.compression_options
        for place, name, value in (
            (settings, "base_name", "a:b"),
            (settings, "nonsense", 1),
            (settings.backend, "backend_type", "hdf4"),
            (packing, "h5comp_library", "zip"),
            (packing, "h5comp_level", "much"),
        ):
            before = settings.model_copy(deep=True)
            with pytest.raises(SettingsError):
                setattr(place, name, value)
            assert repr(settings) == repr(before)
        for key in ("nonsense", ("backend", "nonsense"), ("nonsense", "x"), ("base_name", "x")):
            with pytest.raises(SettingsError, match="no such setting"):
                settings[key]
            with pytest.raises(SettingsError):
                settings[key] = 1


def test_the_how_to_names_every_setting() -> None:
    page = (ROOT / "docs" / "how-to" / "embed-the-saver.md").read_text("utf-8")
    table = [line for line in page.splitlines() if line.startswith("| `")]

    def names(model: Any, above: str = "") -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            kinds = (field.annotation, *get_args(field.annotation))
            section = next((kind for kind in kinds if hasattr(kind, "model_fields")), None)
            found += [above + name] if section is None else names(section, f"{above}{name}.")
        return found

    every = names(SaverSettings)
    assert len(every) > 15
    for name in every:
        section, _, last = name.rpartition(".")
        assert any(section in line and last in line for line in table), name


class TestNames:
    @given(
        st.lists(st.integers(0, 12_000)),
        st.lists(st.sampled_from(["Dataset_20261125.h5", "Dataset_20261124_999.h5", "x.h5",
                                  "Dataset_20261125_abc.h5", "Dataset_202611250_77.h5"])),
    )  # fmt: skip
    def test_the_next_number(self, numbers: list[int], others: list[str]) -> None:
        stem = naming.dataset_name(TODAY)
        names = [naming.numbered(stem, n) + (".h5" if n % 2 else "") for n in numbers]
        found = naming.following_number([*others, *sorted(names)], stem)
        assert found == max(numbers, default=-1) + 1

    def test_the_tree(self) -> None:
        for kind in (PurePosixPath, PureWindowsPath):
            base = kind("/data")
            day = base / "2026" / "20261125"
            assert naming.day_folder(base, TODAY) == day
            assert naming.day_folder(base / "2026", TODAY) == day
            assert naming.day_folder(day, TODAY) == day
            other = base / "20261125"
            assert naming.day_folder(other, TODAY) == other / "2026" / "20261125"
        assert naming.numbered(naming.dataset_name(TODAY), 7) == "Dataset_20261125_007"
        assert naming.numbered(naming.dataset_name(TODAY), 1000) == "Dataset_20261125_1000"


@pytest.mark.parametrize("driver", ["h5py", "tables", "memory"])
class TestFiles:
    def test_the_next_dataset_of_the_day(self, tmp_path: Path, driver: str) -> None:
        saver = at(tmp_path, backend={"backend_type": driver})
        day = naming.day_folder(tmp_path, datetime.date.today())
        assert (saver.current_h5_file, saver.current_scan_name) == ("", "Scan000")
        for number in (0, 1):
            planned = saver.update_file_paths(update_h5=True)
            assert saver.init_file(update_h5=bool(number), metadata={"sample": "A3"}) is True
            stem = naming.numbered(naming.dataset_name(day_of(day)), number)
            assert saver.filename == saver.current_h5_file == str(day / f"{stem}.h5")
            assert planned[0] == saver.current_scan_path == day / stem
            assert saver.raw_group.attrs["sample"] == "A3"
            saver.add_scan_group()
        saver.add_scan_group()
        assert saver.current_scan_name == "Scan001"
        assert [scan.name for scan in saver.get_scan_groups()] == ["Scan000", "Scan001"]
        saver.close_file()
        assert saver.init_file() is False  # the same again
        assert saver.filename.endswith("_001.h5")
        assert saver.update_file_paths()[1] == "Scan001"
        saver.close_file()

    def test_past_the_thousandth(self, tmp_path: Path, driver: str) -> None:
        settings = {"backend": {"backend_type": driver}}
        day = naming.day_folder(tmp_path, datetime.date.today())
        stem = naming.dataset_name(day_of(day))
        for number in (998, 999):
            saver = at(tmp_path, **settings)
            saver.init_file(addhoc_file_path=make(day, driver) / f"{stem}_{number}.h5")
            saver.close_file()
        for wanted in ("1000", "1001"):
            saver = at(tmp_path, **settings)
            saver.init_file()
            assert saver.filename.endswith(f"{stem}_{wanted}.h5")
            saver.close_file()

    def test_files_of_other_types_are_named_by_the_clock(
        self, tmp_path: Path, driver: str
    ) -> None:
        settings = {"backend": {"backend_type": driver}, "base_name": "Log"}
        names = set()
        for _ in range(6):  # some of them within one second
            saver = H5SaverBase("logger", settings=SaverSettings(base_path=tmp_path, **settings))
            saver.init_file()
            assert saver.raw_group.attrs["type"] == "logger"
            names.add(saver.h5_file_name)
            saver.close_file()
        assert len(names) == 6
        for name in names:
            assert name is not None
            assert re.fullmatch(r"Log_\d{8}_\d\d_\d\d_\d\d(_\d{3})?\.h5", name)

    def test_a_name_of_ones_choice(self, tmp_path: Path, driver: str) -> None:
        saver = H5SaverBase(backend=driver)
        path = tmp_path / "mine.h5"
        assert saver.init_file(addhoc_file_path=path)
        saver.add_scan_group(title="precious")
        assert not saver.init_file(addhoc_file_path=str(path))
        with pytest.raises(FileOccupiedError):
            saver.init_file(True, addhoc_file_path=path)
        saver.load_file(file_path=path)
        assert saver.file_loaded
        assert saver.get_node("/RawData/Scan000").title == "precious"
        assert saver.init_file(True, addhoc_file_path=path, overwrite=True)
        assert not saver.get_scan_groups()
        assert not saver.file_loaded
        with pytest.raises(FileMissingError):
            saver.load_file(file_path=tmp_path / "none.h5")
        with H5SaverBase.from_file(path, backend=driver) as again:
            assert again.filename == str(path)
        with pytest.raises(DTypeError, match="addhoc_file_path"):
            saver.init_file(str(path))  # type: ignore[arg-type]
        saver.close_file()


def day_of(folder: Path) -> datetime.date:
    """The day of a folder, for a test that begins before midnight."""
    return datetime.datetime.strptime(folder.name, "%Y%m%d").date()


def make(folder: Path, driver: str) -> Path:
    """Make a folder where the driver needs one."""
    if driver != "memory":
        folder.mkdir(parents=True, exist_ok=True)
    return folder


class TestWhatSettingsDo:
    def test_how_arrays_are_stored(self, tmp_path: Path) -> None:
        packing = {"h5comp_library": "zlib", "h5comp_level": 4, "fletcher32": True}
        saver = at(
            tmp_path,
            data_format={"compression_options": packing, "fill_value": 0},
            flush_policy={"rows": 5, "seconds": "none"},
        )
        saver.init_file()
        assert saver.flush_policy == FlushPolicy(rows=5, seconds=None)
        array = saver.add_array("/RawData", "a", "data", data_shape=(2,), scan_shape=(3,),
                                add_scan_dim=True)  # fmt: skip
        assert not array.read().any()
        rows = saver.create_earray("/RawData", "rows", "f8")
        spec = saver.session.driver.spec(rows.handle)
        assert (spec.filters.codec, spec.filters.level) == ("gzip", 4)
        assert spec.filters.fletcher32
        saver.settings.data_format.fill_value = np.nan
        saver.settings.data_format.compression_options.h5comp_library = "none"
        saver.settings.flush_policy = FlushPolicy(rows=9)  # type: ignore[assignment]
        saver.apply_settings()
        assert np.isnan(saver.fill_value)
        assert saver.compression.codec is None
        assert saver.flush_policy.rows == 9
        saver.close_file()

    def test_what_is_set_last_counts(self, tmp_path: Path) -> None:
        saver = at(tmp_path)
        saver.define_compression("gzip", 2)
        saver.fill_value = -1.0
        saver.init_file()
        assert (saver.compression.codec, saver.fill_value) == ("gzip", -1.0)
        saver.settings.data_format.compression_options.h5comp_library = "lzf"
        saver.init_file(update_h5=True)
        assert (saver.compression.codec, saver.fill_value) == ("lzf", -1.0)
        saver.close_file()

    def test_another_backend(self, tmp_path: Path) -> None:
        saver = at(tmp_path)
        saver.init_file()
        saver.settings.backend.backend_type = "tables"
        assert saver.init_file()
        assert saver.backend == "tables"
        assert saver.filename.endswith("_001.h5")
        saver.close_file()
        with H5Backend("h5py") as h5:
            h5.open_file(saver.current_h5_file)
            assert h5.get_attr("/RawData", "type") == "scan"

    def test_readers_are_let_in(self, tmp_path: Path) -> None:
        saver = at(tmp_path, backend={"swmr_options": {"enable_swmr": True, "flush_interval": 2}})
        saver.init_file()
        log = DataToExportTimedSaver(saver)
        for value in range(4):
            point = DataRaw("power", units="W", data=[np.array([float(value)])])
            log.add_data("/RawData", DataToExport("p", [point]))
        assert saver.is_swmr_active
        with DataLoader(saver.filename, mode="r", swmr_mode=True) as loader:
            assert loader.load_data("/RawData/Data0D/CH00/EnlData00").data[0].tolist() == [
                0.0, 1.0, 2.0, 3.0,
            ]  # fmt: skip
        saver.close_file()

    def test_a_driver_without_readers_says_so(self, tmp_path: Path) -> None:
        saver = at(tmp_path, backend={"backend_type": "tables", "swmr_options": {
            "enable_swmr": True}})  # fmt: skip
        with pytest.raises(SwmrError, match="h5py"):
            saver.init_file()
        assert saver.init_file(swmr_mode=False)
        saver.close_file()

    def test_asking_for_a_name(self, tmp_path: Path) -> None:
        asked = []
        answers = iter([tmp_path / "one.h5", None, str(tmp_path / "one.h5")])

        def ask(**kwargs: Any) -> Any:
            asked.append(kwargs)
            return next(answers)

        saver = at(tmp_path, custom_name=True)
        with pytest.raises(UnsupportedError, match="select_file"):
            saver.init_file()
        with pytest.raises(UnsupportedError, match="select_file"):
            saver.load_file()
        saver.select_file = ask
        assert saver.init_file()
        assert saver.h5_file_name == "one.h5"
        assert saver.init_file(update_h5=True) is False  # nothing was chosen
        assert saver.isopen()
        assert saver.load_file(tmp_path)
        assert [a["save"] for a in asked] == [True, True, False]
        assert asked[2] == {"start_path": tmp_path, "save": False, "ext": "h5"}
        saver.close_file()

    def test_a_base_path_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        saver = at(tmp_path / "file")
        with pytest.raises(FileFormatError, match="folder") as caught:
            saver.init_file()
        assert caught.value.remedy
        assert not saver.isopen()
        with pytest.raises(FileClosedError):
            saver.root()
        assert (tmp_path / "file").read_text() == "mine"

    def test_save_type(self, tmp_path: Path) -> None:
        saver = H5SaverBase(SaveType.detector, settings=SaverSettings(base_path=tmp_path))
        assert saver.save_type is SaveType.detector
        assert saver.settings["save_type"] == "detector"
        with pytest.raises(SettingsError):
            H5SaverBase("banana")
        with pytest.raises(SettingsError):
            H5SaverBase(backend="hdf4")


_BEGIN = """
import sys
from savers import H5SaverBase, SaverSettings
folder, driver, count, *login = sys.argv[1:]
options = dict(zip(("endpoint", "user", "password"), login))
backend = {"backend_type": driver, "hsds_options": options}
settings = SaverSettings(base_path=folder, backend=backend)
savers = [H5SaverBase(settings=settings) for _ in range(int(count))]
print("ready", flush=True)
sys.stdin.readline()
for saver in savers:
    saver.init_file(metadata={"by": sys.argv[0]})
    saver.add_scan_group()
    print(saver.filename, flush=True)
    saver.close_file()
"""


def race(arguments: list[list[str]]) -> list[str]:
    """Let programs begin datasets at the same moment, and return the names they got."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _BEGIN, *line],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for line in arguments
    ]
    try:
        for program in programs:
            assert program.stdout is not None
            assert program.stdout.readline() == "ready\n", program.communicate()[1]
        with ThreadPoolExecutor(len(programs)) as pool:
            results = list(pool.map(lambda p: p.communicate("go\n", timeout=120), programs))
    finally:
        for program in programs:
            program.kill()
            program.wait()
    for program, (_, err) in zip(programs, results, strict=True):
        assert program.returncode == 0, err
    return [name for out, _ in results for name in out.split()]


class TestRaces:
    def test_programs_never_get_the_same_dataset(self, tmp_path: Path) -> None:
        drivers = ["h5py", "tables", "h5py", "tables"]
        found = race([[str(tmp_path), driver, "12"] for driver in drivers])
        assert len(found) == len(set(found)) == 48
        numbers = sorted(int(Path(name).stem.rpartition("_")[2]) for name in found)
        assert numbers == list(range(48))
        for name in found:
            with H5Backend("h5py") as h5:
                h5.open_file(name)
                assert h5.is_node_in_group("/RawData", "Scan000")

    def test_threads_neither(self, tmp_path: Path) -> None:
        def begin(_: int) -> str:
            saver = at(tmp_path)
            saver.init_file()
            name = saver.filename
            saver.close_file()
            return name

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(begin, range(40)))
        assert len(set(found)) == 40

    def test_on_a_server(self, hsds: Any) -> None:
        base = f"{hsds.home}race"
        login = [hsds.endpoint, hsds.username, hsds.password]
        found = race([[base, "h5pyd", "4", *login] for _ in range(3)])
        assert len(found) == len(set(found)) == 12
        day = naming.day_folder(PurePosixPath(base), datetime.date.today())
        assert {str(PurePosixPath(name).parent) for name in found} <= {str(day), *day_before(day)}


def day_before(day: PurePosixPath) -> set[str]:
    """For a test that begins before midnight."""
    before = datetime.date.today() - datetime.timedelta(days=1)
    return {str(day.parent.parent / f"{before.year}" / f"{before:%Y%m%d}")}


class TestServer:
    def options(self, hsds: Any, **kwargs: Any) -> dict[str, Any]:
        login = {"endpoint": hsds.endpoint, "user": hsds.username, "password": hsds.password}
        return {"backend_type": "h5pyd", "hsds_options": login | kwargs}

    def test_a_dataset_on_a_server(self, hsds: Any) -> None:
        settings = SaverSettings(
            base_path=f"hdf5:/{hsds.home}tree", backend=self.options(hsds, timeout=20)
        )
        saver = H5SaverBase(settings=settings)
        for number in range(2):
            assert saver.init_file(update_h5=bool(number))
            assert saver.filename.startswith(f"{hsds.home}tree/20")
            assert saver.filename.endswith(f"_{number:03d}.h5")
            assert saver.current_scan_path == PurePosixPath(saver.filename[:-3])
            saver.add_scan_group()
        saver.close_file()
        assert saver.init_file() is False
        assert saver.current_scan_name == "Scan000"
        saver.close_file()

    def test_the_home_on_a_server(self, hsds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        saver = H5SaverBase(settings=SaverSettings(backend=self.options(hsds)))
        saver.init_file()
        assert saver.filename.startswith(f"{hsds.home}20")
        saver.close_file()
        monkeypatch.delenv("HS_USERNAME", raising=False)
        saver.settings.backend.hsds_options.user = None
        with pytest.raises(SettingsError, match="base_path"):
            saver.init_file(update_h5=True)

    def test_more_datasets_than_a_server_lists_at_a_time(
        self, hsds: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from h5backends.drivers._hsds import folders

        monkeypatch.setattr(folders, "_MANY", 2)
        settings = SaverSettings(base_path=f"{hsds.home}many", backend=self.options(hsds))
        saver = H5SaverBase(settings=settings)
        for number in range(5):
            saver.init_file(update_h5=True)
            assert saver.filename.endswith(f"_{number:03d}.h5")
        saver.close_file()

    def test_a_base_path_that_is_a_file_on_the_server(self, hsds: Any) -> None:
        settings = SaverSettings(base_path=f"{hsds.home}afile.h5", backend=self.options(hsds))
        saver = H5SaverBase(settings=settings)
        saver.init_file(addhoc_file_path=f"{hsds.home}afile.h5")
        saver.close_file()
        with pytest.raises(H5Error, match="afile"):
            saver.init_file(update_h5=True)

    def test_a_server_that_does_not_accept_the_user(self, hsds: Any) -> None:
        settings = SaverSettings(
            base_path=f"{hsds.home}x", backend=self.options(hsds, password="wrong word")
        )
        with pytest.raises(RemoteAccessError, match="password") as caught:
            H5SaverBase(settings=settings).init_file()
        assert "wrong word" not in str(caught.value)
