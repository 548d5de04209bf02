"""What a worker does with a trial: claim an attempt, train, tell of every epoch. Knows neither ray nor optuna."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import functools
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from colournet import checkpoints, files, optimization
from colournet.checkpoints import Model
from colournet.config import TrainConfig
from colournet.data import DataBundle
from colournet.devices import choose_device
from colournet.errors import CheckpointError, DivergedError, UserError
from colournet.evaluation import score_model
from colournet.metrics import EpochMetrics, json_number
from colournet.models import build, count_parameters
from colournet.objective import Objective
from colournet.runs import is_pictured, save_picture, save_samples
from colournet.training import train
from study.launch import memory, trial_log
from study.launch.messages import Task, Tell
from study.launch.storage import StorageError
from study.layout import TrialLayout

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_OVERTIME_SECONDS = 5.0  # beyond a tenth of the limit: an epoch that ends in time ends the trial, not the process


@functools.cache
def warm_up() -> None:
    """Load what torch loads with a process's first optimizer, about a second's worth, before there is a trial to wait for it."""
    config = TrainConfig(num_filters=1)
    optimization.make_optimizer(build(config), config)


@memory.released()
def run_trial(task: Task, bundle: DataBundle, tell: Tell) -> None:
    """Train the trial of `task`, from its newest checkpoint if it has one, and tell how it goes.

    All of it is in the trial's log too. Whatever goes wrong in training is told as `failed`; the worker lives on. Only
    an attempt that hangs far beyond its time limit takes its process along. However it ends, nothing of it stays in memory.
    """
    layout, attempt = TrialLayout(Path(task.folder)), 0
    tell = trial_log.logged(tell, layout.log)
    try:
        attempt = _claim_attempt(layout, behind=task.attempts)
        with _watchdog(layout, attempt, task.timeout_seconds):
            config = TrainConfig.from_mapping(task.config)
            files.write_text(layout.config, config.to_toml())
            history = _adopt_checkpoint(layout, attempt, config)
            tell(_started(attempt, config, history))
            _train(task, config, bundle, attempt=attempt, resume=bool(history), tell=tell)
            tell({"event": "finished", "attempt": attempt, **_finish(task, bundle, layout.model(attempt))})
    except DivergedError as error:
        tell({"event": "failed", "attempt": attempt, "reason": "diverged", "message": error.message})
    except Exception as error:  # noqa: BLE001 (the boundary of a trial: any error is the trial's, told and logged)
        trial_log.write_error(layout.log, attempt)
        reason = _reason(error)
        message = error.message if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        error.__traceback__ = None  # it holds what the trial held
        if reason == "out_of_memory":
            memory.collect()
        tell({"event": "failed", "attempt": attempt, "reason": reason, "message": message.splitlines()[0][:500]})


def _reason(error: Exception) -> str:
    """The class of an error: `out_of_memory`, `disk_full`, also of a storage that does not answer, or else just `error`."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
        return "out_of_memory"
    has_no_room = isinstance(error, OSError) and error.errno in _NO_ROOM
    return "disk_full" if has_no_room or isinstance(error, StorageError) else "error"


@contextlib.contextmanager
def _watchdog(layout: TrialLayout, attempt: int, timeout_seconds: float | None) -> Iterator[None]:
    """End this process if the block hangs beyond its time limit, leaving where each thread was in `stacks`.

    It does not need Python's lock, which a hanging extension may hold.
    """
    if timeout_seconds is None:
        yield
        return
    path = layout.stacks(attempt)
    with path.open("w", encoding="utf-8") as file:
        faulthandler.dump_traceback_later(timeout_seconds * 1.1 + _OVERTIME_SECONDS, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)


def _train(task: Task, config: TrainConfig, bundle: DataBundle, *, attempt: int, resume: bool, tell: Tell) -> None:
    layout = TrialLayout(Path(task.folder))

    def picture(epoch: int, model: Model) -> None:
        if is_pictured(epoch) and not task.is_tested:
            layout.pictures.mkdir(exist_ok=True)
            save_picture(layout.picture(epoch), model, bundle.validation_images)

    train(
        config,
        bundle.for_run(config),
        on_model=picture,
        on_epoch=lambda metrics: tell({"event": "epoch", "attempt": attempt, **metrics.to_mapping()}),
        resume_from=layout.checkpoint(attempt) if resume else None,
        checkpoint_dir=layout.attempt(attempt),
        objective=Objective(task.metric, task.goal),
    )


def _finish(task: Task, bundle: DataBundle, path: Path) -> dict[str, float | None]:
    """Leave samples by the best epoch's model, and answer what it scores on the test images, if it is to be tested."""
    model = checkpoints.load_model(path)
    model.network.to(choose_device(model.config.device))
    save_samples(TrialLayout(Path(task.folder)).samples, model, bundle.validation_images)
    if not task.is_tested:
        return {}
    assert bundle.test_images is not None
    found = score_model(model, bundle.test_images)
    return {
        "test_loss": json_number(found.loss),
        "test_accuracy": json_number(found.accuracy),
        "test_mse": json_number(found.mse),
    }


def _claim_attempt(layout: TrialLayout, *, behind: int) -> int:
    """Make the folder of the next attempt after `behind`; making it is the claim, so two workers never share one."""
    layout.root.mkdir(parents=True, exist_ok=True)
    while True:
        attempt = max(behind, *layout.attempts(), 0) + 1
        try:
            layout.attempt(attempt).mkdir()
        except FileExistsError:
            continue
        return attempt


def _adopt_checkpoint(layout: TrialLayout, attempt: int, config: TrainConfig) -> Sequence[EpochMetrics]:
    """Copy the checkpoint with the most epochs behind it, of all earlier attempts, to this one; answer those epochs.

    A copy, since a worker that outlived its driver may still write to the original. One of another configuration, as a
    folder that was put together by hand may hold, is left alone.
    """
    histories = {number: _history(layout, number, config) for number in layout.attempts() if number < attempt}
    earlier = max(histories, key=lambda number: len(histories[number]), default=None)
    if earlier is None or not histories[earlier]:
        return ()
    files.copy(layout.checkpoint(earlier), layout.checkpoint(attempt))
    if layout.model(earlier).exists():
        files.copy(layout.model(earlier), layout.model(attempt))
    return _history(layout, attempt, config)


def _history(layout: TrialLayout, attempt: int, config: TrainConfig) -> Sequence[EpochMetrics]:
    """The epochs behind an attempt's checkpoint; none if it ended before its first, or the file is not one to go on from."""
    try:
        found, history = checkpoints.read_run(layout.checkpoint(attempt))
    except CheckpointError:
        return ()
    return history if found == config else ()


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
