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
from study.launch.trial_notes import ByDepth, Notes
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
    study.optimizer.study.sampler = NotingTPE(seed=seed, startup_trials=3, notes=Notes())
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
    """Judging and ranking alike they are equal to the last bit, whatever becomes of the trials: pruned, lost, repeated."""
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


CURVES = {
    0: [9.0, 5.0, 3.0, 2.0],  # completed
    1: [4.0, 4.5],  # pruned, by its best so far second after two epochs
    2: [3.0, 2.5, 2.4],  # runs, the best after two epochs
    3: [1.0],  # pruned after one epoch
    4: [0.5, 0.4],  # failed
}


def noted(*, enough: int) -> tuple[optuna.Study, ByDepth]:
    """A study of those curves, with a known learning rate each, and its notes."""
    study, notes = optuna.create_study(), ByDepth(enough=enough)
    for number, losses in CURVES.items():
        trial = study.ask({"learning_rate": optuna.distributions.FloatDistribution(0.0, 1.0)})
        for epoch, loss in enumerate(losses, start=1):
            trial.report(loss, epoch)
            notes.note(number, epoch, loss)
    ends = {0: optuna.trial.TrialState.COMPLETE, 4: optuna.trial.TrialState.FAIL}
    for number in (0, 1, 3, 4):
        state = ends.get(number, optuna.trial.TrialState.PRUNED)
        frozen = study.trials[number]
        notes.end(frozen, state, 2.0 if number == 0 else None, sign=1)
    notes.catch_up(study, len(CURVES))
    return study, notes


@pytest.mark.parametrize(
    ("enough", "ranking"),
    [
        (1, [0, 2, 1, 3]),  # after all epochs, as the completed one
        (2, [2, 0, 1, 3]),  # after three
        (3, [2, 1, 0, 3]),  # after two
        (4, [3, 2, 1, 0]),  # after the first
        (9, [3, 2, 1, 0]),  # not yet so many
    ],
)
def test_trials_are_compared_where_enough_have_come(enough: int, ranking: list[int]) -> None:
    """Best values so far at the deepest epoch that enough trials have come to rank all of them, running ones too."""
    _, notes = noted(enough=enough)

    for good in range(len(ranking) + 1):
        below, above = notes.split(good)
        assert below.tolist() == sorted(ranking[:good])
        assert above.tolist() == sorted(ranking[good:])


def test_a_completed_trial_of_fewer_epochs_has_come_to_any() -> None:
    """Where epochs are searched, a trial that trained all of its few is compared by its best with those that train longer."""
    study, notes = optuna.create_study(), ByDepth(enough=2)
    for number, losses in enumerate([[3.0, 2.0], [3.0, 2.5, 2.2, 2.1]]):
        trial = study.ask({"epochs": optuna.distributions.IntDistribution(2, 4)})
        for epoch, loss in enumerate(losses, start=1):
            notes.note(number, epoch, loss)
        notes.end(study.trials[trial.number], optuna.trial.TrialState.COMPLETE, min(losses), sign=1)
    notes.catch_up(study, 2)

    assert [part.tolist() for part in notes.split(1)] == [[0], [1]]


@pytest.mark.parametrize(("loss", "is_good"), [(0.1, True), (9.0, False)])
def test_a_running_trial_counts_before_it_ends(loss: float, is_good: bool) -> None:
    """The optimizer tells its sampler of each epoch, so that trials that run are among the good ones or not."""
    optimizer = Optimizer(space_of("tpe", "none"))
    for value in range(12):
        number, _ = optimizer.ask()
        optimizer.report(number, 1, 1.0 + value)
        optimizer.prune(number)
    running = [optimizer.ask()[0] for _ in range(2)]
    for number in running:
        optimizer.report(number, 1, loss)
    optimizer.ask()

    sampler: Any = optimizer.study.sampler
    assert [number in sampler._notes.split(2)[0] for number in running] == [is_good] * 2
