"""Where epochs went and what is left to train, on records worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from study.accounting import Spent, forecast, spent
from study.records import StudyRecord, serialize
from study.space import Space
from tests.study.helpers import PARAMS, epoch, session, started

SPACE = Space.parse("[search.epochs]\nkind = 'int'\nlow = 1\nhigh = 9")


def record(*events: tuple[str, int | None, dict[str, Any]], trials: int = 4) -> StudyRecord:
    lines = []
    for kind, trial, fields in [("launched", None, session(trials)), *events]:
        named = {} if trial is None else {"trial": trial}
        lines.append(serialize({"event": kind, "time": "2026-01-01T00:00:00.000Z", **named, **fields}))
    return StudyRecord.read(lines, source="events.jsonl")


def trained(
    number: int, epochs: int, *, attempt: int = 1, first: int = 1
) -> list[tuple[str, int | None, dict[str, Any]]]:
    """The events of an attempt at a trial; each of its epochs takes a second and a half."""
    asked = [("asked", number, {"params": PARAMS, "seed": 1})] if attempt == 1 else []
    epochs_told = [("epoch", number, epoch(n, 1.0, attempt=attempt)) for n in range(first, first + epochs)]
    return [*asked, ("started", number, started(attempt)), *epochs_told]


def ended(kind: str, number: int, epoch: int = 1) -> tuple[str, int | None, dict[str, Any]]:
    fields = {"attempt": 1, "value": 1.0, "epoch": epoch, "checkpoint": "x"}
    failed = {"attempt": 1, "reason": "error", "message": "no"}
    return kind, number, failed if kind == "failed" else fields


def test_every_epoch_is_accounted_for() -> None:
    """Epochs of completed, pruned, failed and running trials, and repeated ones, add up to all that were trained."""
    whole = record(
        *trained(0, 3), ended("completed", 0),
        *trained(1, 2), ended("pruned", 1),
        *trained(2, 1), ended("failed", 2),
        *trained(3, 4), ("interrupted", 3, {"attempt": 1, "reason": "lost"}), *trained(3, 2, attempt=2, first=3),
    )  # fmt: skip

    found = spent(whole)

    assert found == Spent(completed=3, pruned=2, failed=1, unfinished=4, repeated=2)
    assert found.wasted == 5
    assert whole.trained == 12


def test_the_rest_is_forecast_from_what_has_ended() -> None:
    """Two trials of 3 epochs on average have ended; 2 of 4 are left, one with an epoch behind it, for two workers."""
    events = [*trained(0, 4), ended("completed", 0), *trained(1, 2), ended("pruned", 1), *trained(2, 1)]
    rest = forecast(record(*events), SPACE)

    assert rest is not None
    assert (rest.trials, rest.epochs) == (2, 5.0)
    assert rest.worker_seconds == pytest.approx(7.5)
    assert rest.seconds == pytest.approx(3.75)


def test_the_rest_of_a_grid_is_known() -> None:
    """Of 1, 8, 1 and 8 epochs the first trial has ended, and the second is two epochs on its way."""
    grid = Space.parse('sampler = { kind = "grid" }\n[search.epochs]\nkind = "choice"\nchoices = [1, 8]')
    rest = forecast(record(*trained(0, 1), ended("completed", 0), *trained(1, 2)), grid)

    assert rest is not None
    assert (rest.trials, rest.epochs) == (3, 6 + 1 + 8)


@pytest.mark.parametrize("trials", [1, 4])
def test_nothing_is_forecast_from_nothing(trials: int) -> None:
    """Where nothing is left, or nothing has ended, there is no forecast."""
    events = [*trained(0, 2), ended("completed", 0)] if trials == 1 else trained(0, 2)

    assert forecast(record(*events, trials=trials), SPACE) is None
