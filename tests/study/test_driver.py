"""The driver, with made-up workers and no Ray: what it hands out, records and answers."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from study import best
from study.launch.display import Display
from study.launch.driver import Driver
from study.launch.optimizer import Optimizer
from study.records import parse
from study.store import StudyFolder
from tests.study.helpers import SPACE, epoch, make_folder, session, started

HALVING = SPACE.replace('kind = "none"', 'kind = "successive_halving", min_epochs = 1, reduction_factor = 2')


@contextmanager
def driving(folder: StudyFolder, *, trials: int = 4, kind: str = "launched") -> Iterator[Driver]:
    with folder.write() as writer:
        with folder.layout.events.open("rb") as lines:
            optimizer = Optimizer.rebuild(folder.space, writer.record, events=[parse(line) for line in lines])
        writer.append(kind, **session(trials))
        yield Driver(folder, writer, optimizer, trials=trials)


def say(driver: Driver, number: int, kind: str, fields: dict[str, Any]) -> str:
    return driver.receive(number, {"event": kind, **fields})


def start(driver: Driver, number: int, attempt: int = 1, history: tuple[dict[str, Any], ...] = ()) -> str:
    return say(driver, number, "started", {**started(attempt), "history": list(history)})


def finish(driver: Driver, folder: StudyFolder, number: int, losses: list[float], attempt: int = 1) -> None:
    """Train a made-up trial to its end, leaving the files that a worker leaves."""
    layout = folder.layout.trial(number)
    layout.attempt(attempt).mkdir(parents=True, exist_ok=True)
    for path in (layout.model(attempt), layout.config, layout.samples):
        path.write_text(f"{path.name} of trial {number}")
    for index, loss in enumerate(losses, start=1):
        assert say(driver, number, "epoch", epoch(index, loss, attempt=attempt)) == "continue"
    assert say(driver, number, "finished", {"attempt": attempt}) == "stop"


def events(folder: StudyFolder) -> list[Any]:
    return [parse(line) for line in folder.layout.events.read_bytes().splitlines()]


def test_a_completed_trial_has_its_best_epochs_value(tmp_path: Path) -> None:
    """Value, epoch and checkpoint of a completed trial are those of its best epoch, stored together."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        task = driver.next_task()
        assert task is not None
        start(driver, task.number)
        finish(driver, folder, task.number, [3.0, 1.0, 2.0])

    trial = folder.read().trial(0)
    assert (trial.value, trial.best_epoch) == (1.0, 2)
    assert trial.checkpoint == "trials/0000/attempt-1/best.safetensors"


def test_the_best_trial_is_kept_ready(tmp_path: Path) -> None:
    """`best/` holds the files of the best completed trial so far, and says whose they are."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        for losses in ([3.0], [1.0], [2.0]):
            task = driver.next_task()
            assert task is not None
            start(driver, task.number)
            finish(driver, folder, task.number, losses)

    assert folder.layout.best.model.read_text() == "best.safetensors of trial 1"
    assert '"trial": 1' in folder.layout.best.metrics.read_text()


def test_exactly_as_many_trials_as_asked_for(tmp_path: Path) -> None:
    """The driver hands out the trials that were asked for, and then says that it is done."""
    folder = make_folder(tmp_path)
    with driving(folder, trials=3) as driver:
        numbers = [task.number for task in iter(driver.next_task, None)]
        assert driver.is_done

    assert numbers == [0, 1, 2]


@pytest.mark.parametrize("field", ["train_loss", "val_loss"])
def test_a_diverged_trial_fails_at_once(tmp_path: Path, field: str) -> None:
    """A loss that is no number ends its trial as diverged; nothing of it is ranked."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        driver.next_task()
        start(driver, 0)
        answer = say(driver, 0, "epoch", {**epoch(1, 1.0), field: None})

    assert answer == "stop"
    trial = folder.read().trial(0)
    assert (trial.state, trial.reason) == ("failed", "diverged")
    assert trial.message == "the loss of epoch 1 is not finite"


def test_a_bad_trial_is_pruned(tmp_path: Path) -> None:
    """A trial far behind at the first rung is told to stop and recorded as pruned, at its best epoch."""
    folder = make_folder(tmp_path, space_text=HALVING)
    with driving(folder) as driver:
        for number, loss in enumerate([1.0, 1.0]):
            driver.next_task()
            start(driver, number)
            say(driver, number, "epoch", epoch(1, loss))
        driver.next_task()
        start(driver, 2)
        answer = say(driver, 2, "epoch", epoch(1, 9.0))

    assert answer == "stop"
    trial = folder.read().trial(2)
    assert (trial.state, trial.value, trial.best_epoch) == ("pruned", 9.0, 1)


def test_an_interrupted_trial_comes_first_and_under_its_number(tmp_path: Path) -> None:
    """What a closed driver left unfinished is handed out again before anything new, as it was."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        first = driver.next_task()
        start(driver, 0)
        say(driver, 0, "epoch", epoch(1, 2.0))
        driver.close("interrupted")
    assert folder.read().trial(0).state == "interrupted"

    with driving(folder, kind="resumed") as driver:
        again, new = driver.next_task(), driver.next_task()

    assert again == first
    assert new is not None
    assert new.number == 1


def test_epochs_that_the_record_missed_are_filled_in(tmp_path: Path) -> None:
    """Epochs that a worker trained after its driver died are recorded from the checkpoint's history, once each."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        driver.next_task()
        start(driver, 0)
        say(driver, 0, "epoch", epoch(1, 3.0))

    history = tuple({k: v for k, v in epoch(n, 4.0 - n).items() if k != "attempt"} for n in (1, 2))
    with driving(folder, kind="resumed") as driver:
        driver.next_task()
        start(driver, 0, attempt=2, history=history)

    told = [(event["epoch"], event.get("filled_in")) for event in events(folder) if event["event"] == "epoch"]
    assert told == [(1, None), (2, True)]


def test_a_verdict_that_was_not_recorded_is_made_good(tmp_path: Path) -> None:
    """If the driver died between an epoch and its pruning, the next driver prunes the trial and does not train it on."""
    folder = make_folder(tmp_path, space_text=HALVING)
    with driving(folder) as driver:
        for number, loss in enumerate([1.0, 1.0, 9.0]):
            driver.next_task()
            start(driver, number)
            say(driver, number, "epoch", epoch(1, loss))
        finish(driver, folder, 0, [])
    lines = folder.layout.events.read_bytes().splitlines(keepends=True)
    folder.layout.events.write_bytes(b"".join(line for line in lines if b'"pruned"' not in line))

    with driving(folder, kind="resumed") as driver:
        tasks = [driver.next_task(), driver.next_task()]

    assert folder.read().trial(2).state == "pruned"
    assert [task.number for task in tasks if task] == [1, 3]


def test_best_is_made_good_after_a_death(tmp_path: Path) -> None:
    """If the driver died between a trial's completion and its copy to `best/`, the copy is made when it is looked for."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        for losses in ([3.0], [1.0]):
            task = driver.next_task()
            assert task is not None
            start(driver, task.number)
            finish(driver, folder, task.number, losses)
    folder.layout.best.metrics.unlink()
    folder.layout.best.model.write_text("of another trial")

    best.refresh(folder, folder.read())

    assert folder.layout.best.model.read_text() == "best.safetensors of trial 1"
    assert '"trial": 1' in folder.layout.best.metrics.read_text()


def test_a_message_that_looks_like_markup_is_printed_as_it_is(tmp_path: Path) -> None:
    """Square brackets in an error's message neither vanish nor stop the study."""
    folder, console = make_folder(tmp_path), io.StringIO()
    with folder.write() as writer:
        display = Display(folder, writer.record, trials=4, console=console)
        writer.append("launched", **session())
        driver = Driver(folder, writer, Optimizer(folder.space), trials=4, on_event=display.tell)
        driver.next_task()
        start(driver, 0)
        say(driver, 0, "failed", {"attempt": 1, "reason": "error", "message": "OSError: [/dev/shm] [red]"})

    assert "[1/4] trial 0 failed: OSError: [/dev/shm] [red]" in console.getvalue()


def test_a_lost_worker_fails_its_trial_only_once(tmp_path: Path) -> None:
    """A trial given up by Ray is failed as lost; whatever its worker still says is ignored."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        driver.next_task()
        start(driver, 0)
        driver.lose(0, "gone")
        driver.lose(0, "gone")
        answer = say(driver, 0, "epoch", epoch(1, 1.0))

    assert answer == "stop"
    assert [event["event"] for event in events(folder)][-1] == "failed"
    assert folder.read().trial(0).reason == "lost"


def test_a_failed_trial_keeps_its_reason(tmp_path: Path) -> None:
    """What a worker says of an error stands in the record."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        driver.next_task()
        start(driver, 0)
        say(driver, 0, "failed", {"attempt": 1, "reason": "error", "message": "RuntimeError: no"})

    trial = folder.read().trial(0)
    assert (trial.state, trial.reason, trial.message) == ("failed", "error", "RuntimeError: no")


def test_the_record_says_why_the_driver_ended(tmp_path: Path) -> None:
    """Closing records the reason, and the trials that were under way as interrupted."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        driver.next_task()
        driver.close("terminated")

    record = folder.read()
    assert record.ended == "terminated"
    assert record.counts["interrupted"] == 1
