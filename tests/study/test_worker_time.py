"""Where workers' time went, on records worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from study.expenses import cost_lines
from study.records import StudyRecord, serialize
from study.summary import study_json, study_text
from tests.study.helpers import PARAMS, epoch, make_folder, session, started

Told = tuple[str, str, int | None, dict[str, Any]]


def record(*events: Told) -> StudyRecord:
    """A record of events, each with the second at which it was told."""
    lines = []
    for second, kind, trial, fields in [("00.000", "launched", None, session()), *events]:
        named = {} if trial is None else {"trial": trial}
        lines.append(serialize({"event": kind, "time": f"2026-01-01T00:00:{second}Z", **named, **fields}))
    return StudyRecord.read(lines, source="events.jsonl")


def trial(
    number: int, *seconds: str, end: str = "completed", pid: int = 1, took: float = 1.5, epochs: int = 2
) -> list[Told]:
    """A trial that is asked, started and ended at three times, with so many epochs that took so long each."""
    asked, began, ended = seconds
    fields = {"attempt": 1, "value": 1.0, "epoch": 1, "checkpoint": "x", "reason": "error", "message": "no"}
    return [
        (asked, "asked", number, {"params": PARAMS, "seed": 1}),
        (began, "started", number, started(pid=pid)),
        *((began, "epoch", number, epoch(each, 1.0, seconds=took)) for each in range(1, epochs + 1)),
        (ended, end, number, fields),
    ]


def test_a_warm_worker_costs_from_trial_to_trial() -> None:
    """From the end of the trial before to its own end a trial took 3.4 s, and 3 of them were epochs."""
    found = record(*trial(0, "01.000", "06.000", "10.000"), *trial(1, "10.100", "10.200", "13.400")).worker_time

    assert found.costs == pytest.approx([0.4])
    assert found.cost == pytest.approx(0.4)


def test_a_workers_start_counts_in_the_share_and_not_in_the_cost() -> None:
    """A first trial's time begins when it is asked: 9 s, of which 3 were epochs, and no median has it."""
    found = record(*trial(0, "01.000", "06.000", "10.000")).worker_time

    assert found.cost is None
    assert found.share_in_epochs() == pytest.approx(3 / 9)


def test_workers_are_told_apart() -> None:
    """Two workers' trials that overlap are each measured from their own worker's last."""
    found = record(
        *trial(0, "01.000", "02.000", "10.000"),
        *trial(1, "01.500", "02.000", "20.000", pid=2),
        *trial(2, "10.100", "10.200", "13.200"),
        *trial(3, "20.100", "20.200", "23.800", pid=2, end="pruned"),
    ).worker_time

    assert found.costs == pytest.approx([0.2, 0.8])


def test_trials_of_a_stack_share_their_workers_time() -> None:
    """Two begin at second 11, after one that ended at 10; one ends at 15, the other at 17: together they take 7 s.

    The second that the worker was free counts for the first of them, the next four for both by halves.
    """
    stack = [trial(1, "10.000", "11.000", "15.000"), trial(2, "10.000", "11.000", "17.000", took=2.0)]
    first, second = (each[:-1] for each in stack)

    found = record(*trial(0, "01.000", "02.000", "10.000"), *first, *second, stack[0][-1], stack[1][-1]).worker_time

    spells = {spell.trial: spell for spell in found.spells}
    assert (spells[1].seconds, spells[2].seconds) == pytest.approx((1 + 4 / 2, 4 / 2 + 2))
    assert all(spells[number].is_warm for number in (1, 2))
    assert spells[1].seconds + spells[2].seconds == pytest.approx(7)


def test_a_failed_trial_takes_time_and_has_no_cost() -> None:
    """What a failed trial took is its worker's time; the median is of trials that ended well, and the worker stays warm."""
    found = record(
        *trial(0, "01.000", "01.000", "05.000"),
        *trial(1, "05.100", "05.200", "09.000", end="failed"),
        *trial(2, "09.100", "09.200", "12.500"),
    ).worker_time

    assert found.costs == pytest.approx([0.5])
    assert found.share_in_epochs() == pytest.approx(9 / 11.5)


def test_only_long_trials_count_where_it_is_asked() -> None:
    """A share of trials whose epochs took at least so long leaves the others out."""
    found = record(
        *trial(0, "01.000", "01.000", "04.000", took=0.5), *trial(1, "04.000", "04.000", "25.000", took=10.0)
    ).worker_time

    assert found.share_in_epochs(least_seconds=20) == pytest.approx(20 / 21)
    assert found.share_in_epochs(least_seconds=30) is None


def test_another_session_knows_no_warm_workers() -> None:
    """A process of the same number in the next session is another process."""
    resumed: Told = ("30.000", "resumed", None, session())

    found = record(*trial(0, "01.000", "02.000", "05.000"), resumed, *trial(1, "31.000", "32.000", "36.000"))

    assert found.worker_time.costs == []
    assert [spell.seconds for spell in found.worker_time.spells] == pytest.approx([4.0, 5.0])


def test_an_epoch_from_a_checkpoint_took_no_time_here() -> None:
    """What was filled in from a checkpoint was trained in another attempt."""
    told: list[Told] = trial(0, "01.000", "02.000", "05.000")
    told[2][3]["filled_in"] = True

    assert record(*told).worker_time.spells[0].epoch_seconds == 1.5


def test_a_clock_that_jumps_back_costs_nothing() -> None:
    """Whatever the driver's clock does, a trial took at least its epochs."""
    found = record(*trial(0, "01.000", "02.000", "05.000"), *trial(1, "05.000", "05.000", "03.000")).worker_time

    assert found.costs == [0.0]


def test_show_tells_both(tmp_path: Any) -> None:
    """`study show` has one line of it, and for machines two numbers."""
    found = record(*trial(0, "01.000", "06.000", "10.000"), *trial(1, "10.100", "10.200", "13.400"))
    folder = make_folder(tmp_path)

    assert (
        "  overhead   48.4 % of workers' time was in epochs; beside them a trial took 0.4 s (median of 1 on warm workers)"
        in study_text(folder, found).splitlines()
    )
    assert study_json(folder, found)["cost"]["seconds_beside_epochs"] == pytest.approx(0.4)
    assert study_json(folder, found)["cost"]["share_in_epochs"] == pytest.approx(6 / 12.4)


def test_nothing_is_told_before_a_trial_has_ended() -> None:
    """Without a trial that ended there is no such line."""
    told = {"rate": None, "forecast": None}

    assert not any("overhead" in line for line in cost_lines(record(), told))
