"""A worker's work on one trial, in this process: training, checkpoints, and what it tells."""

import contextlib
import dataclasses
import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from colournet import checkpoints, pictures
from colournet.config import TrainConfig
from colournet.data import DataBundle, prepare, read_test_images
from colournet.evaluation import evaluate
from colournet.metrics import EpochMetrics
from study.launch import worker
from study.launch.messages import Report, Task
from study.layout import TrialLayout

CONFIG = TrainConfig(
    dataset="scenes", train_images=40, num_filters=2, batch_size=20, num_colours=8, epochs=4, model="cnn"
)
TIMES = ("seconds", "images_per_second")


class StopTrial(SystemExit):
    """How Ray ends a trial inside of telling."""


@pytest.fixture(scope="module")
def bundle() -> DataBundle:
    return prepare(CONFIG)


def make_task(folder: Path, **changes: Any) -> Task:
    config = {**CONFIG.to_mapping(), **changes}
    return Task(number=7, folder=str(folder), config=config, metric="val_loss", goal="minimize")


def run(task: Task, bundle: DataBundle, *, stop_after: int | None = None) -> list[Report]:
    """Run a trial; every report must survive JSON. With `stop_after`, the telling of that epoch does not return."""
    told: list[Report] = []

    def tell(report: Report) -> None:
        told.append(json.loads(json.dumps(report, allow_nan=False)))
        if report["event"] == "epoch" and report["epoch"] == stop_after:
            raise StopTrial

    with contextlib.suppress(StopTrial):
        worker.run_trial(task, bundle, tell)
    return told


def numbers(reports: list[Report]) -> list[dict[str, Any]]:
    """The epochs told, without what the clock decides."""
    dropped = ("event", "attempt", *TIMES)
    return [
        {name: value for name, value in report.items() if name not in dropped}
        for report in reports
        if report["event"] == "epoch"
    ]


def test_a_trial_is_told_from_start_to_end(tmp_path: Path, bundle: DataBundle) -> None:
    """A worker tells of its start, of each epoch once, and of its end, and leaves the trial's files."""
    told = run(make_task(tmp_path / "t"), bundle)

    assert [report["event"] for report in told] == ["started", *["epoch"] * 4, "finished"]
    assert [report["epoch"] for report in told if report["event"] == "epoch"] == [1, 2, 3, 4]
    layout = TrialLayout(tmp_path / "t")
    for path in (layout.config, layout.samples, layout.model(1), layout.checkpoint(1)):
        assert path.exists()
    assert TrainConfig.from_toml(layout.config) == CONFIG


def test_a_trial_has_one_log(tmp_path: Path, bundle: DataBundle) -> None:
    """A log tells of each attempt's start, of each epoch in a line, and of its end; of an error with the traceback."""
    layout = TrialLayout(tmp_path / "t")
    run(make_task(tmp_path / "t"), bundle, stop_after=2)
    run(make_task(tmp_path / "t"), bundle)
    lines = [line.partition(" UTC, ")[2] for line in layout.log.read_text().splitlines()]

    assert lines[0].startswith("attempt 1: begins on ")
    assert [line[:19] for line in lines[1:3]] == ["attempt 1: epoch 1:", "attempt 1: epoch 2:"]
    assert lines[3].startswith("attempt 1: told to stop")
    assert lines[4].endswith("goes on from epoch 2")
    assert [line[:19] for line in lines[5:7]] == ["attempt 2: epoch 3:", "attempt 2: epoch 4:"]
    assert lines[7:] == ["attempt 2: has trained all its epochs"]

    run(make_task(tmp_path / "u", category="dragon"), bundle)
    log = TrialLayout(tmp_path / "u").log.read_text()
    assert "Traceback" in log
    assert "attempt 1: fails (error): " in log


def test_a_trial_that_is_tested_tells_its_scores(tmp_path: Path, bundle: DataBundle) -> None:
    """What it tells is what the best epoch's model scores on the test images; a trial of a search tells nothing of them."""
    images = read_test_images(CONFIG)
    tested = dataclasses.replace(make_task(tmp_path / "t"), is_tested=True)
    told = run(tested, dataclasses.replace(bundle, test_images=images))[-1]
    scores = evaluate(
        checkpoints.load_model(TrialLayout(tmp_path / "t").model(1)), images, bundle.train_images["horse"]
    )

    assert told == {
        "event": "finished",
        "attempt": 1,
        "test_loss": scores["cross_entropy"],
        "test_accuracy": scores["accuracy"],
        "test_mse": scores["mse"],
    }
    assert run(make_task(tmp_path / "s"), bundle)[-1] == {"event": "finished", "attempt": 1}


def test_a_trial_leaves_pictures_on_its_way(tmp_path: Path, bundle: DataBundle) -> None:
    """After 1 and 5 epochs it colours the images of its samples; a trial that is tested leaves no such pictures."""
    run(make_task(tmp_path / "t", epochs=6), bundle)
    layout = TrialLayout(tmp_path / "t")

    assert layout.pictured() == [1, 5]
    first, fifth = (pictures.read_strip(layout.picture(epoch)) for epoch in (1, 5))
    grey, truth, _ = pictures.read_samples(layout.samples)
    assert first.shape == fifth.shape == truth.shape
    assert not np.array_equal(first, fifth)
    assert np.array_equal(truth, bundle.validation_images[: len(truth)])
    assert np.array_equal(grey, pictures.grey_copy(truth))

    images = read_test_images(CONFIG)
    run(dataclasses.replace(make_task(tmp_path / "s"), is_tested=True), dataclasses.replace(bundle, test_images=images))
    assert TrialLayout(tmp_path / "s").pictured() == []


def test_a_stopped_trial_goes_on_as_a_new_attempt(tmp_path: Path, bundle: DataBundle) -> None:
    """A trial stopped in an epoch goes on from its checkpoint, with the numbers of one that was never stopped."""
    whole = run(make_task(tmp_path / "whole"), bundle)
    first = run(make_task(tmp_path / "parts"), bundle, stop_after=2)
    second = run(make_task(tmp_path / "parts"), bundle)

    assert numbers(first) + numbers(second) == numbers(whole)
    assert (second[0]["attempt"], second[0]["resumed_from_epoch"]) == (2, 2)
    history = [EpochMetrics.from_mapping(metrics).epoch for metrics in second[0]["history"]]
    assert history == [1, 2]


def test_the_best_model_of_an_earlier_attempt_is_kept(tmp_path: Path, bundle: DataBundle) -> None:
    """If the best epoch was trained before a stop, the finished trial still has that epoch's model."""
    task = make_task(tmp_path / "t", learning_rate=1e-9)  # hardly moves: only BatchNorm's statistics do
    told = run(task, bundle, stop_after=3)
    run(task, bundle)

    layout = TrialLayout(tmp_path / "t")
    assert len(told) == 4
    assert layout.model(2).exists()


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, bundle: DataBundle) -> None:
    """Where the last checkpoint cannot be read the trial begins anew, rather than failing."""
    run(make_task(tmp_path / "t"), bundle, stop_after=2)
    TrialLayout(tmp_path / "t").checkpoint(1).write_bytes(b"damaged")

    told = run(make_task(tmp_path / "t"), bundle)

    assert told[0]["resumed_from_epoch"] == 0
    assert told[-1]["event"] == "finished"


def test_a_new_attempt_owns_its_checkpoint(tmp_path: Path, bundle: DataBundle) -> None:
    """What a new attempt goes on from is a copy of its own, which a worker that outlived its driver cannot change."""
    layout = TrialLayout(tmp_path / "t")
    run(make_task(tmp_path / "t"), bundle, stop_after=2)
    told: list[Report] = []

    def tell(report: Report) -> None:
        told.append(report)
        layout.checkpoint(1).write_bytes(b"written by an orphan")

    worker.run_trial(make_task(tmp_path / "t"), bundle, tell)

    assert [report["event"] for report in told] == ["started", "epoch", "epoch", "finished"]
    assert [report["epoch"] for report in told if report["event"] == "epoch"] == [3, 4]


def test_divergence_is_told_as_such(tmp_path: Path, bundle: DataBundle) -> None:
    """A loss that is no number is told as null, then the trial as diverged."""
    told = run(make_task(tmp_path / "t", learning_rate=1e30), bundle)

    assert told[-2]["event"] == "epoch"
    assert None in (told[-2]["train_loss"], told[-2]["val_loss"])
    assert (told[-1]["event"], told[-1]["reason"]) == ("failed", "diverged")


def test_an_error_is_told_and_logged(tmp_path: Path, bundle: DataBundle) -> None:
    """An error ends the trial, not the worker: its last line is told, its traceback is in the trial's log."""
    told = run(make_task(tmp_path / "t", train_images=10_000), bundle)

    assert (told[-1]["event"], told[-1]["reason"]) == ("failed", "error")
    assert "only 1200 to train on" in told[-1]["message"]
    assert "Traceback" in TrialLayout(tmp_path / "t").log.read_text()


def test_a_folder_without_its_attempts_begins_anew(tmp_path: Path, bundle: DataBundle) -> None:
    """Where the folders of recorded attempts are gone, the next one still has the next number, from the first epoch."""
    task = dataclasses.replace(make_task(tmp_path / "t"), attempts=3)

    told = run(task, bundle)

    assert (told[0]["attempt"], told[0]["resumed_from_epoch"]) == (4, 0)
    assert told[-1]["event"] == "finished"


def test_a_checkpoint_of_another_configuration_is_left_alone(tmp_path: Path, bundle: DataBundle) -> None:
    """A trial does not go on from what was trained with other settings."""
    run(make_task(tmp_path / "t", learning_rate=0.5), bundle, stop_after=2)

    told = run(make_task(tmp_path / "t"), bundle)

    assert (told[0]["attempt"], told[0]["resumed_from_epoch"]) == (2, 0)
    assert told[-1]["event"] == "finished"


def test_every_error_has_its_class(tmp_path: Path, bundle: DataBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and room that run out are told from other errors, whoever raises them."""
    raised = {
        "out_of_memory": [
            MemoryError("no"),
            torch.OutOfMemoryError("no"),
            RuntimeError("DefaultCPUAllocator: no memory"),
        ],
        "disk_full": [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Disk quota exceeded")],
        "error": [RuntimeError("no"), OSError(errno.EACCES, "Permission denied")],
    }
    for reason, errors in raised.items():
        for number, error in enumerate(errors):

            def fail(*_: Any, error: Exception = error, **__: Any) -> None:
                raise error

            monkeypatch.setattr(worker, "train", fail)
            told = run(make_task(tmp_path / f"{reason}-{number}"), bundle)
            assert (told[-1]["event"], told[-1]["reason"]) == ("failed", reason)
