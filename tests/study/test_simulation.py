"""Searches in virtual time: what is simulated is what workers would do, and the service does nothing over and over."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
import pytest

from benchmarks import curves
from benchmarks.recorded_table import Curve, Table
from benchmarks.search_contenders import RayTune, Service
from benchmarks.simulation import Outcome, Work, simulate
from benchmarks.variations import Quota, Varied
from study.launch import driver
from study.records import StudyRecord, TrialRecord
from study.space import Space
from study.store import StudyFolder

ROWS = [
    {"params": {"model": "cnn", "learning_rate": rate}, "seconds": 1.0, "val_loss": [2.0, loss]}
    for rate, loss in ((0.001, 1.5), (0.1, 1.25))
] + [{"params": {"model": "unet", "learning_rate": 0.01}, "seconds": 2.0, "val_loss": [1.75, 1.0]}]


class Listed:
    """A search of given trials, of which those named are stopped after their first epoch."""

    def __init__(self, configs: Iterable[dict[str, Any]], *, stopped: Iterable[int] = ()) -> None:
        self._work = iter([Work(number, config) for number, config in enumerate(configs)])
        self._stopped = set(stopped)
        self.told: list[tuple[int, int]] = []
        self.finished: list[int] = []

    def begin(self) -> Work | None:
        return next(self._work, None)

    def report(self, work: Work, epoch: int, loss: float, seconds: float) -> bool:
        self.told.append((work.number, epoch))
        return work.number not in self._stopped

    def finish(self, work: Work) -> None:
        self.finished.append(work.number)


def searched(results: Path, *, trials: int, workers: int = 8, **make: Any) -> tuple[Outcome, StudyRecord]:
    """A study of the recorded space by the service, and its record."""
    space, made = Space.load(curves.SPACE), {"make": lambda space: Varied(space, **make)} if make else {}
    with Service.launched(results, space, trials=trials, workers=workers, **made) as search:
        outcome = simulate(search, Table.read().curve, workers=workers)
    return outcome, StudyFolder.open(results, space.name).read()


def test_a_configuration_is_answered_by_its_own_choices_at_the_nearest_rate() -> None:
    """Choices are never rounded; of two rates the one nearer on a logarithmic scale answers."""
    table = Table(ROWS)

    answers = [table.curve({"model": "cnn", "learning_rate": rate, "epochs": 2}) for rate in (0.0001, 0.009, 0.011)]

    assert [answer.losses[-1] for answer in answers] == [1.5, 1.5, 1.25]
    assert table.curve({"model": "unet", "learning_rate": 0.5}).losses == (1.75, 1.0)
    assert table.best == 1.0


def test_no_two_trainings_are_alike() -> None:
    """Chance says which of two trainings of one configuration is the better one, by a hair, and it is so at every epoch."""
    table, config, generator = Table(ROWS), {"model": "cnn", "learning_rate": 0.1}, random.Random(1)

    trained = [table.again(config, generator=generator).losses for _ in range(9)]

    assert len(set(trained)) == 9
    assert [losses[0] for losses in sorted(trained)] == sorted(losses[0] for losses in trained)
    assert all(losses == pytest.approx((2.0, 1.25), rel=1e-5) for losses in trained)


def test_epochs_are_told_in_the_order_of_virtual_time() -> None:
    """Two workers begin the first two trials; the faster one goes on to the third while the slower one trains."""
    search = Listed(
        [{"model": "unet", "learning_rate": 1.0}, *[{"model": "cnn", "learning_rate": 0.1}] * 2], stopped=[1]
    )

    outcome = simulate(search, Table(ROWS).curve, workers=2)

    assert search.told == [(1, 1), (0, 1), (2, 1), (2, 2), (0, 2)]
    assert search.finished == [2, 0]
    assert (outcome.epochs, outcome.trials, outcome.seconds, outcome.best) == (5, 3, 4.0, 1.0)
    assert outcome.improvements == [(1, 2.0), (2, 1.75), (4, 1.25), (5, 1.0)]


def test_a_search_ends_as_soon_as_it_has_found_enough() -> None:
    """No epoch is trained beyond the one that is good enough."""
    search = Listed([{"model": "unet", "learning_rate": 1.0}] * 9)

    outcome = simulate(search, Table(ROWS).curve, workers=1, is_enough=lambda outcome: outcome.best <= 1.0)

    assert (outcome.epochs, outcome.trials) == (2, 1)


def test_the_recorded_curves_are_those_of_their_space() -> None:
    """At least 200 configurations of 30 epochs each, every combination of choices among them, and under a megabyte."""
    space, table = Space.load(curves.SPACE), Table.read()
    wanted = list(curves.configurations(space))[: len(table.curves)]

    assert len(table.curves) >= 200
    assert all(isinstance(curve, Curve) and len(curve.losses) == 30 and curve.seconds > 0 for curve in table.curves)
    assert all(params[name] in space.search[name] for params in wanted for name in space.search)
    assert min(Counter(tuple(params.values())[:-1] for params in wanted).values()) >= 4
    assert curves.CURVES.stat().st_size < 1_000_000


def test_the_service_is_driven_as_by_workers(tmp_path: Path) -> None:
    """A simulated study leaves a whole record: every trial ended, every epoch in it, some pruned and some completed."""
    outcome, record = searched(tmp_path, trials=40)

    assert record.counts["completed"] + record.counts["pruned"] == len(record.trials) == outcome.trials == 40
    assert min(record.counts["completed"], record.counts["pruned"]) > 0
    assert record.trained == outcome.epochs
    assert min(loss["val_loss"] for trial in record.trials.values() for loss in trial.epochs.values()) == outcome.best
    assert record.ended == "finished"


def test_what_pruned_trials_are_told_as_changes_the_search(tmp_path: Path) -> None:
    """A variation is a search of its own: its suggestions differ once trials have been pruned."""
    (_, ours), (_, other) = (
        searched(tmp_path / "a", trials=40),
        searched(tmp_path / "b", trials=40, completes_pruned=True),
    )

    params = [[trial.params for trial in record.trials.values()] for record in (ours, other)]
    assert params[0][:10] == params[1][:10]
    assert params[0] != params[1]


@pytest.mark.parametrize(("goal", "sign"), [("minimize", 1), ("maximize", -1)])
def test_a_quota_leaves_as_many_as_halving_all_trials_would(goal: str, sign: int) -> None:
    """Beyond the second rung goes a quarter of all that came to the first one, not a half of those that came to the second."""
    study = optuna.create_study(direction=goal, pruner=Quota(min_epochs=1, reduction_factor=2))
    ends: list[int] = []
    for loss in (0.4, 0.3, 0.2, 0.1, 0.15, 0.12, 0.5, 0.11):  # of a sampler that gets better
        trial = study.ask()
        for epoch in (1, 2, 3):
            trial.report(sign * loss, epoch)
            if trial.should_prune():
                break
        ends.append(epoch)

    assert ends == [3, 3, 3, 3, 2, 2, 1, 3]


def test_ray_tunes_search_stops_trials_and_tells_them_as_completed() -> None:
    """ASHA stops at its rungs 1, 4, 16 and 30; OptunaSearch calls what was stopped completed, as it does under Ray."""
    search = RayTune(Space.load(curves.SPACE), epochs=30, seed=1)
    outcome = simulate(search, Table.read().curve, workers=4, is_enough=lambda outcome: outcome.trials >= 60)

    told = [trial for trial in search._searcher._ot_study.trials if trial.state.is_finished()]
    ends = {max(trial.intermediate_values, default=0) + 1 for trial in told}
    assert outcome.trials == 60
    assert {trial.state.name for trial in told} == {"COMPLETE"}
    assert {1, 4} <= ends <= {1, 4, 16, 30}


class Counting(dict[int, TrialRecord]):
    """Trials that count how often somebody goes through all of them."""

    walks = 0

    def values(self) -> Any:
        self.walks += 1
        return super().values()


@pytest.mark.parametrize("trials", [20, 80])
def test_no_step_of_the_driver_goes_through_all_trials(
    tmp_path: Path, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first trial to the last, however many there are, all of them are looked at only when the driver begins."""
    walks: list[int] = []
    step = driver.Driver.next_task

    def count(self: driver.Driver) -> Any:
        if not isinstance(self.record.trials, Counting):
            self.record.trials = Counting(self.record.trials)
        task = step(self)
        walks.append(self.record.trials.walks)
        return task

    monkeypatch.setattr(driver.Driver, "next_task", count)
    outcome, record = searched(tmp_path, trials=trials)

    assert outcome.trials == len(record.trials) == trials
    assert set(walks) == {0}
