"""A real Chromium, the real command serving a page, and a writer that is really writing."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.cli.conftest import Running, start  # noqa: F401 - a fixture

DEADLINE = 60.0
WRITER = Path(__file__).with_name("child_writer.py")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
)
_DEEP = """
function deep(root, out) {
  for (const el of root.querySelectorAll('*')) {
    out.push(el);
    if (el.shadowRoot) deep(el.shadowRoot, out);
  }
  return out;
}
"""
"""Bokeh keeps each of its elements in a shadow tree of its own."""


def until(condition: Callable[[], Any], what: str) -> Any:
    """Poll a condition until it holds, and return what it gave."""
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)
    return found


def address_of(running: Running) -> str:
    """Return the address that the command prints; a busy machine takes its time to start it."""
    line: list[str | None] = []

    def printed() -> bool:
        with contextlib.suppress(AssertionError):
            line.append(running.next_line())
        return bool(line) or not running.alive

    until(printed, "an address")
    assert line, running.errors
    assert line[0], running.errors
    return line[0]


class Writer:
    """A program that writes a file, in a process of its own.

    Attributes
    ----------
    took : list of float
        Seconds by the clock and of the processor that it took for what it was told last.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.took: list[float] = []
        self.process = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def send(self, command: str) -> None:
        """Have something done, without waiting for it."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def hear(self) -> tuple[int, float]:
        """Wait until it is done; return how many points there are, and when they were flushed."""
        assert self.process.stdout is not None
        count, moment, *self.took = map(float, self.process.stdout.readline().split())
        return int(count), moment

    def tell(self, command: str) -> tuple[int, float]:
        """Have something done and wait until it is."""
        self.send(command)
        return self.hear()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Leave nothing behind."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Callable[[str], Writer]]:
    """Return a function that starts a writer of a kind."""
    with contextlib.ExitStack() as stack:

        def begin(kind: str, name: str = "run.h5") -> Writer:
            running = Writer(tmp_path / name, kind)
            stack.callback(running.end)
            return running

        yield begin


@pytest.fixture
def serve(start: Callable[..., Running]) -> Callable[..., str]:  # noqa: F811
    """Return a function that serves a file with the real command and returns the address."""
    pytest.importorskip("bokeh", reason="bokeh is not installed")

    def begin(*arguments: object) -> str:
        return address_of(start("view", *arguments, "--no-browser"))

    return begin


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Return a function that gives the address of any file of these tests.

    One server shows them all, as the files in a folder: starting one takes as long as a test.
    """
    pytest.importorskip("bokeh", reason="bokeh is not installed")
    root = tmp_path_factory.getbasetemp()
    running = Running("view", str(root), "--no-browser")
    url = address_of(running)
    yield lambda path: f"{url}?file={quote(path.relative_to(root).as_posix())}"
    running.end()


class Browser:
    """A window of Chromium that looks at a page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Open a page and wait until it is there."""
        self.errors()
        self.driver.get(url)
        until(lambda: self.value("window.Bokeh && Bokeh.documents.length"), "a page")

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression gives."""
        return self.driver.execute_script(f"return {expression}")

    def model(self, name: str, rest: str) -> Any:
        """Return something of a model of the page, None while there is none of this name."""
        return self.driver.execute_script(
            # While one plot takes the place of another both are there, and Bokeh raises.
            "const [m, ...rest] = Array.from(Bokeh.documents[0]._all_models.values())"
            ".filter(each => each.name === arguments[0]);"
            "if (rest.length) return null;"
            f"return m ? m{rest} : null",
            name,
        )

    def headline(self) -> str:
        """Return the text on top of the page."""
        return self.model("headline", ".text") or ""

    def points(self) -> int:
        """Return how many points the curve has in the browser."""
        return self.model("curve", ".data.x.length") or 0

    def pixels(self) -> int:
        """Return how many pixels of the image in the browser have a value."""
        found = self.driver.execute_script(
            "const m = Bokeh.documents[0].get_model_by_name('image');"
            "if (!m || !m.data.image.length) return 0;"
            "return Array.from(m.data.image[0]).filter(v => !Number.isNaN(v)).length"
        )
        return int(found)

    def rows(self) -> list[str]:
        """Return the names in the tree."""
        return [name.strip("\u2003 \u25be\u25b8") for name in self.model("tree", ".data.name")]

    def find(self, text: str, within: str = "slick-cell") -> Any:
        """Return the element that shows exactly a text."""
        return self.driver.execute_script(
            _DEEP + "return deep(document, []).find(el => el.classList.contains(arguments[1]) &&"
            " el.textContent.replace(/[\\u2003\\u25be\\u25b8]/g, '').trim() === arguments[0])",
            text,
            within,
        )

    def count(self, text: str) -> int:
        """Return how many cells of tables show exactly a text."""
        found = self.driver.execute_script(
            _DEEP + "return deep(document, []).filter(el => el.classList.contains('slick-cell') &&"
            " el.textContent.trim() === arguments[0]).length",
            text,
        )
        return int(found)

    def click(self, text: str) -> None:
        """Click on a row of the tree."""
        until(lambda: self.find(text), f"{text!r} in the tree").click()

    def find_class(self, name: str) -> Any:
        """Return the first element of a class."""
        return self.driver.execute_script(
            _DEEP + "return deep(document, []).find(el => el.classList.contains(arguments[0]))",
            name,
        )

    def drag(self, low: float, high: float) -> None:
        """Draw a box over a part of the plot, given from left to right as parts of its width."""
        from selenium.webdriver import ActionChains

        left, top, right, bottom = self.box()
        middle, height = (left + right) / 2, bottom - top
        canvas = self.find_class("bk-Canvas")
        actions = ActionChains(self.driver)
        for step, part in enumerate((low, (low + high) / 2, high)):
            down = (step - 1) * height / 4
            x = int(left + part * (right - left) - middle)
            actions.move_to_element_with_offset(canvas, x, int(down))
            if step == 0:
                actions.click_and_hold()
        actions.release().perform()

    def box(self) -> tuple[float, float, float, float]:
        """Return where the plot is in the window: left, top, right, bottom."""
        found = self.driver.execute_script(
            _DEEP + "const view = deep(document, []).find(el =>"
            " el.classList.contains('bk-Canvas'));"
            "const r = view.getBoundingClientRect();"
            "return [r.left, r.top, r.right, r.bottom]"
        )
        return tuple(found)

    def shot(self) -> Any:
        """Return what the plot looks like.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            Its frame, without axes and titles.
        """
        import numpy as np
        from PIL import Image

        left, top, right, bottom = self.box()
        with Image.open(io.BytesIO(self.driver.get_screenshot_as_png())) as image:
            # Axes and titles stand on the left and below.
            cut = image.convert("RGB").crop(
                (int(left) + 60, int(top) + 30, int(right), int(bottom) - 60)
            )
            return np.asarray(cut)

    def errors(self) -> list[str]:
        """Return what the page complained about since the last time."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in {"SEVERE", "WARNING"}
        ]


def start_chromium(profile: Path) -> Any:
    """Start a headless Chromium with a profile of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium for the whole run."""
    pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if None in (shutil.which("chromium"), shutil.which("chromedriver")):
        pytest.skip("chromium and chromedriver (Debian: chromium-driver) are not installed")
    driver = start_chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Any) -> Iterator[Browser]:
    """A window that must not have complained about anything by the end."""
    window = Browser(chromium)
    window.errors()
    yield window
    errors = window.errors()
    chromium.get("about:blank")
    assert errors == []
