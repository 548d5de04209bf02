"""Made-up workers: they do to a study's folder and to its driver what real ones do, without torch and without Ray."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colournet.config import TrainConfig
from colournet.errors import CheckpointError
from colournet.names import CHECKPOINT_FORMAT, METADATA_ENTRY, MODEL_FORMAT
from study.launch.driver import Driver
from study.launch.messages import Report, Task, TellAll
from study.launch.optimizer import Optimizer
from study.layout import TrialLayout
from study.records import parse
from study.store import RecordWriter, StudyFolder
from study.weights import describe_checkpoint
from tests.study.helpers import epoch, session, started

_PLACES = 2


class DriverDied(BaseException):
    """The driver was killed."""


def run(folder: StudyFolder, *, trials: int, kind: str = "launched", events: int | None = None) -> None:
    """Run a study to its end; the driver dies once it has written so many events."""
    with folder.write() as writer:
        driver = make_driver(folder, mortal(writer, events), trials=trials, kind=kind)
        live: list[Worker] = []
        while True:
            while len(live) < _PLACES and (task := driver.next_task()) is not None:
                worker = Worker.claim(task)
                if worker.start(driver):
                    live.append(worker)
            if not live:
                break
            worker = live.pop(0)
            if worker.train(driver):
                live.append(worker)
        driver.close()


def die(folder: StudyFolder, *, trials: int, events: int, kind: str = "launched") -> None:
    """Run a study until its driver dies."""
    try:
        run(folder, trials=trials, events=events, kind=kind)
    except DriverDied:
        return
    raise AssertionError("the study ended before its driver died")


def make_driver(folder: StudyFolder, writer: RecordWriter, *, trials: int, kind: str, **options: Any) -> Driver:
    """A driver as a launch or resume makes it."""
    with folder.layout.events.open("rb") as lines:
        optimizer = Optimizer.rebuild(folder.space, writer.record, events=[parse(line) for line in lines])
    writer.append(kind, **session(trials))
    return Driver(folder, writer, optimizer, trials=trials, **options)


def telling(driver: Driver, tasks: Sequence[Task]) -> TellAll:
    """How a worker tells of its trials, as by Ray: every report as JSON; it does not return where all are over."""
    over: set[int] = set()

    def tell(told: Sequence[tuple[int, Report]]) -> Collection[int]:
        for number, report in json.loads(json.dumps(told, allow_nan=False)):
            if driver.receive(number, report) == "stop":
                over.add(number)
        if over == {task.number for task in tasks}:
            raise SystemExit
        return over

    return tell


def mortal(writer: RecordWriter, events: int | None) -> RecordWriter:
    """A writer whose process dies in place of writing one event more than so many."""
    append, left = writer.append, events

    def append_or_die(*names: Any, **fields: Any) -> Any:
        nonlocal left
        if left is not None:
            if left == 0:
                raise DriverDied
            left -= 1
        return append(*names, **fields)

    writer.append = append_or_die  # type: ignore[method-assign]
    return writer


def loss(number: int, epoch_number: int) -> float:
    """The loss of a trial after an epoch, falling to a level of its own."""
    return 1.0 + (number * 7 % 5) / 10 + 1 / epoch_number


@dataclass
class Worker:
    """One attempt at a trial."""

    task: Task
    attempt: int
    history: list[dict[str, Any]]

    @classmethod
    def claim(cls, task: Task) -> Worker:
        """Make the attempt's folder and go on from the longest history of the same configuration, if there is one."""
        layout = TrialLayout(Path(task.folder))
        attempt = max(task.attempts, *layout.attempts(), 0) + 1
        layout.attempt(attempt).mkdir(parents=True)
        config = TrainConfig.from_mapping(task.config)
        layout.config.write_text(config.to_toml())
        histories = {
            number: _history(layout.checkpoint(number), config) for number in layout.attempts() if number < attempt
        }
        earlier = max(histories, key=lambda number: len(histories[number]), default=None)
        if earlier is not None and histories[earlier]:
            for path in (layout.model, layout.checkpoint):
                shutil.copyfile(path(earlier), path(attempt))
            return cls(task, attempt, [dict(row) for row in histories[earlier]])
        return cls(task, attempt, [])

    def start(self, driver: Driver) -> bool:
        """Tell of the start; answer whether the trial goes on."""
        fields = started(self.attempt, resumed_from_epoch=len(self.history))
        report = {"event": "started", **fields, "history": self.history}
        return driver.receive(self.task.number, report) == "continue"

    def train(self, driver: Driver) -> bool:
        """Train an epoch, or end if there is none left; answer whether the trial goes on."""
        layout, config = TrialLayout(Path(self.task.folder)), TrainConfig.from_mapping(self.task.config)
        if len(self.history) == config.epochs:
            layout.samples.write_text(f"samples of trial {self.task.number}")
            driver.receive(self.task.number, {"event": "finished", "attempt": self.attempt})
            return False
        told = epoch(len(self.history) + 1, loss(self.task.number, len(self.history) + 1), attempt=self.attempt)
        self.history.append({name: value for name, value in told.items() if name != "attempt"})
        write_weights(layout.model(self.attempt), config)
        write_weights(layout.checkpoint(self.attempt), config, self.history)
        return driver.receive(self.task.number, {"event": "epoch", **told}) == "continue"


def _history(path: Path, config: TrainConfig) -> Sequence[Any]:
    try:
        found = describe_checkpoint(path)
    except CheckpointError:
        return ()
    return found.history if found.config == config else ()


def write_weights(path: Path, config: TrainConfig, history: Sequence[Any] | None = None) -> None:
    """A small weight file as `colournet.checkpoints` writes them: a checkpoint if it has a history, else a model."""
    described: dict[str, Any] = {
        "format": MODEL_FORMAT if history is None else CHECKPOINT_FORMAT,
        "config": config.to_mapping(),
    }
    if history is not None:
        described["history"] = list(history)
    path.write_bytes(safetensors_bytes({METADATA_ENTRY: json.dumps(described)}))


def safetensors_bytes(metadata: dict[str, str]) -> bytes:
    """A safetensors file of two tensors."""
    header = {
        "__metadata__": metadata,
        "generator": {"dtype": "U8", "shape": [5], "data_offsets": [0, 5]},
        "weights.a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [5, 29]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(29)
