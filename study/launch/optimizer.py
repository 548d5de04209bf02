"""Optuna's part: what to try next, and whether a trial goes on.

The Optuna study lives in memory and is rebuilt from the record by the calls that made it, so the sampler and the pruner
reason over exactly what the record says. A trial's number is Optuna's number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from study.errors import RecordError
from study.known_points import Point
from study.launch.halving import Halving, hyperband
from study.launch.tpe import NotingTPE
from study.parameters import Parameter, Value
from study.records import Event, StudyRecord, has_diverged
from study.space import Space

Choice = str | int | float | bool

_UNNAMED = "space"
"""Optuna's name for a study whose space says none: wherever that was read from, hyperband deals its trials alike."""


class Optimizer:
    """Suggests parameters and prunes trials of one search space."""

    is_tested = False

    def __init__(self, space: Space, *, asked: int = 0) -> None:
        """`asked` is how many trials were asked before: a restart draws on, it never draws the same again."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self.known: Sequence[Point] = space.enqueue
        self._distributions = {name: distribution(parameter) for name, parameter in space.search.items()}
        self._rungs = _rungs(space)
        self._trials: dict[int, optuna.Trial] = {}
        self._reported: dict[int, set[int]] = {}
        self._condemned: dict[int, int] = {}
        self._asked = 0
        self._storage = _Storage()
        self.study = optuna.create_study(
            storage=self._storage,
            study_name=space.name if space.is_named else _UNNAMED,  # hyperband assigns brackets by it
            direction=optuna.study.StudyDirection[space.objective.goal.upper()],
            sampler=_sampler(space, asked),
            pruner=_pruner(space),
        )

    @classmethod
    def rebuild(cls, space: Space, record: StudyRecord, *, events: Iterable[Event]) -> Optimizer:
        """Replay the events of `record`, in their order. `space` is the one in force, which has all that were before it.

        The pruner is asked again only where its verdict may still be acted on: after the last epoch of a trial that has
        not ended. Raises `RecordError` for parameters that are not in the space.
        """
        optimizer = cls(space, asked=len(record.trials))
        undecided = {trial.number: trial.last_epoch for trial in record.unfinished}
        for event in events:
            optimizer._replay(event, undecided)
        return optimizer

    def ask(self, known: Point | None = None) -> tuple[int, dict[str, Value]]:
        """Begin the next trial, at a known point where one is given: its number and parameters."""
        if self._space.grid:
            known = self._space.grid[self._asked % len(self._space.grid)]
        if known is not None:
            self.study.enqueue_trial({name: encode(self._space.search[name], value) for name, value in known.items()})
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
        """Tell a trial's value after an epoch; answer whether it should be pruned.

        A repeated epoch is not told again, and answered as it was before.
        """
        if self._tell(number, epoch, value):
            self._judge(number, epoch)
        return self._condemned.get(number) == epoch

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

    def _replay(self, event: Event, undecided: Mapping[int, int]) -> None:
        """Do again what was done when the event was recorded."""
        kind = event["event"]
        if kind == "asked":
            self._add_running(event["trial"], event["params"])
        elif kind == "epoch":
            if not has_diverged(event, self._space.objective.metric):
                self._replay_report(event, is_undecided=undecided.get(event["trial"]) == event["epoch"])
        elif kind == "completed":
            self.complete(event["trial"], event["value"])
        elif kind == "pruned":
            self.prune(event["trial"])
        elif kind == "failed":
            self.fail(event["trial"])

    def _replay_report(self, event: Event, *, is_undecided: bool) -> None:
        number, epoch = event["trial"], event["epoch"]
        if not self._tell(number, epoch, event[self._space.objective.metric]):
            return
        if is_undecided:
            self._judge(number, epoch)
        elif epoch in self._rungs:
            self._trials[number].should_prune()

    def _add_running(self, number: int, params: Mapping[str, Value]) -> None:
        trial_id = self._storage.create_new_trial(self.study._study_id)
        for name, value in params.items():
            parameter = self._space.search.get(name)
            if parameter is None or value not in parameter:
                hint = "the record and the search space are not of one study; restore both from a copy"
                raise RecordError(f"trial {number}: the search space has no {name} = {value!r}", hint=hint)
            wanted = self._distributions[name]
            self._storage.set_trial_param(trial_id, name, wanted.to_internal_repr(encode(parameter, value)), wanted)
        self._begin(optuna.Trial(self.study, trial_id))

    def _begin(self, trial: optuna.Trial) -> None:
        self._trials[trial.number] = trial
        self._reported[trial.number] = set()
        self._asked += 1

    def _tell(self, number: int, epoch: int, value: float) -> bool:
        """Report a value to Optuna, unless that epoch's was before; answer whether it was not."""
        if epoch in self._reported[number]:
            return False
        self._reported[number].add(epoch)
        self._trials[number].report(value, epoch)
        if isinstance(self.study.sampler, NotingTPE):
            self.study.sampler.note(self.study, number, epoch, value)
        return True

    def _judge(self, number: int, epoch: int) -> None:
        self._condemned.pop(number, None)
        if self._trials[number].should_prune():
            self._condemned[number] = epoch

    def _finish(self, number: int) -> optuna.Trial:
        del self._reported[number]
        self._condemned.pop(number, None)
        return self._trials.pop(number)


class _Storage(optuna.storages.InMemoryStorage):
    """Optuna's memory, such that a study that is rebuilt from its record knows what the old one knew."""

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """As Optuna has it, but for what TPE notes of its draws for others that ask at the same time.

        Nobody does, the record has no such notes, and they name parameters that the trial's conditions then exclude.
        """
        if not key.startswith("tpe:"):
            super().set_trial_system_attr(trial_id, key, value)


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
        return IntDistribution(int(parameter.low), int(parameter.highest), log=parameter.log, step=step)
    return FloatDistribution(parameter.low, parameter.highest, log=parameter.log, step=parameter.step)


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
    if space.sampler.kind in ("random", "grid"):  # of a grid, everything is known before it is asked
        return optuna.samplers.RandomSampler(seed=seed)
    return NotingTPE(seed=seed, startup_trials=space.sampler.options["startup_trials"])


def _pruner(space: Space) -> optuna.pruners.BasePruner:
    options: dict[str, Any] = dict(space.pruner.options)
    make: Mapping[str, Callable[[], optuna.pruners.BasePruner]] = {
        "none": optuna.pruners.NopPruner,
        "successive_halving": lambda: Halving(**options),
        "hyperband": lambda: hyperband(**options, max_epochs=max(space.taken("epochs"))),
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


def _rungs(space: Space) -> frozenset[int]:
    """The epochs after which the pruner may note how a trial stands; none for one that keeps no notes."""
    options = space.pruner.options
    if "reduction_factor" not in options:
        return frozenset()
    rungs, most = [options["min_epochs"]], max(space.taken("epochs"))
    while rungs[-1] < most:
        rungs.append(rungs[-1] * options["reduction_factor"])
    return frozenset(rungs)
