"""The driver, with made-up workers and no Ray: what it hands out, records and answers."""

import dataclasses
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from study import best
from study.errors import LaunchError
from study.launch import retention
from study.launch.display import Display
from study.launch.driver import Driver
from study.launch.optimizer import Optimizer
from study.limits import Budget, Limits
from study.records import parse
from study.store import StudyFolder
from tests.study.helpers import PARAMS, SPACE, epoch, make_folder, session, started

HALVING = SPACE.replace('kind = "none"', 'kind = "successive_halving", min_epochs = 1, reduction_factor = 2')


@contextmanager
def driving(folder: StudyFolder, *, trials: int | None = 4, kind: str = "launched", **options: Any) -> Iterator[Driver]:
    with folder.write() as writer:
        with folder.layout.events.open("rb") as lines:
            optimizer = Optimizer.rebuild(folder.space, writer.record, events=[parse(line) for line in lines])
        writer.append(kind, **session(trials or 0))
        yield Driver(folder, writer, optimizer, trials=trials, **options)


def say(driver: Driver, number: int, kind: str, fields: dict[str, Any]) -> str:
    return driver.receive(number, {"event": kind, **fields})


def start(driver: Driver, number: int, attempt: int = 1, history: tuple[dict[str, Any], ...] = ()) -> str:
    return say(driver, number, "started", {**started(attempt), "history": list(history)})


def hand_out(driver: Driver) -> int:
    """The number of the next trial, which there must be."""
    task = driver.next_task()
    assert task is not None
    return task.number


def stop(driver: Driver, reason: str) -> None:
    driver.ending.stop(reason)
    driver.close()


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
        for number in numbers:
            driver.lose(number, "gone")
            start(driver, hand_out(driver))
            finish(driver, folder, number, [1.0] * 4)
        assert driver.is_complete

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
        stop(driver, "interrupted")
    assert folder.read().trial(0).state == "interrupted"

    with driving(folder, kind="resumed") as driver:
        again, new = driver.next_task(), driver.next_task()

    assert first is not None
    assert again == dataclasses.replace(first, attempts=1)
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

    best.refresh(folder, folder.best(folder.read()))

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


def test_a_lost_worker_is_not_counted_against_its_trial(tmp_path: Path) -> None:
    """A trial whose worker is lost is interrupted, handed out next, and fails as lost only after the retries allowed."""
    folder = make_folder(tmp_path)
    with driving(folder, limits=Limits(lost_retries=2)) as driver:
        for attempt in (1, 2, 3):
            assert hand_out(driver) == 0
            start(driver, 0, attempt)
            driver.lose(0, "gone")
            driver.lose(0, "gone")
        answer = say(driver, 0, "epoch", epoch(1, 1.0))

    assert answer == "stop"
    told = [(event["event"], event.get("reason")) for event in events(folder) if event["event"] != "started"]
    assert told[2:] == [("interrupted", "lost"), ("interrupted", "lost"), ("failed", "lost")]
    assert folder.read().trial(0).message == "gone; its worker was lost 3 times"


def test_losses_are_counted_over_sessions(tmp_path: Path) -> None:
    """A resumed study remembers how often a trial's worker was lost."""
    folder = make_folder(tmp_path)
    with driving(folder, limits=Limits(lost_retries=1)) as driver:
        hand_out(driver)
        driver.lose(0, "gone")
    with driving(folder, kind="resumed", limits=Limits(lost_retries=1)) as driver:
        hand_out(driver)
        driver.lose(0, "gone")

    assert folder.read().trial(0).reason == "lost"
    assert folder.read().trial(0).state == "failed"


def fail(driver: Driver, number: int, reason: str, attempt: int = 1) -> None:
    assert say(driver, number, "failed", {"attempt": attempt, "reason": reason, "message": "no"}) == "stop"


def test_a_trial_out_of_memory_is_tried_again_alone(tmp_path: Path) -> None:
    """It waits until nothing else runs, nothing is handed out beside it, and the second time it fails."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        hand_out(driver), hand_out(driver)
        start(driver, 0), start(driver, 1)
        fail(driver, 0, "out_of_memory")
        assert driver.next_task() is None  # trial 1 still runs
        finish(driver, folder, 1, [1.0] * 4)
        assert hand_out(driver) == 0
        assert driver.next_task() is None  # trial 0 runs alone
        start(driver, 0, attempt=2)
        fail(driver, 0, "out_of_memory", attempt=2)
        assert hand_out(driver) == 2

    trial = folder.read().trial(0)
    assert (trial.state, trial.reason, trial.attempt) == ("failed", "out_of_memory", 2)
    assert trial.message == "no; also when it ran alone"


def test_a_killed_worker_may_have_been_out_of_memory(tmp_path: Path) -> None:
    """A worker that Ray killed for memory is no lost one: its trial is tried again alone, also by the next driver."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        hand_out(driver)
        driver.lose(0, "killed", out_of_memory=True)
    with driving(folder, kind="resumed") as driver:
        assert hand_out(driver) == 0
        assert driver.next_task() is None

    assert folder.read().trial(0).interruptions == {"out_of_memory": 1}


def test_a_full_disk_stops_the_study(tmp_path: Path) -> None:
    """The trial is not to blame: it is interrupted, and the study given up with one error that says what to do."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        hand_out(driver)
        start(driver, 0)
        fail(driver, 0, "disk_full")
        assert driver.next_task() is None
        assert driver.tick()
        assert driver.close() == "failed"

    assert folder.read().trial(0).state == "interrupted"
    assert isinstance(driver.ending.error, LaunchError)
    assert "could not write" in driver.ending.error.message
    assert folder.read().message == driver.ending.error.message


def test_a_node_of_other_software_stops_the_study(tmp_path: Path) -> None:
    """A trial that came to a node whose software is not the driver's waits for a better one; the error names the difference."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        hand_out(driver)
        fail(driver, 0, "other_software", attempt=0)
        assert driver.tick()
        assert driver.close() == "failed"

    assert folder.read().trial(0).state == "interrupted"
    assert isinstance(driver.ending.error, LaunchError)
    assert "install the same on every node" in str(driver.ending.error.hint)


def test_a_study_that_fails_wholesale_is_given_up(tmp_path: Path) -> None:
    """After so many failures in a row, diverged trials not counted, the study ends with the first one's traceback."""
    folder = make_folder(tmp_path)
    with driving(folder, trials=9, limits=Limits(max_failures=2)) as driver:
        for number, reason in enumerate(["error", "diverged", "error"]):
            assert driver.ending.error is None
            assert hand_out(driver) == number
            start(driver, number)
            folder.layout.trial(number).root.mkdir(parents=True)
            folder.layout.trial(number).log.write_text(f"Traceback of trial {number}")
            fail(driver, number, reason)
        assert driver.next_task() is None

    error = driver.ending.error
    assert isinstance(error, LaunchError)
    assert error.message == "little: 2 trials failed in a row, the first, trial 0, by no"
    assert "Traceback of trial 0" in str(error.hint)


def test_a_trial_that_ends_well_breaks_the_row(tmp_path: Path) -> None:
    """Failures that are not in a row do not end a study."""
    folder = make_folder(tmp_path)
    with driving(folder, trials=9, limits=Limits(max_failures=2)) as driver:
        for number in range(5):
            start(driver, hand_out(driver))
            if number % 2:
                finish(driver, folder, number, [1.0] * 4)
            else:
                fail(driver, number, "error")

    assert driver.ending.error is None


def test_a_trial_that_takes_too_long_fails_as_timed_out(tmp_path: Path) -> None:
    """At the first epoch past its limit a trial is stopped; its last epoch, if it comes late, still counts."""
    folder = make_folder(tmp_path)
    with driving(folder, limits=Limits(trial_timeout_seconds=1e-9)) as driver:
        task = driver.next_task()
        assert task is not None
        assert task.timeout_seconds == 1e-9
        start(driver, 0)
        answer = say(driver, 0, "epoch", epoch(1, 1.0))

    assert answer == "stop"
    assert (folder.read().trial(0).state, folder.read().trial(0).reason) == ("failed", "timed_out")


def test_a_hanging_trial_is_not_tried_again(tmp_path: Path) -> None:
    """A worker that its watchdog ended has timed out; it was not lost."""
    folder = make_folder(tmp_path)
    with driving(folder, limits=Limits(trial_timeout_seconds=1.0)) as driver:
        hand_out(driver)
        start(driver, 0)
        layout = folder.layout.trial(0)
        layout.attempt(1).mkdir(parents=True)
        layout.stacks(1).write_text("Timeout (0:00:01)!")
        driver.lose(0, "gone")

    assert (folder.read().trial(0).state, folder.read().trial(0).reason) == ("failed", "timed_out")


@pytest.mark.parametrize("reason", ["interrupted", "terminated", "budget"])
def test_what_runs_may_end_its_epoch_when_a_study_stops(tmp_path: Path, reason: str) -> None:
    """After a signal nothing is handed out, each trial is interrupted at its next epoch, and then the loop ends at once."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        hand_out(driver), hand_out(driver), hand_out(driver)
        start(driver, 0), start(driver, 1)
        driver.ending.stop(reason)
        assert driver.next_task() is None
        assert not driver.tick()  # trial 2, whose worker has not begun, is not waited for
        assert [say(driver, number, "epoch", epoch(1, 1.0)) for number in (0, 1)] == ["stop", "stop"]
        assert driver.tick()
        assert driver.is_over
        assert driver.close() == reason

    record = folder.read()
    assert record.ended == reason
    assert [trial.last_epoch for trial in record.trials.values()] == [1, 1, 0]
    assert {trial.reason for trial in record.trials.values()} == {"stopped"}


def test_the_grace_time_is_an_end(tmp_path: Path) -> None:
    """A trial that does not end its epoch within the grace time is interrupted where it is."""
    folder = make_folder(tmp_path)
    with driving(folder, limits=Limits(grace_seconds=0.0)) as driver:
        hand_out(driver)
        start(driver, 0)
        driver.ending.stop("terminated")
        assert driver.tick()
        driver.close()

    assert folder.read().trial(0).state == "interrupted"


def test_a_trial_in_its_last_epoch_ends_when_a_study_stops(tmp_path: Path) -> None:
    """Nothing is left to train: the trial is completed rather than interrupted."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        task = driver.next_task()
        assert task is not None
        start(driver, 0)
        for number in range(1, task.config["epochs"]):
            say(driver, 0, "epoch", epoch(number, 1.0))
        driver.ending.stop("interrupted")
        layout = folder.layout.trial(0)
        layout.attempt(1).mkdir(parents=True)
        for path in (layout.model(1), layout.config, layout.samples):
            path.touch()
        assert say(driver, 0, "epoch", epoch(task.config["epochs"], 1.0)) == "continue"
        assert say(driver, 0, "finished", {"attempt": 1}) == "stop"
        driver.close()

    assert folder.read().trial(0).state == "completed"


def test_an_epoch_budget_is_never_overdrawn(tmp_path: Path) -> None:
    """However many trials run, no more epochs are trained than the budget allows, and nearly all of them are."""
    folder = make_folder(tmp_path, space_text=SPACE.replace("low = 2\nhigh = 4", "low = 30\nhigh = 40"))
    with driving(folder, trials=None, budget=Budget(epochs=20)) as driver:
        running = {hand_out(driver): 0 for _ in range(3)}
        for number in running:
            start(driver, number)
        while running:
            for number in list(running):
                running[number] += 1
                if say(driver, number, "epoch", epoch(running[number], 1.0)) == "stop":
                    del running[number]
        assert driver.next_task() is None
        assert driver.close() == "budget"

    assert 18 <= folder.read().trained <= 20


def test_only_the_best_models_are_kept(tmp_path: Path) -> None:
    """Of the completed trials the best few keep their model, told before it is deleted; of all others nothing is left."""
    folder = make_folder(tmp_path)
    with driving(folder, trials=9, limits=Limits(keep_checkpoints=2)) as driver:
        for number, loss in enumerate([3.0, 1.0, 2.0, 4.0]):
            start(driver, hand_out(driver))
            layout = folder.layout.trial(number)
            layout.attempt(1).mkdir(parents=True)
            layout.checkpoint(1).write_text("to go on from")
            finish(driver, folder, number, [loss] * 4)
        start(driver, hand_out(driver))
        folder.layout.trial(4).attempt(1).mkdir(parents=True)
        fail(driver, 4, "error")

    record = folder.read()
    kept = [number for number, trial in record.trials.items() if trial.checkpoint is not None]
    assert kept == [1, 2]
    left = sorted(
        path.relative_to(folder.layout.root).as_posix() for path in folder.layout.root.glob("trials/*/attempt-*/*")
    )
    assert left == [record.trials[number].checkpoint for number in kept]
    discarded = [event for event in events(folder) if event["event"] == "discarded"]
    assert [event["trial"] for event in discarded] == [0, 3]
    assert all(event["bytes"] > 0 for event in discarded)


def test_what_a_dead_driver_did_not_delete_is_deleted(tmp_path: Path) -> None:
    """A model that the record says is gone, and the files of a trial that failed, are cleared by the next driver."""
    folder = make_folder(tmp_path)
    with driving(folder) as driver:
        start(driver, hand_out(driver))
        fail(driver, 0, "error")
    folder.layout.trial(0).attempt(1).mkdir(parents=True)
    folder.layout.trial(0).checkpoint(1).write_text("litter")

    with driving(folder, kind="resumed") as driver:
        driver.make_good()

    assert not folder.layout.trial(0).attempt(1).exists()


def test_a_quota_holds_trials_back(tmp_path: Path) -> None:
    """A trial begins only if its files will fit beside those of the others; kept models make room, but for the best."""
    folder = make_folder(tmp_path)
    needed = retention.expected_bytes(folder.space.config(PARAMS))
    with driving(folder, limits=Limits(checkpoint_quota_bytes=int(2.5 * needed))) as driver:
        hand_out(driver), hand_out(driver)
        assert driver.next_task() is None
        start(driver, 0)
        fail(driver, 0, "error")
        assert hand_out(driver) == 2


def test_a_quota_that_is_too_small_for_one_trial_is_told(tmp_path: Path) -> None:
    """Where nothing runs and nothing can begin, the study ends with one error."""
    folder = make_folder(tmp_path)
    with driving(folder, limits=Limits(checkpoint_quota_bytes=1000)) as driver:
        assert driver.next_task() is None
        assert driver.tick()

    assert isinstance(driver.ending.error, LaunchError)
    assert "quota of 0.0 MB is too small" in driver.ending.error.message


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
        stop(driver, "terminated")

    record = folder.read()
    assert record.ended == "terminated"
    assert record.counts["interrupted"] == 1
