"""Optuna's side: what is asked, what is pruned, and that a rebuilt study knows what the old one knew."""

import random
from typing import Any

import optuna
import pytest

from study.launch.optimizer import Optimizer, decode, distribution, encode
from study.parameters import Parameter
from study.space import Space
from tests.study.helpers import PARAMS, SPACE, make_space

LISTS = '[search.extra_classes]\nkind = "choice"\nchoices = [[], ["deer"], ["deer", "dog"]]\n'
CONDITION = '[search.kernel_size]\nkind = "choice"\nchoices = [3, 5]\nwhen = { model = ["unet"] }\n'
HALVING = SPACE.replace('kind = "none"', 'kind = "successive_halving", min_epochs = 1, reduction_factor = 2')


def simulate(optimizer: Optimizer, events: list[dict[str, Any]], trials: int, space: Space) -> None:
    """Run trials against a made-up loss, three at a time and interleaved, noting what the driver would record."""
    generator = random.Random(0)
    live: dict[int, int] = {}
    asked = len(optimizer.study.trials)
    while asked < trials or live:
        while asked < trials and len(live) < 3:
            number, params = optimizer.ask()
            events.append({"event": "asked", "trial": number, "params": params})
            live[number], asked = 0, asked + 1
        number = generator.choice(sorted(live))
        live[number] += 1
        value = 1 / live[number] + optimizer.study.trials[number].params["learning_rate"]
        losses = {"train_loss": value, "val_loss": value}
        events.append({"event": "epoch", "trial": number, "epoch": live[number], **losses})
        should_prune = optimizer.report(number, live[number], value)
        if number % 7 == 6:
            optimizer.fail(number)
            events.append({"event": "failed", "trial": number})
        elif should_prune:
            optimizer.prune(number)
            events.append({"event": "pruned", "trial": number})
        elif live[number] == optimizer.study.trials[number].params["epochs"]:
            optimizer.complete(number, value)
            events.append({"event": "completed", "trial": number, "value": value})
        else:
            continue
        del live[number]


def knowledge(optimizer: Optimizer) -> list[tuple[object, ...]]:
    """All that the sampler and the pruner reason over; TPE's note of a trial's parameters repeats `params`."""
    return [
        (
            *(t.number, t.state, t.params, t.distributions, t.values, t.intermediate_values),
            {name: value for name, value in t.system_attrs.items() if not name.startswith("tpe:relative_params")},
        )
        for t in optimizer.study.trials
    ]


@pytest.mark.parametrize("pruner", ["successive_halving", "hyperband", "median", "percentile", "none"])
def test_a_rebuilt_study_knows_what_the_old_one_knew(pruner: str) -> None:
    """Replaying the record gives the same Optuna study, trial by trial, the pruner's own notes included."""
    space = make_space(LISTS + CONDITION, SPACE.replace('kind = "none"', f'kind = "{pruner}"'))
    optimizer, events = Optimizer(space), list[dict[str, Any]]()
    simulate(optimizer, events, 30, space)

    again = Optimizer(space, asked=30)
    for event in events:
        again.replay(event)

    assert knowledge(again) == knowledge(optimizer)
    states = {trial.state.name for trial in optimizer.study.trials}
    assert states >= ({"COMPLETE", "FAIL"} if pruner == "none" else {"COMPLETE", "FAIL", "PRUNED"})


def test_replaying_copies_no_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild never asks for copies of all trials, whose cost would grow with the square of the study."""
    space = make_space(text=HALVING)
    optimizer, events = Optimizer(space), list[dict[str, Any]]()
    simulate(optimizer, events, 30, space)

    def copy_all(_: optuna.Study) -> None:
        raise AssertionError("all trials were copied")

    monkeypatch.setattr(optuna.Study, "trials", property(copy_all))
    again = Optimizer(space, asked=30)
    for event in events:
        again.replay(event)

    assert len(again.study.get_trials(deepcopy=False)) == 30


def test_a_loss_that_is_no_number_is_never_replayed() -> None:
    """An epoch that ended its trial as diverged leaves nothing for the pruner, even where the objective was finite."""
    space = make_space(text=HALVING.replace("trials = 4", 'trials = 4\nobjective = { metric = "val_accuracy" }'))
    optimizer = Optimizer(space)
    optimizer.replay({"event": "asked", "trial": 0, "params": PARAMS})
    told = {"event": "epoch", "trial": 0, "epoch": 1, "train_loss": None, "val_loss": None, "val_accuracy": 0.9}
    optimizer.replay(told)

    assert optimizer.study.trials[0].intermediate_values == {}


def test_a_pruned_trial_is_told_as_pruned() -> None:
    """A trial stopped early is PRUNED in Optuna and keeps all its intermediate values."""
    space = make_space(text=HALVING)
    optimizer, events = Optimizer(space), list[dict[str, Any]]()
    simulate(optimizer, events, 20, space)

    for event in (event for event in events if event["event"] == "pruned"):
        trial = optimizer.study.trials[event["trial"]]
        told = [e["epoch"] for e in events if e["event"] == "epoch" and e["trial"] == trial.number]
        assert trial.state == optuna.trial.TrialState.PRUNED
        assert sorted(trial.intermediate_values) == told


def test_a_restart_never_repeats_a_suggestion() -> None:
    """Restarted after every single ask, one seed still suggests something new each time."""
    space = make_space()
    asked: list[dict[str, Any]] = []
    for count in range(15):
        optimizer = Optimizer(space, asked=count)
        for number, params in enumerate(asked):
            optimizer.replay({"event": "asked", "trial": number, "params": params})
        asked.append(optimizer.ask()[1])

    assert len({params["learning_rate"] for params in asked}) == 15


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


def test_an_epoch_told_twice_counts_once() -> None:
    """The first value of an epoch stays when a retry reports it again, and nothing is warned of."""
    optimizer = Optimizer(make_space())
    number, _ = optimizer.ask()

    optimizer.report(number, 1, 2.0)
    optimizer.report(number, 1, 3.0)

    assert optimizer.study.trials[number].intermediate_values == {1: 2.0}
