"""Which trial is handed out next, and as what task. Knows neither ray nor optuna's types."""

from __future__ import annotations

from collections.abc import Callable

from colournet.config import TrainConfig
from colournet.stackable import OWN, shape
from study.errors import LaunchError
from study.known_points import Point
from study.launch.away import Away
from study.launch.messages import Task
from study.launch.roster import Roster
from study.launch.source import Source
from study.limits import Limits
from study.records import StudyRecord
from study.space import Space
from study.store import StudyFolder

_STACKED = "reference"
"""The form in which a stack computes."""


def check_stackable(space: Space, *, fused: int) -> None:
    """Raise `LaunchError` if more than one trial is to be fused and the space fixes a form that cannot be."""
    form = space.fixed.get("form", _STACKED)
    if fused > 1 and form != _STACKED:
        raise LaunchError(
            f'form = "{form}" cannot be trained as a stack',
            hint=f'leave form out of the space, or --fuse out of the command; a stack computes in form = "{_STACKED}"',
        )


class Dealer:
    """Chooses among the trials that wait, asks the source for more where none does, and makes tasks of them."""

    def __init__(
        self,
        folder: StudyFolder,
        record: StudyRecord,
        source: Source,
        roster: Roster,
        limits: Limits,
        *,
        append: Callable[..., None],
        trials: int | None,
        is_fusing: bool,
    ) -> None:
        """`append` records an event; `trials` is how many are to be asked, all in all, None for any number."""
        self._folder, self._record, self._source, self._roster, self._limits = folder, record, source, roster, limits
        self._space = folder.space
        self._append = append
        self._trials = trials
        self._form = _STACKED if is_fusing else TrainConfig.form
        self._away = Away(folder)

    @property
    def has_more(self) -> bool:
        """Whether there are trials that have not been handed out."""
        return bool(self._roster.waiting) or self._may_ask

    @property
    def _may_ask(self) -> bool:
        return self._trials is None or len(self._record.trials) < self._trials

    def choose(self, *, like: int | None = None) -> int | None:
        """The trial that is next, which waits then: an interrupted one before a new one. There must be one.

        Or the next that can be trained as one stack with the trial `like`: None if the one that would be next cannot.
        """
        stack = None if like is None else self._stack_of(like)
        if like is not None and stack is None:
            return None
        fitting = (number for number in self._roster.waiting if stack is None or self._stack_of(number) == stack)
        number = next(fitting, None)
        if number is None and self._may_ask:
            number = self._ask({} if like is None else self._shaping(like))
            self._roster.add(number)
            if stack is not None and self._stack_of(number) != stack:
                return None
        return number

    def task(self, number: int) -> Task:
        """What a worker is given of a trial."""
        trial, objective = self._record.trials[number], self._space.objective
        return Task(
            number=number,
            folder=str(self._folder.layout.trial(number).root.resolve()),
            config=self._config(number).to_mapping(),
            metric=objective.metric,
            goal=objective.goal,
            attempts=trial.attempt,
            timeout_seconds=self._limits.trial_timeout_seconds,
            storage=self._away.place(number),
            is_tested=self._source.is_tested,
        )

    def _ask(self, shaping: Point) -> int:
        """Ask for a trial: at the next known point, or of this shape."""
        index = self._record.next_enqueued
        known = self._source.known[index] if index < len(self._source.known) else None
        number, params = self._source.ask((shaping or None) if known is None else known)
        named = {} if known is None else {"enqueued": index}
        form = self._space.config(params, form=self._form).form
        self._append("asked", number, params=params, seed=self._source.seed(number), form=form, **named)
        return number

    def _shaping(self, number: int) -> Point:
        """What of a trial's parameters decides its shape."""
        return {name: value for name, value in self._record.trials[number].params.items() if name not in OWN}

    def _stack_of(self, number: int) -> TrainConfig | None:
        """The shape of the stacks that a trial may be part of; None if it is to be trained by itself, as in another form."""
        config = self._config(number)
        return shape(config) if config.form == _STACKED and not self._roster.is_apart(number) else None

    def _config(self, number: int) -> TrainConfig:
        trial = self._record.trials[number]
        return self._space.config(trial.params, seed=trial.seed, form=trial.form)
