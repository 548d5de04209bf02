"""What a worker does with a trial: claim an attempt, train, tell of every epoch. Knows neither ray nor optuna."""

from __future__ import annotations

import os
import shutil
import socket
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from colournet import checkpoints
from colournet.config import TrainConfig
from colournet.data import DataBundle, TrainingData
from colournet.errors import CheckpointError, DivergedError, UserError
from colournet.metrics import EpochMetrics
from colournet.models import count_parameters
from colournet.objective import Objective
from colournet.runs import save_samples, write_text
from colournet.training import choose_device, train
from study.launch.messages import Task, Tell
from study.layout import TrialLayout


def run_trial(task: Task, bundle: DataBundle, tell: Tell) -> None:
    """Train the trial of `task`, from its newest checkpoint if it has one, and tell how it goes.

    Whatever goes wrong in training is told as `failed`, with the traceback in the trial's log; the worker lives on.
    """
    layout = TrialLayout(Path(task.folder))
    attempt = _claim_attempt(layout)
    try:
        config = TrainConfig.from_mapping(task.config)
        write_text(layout.config, config.to_toml())
        resumed, history = _newest_checkpoint(layout, before=attempt)
        tell(_started(attempt, config, history))
        data = bundle.for_run(config)
        _train(task, config, data, attempt=attempt, resumed=resumed, tell=tell)
    except DivergedError as error:
        tell({"event": "failed", "attempt": attempt, "reason": "diverged", "message": error.message})
    except Exception as error:  # noqa: BLE001 (the boundary of a trial: any error is the trial's, told and logged)
        _log(layout, attempt)
        message = error.message if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        tell({"event": "failed", "attempt": attempt, "reason": "error", "message": message.splitlines()[0][:500]})


def _train(
    task: Task, config: TrainConfig, data: TrainingData, *, attempt: int, resumed: int | None, tell: Tell
) -> None:
    layout = TrialLayout(Path(task.folder))
    if resumed is not None and layout.model(resumed).exists():
        shutil.copyfile(layout.model(resumed), layout.model(attempt))
    train(
        config,
        data,
        on_epoch=lambda metrics: tell({"event": "epoch", "attempt": attempt, **metrics.to_mapping()}),
        resume_from=None if resumed is None else layout.checkpoint(resumed),
        checkpoint_dir=layout.attempt(attempt),
        objective=Objective(task.metric, task.goal),
    )
    save_samples(layout.samples, checkpoints.load_model(layout.model(attempt)), data.validation_images)
    tell({"event": "finished", "attempt": attempt})


def _claim_attempt(layout: TrialLayout) -> int:
    """Make the folder of the next attempt; making it is the claim, so two workers never share one."""
    layout.root.mkdir(parents=True, exist_ok=True)
    while True:
        attempt = max(layout.attempts(), default=0) + 1
        try:
            layout.attempt(attempt).mkdir()
        except FileExistsError:
            continue
        return attempt


def _newest_checkpoint(layout: TrialLayout, *, before: int) -> tuple[int | None, Sequence[EpochMetrics]]:
    """The earlier attempt whose readable checkpoint has the most epochs behind it, and those epochs."""
    found: tuple[int | None, Sequence[EpochMetrics]] = (None, ())
    for attempt in range(1, before):
        try:
            history = checkpoints.read_history(layout.checkpoint(attempt))
        except CheckpointError:
            continue  # the attempt ended before its first epoch
        if len(history) > len(found[1]):
            found = (attempt, history)
    return found


def _started(attempt: int, config: TrainConfig, history: Sequence[EpochMetrics]) -> dict[str, Any]:
    return {
        "event": "started",
        "attempt": attempt,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "device": str(choose_device(config.device)),
        "parameters": count_parameters(config),
        "resumed_from_epoch": len(history),
        "history": [metrics.to_mapping() for metrics in history],
    }


def _log(layout: TrialLayout, attempt: int) -> None:
    with layout.log.open("a", encoding="utf-8") as log:
        log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, attempt {attempt}\n{traceback.format_exc()}\n")
