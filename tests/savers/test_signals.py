"""Signals of H5Saver: when, with what, in which thread; in programs with Qt and without."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from h5backends.errors import FileMissingError, FileOccupiedError
from savers import (
    BackgroundWriter,
    DataLoader,
    DataRaw,
    DataToExport,
    DataToExportTimedSaver,
    H5Saver,
    SaverSettings,
)

ROOT = Path(__file__).parents[2]
POWER = "/RawData/Data0D/CH00/EnlData00"


@pytest.fixture
def saver(tmp_path: Path) -> Any:
    """A saver whose files go into a temporary folder."""
    made = H5Saver(settings=SaverSettings(base_path=tmp_path))
    yield made
    made.close()


def listen(saver: H5Saver) -> list[str]:
    """Keep what the signals say."""
    heard: list[str] = []
    saver.new_file_sig.connect(lambda: heard.append("new"))
    saver.file_changed_sig.connect(heard.append)
    return heard


def point(number: float) -> DataToExport:
    """One point of a log."""
    return DataToExport("p", [DataRaw("power", units="W", data=[np.array([float(number)])])])


class TestEmission:
    def test_new_loaded_and_opened_again(self, saver: H5Saver, tmp_path: Path) -> None:
        heard = listen(saver)
        saver.init_file()
        first = saver.filename
        assert heard == ["new", first]
        saver.init_file(update_h5=True)
        second = saver.filename
        assert heard[2:] == ["new", second]
        saver.load_file(file_path=first)
        assert heard[4:] == [first]
        saver.close()
        saver.init_file()
        assert heard[5:] == [first]
        saver.init_file(addhoc_file_path=tmp_path / "mine.h5")
        assert heard[6:] == ["new", str(tmp_path / "mine.h5")]
        assert all(isinstance(text, str) for text in heard)

    def test_what_a_slot_sees(self, saver: H5Saver, tmp_path: Path) -> None:
        seen = []
        saver.file_changed_sig.connect(
            lambda name: seen.append((saver.file_loaded, saver.isopen(), saver.filename == name))
        )
        saver.init_file()
        saver.load_file(file_path=saver.filename)
        saver.init_file()  # still the file that was loaded
        saver.init_file(update_h5=True)
        assert seen == [(False, True, True), (True, True, True), (True, True, True),
                        (False, True, True)]  # fmt: skip

    def test_nothing_is_said_of_what_did_not_happen(self, saver: H5Saver, tmp_path: Path) -> None:
        (tmp_path / "taken.h5").write_bytes(b"x")
        heard = listen(saver)
        with pytest.raises(FileMissingError):
            saver.load_file(file_path=tmp_path / "none.h5")
        with pytest.raises(FileOccupiedError):
            saver.init_file(True, addhoc_file_path=tmp_path / "taken.h5")
        assert heard == []

    def test_the_file_is_ready_for_a_slot(self, saver: H5Saver) -> None:
        """It may write at once, also from another thread: no lock is held."""

        @saver.new_file_sig.connect
        def write() -> None:
            log = DataToExportTimedSaver(saver)
            thread = threading.Thread(target=log.add_data, args=("/RawData", point(1)))
            thread.start()
            thread.join(60)
            assert not thread.is_alive()

        saver.init_file()
        assert DataLoader(saver).load_data(POWER).data[0].tolist() == [1.0]

    def test_each_saver_has_its_own(self, saver: H5Saver, tmp_path: Path) -> None:
        other = H5Saver(settings=SaverSettings(base_path=tmp_path))
        heard = listen(other)
        saver.init_file()
        assert heard == []
        assert saver.file_changed_sig is not other.file_changed_sig

    def test_a_slot_that_begins_another_file(self, saver: H5Saver) -> None:
        """As programs written for PyMoDAQ do, where the signal is a wish."""
        heard = listen(saver)

        @saver.new_file_sig.connect
        def begin() -> None:
            saver.init_file(update_h5=True)

        saver.init_file()
        assert heard[0] == "new"
        assert heard[1:] == [saver.filename]
        assert saver.filename.endswith("_001.h5")

    def test_a_slot_for_changes_that_loads(self, saver: H5Saver, tmp_path: Path) -> None:
        saver.init_file(addhoc_file_path=tmp_path / "a.h5")
        saver.init_file(addhoc_file_path=tmp_path / "b.h5")
        heard = []

        @saver.file_changed_sig.connect
        def back(name: str) -> None:
            heard.append(Path(name).name)
            if name.endswith("b.h5"):
                saver.load_file(file_path=tmp_path / "a.h5")

        saver.file_changed_sig.connect(heard.append)
        saver.load_file(file_path=tmp_path / "b.h5")
        # Every slot hears of every file, in the order in which they were opened.
        assert heard == ["b.h5", str(tmp_path / "b.h5"), "a.h5", str(tmp_path / "a.h5")]
        assert saver.h5_file_name == "a.h5"

    @pytest.mark.parametrize("signal", ["new_file_sig", "file_changed_sig"])
    def test_a_slot_that_raises(
        self, saver: H5Saver, signal: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*args: object) -> None:
            raise RuntimeError("a bug in a window")

        getattr(saver, signal).connect(fail)
        with caplog.at_level(logging.ERROR):
            assert saver.init_file() is True
        assert "a bug in a window" in caplog.text
        assert signal in caplog.text
        assert saver.filename in caplog.text
        with BackgroundWriter(DataToExportTimedSaver(saver), min_free=0) as writer:
            for n in range(5):
                writer.add_data("/RawData", point(n))
                if n == 2:
                    writer.flush()
        assert DataLoader(saver).load_data(POWER).data[0].tolist() == list(range(5))
        name = saver.filename
        saver.init_file(update_h5=True)  # closes the other one, and fails again
        assert len(DataLoader(name).load_data(POWER).data[0]) == 5

    def test_the_thread_that_opens_the_file(self, saver: H5Saver) -> None:
        threads = []
        slot = threads.append
        saver.file_changed_sig.connect(lambda name: slot(threading.get_ident()))
        worker = threading.Thread(target=saver.init_file)
        worker.start()
        worker.join()
        assert threads == [worker.ident]

    def test_the_thread_that_a_slot_asks_for(self, saver: H5Saver) -> None:
        from psygnal import emit_queued

        threads: list[int] = []

        def slot(name: str) -> None:
            threads.append(threading.get_ident())

        saver.file_changed_sig.connect(slot, thread="main")
        worker = threading.Thread(target=saver.init_file)
        worker.start()
        worker.join()
        assert threads == []
        emit_queued()
        assert threads == [threading.get_ident()]


def why_no_qt(module: str = "QtCore", application: str = "QCoreApplication") -> str | None:
    """Return why no program with this part of Qt can run here."""
    done = start(f"from PySide6.{module} import {application}; {application}([])")
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def start(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its windows are drawn nowhere."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def qt() -> Callable[..., str]:
    """Run a Qt program to its end and return what it printed."""
    if reason := why_no_qt():
        pytest.skip(f"no Qt program can run here: {reason}")

    def run(code: str, *arguments: object) -> str:
        done = start(textwrap.dedent(_QT) + textwrap.dedent(code), *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


_QT = """
import sys, threading
import numpy as np
from PySide6.QtCore import QCoreApplication, QObject, QThread, QTimer, Signal, Slot
from savers import (BackgroundWriter, DataLoader, DataRaw, DataToExport, DataToExportTimedSaver,
                    H5Saver, SaverSettings)

if len(sys.argv) > 2:
    from PySide6.QtWidgets import QApplication as QCoreApplication
app = QCoreApplication([])
QTimer.singleShot(60_000, lambda: app.exit(9))  # a program that hangs
saver = H5Saver(settings=SaverSettings(base_path=sys.argv[1]))
main = threading.get_ident()

def point(number):
    return DataToExport("p", [DataRaw("power", data=[np.array([float(number)])])])
"""


class TestQt:
    """Real event loops; PyMoDAQ's own signals, which these stand for, are Qt's."""

    def test_through_a_signal_of_qt(self, qt: Callable[..., str], tmp_path: Path) -> None:
        """A thread begins files; a slot of Qt is called in the thread of the windows."""
        out = qt(
            """
            class Window(QObject):
                file_changed = Signal(str)

                def __init__(self):
                    super().__init__()
                    self.heard = []
                    self.file_changed.connect(self.show_name)

                @Slot(str)
                def show_name(self, name):
                    self.heard.append((name, threading.get_ident() == main))
                    if len(self.heard) == 3:
                        app.quit()

            class Worker(QThread):
                def run(self):
                    for _ in range(3):
                        saver.init_file(update_h5=True)

            window, worker = Window(), Worker()
            saver.file_changed_sig.connect(window.file_changed.emit)
            worker.start()
            code = app.exec()
            worker.wait()
            for name, in_main in window.heard:
                print(name[-6:-3], in_main)
            saver.close()
            sys.exit(code)
            """,
            tmp_path,
        )
        assert out.split() == ["000", "True", "001", "True", "002", "True"]

    def test_through_the_queue_of_psygnal(self, qt: Callable[..., str], tmp_path: Path) -> None:
        out = qt(
            """
            from psygnal.qt import start_emitting_from_queue

            start_emitting_from_queue(10)
            heard = []

            def show(name):
                heard.append(threading.get_ident() == main)
                app.quit()

            saver.file_changed_sig.connect(show, thread="main")
            worker = threading.Thread(target=saver.init_file)
            worker.start()
            code = app.exec()
            worker.join()
            saver.close()
            print(heard)
            sys.exit(code)
            """,
            tmp_path,
        )
        assert out == "[True]\n"

    def test_a_slot_of_qt_that_raises_costs_no_data(
        self, qt: Callable[..., str], tmp_path: Path
    ) -> None:
        """Timers of Qt measure, a thread writes, a window is broken."""
        out = qt(
            """
            import logging
            logging.disable()
            sys.excepthook = lambda *error: None  # PySide's way of reporting slots that raise

            class Window(QObject):
                file_changed = Signal(str)

            def broken(*args):
                raise RuntimeError("a bug in a window")

            window = Window()
            window.file_changed.connect(broken)
            saver.file_changed_sig.connect(window.file_changed.emit)
            saver.new_file_sig.connect(broken)
            saver.init_file()
            writer = BackgroundWriter(DataToExportTimedSaver(saver), min_free=0)
            count = 0

            def measure():
                global count
                writer.add_data("/RawData", point(count))
                count += 1
                if count == 200:
                    timer.stop()
                    writer.close()
                    app.quit()

            timer = QTimer()
            timer.timeout.connect(measure)
            timer.start(0)
            code = app.exec()
            found = DataLoader(saver).load_data("/RawData/Data0D/CH00/EnlData00").data[0]
            print((found == np.arange(200.0)).all(), len(found))
            saver.close()
            sys.exit(code)
            """,
            tmp_path,
        )
        assert out == "True 200\n"


HOW_TO = ROOT / "docs" / "how-to" / "embed-the-saver.md"


def test_the_how_to_in_a_window(qt: Callable[..., str], tmp_path: Path) -> None:
    """Its blocks for Qt, which need windows: connections, and a dialog that asks for a file."""
    if reason := why_no_qt("QtWidgets", "QApplication"):
        pytest.skip(f"no Qt program with windows can run here: {reason}")
    blocks = []
    for token in MarkdownIt().parse(HOW_TO.read_text("utf-8")):
        if token.type == "fence" and token.info == "py":
            blocks.append(token.content)
    assert len(blocks) == 3
    out = qt(
        """
        from PySide6.QtWidgets import QDialog, QFileDialog, QWidget
        heard = []

        def show_name(name):
            heard.append((name, threading.get_ident() == main))

        for block in sys.argv[2:]:
            exec(block)
        worker = threading.Thread(target=saver.init_file)
        worker.start()
        while not heard or window.windowTitle() != heard[0][0]:
            app.processEvents()
        worker.join()
        print(heard == [(saver.filename, True)])

        def answer():
            dialog = app.activeModalWidget()
            if isinstance(dialog, QDialog):
                typing.stop()
                dialog.selectFile("asked.h5")
                dialog.accept()

        typing = QTimer()
        typing.timeout.connect(answer)
        typing.start(10)
        saver.select_file = select_file
        print(saver.init_file(custom_naming=True), saver.filename.endswith("asked.h5"))
        saver.close()
        """,
        tmp_path,
        *blocks,
    )
    assert out == "True\nTrue True\n"
