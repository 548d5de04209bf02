"""What the sampler and the pruners note as trials go on gives Optuna's own answers, for less."""

from __future__ import annotations

import random
import warnings
from typing import Any

import optuna
import pytest

from study.launch.halving import Halving, hyperband
from study.launch.optimizer import Optimizer
from study.launch.tpe import NotingTPE
from tests.study.made_up_studies import MadeUpStudy, knowledge
from tests.study.test_rebuild import space_of


def by_latest(pruner: Halving) -> Halving:
    """The pruner, judging by the latest value as Optuna's does."""
    pruner._value = lambda study, trial: trial.intermediate_values[trial.last_step]  # type: ignore[method-assign]
    return pruner


PRUNERS: dict[str, Any] = {
    "successive_halving": (
        lambda: by_latest(Halving(min_epochs=1, reduction_factor=2)),
        lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    ),
    "hyperband": (
        lambda: by_latest(hyperband(min_epochs=1, max_epochs=4, reduction_factor=2)),
        lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=4, reduction_factor=2),
    ),
}


def run(pruner: str, *, goal: str, is_optunas: bool, seed: int) -> MadeUpStudy:
    """A study of sixty trials with lists, a condition and known points, by our sampler and pruner or by Optuna's."""
    text = space_of("tpe", pruner).text
    if goal == "maximize":
        text = text.replace('question = "Does it work?"', 'objective = { metric = "val_accuracy" }')
    study = MadeUpStudy(type(space_of("tpe", pruner)).parse(text), trials=60)
    study.optimizer.study.pruner = PRUNERS[pruner][is_optunas]()
    study.optimizer.study.sampler = NotingTPE(seed=seed, startup_trials=3)
    if is_optunas:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.optimizer.study.sampler = optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=3, multivariate=True, constant_liar=True
            )
    study.run(random.Random(seed).randrange)
    return study


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize("pruner", PRUNERS)
def test_suggestions_and_verdicts_are_optunas(pruner: str, goal: str, seed: int) -> None:
    """Judging by the same values they are equal to the last bit, whatever becomes of the trials: pruned, lost, repeated."""
    ours, optunas = (run(pruner, goal=goal, is_optunas=is_optunas, seed=seed) for is_optunas in (False, True))

    assert {trial.state for trial in ours.record.trials.values()} == {"completed", "pruned", "failed"}
    assert len(ours.record.trials) == 60
    assert knowledge(ours.optimizer) == knowledge(optunas.optimizer)
    assert [event.get("value") for event in ours.events] == [event.get("value") for event in optunas.events]


@pytest.mark.parametrize("pruner", PRUNERS)
def test_no_trial_is_looked_at_again(pruner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampler and pruner never go through the trials of a study: Optuna hands out none of its lists but those that wait."""
    looked: list[Any] = []
    look = optuna.storages.InMemoryStorage.get_all_trials

    def count(storage: Any, study_id: int, deepcopy: bool = True, states: Any = None) -> Any:
        looked.append(states)
        return look(storage, study_id, deepcopy, states)

    monkeypatch.setattr(optuna.storages.InMemoryStorage, "get_all_trials", count)
    study = MadeUpStudy(space_of("tpe", pruner), trials=60)
    study.run(random.Random(1).randrange)

    assert {trial.state for trial in study.record.trials.values()} >= {"completed", "pruned"}
    assert set(looked) <= {(optuna.trial.TrialState.WAITING,)}


def test_each_trial_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking twice as many trials reads twice as many of them, so that asking does not take the square."""
    reads: list[int] = []
    read = optuna.storages.InMemoryStorage.get_trial_id_from_study_id_trial_number

    def count(storage: Any, study_id: int, number: int) -> int:
        reads.append(number)
        return read(storage, study_id, number)

    monkeypatch.setattr(optuna.storages.InMemoryStorage, "get_trial_id_from_study_id_trial_number", count)
    optimizer = Optimizer(space_of("tpe", "none"))
    for _ in range(40):
        number, params = optimizer.ask()
        optimizer.complete(number, float(params["learning_rate"]))

    assert reads == list(range(39))


@pytest.mark.parametrize(("goal", "sign"), [("minimize", 1), ("maximize", -1)])
def test_a_trial_is_judged_by_its_best_epoch(goal: str, sign: int) -> None:
    """One noisy epoch at a rung does not prune the best trial, and does not let it off where others were better before."""
    study = optuna.create_study(direction=goal, pruner=Halving(min_epochs=2, reduction_factor=2))
    verdicts = []
    for losses in ([1.0, 0.9], [0.5, 2.0], [0.8, 0.7]):
        trial = study.ask()
        for epoch, loss in enumerate(losses, start=1):
            trial.report(sign * loss, epoch)
        verdicts.append(trial.should_prune())

    assert verdicts == [False, False, True]
