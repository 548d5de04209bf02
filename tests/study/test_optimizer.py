"""Optuna's side: what is asked, of the sampler or at known points, and what is told."""

import random

import optuna
import pytest

from study.launch.optimizer import Optimizer, decode, distribution, encode
from study.parameters import Parameter
from tests.study.helpers import PARAMS, SPACE, epoch, make_space, started
from tests.study.made_up_studies import MadeUpStudy, rebuilt

LISTS = '[search.extra_classes]\nkind = "choice"\nchoices = [[], ["deer"], ["deer", "dog"]]\n'
CONDITION = '[search.kernel_size]\nkind = "choice"\nchoices = [3, 5]\nwhen = { model = ["unet"] }\n'
HALVING = SPACE.replace('kind = "none"', 'kind = "successive_halving", min_epochs = 1, reduction_factor = 2')


def test_a_loss_that_is_no_number_is_never_replayed() -> None:
    """An epoch that ended its trial as diverged leaves nothing for the pruner, even where the objective was finite."""
    space = make_space(text=HALVING.replace("trials = 4", 'trials = 4\nobjective = { metric = "val_accuracy" }'))
    events = [
        {"event": "asked", "trial": 0, "params": PARAMS, "seed": 1},
        {"event": "started", "trial": 0, **started()},
        {"event": "epoch", "trial": 0, **epoch(1, None)},
    ]

    optimizer = rebuilt(space, [{"time": "2026-01-01T00:00:00.000Z", **event} for event in events])

    assert optimizer.study.trials[0].intermediate_values == {}


def test_a_pruned_trial_is_told_as_pruned() -> None:
    """A trial stopped early is PRUNED in Optuna and keeps all its intermediate values."""
    study = MadeUpStudy(make_space(text=HALVING), trials=20)
    study.run(random.Random(0).randrange)

    pruned = [trial for trial in study.record.trials.values() if trial.state == "pruned"]
    assert pruned
    for trial in pruned:
        told = study.optimizer.study.trials[trial.number]
        assert told.state == optuna.trial.TrialState.PRUNED
        assert sorted(told.intermediate_values) == sorted(trial.epochs)


def test_the_same_seed_suggests_the_same() -> None:
    """Two studies of one space and seed begin alike; another seed begins otherwise."""
    first = [Optimizer(make_space()).ask() for _ in range(2)]
    other = Optimizer(make_space("", "seed = 1\n" + SPACE)).ask()

    assert first[0] == first[1]
    assert other != first[0]


def test_conditions_are_obeyed() -> None:
    """A conditional parameter is suggested exactly where its condition holds, and lists come back as lists."""
    optimizer = Optimizer(make_space(LISTS + CONDITION))

    for _ in range(30):
        _, params = optimizer.ask()
        assert ("kernel_size" in params) == (params["model"] == "unet")
        assert isinstance(params["extra_classes"], list)


def test_bounds_reach_optuna_to_the_bit() -> None:
    """Optuna searches exactly the bounds that the space names, both ends included."""
    parameter = Parameter(name="learning_rate", kind="float", low=1e-4, high=3e-2, log=True)
    steps = Parameter(name="kernel_size", kind="int", low=3, high=7, step=2)

    assert distribution(parameter) == optuna.distributions.FloatDistribution(1e-4, 3e-2, log=True)
    assert distribution(steps) == optuna.distributions.IntDistribution(3, 7, step=2)


def test_choices_survive_the_way_to_optuna_and_back() -> None:
    """Every kind of choice is decoded to the value that was encoded."""
    parameter = Parameter(name="extra_classes", kind="choice", choices=([], ["deer"], ["deer", "dog"]))

    assert [encode(parameter, choice) for choice in parameter.choices] == ["none", "deer", "deer+dog"]
    assert [decode(parameter, encode(parameter, choice)) for choice in parameter.choices] == list(parameter.choices)


def test_a_range_that_ends_between_two_steps_ends_at_the_last() -> None:
    """A `high` that is no step is never asked for, and Optuna has nothing to warn of."""
    whole = Parameter(name="num_filters", kind="int", low=8, high=20, step=5)
    real = Parameter(name="label_smoothing", kind="float", low=0.0, high=0.35, step=0.1)

    assert distribution(whole) == optuna.distributions.IntDistribution(8, 18, step=5)
    assert distribution(real) == optuna.distributions.FloatDistribution(0.0, 0.3, step=0.1)


WHOLE = {"model": "unet", "epochs": 2, "learning_rate": 0.003, "extra_classes": ["deer", "dog"], "kernel_size": 5}


def test_a_known_point_is_asked_as_it_is() -> None:
    """A point that names all its parameters is the next trial, under the next number, and suggestions go on after it."""
    optimizer = Optimizer(make_space(LISTS + CONDITION))

    asked = [optimizer.ask(), optimizer.ask(WHOLE), optimizer.ask()]

    assert [number for number, _ in asked] == [0, 1, 2]
    assert asked[1][1] == WHOLE
    assert [type(value) for value in asked[1][1].values()] == [str, int, float, list, int]
    assert asked[2][1] != WHOLE
    assert {trial.state.name for trial in optimizer.study.trials} == {"RUNNING"}


@pytest.mark.parametrize("startup_trials", [0, 100])
def test_what_a_known_point_leaves_open_is_drawn(startup_trials: int) -> None:
    """The sampler completes a point, within the conditions, whether it draws at random or knows trials already."""
    text = SPACE.replace("[fixed]", f'sampler = {{ kind = "tpe", startup_trials = {startup_trials} }}\n[fixed]')
    optimizer = Optimizer(make_space(LISTS + CONDITION, text))
    for loss in (1.0, 2.0, 3.0):
        optimizer.complete(optimizer.ask()[0], loss)

    params = [optimizer.ask({"model": model, "learning_rate": 0.005})[1] for model in ("unet", "cnn") * 5]

    assert {values["learning_rate"] for values in params} == {0.005}
    assert [values["model"] for values in params] == ["unet", "cnn"] * 5
    assert all(("kernel_size" in values) == (values["model"] == "unet") for values in params)
    assert len({values["epochs"] for values in params}) > 1


def test_the_sampler_learns_from_known_points() -> None:
    """A known point is told and kept like any other trial."""
    optimizer = Optimizer(make_space(LISTS + CONDITION))
    number, _ = optimizer.ask(WHOLE)
    optimizer.complete(number, 0.5)

    assert optimizer.study.best_trial.params == {**WHOLE, "extra_classes": "deer+dog"}
