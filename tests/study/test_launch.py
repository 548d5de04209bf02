"""Studies on a real Ray: launched, interrupted, killed, resumed and reproduced."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from colournet import data
from study.errors import SpaceError, StudyError
from study.launch import preparation
from study.launch.cluster import Resources
from study.launch.session import launch, resume
from study.limits import Budget, Limits
from study.records import StudyRecord, parse
from study.reproduce import reproduce
from study.space import Space
from study.store import StudyFolder
from tests.conftest import Start, running_study
from tests.study.helpers import SPACE

FAULTS = Path(__file__).parent / "faults"
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


@pytest.fixture(scope="module", params=["a local Ray", "a cluster"])
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ray_address: str, ray_dir: Path
) -> StudyFolder:
    """A study of four trials that ran to its end, on each kind of Ray there is: what follows holds for both."""
    root = tmp_path_factory.mktemp("finished")
    if request.param == "a cluster":
        return launch(Space.parse(SPACE), root / "results", resources=Resources(address=ray_address))
    (root / "space.toml").write_text(SPACE)
    with running_study(root, ray_dir) as start:  # a process of its own: one process is connected to one Ray
        assert start("launch", "space.toml", "--cpus", "2", HOME=str(root)).wait(timeout=240) == 0
    return StudyFolder.open(root / "results", "little")


def test_a_launched_study_ends_whole(finished: StudyFolder) -> None:
    """Every trial asked for has ended once, trained the epochs it was asked for, and left its files."""
    record = finished.read()

    assert finished.state(record) == "finished"
    assert record.counts == {"completed": 4, "pruned": 0, "failed": 0, "interrupted": 0, "running": 0}
    for trial in record.trials.values():
        assert sorted(trial.epochs) == list(range(1, trial.params["epochs"] + 1))
        assert finished.layout.trial(trial.number).samples.exists()
    assert not finished.layout.lock.exists()


def test_the_best_models_are_kept_and_no_more(finished: StudyFolder) -> None:
    """Of four completed trials three keep their model; nothing to train on from is left of any."""
    kept = [trial.checkpoint for trial in finished.read().trials.values() if trial.checkpoint is not None]

    files = finished.layout.root.glob("trials/*/attempt-*/*")
    assert sorted(path.relative_to(finished.layout.root).as_posix() for path in files) == kept
    assert len(kept) == 3


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


def test_a_local_ray_asks_for_a_token_and_has_no_dashboard(finished: StudyFolder) -> None:
    """By Ray's own default a local Ray makes a token in the home folder, which nobody else can read out of the record."""
    root = finished.layout.root.parents[1]
    if not (root / "space.toml").exists():
        pytest.skip("is of a cluster, which asks for what it was started with")
    token = (root / ".ray" / "auth_token").read_text()

    assert len(token) == 64
    assert token.encode() not in b"".join(
        path.read_bytes() for path in finished.layout.root.rglob("*") if path.is_file()
    )
    assert "dashboard" not in finished.layout.log.read_text().lower()


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

    bundle = preparation.prepare_bundle(space, None)

    manifest = preparation.make_manifest(space, bundle, trials=1)
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


def test_known_points_are_asked_once_ever(tmp_path: Path, ray_address: str) -> None:
    """A space's known points come first, whatever interrupts them; a wider space may add some, which come next."""
    resources = Resources(address=ray_address)
    points = [{"model": "cnn", "epochs": 2, "learning_rate": rate} for rate in (0.002, 0.003, 0.004)]

    def space(count: int) -> Space:
        tables = "".join(
            f"[[enqueue]]\nmodel = 'cnn'\nepochs = 2\nlearning_rate = {p['learning_rate']}\n" for p in points[:count]
        )
        return Space.parse(f"{SPACE}\n{tables}")

    folder = launch(space(2), tmp_path, trials=1, resources=resources)
    resume(folder, trials=3, resources=resources)
    resume(folder, trials=4, resources=resources, space=space(3), accept_space_change=True)

    trials = folder.read().trials
    assert [trials[number].params for number in (0, 1, 3)] == points
    assert [trial.enqueued for trial in trials.values()] == [0, 1, None, 2]
    assert trials[2].params not in points


def test_a_changed_space_is_refused_unless_it_is_wider_and_accepted(tmp_path: Path, ray_address: str) -> None:
    """What differs is shown; an accepted widening is noted, in force from then on, and of use to the sampler."""
    resources = Resources(address=ray_address)
    folder = launch(Space.parse(SPACE), tmp_path, trials=2, resources=resources)
    wider = SPACE.replace('choices = ["cnn", "unet"]', 'choices = ["cnn", "unet", "dilated_unet"]').replace(
        "high = 4", "high = 5"
    )
    folder.layout.space.write_text(wider)  # as a user does who edits it in place

    with pytest.raises(SpaceError) as refused:
        resume(folder, trials=4, resources=resources)
    assert "dilated_unet" in str(refused.value.hint)
    assert "--accept-space-change" in str(refused.value.hint)
    with pytest.raises(SpaceError, match="cannot accept"):
        resume(folder, space=Space.parse(SPACE.replace("high = 4", "high = 3")), accept_space_change=True)

    resume(folder, trials=4, resources=resources, accept_space_change=True)

    record = folder.read()
    assert record.counts["completed"] == 4
    assert record.spaces == [SPACE, wider]
    assert folder.layout.space.read_text() == wider
    assert any("dilated_unet" in note for note in record.notes)
    assert resume(folder, resources=resources).read().sessions == record.sessions  # nothing is left to do


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
    ("number", "code", "reason"),
    [
        (signal.SIGINT, 130, "interrupted"),
        pytest.param(signal.SIGTERM, 143, "terminated", marks=pytest.mark.slow),
    ],
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


@pytest.mark.parametrize(
    ("number", "code", "seconds"),
    [
        pytest.param(signal.SIGINT, 130, 0.5, marks=pytest.mark.slow),
        (signal.SIGINT, 130, 3.0),
        (signal.SIGTERM, 143, 1.5),
        pytest.param(signal.SIGTERM, 143, 4.0, marks=pytest.mark.slow),
    ],
)
def test_a_signal_while_ray_starts_is_not_lost(
    tmp_path: Path, study_command: Start, number: signal.Signals, code: int, seconds: float
) -> None:
    """Whenever it comes, before, in or after Ray's start, a signal ends the launch with its code and in a sentence."""
    (tmp_path / "space.toml").write_text(LONG)
    process = study_command("launch", "space.toml")
    assert process.stderr is not None
    assert any("starting Ray" in line for line in iter(process.stderr.readline, ""))
    time.sleep(seconds)

    process.send_signal(number)
    _, err = process.communicate(timeout=120)

    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "study resume little" in err


def test_a_second_signal_ends_at_once(tmp_path: Path, study_command: Start) -> None:
    """Whoever asks twice does not wait for an epoch to end; the record is whole, and the study resumable."""
    slow = LONG.replace("train_images = 40", "train_images = 1200").replace("num_filters = 2", "num_filters = 256")
    (tmp_path / "space.toml").write_text(slow)
    process = study_command("launch", "space.toml", "--grace", "10m")
    folder = wait_until(tmp_path / "results", lambda record: any(t.started for t in record.trials.values()), process)
    assert process.stderr is not None

    process.send_signal(signal.SIGTERM)
    told = iter(process.stderr.readline, "")
    assert any("a second signal ends at once" in line for line in told)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 143
    assert "ended at once; study resume little" in err
    assert "Traceback" not in err
    record = folder.read()
    assert (folder.state(record), record.torn_bytes) == ("interrupted", 0)
    assert all(trial.last_epoch == 0 for trial in record.trials.values())


def test_a_hanging_trial_is_ended(tmp_path: Path, study_command: Start) -> None:
    """A trial that hangs beyond its time limit fails as timed out and says where it hung; the study ends all the same."""
    (tmp_path / "space.toml").write_text(SPACE)
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "hang").touch()
    path = os.pathsep.join([str(FAULTS), *sys.path])

    process = study_command(
        "launch", "space.toml", "--trial-timeout", "10s", PYTHONPATH=path, STUDY_FAULTS=str(tmp_path / "faults")
    )
    out, err = process.communicate(timeout=240)

    assert process.returncode == 0, (out, err)
    folder = StudyFolder.open(tmp_path / "results", "little")
    record = folder.read()
    (hung,) = [trial for trial in record.trials.values() if trial.state == "failed"]
    assert hung.reason == "timed_out"
    assert "sitecustomize.py" in folder.layout.trial(hung.number).stacks(1).read_text()
    assert record.counts["completed"] == 3
    assert "trial 0 failed: hung beyond 10 s" in err or hung.number == 1


@pytest.mark.slow
def test_a_worker_that_ray_kills_for_memory_is_out_of_memory(tmp_path: Path, study_command: Start) -> None:
    """On a node that is short of memory a trial is tried once more, alone, and then failed as out of memory, not lost."""
    (tmp_path / "space.toml").write_text(LONG)
    short = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "200"}

    process = study_command("launch", "space.toml", "--trials", "1", **short)
    out, err = process.communicate(timeout=240)

    assert process.returncode == 0, (out, err)
    trial = StudyFolder.open(tmp_path / "results", "little").read().trial(0)
    assert (trial.state, trial.reason) == ("failed", "out_of_memory")
    assert trial.interruptions == {"out_of_memory": 1}


@pytest.mark.slow
def test_a_study_whose_trials_all_fail_is_given_up(tmp_path: Path, study_command: Start) -> None:
    """It ends with 1 after some failures in a row, with the first one's traceback, and can be resumed."""
    (tmp_path / "space.toml").write_text(SPACE)
    (tmp_path / "faults" / "error").mkdir(parents=True)
    path = os.pathsep.join([str(FAULTS), *sys.path])

    process = study_command(
        "launch", "space.toml", "--max-failures", "2", PYTHONPATH=path, STUDY_FAULTS=str(tmp_path / "faults")
    )
    _, err = process.communicate(timeout=240)

    assert process.returncode == 1
    assert "error: little: 2 trials failed in a row, the first, trial " in err
    assert "RuntimeError: an error on demand" in err
    assert "Traceback (most recent call last):" in err
    folder = StudyFolder.open(tmp_path / "results", "little")
    assert folder.read().ended == "failed"

    assert study_command("resume", "little").wait(timeout=240) == 0
    assert folder.state(folder.read()) == "finished"


@pytest.mark.slow
def test_a_time_budget_ends_a_study_in_order(tmp_path: Path, study_command: Start) -> None:
    """When its time is up a launch interrupts its trials after their epoch and ends with 0; resume finishes."""
    (tmp_path / "space.toml").write_text(LONG)
    process = study_command("launch", "space.toml", "--time-budget", "6s")
    out, err = process.communicate(timeout=120)

    assert process.returncode == 0, (out, err)
    folder = StudyFolder.open(tmp_path / "results", "little")
    record = folder.read()
    assert (folder.state(record), record.ended) == ("interrupted", "budget")
    assert "little: interrupted (budget)" in out

    assert study_command("resume", "little").wait(timeout=240) == 0
    assert folder.state(folder.read()) == "finished"


def test_an_epoch_budget_extends_a_finished_study(tmp_path: Path, ray_address: str) -> None:
    """Resumed with a budget and no number of trials, a finished study goes on for exactly what the budget pays for."""
    resources = Resources(address=ray_address)
    folder = launch(Space.parse(SPACE), tmp_path, trials=1, resources=resources, limits=Limits(keep_checkpoints=1))
    trained = folder.read().trained

    resume(folder, budget=Budget(epochs=trained + 9), resources=resources)

    record = folder.read()
    assert trained + 7 <= record.trained <= trained + 9
    assert len(record.trials) > 1
    assert record.limits["keep_checkpoints"] == 1  # limits stay as they were
    with pytest.raises(StudyError, match="epochs were trained already"):
        resume(folder, budget=Budget(epochs=1), resources=resources)


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


def test_other_data_are_refused(tmp_path: Path, finished: StudyFolder, ray_address: str) -> None:
    """A study whose images have changed is not resumed: its numbers could not be compared."""
    copy = tmp_path / "little"
    copy.mkdir()
    for name in ("space.toml", "events.jsonl"):
        (copy / name).write_bytes((finished.layout.root / name).read_bytes())
    manifest = finished.manifest | {"data": {**finished.manifest["data"], "fingerprint": "0"}}
    (copy / "study.json").write_text(json.dumps(manifest))

    with pytest.raises(StudyError, match="not those that the study began with"):
        resume(StudyFolder.open(tmp_path, "little"), trials=9, resources=Resources(address=ray_address))


def test_a_cluster_without_a_token_is_warned_of(
    tmp_path: Path, ray_address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Joining a cluster that lets everyone in is told once, with the remedy; its record says nothing of it."""
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    folder = launch(Space.parse(SPACE), tmp_path, trials=1, resources=Resources(address=ray_address))

    assert capfd.readouterr().err.count("warning: this Ray cluster asks for no token") == 1
    assert not folder.read().notes


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
