"""The report as a browser shows it: opened from disk, sorted, filtered, enlarged, copied, printed, and attacked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from study.analysis import html_parts as html
from study.analysis import trial_table
from study.analysis.loaded import Loaded
from study.analysis.page import whole
from study.analysis.report import write_report
from study.store import StudyFolder
from tests.study.browser import Page, open_page
from tests.study.test_analysis_frames import complete, fill, make_folder, train

MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(1)><!-- \"' & $title $$"
LOSSES = [2.0, 10.0, 9.0, 1.5, 30.0]
MANY = 250


@pytest.fixture(scope="module")
def tab(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab of one browser for all tests of this module."""
    with open_page(browser, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab: Page) -> Iterator[Page]:
    """A desktop's screen; at the end of each test the console must have heard nothing."""
    tab.complaints.clear()
    tab.be()
    yield tab
    assert tab.complaints == []


def open_report(page: Page, folder: StudyFolder) -> None:
    page.open(write_report(folder)[-1])


def open_table(page: Page, folder: StudyFolder, path: Path) -> None:
    """Open a page that has just the table of trials."""
    path.write_text(whole("x", head="", body=html.section("All trials", *trial_table.parts(Loaded.read(folder)))))
    page.open(path)


def column(page: Page, place: int) -> list[str]:
    """The texts that a column shows."""
    found: list[str] = page.evaluate(
        f"[...document.querySelectorAll('#trial-table tbody tr')].map((row) => row.cells[{place}].textContent)"
    )
    return found


def told(page: Page) -> Any:
    """What is announced of the table."""
    return page.evaluate("document.querySelector('p[role=status]').textContent")


def some_trials(results: Path) -> StudyFolder:
    """Completed trials, and one that was pruned."""
    folder = make_folder(results)
    with folder.write() as writer:
        writer.append("launched", trials=6, host="here", pid=1, workers=1)
        for number, loss in enumerate(LOSSES):
            train(writer, number, [loss], model="unet" if number % 2 else "cnn")
            complete(writer, number, loss, 1)
        train(writer, 5, [1.0], epochs=4, model="unet")
        writer.append("pruned", 5, attempt=1, value=1.0, epoch=1)
        writer.append("ended", reason="finished")
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_a_report_opens_from_disk(tmp_path: Path, page: Page, width: int, scheme: str) -> None:
    """No complaint on the console, no scrolling sideways, in light and dark, on a phone and a desk; links lead somewhere."""
    folder = some_trials(tmp_path)
    folder.layout.trial(0).root.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder.layout.trial(0).samples)
    page.be(width=width, scheme=scheme)
    open_report(page, folder)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth && image.alt)")
    links = "[...document.querySelectorAll('a[href^=\"#\"]')].map((link) => document.querySelector(link.hash) !== null)"
    assert all(page.evaluate(links))
    assert len(page.evaluate(links)) > 6
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_click_sorts_by_a_column(tmp_path: Path, page: Page) -> None:
    """Numbers are sorted as numbers, in either direction, and what has no value comes last in both."""
    open_table(page, some_trials(tmp_path), tmp_path / "table.html")
    assert column(page, 0) == ["3", "0", "2", "1", "4", "5"]
    page.click("#trial-table th:nth-child(4) button")
    assert column(page, 3) == ["1.000", "1.500", "2.000", "9.000", "10.000", "30.000"]
    page.click("#trial-table th:nth-child(4) button")
    assert column(page, 3) == ["30.000", "10.000", "9.000", "2.000", "1.500", "1.000"]
    page.click("#trial-table th:nth-child(3) button")
    assert column(page, 2) == ["1", "2", "3", "4", "5", "—"]
    page.click("#trial-table th:nth-child(3) button")
    assert column(page, 2) == ["5", "4", "3", "2", "1", "—"]
    assert told(page) == "Showing 6 trials, sorted by rank, descending."


def test_a_key_sorts_by_a_column(tmp_path: Path, page: Page) -> None:
    """Tab leads to the headings, Enter and the space bar sort, the focus stays, and `aria-sort` says which and how."""
    open_table(page, some_trials(tmp_path), tmp_path / "table.html")
    sorting = "[...document.querySelectorAll('[aria-sort]')].map((cell) => [cell.textContent, cell.getAttribute('aria-sort')])"
    assert page.evaluate(sorting) == [["rank", "ascending"]]
    page.evaluate("document.querySelector('#trial-table th:nth-child(3) button').focus()")
    page.press("Tab")
    page.press("Enter")
    assert column(page, 3)[0] == "1.000"
    assert page.evaluate(sorting) == [["validation loss", "ascending"]]
    page.press(" ")
    assert column(page, 3)[0] == "30.000"
    assert page.evaluate(sorting) == [["validation loss", "descending"]]
    assert page.evaluate("document.activeElement.textContent") == "validation loss"


def test_the_table_is_filtered_by_words_and_states(tmp_path: Path, page: Page) -> None:
    """Words and `name=value` must all be found, unticked states are left out, and the number of rows is announced."""
    open_table(page, some_trials(tmp_path), tmp_path / "table.html")
    page.click("#trial-find")
    page.type("UNet")
    assert column(page, 0) == ["3", "1", "5"]
    assert told(page) == "Showing 3 that match, of 6 trials."
    page.type(" trial=1")
    assert column(page, 0) == ["1"]
    page.evaluate("document.querySelector('#trial-find').select()")
    page.type("cnn trial=1")
    assert column(page, 0) == []
    page.evaluate("document.querySelector('#trial-find').select()")
    page.type("epochs=4")
    assert column(page, 0) == ["5"]
    page.evaluate("document.querySelector('#trial-find').select()")
    page.type(" ")
    assert len(column(page, 0)) == 6
    page.click("input[value=completed]")
    assert column(page, 0) == ["5"]
    assert told(page) == "Showing 1 that match, of 6 trials."
    page.click("input[value=completed]")
    assert told(page) == "Showing 6 trials."


def test_many_trials_are_shown_in_pages(tmp_path: Path, page: Page) -> None:
    """A page has a hundred rows; sorting and filtering go over all of them, and begin again at the first page."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=MANY, host="here", pid=1, workers=1)
        for number in range(MANY):
            train(writer, number, [2.0 + number])
            complete(writer, number, 2.0 + number, 1)
    open_table(page, folder, tmp_path / "table.html")
    assert told(page) == "Showing 1 to 100 of 250 trials."
    page.click(".pager button:last-child")
    page.click(".pager button:last-child")
    page.click(".pager button:last-child")
    assert column(page, 0) == [str(number) for number in range(200, 250)]
    assert told(page) == "Showing 201 to 250 of 250 trials."
    page.click("#trial-table th:first-child button")
    page.click("#trial-table th:first-child button")
    assert column(page, 0)[0] == "249"
    assert len(column(page, 0)) == 100


def test_a_page_without_scripts_is_a_plain_table(tmp_path: Path, page: Page) -> None:
    """Where scripts are off all trials stand there, and nothing that does not work."""
    page.be(scripts=False)
    open_report(page, some_trials(tmp_path))
    page.be(scripts=True)
    assert column(page, 0) == ["3", "0", "2", "1", "4", "5"]
    assert page.evaluate("document.querySelectorAll('button, input').length") == 0


def test_pictures_are_enlarged_and_commands_copied(tmp_path: Path, page: Page) -> None:
    """A picture opens by a click and by key; Escape closes it, and the focus is back where it was; a command is copied."""
    open_report(page, some_trials(tmp_path))
    page.click("figure img")
    assert page.evaluate("document.querySelector('dialog').open")
    page.press("Escape")
    assert not page.evaluate("document.querySelector('dialog').open")
    page.evaluate("document.querySelector('.enlarge').focus()")
    page.press("Enter")
    assert page.evaluate("document.querySelector('dialog').open")
    alts = "[document.querySelector('dialog img').alt, document.querySelector('figure img').alt]"
    assert len(set(page.evaluate(alts))) == 1
    page.press("Escape")
    assert page.evaluate("document.activeElement.className") == "enlarge"
    page.evaluate("document.addEventListener('copy', () => { window.copied = String(getSelection()); })")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.click(".copy")
    assert page.evaluate("window.copied").strip() == f"study reproduce small --results {tmp_path.name}"
    assert page.evaluate("document.querySelector('.told').textContent") == "Copied"


def test_a_report_is_printed(tmp_path: Path, page: Page) -> None:
    """The page can be printed, and what only a screen can do is left out."""
    page.be(scheme="dark")
    open_report(page, some_trials(tmp_path))
    page.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_what_users_wrote_is_harmless(tmp_path: Path, page: Page) -> None:
    """A question, a note, a message, a host and a study's name with markup are shown letter by letter.

    `layout.check_name` refuses such a name; a folder that was renamed by hand can have it, but for its slashes.
    """
    folder = make_folder(tmp_path, question=MARKUP, provenance={"command": MARKUP, "host": MARKUP})
    fill(folder)
    with folder.write() as writer:
        writer.append("resumed", trials=5, host=MARKUP, pid=1, workers=1)
        train(writer, 4, [1.0])
        writer.append("failed", 4, attempt=1, reason="error", message=MARKUP)
        writer.append("note", text=MARKUP)
    name = MARKUP.replace("/", "")
    renamed = StudyFolder(folder.layout.root.rename(tmp_path / name))
    open_report(page, renamed)
    assert page.evaluate("document.title") == name
    assert page.evaluate("document.querySelector('h1').textContent") == name
    assert page.evaluate("document.querySelector('.question').textContent") == MARKUP
    assert page.evaluate("document.scripts.length") == 2
    assert page.evaluate("document.querySelectorAll('img:not([src^=\"data:\"])').length") == 0
    assert page.evaluate("document.body.textContent").count(MARKUP) >= 4
    assert told(page) == "Showing 5 trials."
