"""What a trial leaves in the memory of its worker: nothing."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from colournet.config import TrainConfig
from colournet.data import DataBundle, prepare
from study.launch import worker
from study.launch.driver import Driver
from study.launch.messages import Report, Task
from study.launch.resources import Node, Resources, room
from tests.study import made_up_workers
from tests.study.helpers import epoch, make_folder, started

CONFIG = TrainConfig(
    dataset="scenes", train_images=40, num_filters=2, batch_size=20, num_colours=8, epochs=2, model="unet"
)
KINDS = (nn.Module, torch.optim.Optimizer, torch.Tensor)


class StopTrial(SystemExit):
    """How Ray ends a trial inside of telling."""


@pytest.fixture(scope="module")
def bundle() -> DataBundle:
    return prepare(CONFIG)


@pytest.fixture
def no_collection(tmp_path: Path, bundle: DataBundle) -> Iterator[None]:
    """What a first trial loads is loaded, and nothing is collected that is not just let go."""
    worker.run_trial(make_task(tmp_path / "first"), bundle, lambda _: None)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def make_task(folder: Path, **changes: Any) -> Task:
    return Task(
        number=7, folder=str(folder), config={**CONFIG.to_mapping(), **changes}, metric="val_loss", goal="minimize"
    )


def held() -> int:
    """How many networks, optimizers and tensors there are."""
    return sum(issubclass(type(thing), KINDS) for thing in gc.get_objects())


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ({}, "finished"),
        ({"learning_rate": 1e30}, "diverged"),
        ({"train_images": 10_000}, "error"),
    ],
    ids=["finished", "diverged", "error"],
)
def test_a_trial_that_has_ended_holds_nothing(
    tmp_path: Path, bundle: DataBundle, no_collection: None, changes: dict[str, Any], last: str
) -> None:
    """Whether it was finished, diverged or failed, no network, no optimizer and no tensor of it is left."""
    told: list[Report] = []
    before = held()

    worker.run_trial(make_task(tmp_path / "trial", **changes), bundle, told.append)

    assert told[-1].get("reason", told[-1]["event"]) == last
    assert held() == before


@pytest.mark.parametrize("changes", [{}, {"learning_rate": 1e30}], ids=["in an epoch", "telling of a failure"])
def test_a_trial_that_is_stopped_holds_nothing(
    tmp_path: Path, bundle: DataBundle, no_collection: None, changes: dict[str, Any]
) -> None:
    """The exception by which it is ended keeps its frames, and these keep nothing."""
    told: list[Report] = []

    def stop(report: Report) -> None:
        told.append(report)
        if report["event"] == ("failed" if changes else "epoch"):
            raise StopTrial

    before = held()
    with pytest.raises(StopTrial) as stopped:
        worker.run_trial(make_task(tmp_path / "trial", **changes), bundle, stop)

    assert stopped.value.__traceback__ is not None
    assert told[-1]["event"] in ("epoch", "failed")
    assert held() == before


def test_a_trial_out_of_memory_holds_nothing_when_it_tells(
    tmp_path: Path, bundle: DataBundle, no_collection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the driver hears of it, and may hand it out again, what it held is free."""
    whole, left = worker.train, list[int]()

    def train(*arguments: Any, **options: Any) -> None:
        whole(*arguments, **options)
        kept = torch.zeros(3)
        raise torch.OutOfMemoryError(f"no room beside {len(kept)}")

    def tell(report: Report) -> None:
        if report["event"] == "failed":
            left.append(held())

    monkeypatch.setattr(worker, "train", train)
    before = held()
    worker.run_trial(make_task(tmp_path / "trial"), bundle, tell)

    assert left == [before]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_empty_between_trials(tmp_path: Path, bundle: DataBundle) -> None:
    """After each trial, finished or stopped, as much of a GPU is taken as after the first, and nothing is kept in reserve."""

    def stop(report: Report) -> None:
        if report["event"] == "epoch":
            raise StopTrial

    taken = []
    for number, tell in enumerate([lambda _: None, lambda _: None, stop, lambda _: None]):
        with contextlib.suppress(StopTrial):
            worker.run_trial(make_task(tmp_path / str(number)), bundle, tell)
        taken.append((torch.cuda.memory_allocated(), torch.cuda.memory_reserved()))

    assert set(taken[1:]) == {taken[0]}


def fail(driver: Driver, number: int, *, attempt: int) -> None:
    driver.receive(number, {"event": "started", **started(attempt), "history": []})
    told = {"event": "failed", "attempt": attempt, "reason": "out_of_memory", "message": "no"}
    assert driver.receive(number, told) == "stop"


@dataclass
class RoomyCluster:
    """A cluster with room for so many trials."""

    capacity: int


def test_a_trial_out_of_memory_has_its_gpu_alone(tmp_path: Path) -> None:
    """Where four trials share each of two GPUs, one that ran out of memory waits for all others and runs beside none."""
    from study.launch.groups import Groups
    from study.launch.tuning import DriverSearcher

    node = Node(id="a", name="a", resources={"CPU": 8.0, "GPU": 2.0}, labels={})
    places = room([node], Resources(gpus_per_trial=0.25))
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        driver = made_up_workers.make_driver(folder, writer, trials=20, kind="launched")
        groups = Groups()
        searcher = DriverSearcher(driver, RoomyCluster(places), groups, size=1)  # type: ignore[arg-type]

        def hand_out(name: str) -> int:
            (task,) = searcher.suggest(name)["tasks"]
            return int(task["number"])

        handed = [hand_out(str(number)) for number in range(places)]
        assert searcher.suggest("no room") is None
        fail(driver, 3, attempt=1)
        groups.end("3", [3])
        for number in (n for n in handed if n != 3):
            assert searcher.suggest("beside others") is None
            driver.receive(number, {"event": "started", **started(), "history": []})
            driver.receive(number, {"event": "epoch", **epoch(1, None)})  # it diverges, and so has ended
            groups.end(str(number), [number])
        assert hand_out("alone") == 3
        assert searcher.suggest("beside it") is None
        fail(driver, 3, attempt=2)
        groups.end("alone", [3])
        more = [searcher.suggest(str(number)) for number in range(places + 1)]

    assert places == 8
    assert handed == list(range(8))
    assert folder.read().trial(3).message == "no; also when it ran alone"
    assert [task is not None for task in more] == [True] * 8 + [False]
