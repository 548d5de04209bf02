"""A study that is rebuilt from its record knows what the old one knew, wherever the record breaks off."""

import random
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.errors import RecordError
from study.launch.optimizer import Optimizer, distribution
from study.space import Space
from tests.study.helpers import SPACE, make_space
from tests.study.made_up_studies import MadeUpStudy, foresight, knowledge, rebuilt

SEARCHED = """
[search.extra_classes]
kind = "choice"
choices = [[], ["deer"], ["deer", "dog"]]

[search.kernel_size]
kind = "choice"
choices = [3, 5]
when = { model = ["unet"] }
"""
POINTS = """
[[enqueue]]
model = "unet"
kernel_size = 5
epochs = 4
learning_rate = 0.002
extra_classes = ["deer"]

[[enqueue]]
learning_rate = 0.004
"""
SAMPLERS = {"tpe": 'kind = "tpe", startup_trials = 3', "random": 'kind = "random"'}
PRUNERS = {
    "successive_halving": 'kind = "successive_halving", min_epochs = 1, reduction_factor = 2',
    "hyperband": 'kind = "hyperband", min_epochs = 1, reduction_factor = 2',
    "median": 'kind = "median", startup_trials = 2, warmup_epochs = 1',
    "percentile": 'kind = "percentile", percentile = 40.0, startup_trials = 3, warmup_epochs = 0',
    "none": 'kind = "none"',
}


def space_of(sampler: str, pruner: str, *, text: str = SPACE, name: str = "study") -> Space:
    """The little space with lists, a condition and known points, with a sampler and a pruner."""
    head = f"sampler = {{ {SAMPLERS[sampler]} }}\npruner = {{ {PRUNERS[pruner]} }}"
    return Space.parse(text.replace('pruner = { kind = "none" }', head) + SEARCHED + POINTS, default_name=name)


def assert_same(study: MadeUpStudy) -> None:
    """What is rebuilt from the study's record holds, answers and asks the same as the study."""
    again = rebuilt(study.space, study.events)
    assert knowledge(again) == knowledge(study.optimizer)
    assert foresight(again, study.record) == foresight(study.optimizer, study.record)


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_is_rebuilt_after_any_event(sampler: str, pruner: str) -> None:
    """Wherever the record of a study with completed, pruned, failed and retried trials is cut, it is rebuilt as it was."""
    compared = 0

    def compare(study: MadeUpStudy) -> None:
        nonlocal compared
        assert_same(study)
        compared += 1

    study = MadeUpStudy(space_of(sampler, pruner), trials=24, on_event=compare)
    study.run(random.Random(3).randrange)

    trials = study.record.trials.values()
    assert compared == len(study.events) - 1  # all but the launch
    assert {trial.state for trial in trials} == {"completed", "failed"} | ({"pruned"} if pruner != "none" else set())
    assert {trial.reason for trial in trials if trial.state == "failed"} == {"diverged", "error"}
    assert any(trial.trained > trial.last_epoch for trial in trials)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 40), min_size=5, max_size=80), st.sampled_from([*PRUNERS]), st.sampled_from([*SAMPLERS]))
def test_any_study_is_rebuilt(decisions: list[int], pruner: str, sampler: str) -> None:
    """Whatever happens to its trials, and wherever it ends, a study is rebuilt as it was."""
    study, script = MadeUpStudy(space_of(sampler, pruner), trials=12), iter(decisions)
    study.run(lambda count: next(script) % count, steps=len(decisions))

    assert_same(study)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_rebuild_looks_at_other_trials_only_where_its_verdict_counts(
    pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other trials are looked at once for each that has not ended, or the cost would grow with the study's square."""
    looked = 0
    look = optuna.storages.InMemoryStorage.get_all_trials

    def count(*args: Any, **kwargs: Any) -> Any:
        nonlocal looked
        looked += 1
        return look(*args, **kwargs)

    study = MadeUpStudy(space_of("tpe", pruner), trials=24)
    study.run(random.Random(3).randrange, steps=150)
    monkeypatch.setattr(optuna.storages.InMemoryStorage, "get_all_trials", count)
    rebuilt(study.space, study.events)

    assert looked <= len(study.record.unfinished) <= 3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_restarts_never_repeat_a_suggestion(sampler: str) -> None:
    """Over fifty restarts with one seed no suggestion is recorded twice; one that its driver never recorded comes again."""
    study = MadeUpStudy(space_of(sampler, "none"), trials=100)
    lost: list[tuple[int, dict[str, Any]]] = []
    for restart in range(50):
        study.optimizer = rebuilt(study.space, study.events)
        if restart >= 2 and restart % 3 == 0:
            lost.append(study.optimizer.ask())
            continue
        number = study.ask()
        study.start(number)
        while number in {trial.number for trial in study.record.unfinished}:
            study.train(number)

    asked = [(trial.number, trial.params) for trial in study.record.trials.values()]
    rates = [params["learning_rate"] for _, params in asked]
    assert len(set(rates)) == len(rates) == 34
    assert all(suggestion in asked for suggestion in lost)


def test_brackets_do_not_depend_on_where_the_space_was_read() -> None:
    """Hyperband deals trials to the same brackets, whatever the file of a space without a name is called."""
    unnamed = SPACE.replace('name = "little"', "")
    study = MadeUpStudy(space_of("tpe", "hyperband", text=unnamed, name="mine"), trials=24)
    study.run(random.Random(3).randrange)

    again = rebuilt(space_of("tpe", "hyperband", text=unnamed, name="space"), study.events)

    assert knowledge(again) == knowledge(study.optimizer)


def test_an_epoch_told_twice_counts_once() -> None:
    """The first value of an epoch stays when a retry reports it again, and nothing is warned of."""
    optimizer = Optimizer(make_space())
    number, _ = optimizer.ask()

    optimizer.report(number, 1, 2.0)
    optimizer.report(number, 1, 3.0)

    assert optimizer.study.trials[number].intermediate_values == {1: 2.0}


def test_a_retry_is_answered_as_before() -> None:
    """A trial that is condemned at its last epoch, which completes it, is not pruned at an earlier one when it is retried."""
    space = make_space(text=SPACE.replace('kind = "none"', 'kind = "median", startup_trials = 1, warmup_epochs = 0'))
    optimizer = Optimizer(space)
    first, retried = optimizer.ask()[0], optimizer.ask()[0]
    for epoch, loss in enumerate([2.0, 1.0], start=1):
        optimizer.report(first, epoch, loss)
    optimizer.complete(first, 1.0)

    answers = [optimizer.report(retried, epoch, loss) for epoch, loss in [(1, 1.9), (2, 1.8), (1, 1.9), (2, 1.8)]]

    assert answers == [False, True, False, True]


def test_a_record_of_another_space_is_refused() -> None:
    """Parameters that the space does not have, or not with that value, are told by the trial's number."""
    study = MadeUpStudy(make_space(), trials=1)
    study.ask()
    narrower = make_space(text=SPACE.replace("low = 1e-3", "low = 9.99e-3"))

    with pytest.raises(RecordError, match=r"trial 0: the search space has no learning_rate = 0\.00"):
        rebuilt(narrower, study.events)


WIDER = {
    "choices": (('["cnn", "unet"]', '["regression_cnn", "unet", "cnn"]'), ('["deer"], [', '["deer"], ["cat"], [')),
    "range": (("low = 1e-3\nhigh = 1e-2", "low = 1e-4\nhigh = 1e-1"), ("low = 2\nhigh = 4", "low = 1\nhigh = 6")),
}
WIDER["both"] = WIDER["choices"] + WIDER["range"]


@pytest.mark.parametrize("change", WIDER)
@pytest.mark.parametrize("pruner", ["successive_halving", "median"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_widened_study_asks_from_the_whole_space(sampler: str, pruner: str, change: str) -> None:
    """After a widening all trials are as if asked of the new space, and the new values are reached."""
    text = SPACE.replace('name = "little"', 'objective = { metric = "val_mse" }')
    study = MadeUpStudy(space_of(sampler, pruner, text=text), trials=20)
    study.run(random.Random(5).randrange, steps=150)
    old, widened = study.space, study.space.text
    for before, after in WIDER[change]:
        assert before in widened
        widened = widened.replace(before, after)

    study.space, study.trials = Space.parse(widened), 60
    study.optimizer = rebuilt(study.space, study.events)
    study.run(random.Random(5).randrange)

    assert_same(study)
    wanted = {name: distribution(parameter) for name, parameter in study.space.search.items()}
    trials = study.optimizer.study.get_trials(deepcopy=False)
    assert all(trial.distributions == {name: wanted[name] for name in trial.params} for trial in trials)
    is_new = [
        any(value not in old.search[name] for name, value in t.params.items()) for t in study.record.trials.values()
    ]
    assert not any(is_new[:20])
    assert sum(is_new[20:]) > 5
