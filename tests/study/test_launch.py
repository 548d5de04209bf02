"""Studies on a real Ray: launched, interrupted, killed, resumed and reproduced."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from colournet import data
from study.errors import StudyError
from study.launch import session
from study.launch.cluster import Resources
from study.launch.session import launch, resume
from study.records import StudyRecord, parse
from study.reproduce import reproduce
from study.space import Space
from study.store import StudyFolder
from tests.conftest import Start
from tests.study.helpers import SPACE

LONG = SPACE.replace("low = 2\nhigh = 4", "low = 25\nhigh = 30").replace("trials = 4", "trials = 2")


def read_events(folder: StudyFolder) -> list[Any]:
    return [parse(line) for line in folder.layout.events.read_bytes().splitlines()]


def wait_until(results: Path, condition: Callable[[StudyRecord], bool], process: subprocess.Popen[str]) -> StudyFolder:
    """Wait until the study `little` is in some state; fails with the driver's output if the driver ends before."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (results / "little").is_dir():
            folder = StudyFolder.open(results, "little")
            if condition(folder.read()):
                return folder
        if process.poll() is not None:
            raise AssertionError(f"the driver ended: {process.communicate()}")
        time.sleep(0.05)
    raise AssertionError("the study did not come so far in two minutes")


def epochs_recorded(at_least: int) -> Callable[[StudyRecord], bool]:
    return lambda record: sum(len(trial.epochs) for trial in record.trials.values()) >= at_least


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, ray_address: str) -> StudyFolder:
    """A study of four trials that ran to its end."""
    results = tmp_path_factory.mktemp("results")
    return launch(Space.parse(SPACE), results, resources=Resources(address=ray_address))


def test_a_launched_study_ends_whole(finished: StudyFolder) -> None:
    """Every trial asked for has ended once, trained the epochs it was asked for, and left its files."""
    record = finished.read()

    assert finished.state(record) == "finished"
    assert record.counts == {"completed": 4, "pruned": 0, "failed": 0, "interrupted": 0, "running": 0}
    for trial in record.trials.values():
        assert sorted(trial.epochs) == list(range(1, trial.params["epochs"] + 1))
        assert (finished.layout.root / str(trial.checkpoint)).exists()
        assert finished.layout.trial(trial.number).samples.exists()
    assert not finished.layout.lock.exists()


def test_actors_are_reused(finished: StudyFolder) -> None:
    """Four trials on two CPUs take no more than two worker processes."""
    started = [event for event in read_events(finished) if event["event"] == "started"]

    assert len(started) == 4
    assert len({event["pid"] for event in started}) <= 2


def test_the_manifest_tells_what_the_numbers_rest_on(finished: StudyFolder) -> None:
    """The manifest holds data, palette, floors, seed, rule and provenance."""
    manifest = finished.manifest

    assert manifest["data"]["train_images"] == 1200
    assert len(manifest["palettes"]["8"]) == 8
    assert manifest["floors"]["8"]["grey_table"]["cross_entropy"] > 0
    assert manifest["objective"] == {"metric": "val_loss", "goal": "minimize", "epoch": "best"}
    assert manifest["provenance"]["versions"]["ray"]
    assert "environ" not in json.dumps(manifest)


def test_the_space_is_kept_byte_for_byte(finished: StudyFolder) -> None:
    """The folder holds the search space as it was launched."""
    assert finished.layout.space.read_text() == SPACE


def test_the_best_is_reproduced_to_the_bit(finished: StudyFolder) -> None:
    """Trained again alone and without Ray, the best configuration gives every recorded number to the last bit."""
    verdict = reproduce(finished, tolerance=0.02)

    assert verdict.outcome == "identical"
    assert verdict.trial == json.loads(finished.layout.best.metrics.read_text())["trial"]


def test_a_changed_record_is_not_reproduced(finished: StudyFolder) -> None:
    """If the record holds other numbers than training gives, the verdict says so."""
    lines = finished.layout.events.read_bytes()
    events = read_events(finished)
    for event in events:
        if event["event"] == "epoch" and event["trial"] == 1:
            event["val_loss"] *= 1.5
    finished.layout.events.write_text("".join(json.dumps(event) + "\n" for event in events))

    verdict = reproduce(finished, 1, tolerance=0.02)
    finished.layout.events.write_bytes(lines)

    assert verdict.outcome == "different"
    assert not verdict.is_reproduced
    assert verdict.largest_difference == pytest.approx(1 / 3)


def test_resuming_a_finished_study_changes_nothing(finished: StudyFolder, ray_address: str) -> None:
    """Resume of a study that has all it was asked for writes not a byte."""
    before = finished.layout.events.read_bytes()

    resume(finished, resources=Resources(address=ray_address))

    assert finished.layout.events.read_bytes() == before


def test_fewer_trials_than_were_asked_are_refused(finished: StudyFolder) -> None:
    """A study cannot be shortened below what was asked; the message says how many were."""
    with pytest.raises(StudyError, match="4 trials were asked already"):
        resume(finished, trials=2)


def test_a_finished_study_can_be_extended(tmp_path: Path, ray_address: str) -> None:
    """Resume with more trials asks exactly the missing ones."""
    resources = Resources(address=ray_address)
    folder = launch(Space.parse(SPACE), tmp_path, trials=1, resources=resources)

    resume(folder, trials=3, resources=resources)

    record = folder.read()
    assert sorted(record.trials) == [0, 1, 2]
    assert record.counts["completed"] == 3
    assert len({trial.params["learning_rate"] for trial in record.trials.values()}) == 3


@pytest.mark.parametrize(
    ("settings", "palettes"),
    [
        ('[fixed]\nmodel = "regression_cnn"', ["24"]),
        ('[fixed]\ncolour_space = "lab"\nnum_colours = 8', ["8-lab"]),
        (
            '[search.num_colours]\nkind = "choice"\nchoices = [300, 8]\n'
            '[search.colour_space]\nkind = "choice"\nchoices = ["lab"]\nwhen = { num_colours = [8] }\n[fixed]',
            ["8-lab", "8", "300-lab", "300"],
        ),
    ],
    ids=["rgb", "lab", "searched"],
)
def test_a_study_prepares_what_its_trials_may_ask_for(
    settings: str, palettes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data hold a palette, and the manifest its floors, for every number of colours and colour space of a trial."""
    monkeypatch.setattr(data, "_SCENES_COUNT", {"train": 60, "test": 20})
    space = Space.parse(
        f'objective = {{ metric = "val_mse" }}\n{settings}\ndataset = "scenes"\n'
        '[search.learning_rate]\nkind = "float"\nlow = 1e-3\nhigh = 1e-2'
    )

    bundle = session._prepare(space, None)

    manifest = session._manifest(space, bundle, trials=1)
    assert list(manifest["palettes"]) == list(manifest["floors"]) == palettes
    assert all("chroma_mse" in manifest["floors"][name]["grey_table"] for name in palettes if name.endswith("lab"))
    generator = random.Random(0)
    for _ in range(20):
        config = space.config(space.sample(generator))
        assert bundle.for_run(config).palette is bundle.palettes[config.palette_name]


def test_colour_spaces_are_searched(tmp_path: Path, ray_address: str) -> None:
    """A study over colour spaces has a palette and floors for each, ranks by squared error in RGB, and can be reproduced."""
    text = SPACE.replace("[search.model]\nkind", "[search.colour_space]\nkind").replace('"cnn", "unet"', '"rgb", "lab"')
    text = text.replace("[fixed]", 'objective = { metric = "val_mse" }\n[fixed]\nmodel = "regression_cnn"')

    folder = launch(Space.parse(text), tmp_path, resources=Resources(address=ray_address))

    record, manifest = folder.read(), folder.manifest
    assert record.counts["completed"] == 4
    assert list(manifest["palettes"]) == list(manifest["floors"]) == ["8-lab", "8"]
    assert {len(colour) for colour in manifest["palettes"]["8-lab"]} == {2}
    assert list(folder.grey_table()) == ["8-lab", "8"]
    for space in ("lab", "rgb"):
        trial = next(trial for trial in record.trials.values() if trial.params["colour_space"] == space)
        assert reproduce(folder, trial.number, tolerance=0.02).outcome == "identical"


def test_a_diverging_trial_does_not_stop_the_study(tmp_path: Path, ray_address: str) -> None:
    """Trials whose loss becomes NaN are failed as diverged, one by one, and the study ends."""
    text = SPACE.replace("low = 1e-3\nhigh = 1e-2\nlog = true", "low = 1e29\nhigh = 1e30")
    folder = launch(Space.parse(text), tmp_path, trials=3, resources=Resources(address=ray_address))

    record = folder.read()
    assert {trial.reason for trial in record.trials.values()} == {"diverged"}
    assert folder.state(record) == "finished"


def test_a_lost_worker_is_replaced(tmp_path: Path, study_command: Start, ray_address: str) -> None:
    """A trial whose worker is killed goes on from its checkpoint, as a new attempt, and is completed."""
    (tmp_path / "space.toml").write_text(LONG)
    process = study_command("launch", "space.toml", "--trials", "1", "--address", ray_address)
    folder = wait_until(tmp_path / "results", epochs_recorded(5), process)
    (worker,) = {event["pid"] for event in read_events(folder) if event["event"] == "started"}

    os.kill(worker, signal.SIGKILL)

    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, (out, err)
    trial = folder.read().trial(0)
    assert (trial.state, trial.attempt) == ("completed", 2)
    assert sorted(trial.epochs) == list(range(1, trial.params["epochs"] + 1))
    assert max(event["resumed_from_epoch"] for event in read_events(folder) if event["event"] == "started") >= 5


@pytest.mark.parametrize(
    ("number", "code", "reason"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_leaves_a_resumable_study(
    tmp_path: Path, study_command: Start, number: signal.Signals, code: int, reason: str
) -> None:
    """Ctrl-C or SIGTERM ends with its exit code; resume finishes, and the resumed trial is reproduced to the bit."""
    (tmp_path / "space.toml").write_text(LONG)
    process = study_command("launch", "space.toml")
    folder = wait_until(tmp_path / "results", epochs_recorded(6), process)

    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert process.returncode == code, (out, err)
    assert "study resume little" in err
    assert "Traceback" not in err
    record = folder.read()
    assert folder.state(record) == "interrupted"
    assert record.ended == reason
    assert record.counts["interrupted"] >= 1

    assert study_command("resume", "little").wait(timeout=240) == 0
    record = folder.read()
    assert record.counts["completed"] == 2
    assert max(trial.attempt for trial in record.trials.values()) == 2
    assert reproduce(folder, 0, tolerance=0.02).outcome == "identical"


def test_a_killed_driver_loses_nothing(tmp_path: Path, study_command: Start) -> None:
    """After kill -9 the study is shown as interrupted, and resume finishes it without repeating a trial."""
    (tmp_path / "space.toml").write_text(LONG)
    process = study_command("launch", "space.toml")
    folder = wait_until(tmp_path / "results", epochs_recorded(6), process)
    before = read_events(folder)

    process.kill()
    process.wait()
    assert folder.state(folder.read()) == "interrupted"
    assert study_command("resume", "little").wait(timeout=240) == 0

    after = read_events(folder)
    assert after[: len(before)] == before
    record = folder.read()
    assert folder.state(record) == "finished"
    assert [event["trial"] for event in after if event["event"] == "asked"] == [0, 1]
    for trial in record.trials.values():
        assert sorted(trial.epochs) == list(range(1, trial.params["epochs"] + 1))


def test_a_second_driver_is_refused(tmp_path: Path, study_command: Start) -> None:
    """While a study runs, resume of it is refused with the owner's process, and the study goes on."""
    (tmp_path / "space.toml").write_text(LONG)
    process = study_command("launch", "space.toml")
    wait_until(tmp_path / "results", epochs_recorded(1), process)

    second = study_command("resume", "little")
    _, err = second.communicate(timeout=60)

    assert second.returncode == 1
    assert f"process {process.pid} on " in err
    assert process.poll() is None


def test_other_data_are_refused(tmp_path: Path, finished: StudyFolder) -> None:
    """A study whose images have changed is not resumed: its numbers could not be compared."""
    copy = tmp_path / "little"
    copy.mkdir()
    for name in ("space.toml", "events.jsonl"):
        (copy / name).write_bytes((finished.layout.root / name).read_bytes())
    manifest = finished.manifest | {"data": {**finished.manifest["data"], "fingerprint": "0"}}
    (copy / "study.json").write_text(json.dumps(manifest))

    with pytest.raises(StudyError, match="not those that the study began with"):
        resume(StudyFolder.open(tmp_path, "little"), trials=9)


def test_nothing_runs_on_after_a_study(finished: StudyFolder) -> None:
    """No worker process of a finished study is left."""
    pids = {event["pid"] for event in read_events(finished) if event["event"] == "started"}
    deadline = time.monotonic() + 30
    while pids and time.monotonic() < deadline:
        for pid in list(pids):
            with contextlib.suppress(OSError):
                os.kill(pid, 0)
                continue
            pids.discard(pid)
        time.sleep(0.1)

    assert not pids
