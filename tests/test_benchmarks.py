"""The front of the benchmarks: what it finds, keeps and writes. What they measure is no test."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks import document, exports, figures, results, table
from benchmarks.__main__ import command

ROOT = Path(__file__).parents[1]


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A benchmark called `made_up_one` in a table beside one that was never run; the folder of its results."""
    measured = {"goals": [figures.goal("be quick", [1.0, 3.0, 2.0], unit="x", at_least=1.5)], "rounds": [1, 2]}
    monkeypatch.setattr(table, "NAMES", ("made_up_one", "never_run"))
    monkeypatch.setattr(table, "available", lambda: {"made_up_one": "How quick it is.", "never_run": "Nobody knows."})
    monkeypatch.setattr(table, "measure", lambda _, rounds: measured)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(document, "PATH", tmp_path / "performance.md")
    return tmp_path / "results"


@pytest.mark.parametrize("name", table.available())
def test_every_benchmark_says_what_it_measures(name: str) -> None:
    """Each benchmark's module begins with one sentence, and can be measured without being told how."""
    sentence, module = table.available()[name], importlib.import_module(f"benchmarks.{name}")

    assert sentence.endswith(".")
    assert ". " not in sentence
    assert all(each.default is not each.empty for each in inspect.signature(module.measure).parameters.values())


def test_an_unknown_benchmark_is_one_sentence() -> None:
    """A wrong name is wrong usage, told with the name that may have been meant."""
    with pytest.raises(table.UnknownBenchmarkError, match="no benchmark 'anlysis'") as caught:
        table.check(["anlysis"])

    assert caught.value.exit_code == click.UsageError.exit_code
    assert caught.value.hint == "did you mean 'analysis'?"


def test_a_result_tells_what_it_was_measured_on(made_up: Path) -> None:
    """The front keeps what was measured together with hardware, versions and commit."""
    done = CliRunner().invoke(command, ["made_up_one"])

    told = json.loads((made_up / "made_up_one.json").read_text())
    assert done.exit_code == 0
    assert told["measured"]["rounds"] == [1, 2]
    assert told["hardware"].keys() == {"cpu", "cores", "memory_gib", "gpu"}
    assert told["versions"].keys() == {"python", "torch", "ray", "optuna", "numpy"}
    assert {"commit", "dirty", "took_seconds", "what"} <= told.keys()


def test_the_page_skips_what_was_never_run(made_up: Path) -> None:
    """docs/performance.md has a row for each goal that was measured, and nothing of a benchmark without a result."""
    CliRunner().invoke(command, ["made_up_one"])
    made_up.joinpath("made_up_one.md").write_text("It was tried twice.\n")

    page = document.text()

    assert "| be quick: at least 1.5 x | 2 x (1 to 3, n = 3) | yes |" in page
    assert "It was tried twice." in page
    assert "never_run" not in page


@pytest.mark.parametrize(
    ("values", "bounds", "reached"),
    [([2.0], {"at_least": 1.6}, True), ([1.5, 2.0, 1.5], {"at_least": 1.6}, False), ([0.1], {"at_most": 0.15}, True)],
)
def test_a_goal_is_reached_by_the_median(values: list[float], bounds: dict[str, float], reached: bool) -> None:
    """It is the median that counts, not the luckiest round."""
    assert figures.is_reached(figures.goal("", values, unit="", **bounds)) is reached


def test_a_goal_that_was_not_measured_stays_open(made_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing could be measured the page says so, and claims nothing, neither that it is reached nor that it is not."""
    found = figures.goal("25 epochs on a GPU", [], unit="s", at_most=2)
    monkeypatch.setattr(table, "measure", lambda _, rounds: {"goals": [found], "sizes": {"train_images": 40}})
    CliRunner().invoke(command, ["made_up_one"])

    assert not figures.is_reached(found)
    assert "| 25 epochs on a GPU: at most 2 s | not measured | open |" in document.text()
    assert "Sizes: train images 40." in document.text()


def test_rounds_are_refused_where_there_are_none() -> None:
    """A benchmark that is not measured in rounds is told before anything is measured."""
    with pytest.raises(table.NoRoundsError, match="not measured in rounds: scale") as caught:
        table.check_rounds(["training_step", "scale"])
    assert caught.value.exit_code == click.UsageError.exit_code


def test_a_result_of_code_that_changed_meanwhile_is_dirty(made_up: Path) -> None:
    """A commit that was made while a benchmark ran is not what was measured."""
    before = results.surroundings()
    for commit, dirty in ((before["commit"], before["dirty"]), ("0" * 40, True)):
        results.write("made_up_one", {}, {**before, "commit": commit}, seconds=1.0)
        told = json.loads((made_up / "made_up_one.json").read_text())
        assert (told["commit"], told["dirty"]) == (commit, dirty)


def test_the_page_is_that_of_the_results() -> None:
    """docs/performance.md is what `python -m benchmarks --write-docs` makes of the results that are there."""
    assert document.PATH.read_text(encoding="utf-8") == document.text()


def test_the_steps_of_a_large_record_are_measured() -> None:
    """Every step of a made-up record is measured in each round, also one whose file the round before has left."""
    measured = exports.measure(trials=8, epochs=6, rounds=2)

    assert measured["steps"].keys() == exports.STEPS.keys()
    assert {len(rows) for rows in measured["steps"].values()} == {2}
    assert all(figure["n"] == 2 for figure in measured["figures"])


def test_a_steps_memory_is_its_own() -> None:
    """A process is not told the peak of the one that started it."""
    large = b"x" * 400_000_000
    script = "from benchmarks import steps; print(steps.metered(lambda: None)[1]['peak_mb'])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert float(done.stdout) < len(large) / 1e6
