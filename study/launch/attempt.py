"""One attempt at a trial, as its worker makes it: its folder, what it goes on from, what it tells. No ray, no optuna."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from colournet import checkpoints, files
from colournet.checkpoints import Model
from colournet.config import TrainConfig
from colournet.data import DataBundle
from colournet.devices import choose_device
from colournet.errors import CheckpointError, UserError
from colournet.evaluation import score_model
from colournet.metrics import EpochMetrics, json_number
from colournet.models import count_parameters
from colournet.objective import Objective
from colournet.runs import is_pictured, save_picture, save_samples
from study.launch import trial_log
from study.launch.messages import Report, Task
from study.launch.storage import StorageError
from study.layout import TrialLayout

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_OVERTIME_SECONDS = 5.0  # beyond a tenth of the limit: an epoch that ends in time ends the trial, not the process


@dataclass(eq=False)
class Attempt:
    """An attempt at the trial of `task`; it has a number, from 1, once it is claimed."""

    task: Task
    number: int = 0
    config: TrainConfig = field(default_factory=TrainConfig)
    history: Sequence[EpochMetrics] = ()
    """The epochs behind the checkpoint that it goes on from."""

    @property
    def layout(self) -> TrialLayout:
        """The files of the trial."""
        return TrialLayout(Path(self.task.folder))

    @property
    def folder(self) -> Path:
        """Where this attempt leaves its checkpoints."""
        return self.layout.attempt(self.number)

    @property
    def checkpoint(self) -> Path | None:
        """What it goes on from, None where it begins afresh."""
        return self.layout.checkpoint(self.number) if self.history else None

    @property
    def objective(self) -> Objective:
        """The study's."""
        return Objective(self.task.metric, self.task.goal)

    def claim(self) -> None:
        """Make the folder of the next attempt; making it is the claim, so two workers never share one."""
        self.layout.root.mkdir(parents=True, exist_ok=True)
        number = max(self.task.attempts, *self.layout.attempts(), 0) + 1
        while True:
            try:
                self.layout.attempt(number).mkdir()
            except FileExistsError:
                number += 1
                continue
            self.number = number
            return

    def prepare(self) -> None:
        """Write the configuration, and adopt the checkpoint with the most epochs behind it of all earlier attempts.

        A copy, since a worker that outlived its driver may still write to the original. One of another configuration, as a
        folder that was put together by hand may hold, is left alone.
        """
        self.config = TrainConfig.from_mapping(self.task.config)
        layout = self.layout
        files.write_text(layout.config, self.config.to_toml())
        histories = {number: self._behind(number) for number in layout.attempts() if number < self.number}
        earlier = max(histories, key=lambda number: len(histories[number]), default=None)
        if earlier is None or not histories[earlier]:
            return
        files.copy(layout.checkpoint(earlier), layout.checkpoint(self.number))
        if layout.model(earlier).exists():
            files.copy(layout.model(earlier), layout.model(self.number))
        self.history = self._behind(self.number)

    def _behind(self, number: int) -> Sequence[EpochMetrics]:
        """The epochs behind an attempt's checkpoint; none if it ended before its first, or the file is not one to go on from."""
        try:
            found, history = checkpoints.read_run(self.layout.checkpoint(number))
        except CheckpointError:
            return ()
        return history if found == self.config else ()

    def picture(self, epoch: int, model: Model, bundle: DataBundle) -> None:
        """Leave what the samples look like after an epoch, if it is one to be pictured."""
        if is_pictured(epoch) and not self.task.is_tested:
            self.layout.pictures.mkdir(exist_ok=True)
            save_picture(self.layout.picture(epoch), model, bundle.validation_images)

    def finish(self, bundle: DataBundle) -> dict[str, Any]:
        """Leave samples by the best epoch's model; the report of the end, with its test scores if it is to be tested."""
        model = checkpoints.load_model(self.layout.model(self.number))
        model.network.to(choose_device(model.config.device))
        save_samples(self.layout.samples, model, bundle.validation_images)
        return {"event": "finished", "attempt": self.number, **(_tested(model, bundle) if self.task.is_tested else {})}

    def started(self) -> dict[str, Any]:
        """The report of the start."""
        return {
            "event": "started",
            "attempt": self.number,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "device": str(choose_device(self.config.device)),
            "parameters": count_parameters(self.config),
            "resumed_from_epoch": len(self.history),
            "history": [metrics.to_mapping() for metrics in self.history],
        }

    def epoch(self, metrics: EpochMetrics) -> Report:
        """The report of an epoch."""
        return {"event": "epoch", "attempt": self.number, **metrics.to_mapping()}

    def failed(self, reason: str, message: str) -> Report:
        """The report of an error, its first line."""
        return {"event": "failed", "attempt": self.number, "reason": reason, "message": message.splitlines()[0][:500]}

    def failed_by(self, error: Exception) -> Report:
        """Log an error that is being handled; its report, by the class of the error."""
        trial_log.write_error(self.layout.log, self.number)
        message = error.message if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        return self.failed(_reason(error), message)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """End this process if the block hangs beyond its time limit, leaving where each thread was in `stacks`.

        It does not need Python's lock, which a hanging extension may hold.
        """
        limit = self.task.timeout_seconds
        if limit is None:
            yield
            return
        path = self.layout.stacks(self.number)
        with path.open("w", encoding="utf-8") as file:
            faulthandler.dump_traceback_later(limit * 1.1 + _OVERTIME_SECONDS, exit=True, file=file)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
                path.unlink(missing_ok=True)


def _tested(model: Model, bundle: DataBundle) -> dict[str, float | None]:
    """What the model scores on the test images."""
    assert bundle.test_images is not None
    found = score_model(model, bundle.test_images)
    return {
        "test_loss": json_number(found.loss),
        "test_accuracy": json_number(found.accuracy),
        "test_mse": json_number(found.mse),
    }


def _reason(error: Exception) -> str:
    """The class of an error: `out_of_memory`, `disk_full`, also of a storage that does not answer, or else just `error`."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
        return "out_of_memory"
    has_no_room = isinstance(error, OSError) and error.errno in _NO_ROOM
    return "disk_full" if has_no_room or isinstance(error, StorageError) else "error"
