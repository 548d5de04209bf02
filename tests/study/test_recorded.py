"""A folder that was recorded once opens for ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from study.cli import cli
from study.layout import StudyLayout

RECORDED = Path(__file__).parents[2] / "results" / "horses-architecture"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with a copy of the project's own study."""
    shutil.copytree(RECORDED, tmp_path / RECORDED.name, ignore=shutil.ignore_patterns("report.html", "figures"))
    return tmp_path


def run(*arguments: str) -> str:
    return CliRunner().invoke(cli, list(arguments), catch_exceptions=False).stdout


def test_a_recorded_study_opens_for_ever(results: Path) -> None:
    """The project's own study, recorded in format 1, is listed, shown, and shown trial by trial, with its numbers."""
    name, where = RECORDED.name, ("--results", str(results))

    told = json.loads(run("show", name, "--json", *where))
    best = told["best"]
    trial = json.loads(run("show", name, str(best["number"]), "--json", *where))

    assert run("list", *where).splitlines()[1].split()[:3] == [name, "finished", "16/16"]
    assert told["trials"] == {"completed": 5, "pruned": 11, "failed": 0, "interrupted": 0, "running": 0}
    assert f"trial {best['number']}: {best['value']:.6g} at epoch {best['epoch']}" in run("show", name, *where)
    assert f"trial {best['number']}: completed" in run("show", name, str(best["number"]), *where)
    assert trial["epochs"][best["epoch"] - 1]["val_loss"] == best["value"]


def test_a_recorded_study_is_analyzed_for_ever(results: Path) -> None:
    """The project's own study, recorded in format 1, still gets its figures and its report."""
    written = [Path(line) for line in run("analyze", RECORDED.name, "--results", str(results)).splitlines()]

    assert results / RECORDED.name / "report.html" in written
    assert all(path.stat().st_size > 0 for path in written)


def test_a_recorded_confirmation_is_judged_for_ever(results: Path) -> None:
    """The project's own confirmation still opens, and its record still says what its verdict says."""
    name, where = RECORDED.name, ("--results", str(results))
    layout = StudyLayout(results / name / "confirmations" / "top2-seeds5")
    kept = json.loads(layout.verdict.read_text())

    told = json.loads(run("confirm", name, "--top", "2", "--seeds", "5", "--json", *where))

    assert kept["outcome"] == "tied"
    assert (told["outcome"], told["sentences"]) == (kept["outcome"], kept["sentences"])
    assert len(layout.results.read_text().splitlines()) == 16
    assert f"top2-seeds5: tied, {kept['sentences'][0]}" in run("show", name, *where)
