"""The report's table of trials, its gallery and its frame, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from study.analysis import gallery, trial_table
from study.analysis import html_parts as html
from study.analysis.loaded import Loaded
from study.analysis.page import contents, whole
from study.store import StudyFolder
from tests.study.test_analysis_frames import complete, fill, make_folder, train

HOSTILE = "</script><!--<script>alert(1)</script>\u2028 \"'&amp;$title"


def columns_of(folder: StudyFolder) -> dict[str, list[str]]:
    """The texts of the table by column."""
    found = trial_table.columns(Loaded.read(folder))
    return {column.name: [column.text(row) for row in range(len(column.rows))] for column in found}


def test_all_trials_are_in_one_table_and_only_completed_ones_have_a_rank(tmp_path: Path) -> None:
    """Completed trials come first, from the best to the worst; the others have a dash for a rank."""
    folder = make_folder(tmp_path)
    fill(folder)
    told = columns_of(folder)
    assert told["trial"] == ["0", "1", "2", "3"]
    assert told["state"] == ["completed", "completed", "pruned", "failed"]
    assert told["rank"] == ["1", "2", "—", "—"]
    assert told["validation loss"] == ["1.000", "3.000", "2.500", "—"]
    assert told["extra_classes"] == ["none", "deer+dog", "none", "none"]
    assert told["flip_horizontal"] == ["no", "no", "yes", "no"]
    assert told["reason"] == ["—", "—", "—", "diverged"]
    assert "attempts" not in told


def test_rows_are_ordered_by_what_they_mean_not_by_how_they_are_written() -> None:
    """Numbers are ordered by size, also those in a column of words; what is missing has no place."""
    numbers = pd.Series([10, 9, None, 1000], dtype="Int64")
    words = pd.Series(["10", "9", "none"], dtype="string")
    assert trial_table.Column.of("n", numbers, str, trial_table._order).rows == [1, 0, -1, 2]
    assert trial_table.Column.of("n", words, str, trial_table._order).rows == [1, 0, 2]


def test_a_large_study_carries_its_rows_as_data(tmp_path: Path) -> None:
    """The first rows stand in the page for readers without scripts, who are told of the rest; the data have all."""
    folder = make_folder(tmp_path)
    count = trial_table.PLAIN_ROWS + 1
    with folder.write() as writer:
        writer.append("launched", trials=count, host="here", pid=1, workers=1)
        for number in range(count):
            train(writer, number, [2.0 + number])
            complete(writer, number, 2.0 + number, 1)
    text = "".join(trial_table.parts(Loaded.read(folder)))
    told = json.loads(text.partition('id="trial-data">')[2].removesuffix("</script>"))
    assert text.count("<tr>") == 1 + trial_table.PLAIN_ROWS
    assert f"the first {trial_table.PLAIN_ROWS} of {count}" in text
    assert all(len(column["rows"]) == count for column in told["columns"])


def test_data_cannot_end_the_element_that_holds_them() -> None:
    """Whatever a text holds, the element has no markup in it, and reads back as it was."""
    text = html.data("x", {"a": HOSTILE})
    inner = re.fullmatch(r'<script type="application/json" id="x">(.*)</script>', text)
    assert inner is not None
    assert not set("<>&\u2028") & set(inner[1])
    assert json.loads(inner[1]) == {"a": HOSTILE}


def test_the_policy_allows_the_page_its_own_style_and_script_alone() -> None:
    """The policy names the page's style and script by their hashes, and nothing else may run or be loaded."""
    text = whole("x", head="", body="")
    for kind in ("style", "script"):
        inner = re.search(f"<{kind}>(.*?)</{kind}>", text, flags=re.S)
        assert inner is not None
        digest = base64.b64encode(hashlib.sha256(inner[1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in text
    assert "default-src 'none'; img-src data:;" in text


def test_the_script_makes_no_markup_of_data() -> None:
    """The script has no way of turning a text into elements or code."""
    script = resources.files("study.analysis").joinpath("report.js").read_text(encoding="utf-8")
    assert '"use strict"' in script
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", script
    )


def test_contents_lead_to_every_section_and_named_heading() -> None:
    """Headings within a section are listed below it; those without a name are not."""
    body = html.section("One & only", "<h3>unnamed</h3>") + html.section("Two", html.heading("Why <b>?", anchor="why"))
    told = contents(body)
    assert '<li><a href="#one-only">One &amp; only</a></li>' in told
    assert '<li><a href="#two">Two</a><ul><li><a href="#why">Why &lt;b&gt;?</a></li></ul></li>' in told
    assert contents("") == ""


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_all_text_has_contrast_enough(scheme: str) -> None:
    """Every colour of text has a contrast of 4.5 or more with paper and tint, and borders of controls one of 3 (WCAG AA)."""
    css = resources.files("study.analysis").joinpath("report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, flags=re.S)
    colours = dict(re.findall(r"--(\w+): (#\w{6});", blocks[["light", "dark", "print"].index(scheme)]))
    for name, least in {"ink": 4.5, "soft": 4.5, "link": 4.5, "warn": 4.5, "edge": 3.0}.items():
        for ground in ("paper", "tint"):
            low, high = sorted(luminance(colours[key]) for key in (name, ground))
            assert (high + 0.05) / (low + 0.05) >= least, (name, ground)


def frame(models: list[str]) -> pd.DataFrame:
    """Completed trials from the best to the worst."""
    count = len(models)
    return pd.DataFrame({"number": range(count), "state": "completed", "value": range(count), "model": models})


def test_the_gallery_shows_best_median_worst_and_the_best_of_each_network() -> None:
    """Each trial is shown once, with all that it stands for, in the order of the ranks."""
    found = gallery.picks(frame(["unet", "unet", "cnn", "cnn", "unet"]), set(range(5)), goal="minimize")
    assert [(pick.number, pick.rank) for pick in found] == [(0, 1), (2, 3), (4, 5)]
    assert [pick.roles for pick in found] == [
        ("the best", "the best unet"),
        ("the median", "the best cnn"),
        ("the worst",),
    ]


def test_the_gallery_says_where_a_trial_stands_in_for_another() -> None:
    """Where pictures are missing the nearest trial is shown, and not passed off as the best or the median."""
    found = gallery.picks(frame(["unet", "cnn", "unet", "cnn", "cnn"]), {1, 3}, goal="minimize")
    behind = " of those with pictures"
    roles = {pick.number: pick.roles for pick in found}
    assert roles == {
        1: (f"the best{behind}", f"the median{behind}", "the best cnn"),
        3: (f"the worst{behind}",),
    }
    assert gallery.picks(frame(["unet"]), set(), goal="minimize") == []


def test_a_picture_that_is_too_large_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page stays small enough to be sent."""
    folder = make_folder(tmp_path)
    fill(folder)
    for number in (0, 1):
        folder.layout.trial(number).root.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder.layout.trial(number).samples)
    study = Loaded.read(folder)
    assert "".join(gallery.parts(study)).count("<figure>") == 2
    monkeypatch.setattr(gallery, "LARGEST_BYTES", 10)
    assert gallery.parts(study) == []
