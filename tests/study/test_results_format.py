"""docs/results-format.md is complete: whatever the code writes is named there, in its place."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from study import doctor, fields
from study.layout import BestLayout, StudyLayout, TrialLayout
from study.limits import Budget, Limits
from study.owner import Owner
from study.records import STATES
from study.reproduce import Verdict

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "results-format.md").read_text(encoding="utf-8")
RECORDED = ROOT / "results" / "horses-architecture"
KINDS = {**fields.TRIAL_FIELDS, **fields.STUDY_FIELDS}


def section(heading: str) -> str:
    """The text under the heading that names something in code, up to the next heading."""
    for part in re.split(r"^#+ ", TEXT, flags=re.M):
        title, _, text = part.partition("\n")
        if f"`{heading}`" in title or title == heading:
            return text
    raise AssertionError(f"no heading names {heading!r}")


def missing(names: set[str], text: str) -> list[str]:
    return sorted(name for name in names if f"`{name}`" not in text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_event_is_named(kind: str) -> None:
    """Each kind of event has a heading of its own, and under it all its fields, those that may be missing marked as such."""
    text = section(kind)
    optional = fields.MAY_HAVE.get(kind, {})

    assert missing({*KINDS[kind], *optional}, text) == []
    for row in re.findall(r"^\| (.*?) \| (.*?) \|$", text, flags=re.M):
        named = re.findall(r"`(\w+)`", row[0])
        assert all((name in optional) == ("*may be missing*" in row[1]) for name in named)


def test_what_every_event_has_is_named() -> None:
    """The fields that all events share are named once."""
    assert missing({"event", "time", "trial"}, section("The record")) == []


def test_every_reason_is_named() -> None:
    """Each reason for which a trial fails or is interrupted, and for which a driver ends, has its line."""
    assert missing(set(fields.FAILURES), section("Why a trial fails")) == []
    assert missing(set(fields.INTERRUPTIONS), section("Why a trial fails")) == []
    assert missing(set(fields.INTERRUPTIONS), section("interrupted")) == []
    assert missing(set(fields.ENDINGS), section("ended")) == []


def test_every_state_is_named() -> None:
    """Each state of a trial is told where its life is."""
    assert missing(set(STATES), section("The life of a trial")) == []


def test_every_limit_is_named() -> None:
    """Each limit and each budget is told, as it is recorded."""
    limits = {field.name for field in dataclasses.fields(Limits)}
    budgets = set(Budget(seconds=1.0, epochs=1).to_mapping())

    assert missing(limits | budgets, section("Limits and budgets")) == []


def files_of(layout: Any) -> set[str]:
    """The names of all files of a layout, numbers written as N."""
    numbered = [getattr(layout, name)(7) for name in ("attempt", "torn", "replaced_space") if hasattr(layout, name)]
    inside = [
        getattr(layout, name)(7) for name in ("model", "checkpoint", "stacks") if callable(getattr(layout, name, None))
    ]
    named = [getattr(layout, name) for name, kind in vars(type(layout)).items() if isinstance(kind, property)]
    paths = [path for path in (*numbered, *inside, *named) if isinstance(path, Path)]
    return {re.sub(r"\d+", "N", path.name) for path in paths}


@pytest.mark.parametrize("layout", [StudyLayout(Path("x")), TrialLayout(Path("x")), BestLayout(Path("x"))], ids=repr)
def test_every_file_is_named(layout: Any) -> None:
    """Each file that a layout knows stands in the table of files."""
    names = files_of(layout)
    table = section("Files")

    assert len(names) >= 4
    assert [name for name in names if not re.search(rf"[`/]{re.escape(name)}[`/]", table)] == []


def test_every_key_of_the_manifest_is_named() -> None:
    """Each key of a recorded manifest, and of the tables in it that are not free, is told."""
    manifest = json.loads((RECORDED / "study.json").read_text())
    keys = {*manifest, *manifest["objective"], *manifest["data"], *manifest["provenance"]}
    scores = {name for floors in manifest["floors"].values() for table in floors.values() for name in table}

    assert missing({*keys, *scores, "kind"}, section("study.json")) == []


def test_every_key_of_the_best_trial_is_named() -> None:
    """Each key of `best/metrics.json` is told."""
    assert missing(set(json.loads((RECORDED / "best" / "metrics.json").read_text())), section("best/")) == []


def test_every_key_of_a_comparison_is_named() -> None:
    """Each key of a reproduction's `comparison.json` is told, and so are its files."""
    text = section("reproductions/")
    run = RECORDED / "reproductions" / "0003"

    assert missing({field.name for field in dataclasses.fields(Verdict)} - {"text"}, text) == []
    assert missing({path.name for path in run.iterdir()}, text) == []


def test_every_key_of_a_lock_is_named() -> None:
    """Each key of a lock file is told."""
    assert missing(set(json.loads(Owner.here().serialize("x"))), section("driver.lock")) == []


def test_every_kind_of_finding_is_named() -> None:
    """Each kind of finding that a check may yield is told, and no other."""
    package = Path(doctor.__file__).parent
    kinds = set(re.findall(r'kind="(\w+)"', "".join(path.read_text() for path in package.glob("*_checks.py"))))
    told = set(re.findall(r"^\| `(\w+)` \|", section("What the doctor says"), flags=re.M))

    assert told == kinds
