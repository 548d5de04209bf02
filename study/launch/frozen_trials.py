"""A study's record in Optuna's words: each trial as Optuna holds one, and what there is to say of the study."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from study.errors import RecordError
from study.launch.optimizer import Choice, distribution, encode
from study.parameters import Parameter, Value
from study.records import TrialRecord
from study.store import StudyFolder

_STATES = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
_NOT_ENDED = TrialState.RUNNING
"""An interrupted trial is one of these too: it goes on when the study does. Its attribute `state` tells them apart."""
_NOT_A_NUMBER = float("nan")


class Freezer:
    """Makes Optuna's trials of one study's."""

    def __init__(self, folder: StudyFolder) -> None:
        self._search = folder.space.search
        self._metric = folder.objective.metric
        self._distributions = {name: distribution(parameter) for name, parameter in self._search.items()}

    def freeze(self, trial: TrialRecord) -> FrozenTrial:
        """A trial as of now.

        Its value is that of the best epoch, its intermediate values are the objective by epoch, NaN where that was not
        finite, and its times are local ones, as Optuna keeps them. Raises `RecordError` for parameters that are not in the
        search space.
        """
        params, distributions = self._params(trial)
        return FrozenTrial(
            number=trial.number,
            trial_id=trial.number,
            state=_STATES.get(trial.state, _NOT_ENDED),
            value=trial.value,
            datetime_start=_local(trial.started or trial.asked),
            datetime_complete=None if trial.ended is None else _local(trial.ended),
            params=params,
            distributions=distributions,
            user_attrs=_attributes(trial),
            system_attrs={},
            intermediate_values={epoch: self._value(trial, epoch) for epoch in sorted(trial.epochs)},
        )

    def _params(self, trial: TrialRecord) -> tuple[dict[str, Choice], dict[str, BaseDistribution]]:
        params: dict[str, Choice] = {}
        for name, value in trial.params.items():
            if name not in self._search or not _takes(self._search[name], value):
                raise RecordError(
                    f"trial {trial.number}: the search space has no {name} = {value!r}",
                    hint="the record and the search space are not of one study; restore both from a copy",
                )
            params[name] = encode(self._search[name], value)
        return params, {name: self._distributions[name] for name in params}

    def _value(self, trial: TrialRecord, epoch: int) -> float:
        value = trial.epochs[epoch][self._metric]
        return _NOT_A_NUMBER if value is None else float(value)


def _takes(parameter: Parameter, value: Value) -> bool:
    is_comparable = parameter.kind == "choice" or isinstance(value, int | float)
    return is_comparable and value in parameter


def study_attributes(folder: StudyFolder) -> dict[str, Any]:
    """What Optuna is told of the study: its name, question, objective, the commit and the versions that ran it."""
    manifest = folder.manifest
    told = {
        "name": folder.name,
        "question": manifest.get("question"),
        "objective": manifest["objective"],
        "created": manifest["created"],
        "commit": manifest["provenance"].get("commit"),
        "versions": manifest["provenance"].get("versions"),
    }
    return _known(told)


def direction(folder: StudyFolder) -> StudyDirection:
    """Which way the objective is better."""
    return StudyDirection[folder.objective.goal.upper()]


def _attributes(trial: TrialRecord) -> dict[str, Any]:
    told = {
        "state": trial.state,
        "seed": trial.seed,
        "attempts": trial.attempt,
        "best_epoch": trial.best_epoch,
        "epochs_trained": len(trial.epochs),
        "parameters": trial.parameters,
        "host": trial.host,
        "device": trial.device,
        "reason": trial.reason,
        "message": trial.message,
    }
    return _known(told)


def _known(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def _local(time: str) -> datetime:
    """A time of the record as Optuna writes its own: local, without a zone."""
    return datetime.fromisoformat(time).astimezone().replace(tzinfo=None)
