"""Every attempt at a trial, as the record's events tell it."""

from __future__ import annotations

from pathlib import Path

from study.attempts import Attempt, Attempts
from study.store import StudyFolder
from tests.study.helpers import PARAMS, epoch, make_folder, session, started


def attempts_of(folder: StudyFolder) -> list[Attempt]:
    """The attempts of a folder whose driver is not at work."""
    found = Attempts()
    record = folder.read(found.apply)
    assert not record.is_live
    found.interrupt_orphans()
    return found.in_order()


def told(attempt: Attempt) -> tuple[object, ...]:
    """What an attempt trained, and how it ended."""
    trained = (attempt.first_epoch, attempt.last_epoch, attempt.epochs_trained)
    return attempt.trial, attempt.number, attempt.outcome, attempt.reason, *trained


def test_each_attempt_is_told_with_what_it_trained(tmp_path: Path) -> None:
    """A repeated epoch belongs to both attempts, and each has its own host, end and reason."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        writer.append("asked", 0, params=PARAMS, seed=0)
        writer.append("started", 0, **started(host="first"))
        writer.append("epoch", 0, **epoch(1, 2.0))
        writer.append("epoch", 0, **epoch(2, 1.5))
        lost = writer.append("interrupted", 0, attempt=1, reason="lost", message="node gone")
        writer.append("started", 0, **started(2, host="second", resumed_from_epoch=1))
        writer.append("epoch", 0, **epoch(2, 1.5, attempt=2))
        writer.append("epoch", 0, **epoch(3, 1.25, attempt=2))
        writer.append("completed", 0, attempt=2, value=1.25, epoch=3, checkpoint="trials/0000/attempt-2/best")

    first, second = attempts_of(folder)

    assert told(first) == (0, 1, "interrupted", "lost", 1, 2, 2)
    assert (first.host, first.ended, first.message) == ("first", lost["time"], "node gone")
    assert told(second) == (0, 2, "completed", None, 2, 3, 2)
    assert (second.host, second.resumed_from_epoch, second.seconds) == ("second", 1, 3.0)


def test_epochs_that_a_checkpoint_told_of_are_counted_apart(tmp_path: Path) -> None:
    """What an earlier attempt trained and a later one filled in is no work of the later one; together they are all epochs."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        writer.append("asked", 0, params=PARAMS, seed=0)
        writer.append("started", 0, **started())
        writer.append("epoch", 0, **epoch(1, 2.0))
        writer.append("resumed", **session())
        writer.append("started", 0, **started(2, resumed_from_epoch=2))
        writer.append("epoch", 0, **epoch(2, 1.5, attempt=2, filled_in=True))
        writer.append("epoch", 0, **epoch(3, 1.25, attempt=2))
    record = folder.read()

    first, second = attempts_of(folder)

    assert told(first) == (0, 1, "interrupted", None, 1, 1, 1)
    assert told(second) == (0, 2, "interrupted", None, 3, 3, 1)
    assert (second.epochs_filled_in, second.seconds) == (1, 1.5)
    assert record.trained == sum(each.epochs_trained + each.epochs_filled_in for each in (first, second))


def test_an_attempt_whose_driver_died_ended_when_it_was_last_heard_of(tmp_path: Path) -> None:
    """Neither the driver that died nor the next one says when such an attempt ended; its last epoch does."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        for number in (0, 1):
            writer.append("asked", number, params=PARAMS, seed=number)
            writer.append("started", number, **started())
        heard = writer.append("epoch", 0, **epoch(1, 2.0))
        writer.append("resumed", **session())

    first, second = attempts_of(folder)

    assert (first.outcome, first.reason, first.ended) == ("interrupted", None, heard["time"])
    assert (second.outcome, second.ended) == ("interrupted", second.started)


def test_an_attempt_that_another_one_follows_unannounced_is_interrupted(tmp_path: Path) -> None:
    """Old records start a second attempt without a word of the first one's end."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        writer.append("asked", 0, params=PARAMS, seed=0)
        writer.append("started", 0, **started())
        writer.append("started", 0, **started(3))
        writer.append("failed", 0, attempt=3, reason="error", message="RuntimeError: no")

    assert [told(each) for each in attempts_of(folder)] == [
        (0, 1, "interrupted", None, None, None, 0),
        (0, 3, "failed", "error", None, None, 0),
    ]


def test_a_trial_that_ends_while_it_waits_leaves_its_attempt_as_it_was(tmp_path: Path) -> None:
    """A trial that is pruned on resuming was interrupted before; and one that never started has no attempt at all."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        for number in (0, 1):
            writer.append("asked", number, params=PARAMS, seed=number)
        writer.append("started", 0, **started())
        writer.append("epoch", 0, **epoch(1, 2.0))
        writer.append("interrupted", 0, attempt=1, reason="stopped")
        writer.append("pruned", 0, attempt=1, value=2.0, epoch=1)
        writer.append("failed", 1, attempt=0, reason="lost", message="no worker came")

    assert [told(each) for each in attempts_of(folder)] == [(0, 1, "interrupted", "stopped", 1, 1, 1)]
