"""The dashboard as a browser shows it, over a record that is being written, and over a study that Ray runs."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from study.store import StudyFolder
from tests.conftest import Start
from tests.study.browser import shown
from tests.study.helpers import SPACE, make_folder, session
from tests.study.test_dashboard import begin, end, served, states, wait_for

_PATIENCE_SECONDS = 60.0


def test_a_browser_shows_a_study_as_it_runs(tmp_path: Path, browser: str) -> None:
    """The page lists the trials with their states while the driver writes, the new ones too, and without a script error."""
    folder = make_folder(tmp_path)
    with served(folder) as address, folder.write() as writer:
        url = f"{address}/dashboard/studies/0/trials"
        writer.append("launched", **session())
        begin(writer, 0, 1, 2, 3)
        first = shown(browser, tmp_path / "first", url)
        end(writer)
        wait_for(address, lambda told: states(told)[:3] == ["Complete", "Pruned", "Fail"])
        second = shown(browser, tmp_path / "second", url)

    assert "little" in first
    assert "4 Trials Trial 0 Running Trial 1 Running Trial 2 Running Trial 3 Running" in first
    assert "4 Trials Trial 0 Complete Best Trial Trial 1 Pruned Trial 2 Fail Trial 3 Running" in second


@pytest.mark.slow
def test_a_launched_study_is_followed_to_its_end_and_beyond(tmp_path: Path, study_command: Start, browser: str) -> None:
    """A real study's page shows its trials while Ray runs them, when it has ended, and when it is resumed for more."""
    (tmp_path / "space.toml").write_text(SPACE.replace("low = 2\nhigh = 4", "low = 120\nhigh = 140"))
    driver = study_command("launch", "space.toml", "--trials", "1", "--cpus", "1")
    folder = wait_for_study(tmp_path / "results", driver)
    with served(folder) as address:
        url = f"{address}/dashboard/studies/0/trials"
        wait_for(address, lambda told: any(map(is_under_way, told["trials"])))
        assert driver.wait(timeout=240) == 0
        wait_for(address, lambda told: states(told) == ["Complete"])
        assert study_command("resume", "little", "--trials", "2", "--cpus", "1").wait(timeout=240) == 0
        told = wait_for(address, lambda told: states(told) == ["Complete"] * 2)
        text = shown(browser, tmp_path / "profile", url)

    record = folder.read()
    assert re.search("2 Trials Trial 0 Complete .*Trial 1 Complete", text)
    for trial, expected in zip(told["trials"], record.trials.values(), strict=True):
        steps = {step["step"]: step["value"] for step in trial["intermediate_values"]}
        assert steps == {step: event["val_loss"] for step, event in expected.epochs.items()}
        assert trial["values"] == [expected.value]


def is_under_way(trial: Any) -> bool:
    return trial["state"] == "Running" and len(trial["intermediate_values"]) > 0


def wait_for_study(results: Path, driver: subprocess.Popen[str]) -> StudyFolder:
    """The study as soon as its driver has made it."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (results / "little").is_dir():
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return StudyFolder.open(results, "little")
