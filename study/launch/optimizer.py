"""Optuna's part: what to try next, and whether a trial goes on. The one file that imports optuna.

The Optuna study lives in memory and is rebuilt from the record by the same calls that made it, so the sampler and the
pruner reason over exactly what the record says. A trial's number is Optuna's number.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from study.parameters import Parameter, Value
from study.records import Event, StudyRecord, has_diverged
from study.space import Space

Choice = str | int | float | bool


class Optimizer:
    """Suggests parameters and prunes trials of one search space."""

    is_tested = False

    def __init__(self, space: Space, *, asked: int = 0) -> None:
        """`asked` is how many trials were asked before: a restart draws on, it never draws the same again."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._trials: dict[int, optuna.Trial] = {}
        self._reported: dict[int, set[int]] = {}
        self._condemned: set[int] = set()
        self.study = optuna.create_study(
            study_name=space.name,  # hyperband assigns brackets by it
            direction=optuna.study.StudyDirection[space.objective.goal.upper()],
            sampler=_sampler(space, asked),
            pruner=_pruner(space),
        )

    @classmethod
    def rebuild(cls, space: Space, record: StudyRecord, *, events: list[Event]) -> Optimizer:
        """Replay a record's events, in their order."""
        optimizer = cls(space, asked=len(record.trials))
        for event in events:
            optimizer.replay(event)
        return optimizer

    def ask(self) -> tuple[int, dict[str, Value]]:
        """Begin the next trial: its number and parameters."""
        trial = self.study.ask()
        params: dict[str, Value] = {}
        for name, parameter in self._space.search.items():
            if parameter.is_active(params):
                params[name] = decode(parameter, _suggest(trial, parameter))
        self._begin(trial)
        return trial.number, params

    def seed(self, number: int) -> int:
        """The seed of a trial, from the space's and its number."""
        return self._space.trial_seed(number)

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Tell a trial's value after an epoch; answer whether it should be pruned. A repeated epoch is not told again."""
        trial = self._trials[number]
        if epoch not in self._reported[number]:
            self._reported[number].add(epoch)
            trial.report(value, epoch)
        self._condemned.discard(number)
        if trial.should_prune():
            self._condemned.add(number)
        return number in self._condemned

    def is_condemned(self, number: int) -> bool:
        """Whether the latest report of an unfinished trial was answered by pruning it."""
        return number in self._condemned

    def complete(self, number: int, value: float) -> None:
        """End a trial with its value."""
        self.study.tell(self._finish(number), value)

    def prune(self, number: int) -> None:
        """End a trial early; Optuna takes its last reported value."""
        self.study.tell(self._finish(number), state=TrialState.PRUNED)

    def fail(self, number: int) -> None:
        """End a trial without a value."""
        self.study.tell(self._finish(number), state=TrialState.FAIL)

    def replay(self, event: Event) -> None:
        """Do again what was done when the event was recorded."""
        kind = event["event"]
        if kind == "asked":
            self._add_running(event["trial"], event["params"])
        elif kind == "epoch":
            if not has_diverged(event, self._space.objective.metric):
                self.report(event["trial"], event["epoch"], event[self._space.objective.metric])
        elif kind == "completed":
            self.complete(event["trial"], event["value"])
        elif kind == "pruned":
            self.prune(event["trial"])
        elif kind == "failed":
            self.fail(event["trial"])

    def _add_running(self, number: int, params: Mapping[str, Value]) -> None:
        parameters = {name: self._space.search[name] for name in params}
        frozen = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params={name: encode(parameter, params[name]) for name, parameter in parameters.items()},
            distributions={name: distribution(parameter) for name, parameter in parameters.items()},
        )
        self.study.add_trial(frozen)
        storage = self.study._storage  # the public way copies every trial of the study
        trial_id = storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)
        self._begin(optuna.Trial(self.study, trial_id))

    def _begin(self, trial: optuna.Trial) -> None:
        self._trials[trial.number] = trial
        self._reported[trial.number] = set()

    def _finish(self, number: int) -> optuna.Trial:
        del self._reported[number]
        self._condemned.discard(number)
        return self._trials.pop(number)


def encode(parameter: Parameter, value: Value) -> Choice:
    """A value as Optuna holds it: a list of classes becomes `cat+dog`, or `none`."""
    if parameter.kind == "choice" and isinstance(value, list):
        return "+".join(value) or "none"
    return value  # type: ignore[no-any-return]


def decode(parameter: Parameter, value: Choice) -> Value:
    """The inverse of `encode`."""
    if parameter.kind != "choice":
        return value
    return next(choice for choice in parameter.choices if encode(parameter, choice) == value)


def distribution(parameter: Parameter) -> BaseDistribution:
    """The parameter as an Optuna distribution; bounds are kept to the bit."""
    if parameter.kind == "choice":
        return CategoricalDistribution([encode(parameter, choice) for choice in parameter.choices])
    if parameter.kind == "int":
        step = 1 if parameter.step is None else int(parameter.step)
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log, step=step)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)


def _suggest(trial: optuna.Trial, parameter: Parameter) -> Choice:
    wanted = distribution(parameter)
    answer: Choice
    if isinstance(wanted, CategoricalDistribution):
        answer = trial.suggest_categorical(parameter.name, wanted.choices)  # type: ignore[assignment]
    elif isinstance(wanted, IntDistribution):
        answer = trial.suggest_int(parameter.name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)
    else:
        assert isinstance(wanted, FloatDistribution)
        answer = trial.suggest_float(parameter.name, wanted.low, wanted.high, step=wanted.step, log=wanted.log)
    return answer


def _sampler(space: Space, asked: int) -> optuna.samplers.BaseSampler:
    seed = int.from_bytes(hashlib.sha256(f"sampler/{space.seed}/{asked}".encode()).digest()[:4], "big")
    if space.sampler.kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        # Both settings are Optuna 5's defaults, written out because they decide what is tried.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=space.sampler.options["startup_trials"],
            multivariate=True,
            constant_liar=True,
        )


def _pruner(space: Space) -> optuna.pruners.BasePruner:
    options: dict[str, Any] = dict(space.pruner.options)
    make: Mapping[str, Callable[[], optuna.pruners.BasePruner]] = {
        "none": optuna.pruners.NopPruner,
        "successive_halving": lambda: optuna.pruners.SuccessiveHalvingPruner(
            min_resource=options["min_epochs"], reduction_factor=options["reduction_factor"]
        ),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(
            min_resource=options["min_epochs"],
            max_resource=max(space.taken("epochs")),
            reduction_factor=options["reduction_factor"],
        ),
        "median": lambda: optuna.pruners.MedianPruner(
            n_startup_trials=options["startup_trials"], n_warmup_steps=options["warmup_epochs"]
        ),
        "percentile": lambda: optuna.pruners.PercentilePruner(
            options["percentile"],
            n_startup_trials=options["startup_trials"],
            n_warmup_steps=options["warmup_epochs"],
        ),
    }
    return make[space.pruner.kind]()
