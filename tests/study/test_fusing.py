"""Trials of one shape as one stack: which are put together, and that each is told of, resumed and ended as if it were alone."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from colournet import data
from colournet.config import TrainConfig
from colournet.stackable import shape
from colournet.training import train
from study.doctor import diagnose
from study.errors import LaunchError
from study.launch import preparation, worker
from study.launch.cluster import Resources
from study.launch.messages import Task
from study.launch.session import launch
from study.launch.watching import Watching
from study.limits import Budget
from study.reproduce import reproduce
from study.space import Space
from study.store import StudyFolder
from tests.study.fused_studies import ONE_SHAPE, driving, events, numbers, run
from tests.study.helpers import SPACE, make_folder
from tests.study.made_up_workers import telling

HALVING = 'pruner = { kind = "successive_halving", min_epochs = 1, reduction_factor = 2 }'
GRID = """
name = "little"
sampler = { kind = "grid" }

[fixed]
dataset = "scenes"
train_images = 40
num_filters = 2
num_colours = 8
epochs = 1

[search.kernel_size]
kind = "choice"
choices = [3, 5]

[search.learning_rate]
kind = "choice"
choices = [1e-3, 2e-3, 4e-3]
"""


def config(task: Task) -> TrainConfig:
    return TrainConfig.from_mapping(task.config)


# Which trials are put together.


def test_trials_are_asked_of_one_shape(tmp_path: Path) -> None:
    """The first is asked freely, the others in its shape, each with a rate and a seed of its own, in the form of a stack."""
    folder = make_folder(tmp_path)
    with driving(folder, trials=20) as driver:
        groups = [driver.next_tasks(5) for _ in range(4)]
        assert driver.next_tasks(5) == []

    assert [numbers(group) for group in groups] == [list(range(first, first + 5)) for first in (0, 5, 10, 15)]
    for group in groups:
        assert len({shape(config(task)) for task in group}) == 1
        assert len({config(task).learning_rate for task in group}) == 5
        assert len({config(task).seed for task in group}) == 5
    assert {config(task).model for group in groups for task in group} == {"cnn", "unet"}
    assert {event["form"] for event in events(folder, "asked")} == {"reference"}


def test_a_grid_is_put_together_as_it_comes(tmp_path: Path) -> None:
    """A grid's points keep their order; one of another shape waits, and begins the next stack."""
    folder = make_folder(tmp_path, space_text=GRID)
    with driving(folder, trials=6) as driver:
        groups = [driver.next_tasks(2) for _ in range(4)]

    assert [numbers(group) for group in groups] == [[0, 1], [2], [3, 4], [5]]
    assert [config(task).kernel_size for group in groups for task in group] == [3, 3, 3, 5, 5, 5]


def test_a_known_point_of_another_shape_waits(tmp_path: Path) -> None:
    """Known points are asked first, in their order, whatever shape the stack has; that which does not fit is next."""
    models = enumerate(("cnn", "cnn", "unet"), start=2)
    known = "".join(f'[[enqueue]]\nmodel = "{model}"\nepochs = {epochs}\n' for epochs, model in models)
    folder = make_folder(tmp_path, space_text=SPACE + known)
    with driving(folder, trials=6) as driver:
        groups = [driver.next_tasks(4), driver.next_tasks(4)]

    assert [numbers(group) for group in groups] == [[0, 1], [2, 3, 4, 5]]
    assert [config(task).model for group in groups for task in group] == ["cnn", "cnn", *["unet"] * 4]


def test_interrupted_trials_are_put_together_again(tmp_path: Path) -> None:
    """Trials of one shape that wait share a stack, whoever stands between them; what is in another form is left alone."""
    folder = make_folder(tmp_path)
    params = {"epochs": 3, "learning_rate": 0.005}
    with folder.write() as writer:
        writer.append("launched", trials=5, host="here", pid=1, workers=1)
        for number, (model, form) in enumerate(
            [("cnn", "reference"), ("unet", "reference"), ("cnn", "reference"), ("cnn", "fast"), ("cnn", "fast")]
        ):
            writer.append("asked", number, params={"model": model, **params}, seed=number, form=form)
    with driving(folder, trials=5, kind="resumed") as driver:
        groups = [driver.next_tasks(3) for _ in range(4)]

    assert [numbers(group) for group in groups] == [[0, 2], [1], [3], [4]]


def test_nothing_is_asked_for_a_trial_that_cannot_be_stacked(tmp_path: Path) -> None:
    """A trial of another form is trained by itself, and none is asked at its shape for a stack that will not be."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=5, host="here", pid=1, workers=1)
        writer.append("asked", 0, params={"model": "cnn", "epochs": 3, "learning_rate": 0.005}, seed=0, form="fast")
    with driving(folder, trials=5, kind="resumed") as driver:
        assert numbers(driver.next_tasks(3)) == [0]
        assert len(driver.record.trials) == 1


def test_a_budget_counts_every_member(tmp_path: Path) -> None:
    """An epoch budget of three lets three trials begin, however many places a stack has."""
    folder = make_folder(tmp_path, space_text=ONE_SHAPE)
    with driving(folder, trials=10, budget=Budget(epochs=3)) as driver:
        assert numbers(driver.next_tasks(8)) == [0, 1, 2]


# What becomes of them.


@pytest.fixture(autouse=True)
def few_scenes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are made in no time, but for studies that other processes look at."""
    if "ray_address" not in request.fixturenames:
        monkeypatch.setattr(data, "_SCENES_COUNT", {"train": 60, "test": 20})


def test_each_trial_is_recorded_as_its_own(tmp_path: Path) -> None:
    """Every trial of a stack has its own epochs, files, log and value, and they are those that it has alone."""
    folder = make_folder(tmp_path, space_text=ONE_SHAPE)
    bundle = preparation.prepare_bundle(folder.space, None)
    with driving(folder, trials=4) as driver:
        tasks = driver.next_tasks(4)
        run(driver, tasks, bundle)
        assert driver.is_complete

    record = folder.read()
    assert record.counts["completed"] == 4
    assert [event["fused"] for event in events(folder, "started")] == [4] * 4
    for task in tasks:
        trial, layout, alone = record.trial(task.number), folder.layout.trial(task.number), config(task)
        result = train(alone, bundle.for_run(alone))
        for metrics in result.history:  # steps make more of the noise of single precision
            within = 1e-3 if metrics.epoch == 1 else 1e-2
            assert trial.epochs[metrics.epoch]["val_loss"] == pytest.approx(metrics.val_loss, rel=within)
        assert len(trial.epochs) == alone.epochs
        assert TrainConfig.from_toml(layout.config) == alone
        assert layout.samples.exists()
        log = layout.log.read_text()
        assert "one of a stack of 4" in log
        assert log.count(": epoch ") == alone.epochs
        assert "has trained all its epochs" in log
        assert "told to stop" not in log
    assert diagnose(tmp_path, "little").findings == ()


def test_seconds_of_a_stack_are_shared(tmp_path: Path) -> None:
    """A worker cannot be busy for longer than it was there: all epochs of all members together fit into its time."""
    folder = make_folder(tmp_path, space_text=ONE_SHAPE)
    with driving(folder, trials=4) as driver:
        run(driver, driver.next_tasks(4), preparation.prepare_bundle(folder.space, None))

    spells = folder.read().worker_time.spells
    assert len(spells) == 4
    assert sum(spell.epoch_seconds for spell in spells) <= sum(spell.seconds for spell in spells)
    assert folder.read().worker_time.share_in_epochs() == pytest.approx(
        sum(event["seconds"] for event in events(folder, "epoch")) / sum(spell.seconds for spell in spells)
    )


def test_pruned_members_leave_the_others(tmp_path: Path) -> None:
    """The pruner judges each member; who is pruned has no further epoch, and the others go on to their ends."""
    text = ONE_SHAPE.replace('pruner = { kind = "none" }', HALVING)
    folder = make_folder(tmp_path, space_text=text)
    with driving(folder, trials=6) as driver:
        run(driver, driver.next_tasks(6), preparation.prepare_bundle(folder.space, None))

    record = folder.read()
    assert record.count("pruned") > 0
    assert record.count("pruned") + record.count("completed") == 6
    for trial in record.trials.values():
        if trial.state == "completed":
            assert len(trial.epochs) == trial.params["epochs"]
        else:
            assert len(trial.epochs) < trial.params["epochs"]
            assert "told to stop" in folder.layout.trial(trial.number).log.read_text()


def test_a_stopped_stack_goes_on_where_it_was(tmp_path: Path) -> None:
    """A study that is stopped interrupts each member at its next epoch; resumed, none of them repeats an epoch."""
    folder = make_folder(tmp_path, space_text=ONE_SHAPE)
    bundle = preparation.prepare_bundle(folder.space, None)
    with driving(folder, trials=3) as driver:
        tasks = driver.next_tasks(3)
        tell = telling(driver, tasks)

        def stop_after_one(told: Any) -> Any:
            if told[0][1]["event"] == "epoch":
                driver.ending.stop("interrupted")
            return tell(told)

        with contextlib.suppress(SystemExit):
            worker.run(tasks, bundle, stop_after_one)
    assert folder.read().counts["interrupted"] == 3

    with driving(folder, trials=3, kind="resumed") as driver:
        run(driver, driver.next_tasks(3), bundle)

    record = folder.read()
    assert record.counts["completed"] == 3
    assert record.trained == sum(trial.params["epochs"] for trial in record.trials.values())
    assert [event["resumed_from_epoch"] for event in events(folder, "started")] == [0, 0, 0, 1, 1, 1]


def test_a_member_that_had_ended_is_ended_first(tmp_path: Path) -> None:
    """One whose driver died between its last epoch and its end needs no more training; it ends, and the others train on."""
    folder = make_folder(tmp_path, space_text=GRID)
    bundle = preparation.prepare_bundle(folder.space, None)
    with driving(folder, trials=2) as driver:
        (first,) = driver.next_tasks(1)
        reports: list[Any] = []
        worker.run_trial(first, bundle, reports.append)
        for report in reports[:-1]:  # all but its end
            driver.receive(first.number, report)

    with driving(folder, trials=2, kind="resumed") as driver:
        run(driver, driver.next_tasks(2), bundle)

    record = folder.read()
    assert record.counts["completed"] == 2
    assert record.trained == 2


# On a real Ray.


def test_a_fused_study_on_ray(tmp_path: Path, ray_address: str) -> None:
    """Six trials, three to a stack: pruned ones are stopped by themselves, all end, and the best is had again alone."""
    text = SPACE.replace('pruner = { kind = "none" }', HALVING).replace("trials = 4", "trials = 6")
    folder = launch(Space.parse(text), tmp_path, resources=Resources(address=ray_address, fused=3))

    record = folder.read()
    assert record.count("completed") + record.count("pruned") == 6
    assert record.count("pruned") > 0
    assert record.session is not None
    assert record.session["fused"] == 3
    begun = events(folder, "started")
    assert [event["fused"] for event in begun] == [3] * 6
    for trial in record.trials.values():
        assert (len(trial.epochs) == trial.params["epochs"]) == (trial.state == "completed")
    assert reproduce(folder, tolerance=0.02).is_reproduced
    assert diagnose(tmp_path, "little").findings == ()


def test_a_lost_worker_loses_no_member(tmp_path: Path, ray_address: str) -> None:
    """When the process of a stack is killed, its trials go on together from their checkpoints in another one."""
    text = ONE_SHAPE.replace("low = 2\nhigh = 4", "low = 6\nhigh = 6").replace("trials = 4", "trials = 3")
    killed: list[int] = []

    class Killing(Watching):
        """Kills the first worker once each of its trials has two epochs."""

        def look(self) -> None:
            super().look()
            trials = self._driver.record.trials.values()
            if not killed and len(trials) == 3 and all(trial.last_epoch >= 2 for trial in trials):
                (pid,) = {event["pid"] for event in events(StudyFolder.open(tmp_path, "little"), "started")}
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("study.launch.tuning.Watching", Killing)
        folder = launch(Space.parse(text), tmp_path, resources=Resources(address=ray_address, fused=3))

    record = folder.read()
    assert len(killed) == 1
    assert record.counts["completed"] == 3
    assert [trial.interruptions["lost"] for trial in record.trials.values()] == [1, 1, 1]
    again = events(folder, "started")[3:]
    assert [event["fused"] for event in again] == [3, 3, 3]
    assert all(event["resumed_from_epoch"] >= 2 for event in again)


def test_what_cannot_be_fused_is_told(tmp_path: Path, ray_address: str) -> None:
    """A space of another form is refused with nothing left; so is a stack whose part of a GPU is to be measured."""
    text = SPACE.replace("[fixed]\n", '[fixed]\nform = "fast"\n')
    with pytest.raises(LaunchError, match="cannot be trained as a stack"):
        launch(Space.parse(text), tmp_path, resources=Resources(address=ray_address, fused=3))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LaunchError, match="is not measured"):
        Resources(fused=2, is_packed=True)
