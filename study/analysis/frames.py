"""Tidy frames from results folders, live or finished: `trials`, `epochs`, `params` and `attempts`.

Each column's meaning, unit and dtype stand in `study.analysis.columns`, and in docs/data-dictionary.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from colournet.config import TrainConfig
from study.analysis.columns import ATTEMPTS, CONFIG, EPOCHS, PARAMS, STUDY, TIME, TRIALS, dtypes
from study.attempts import Attempt, Attempts
from study.cost import multiply_adds
from study.parameters import Parameter
from study.records import StudyRecord
from study.space import Space
from study.store import StudyFolder
from study.text import format_value

_SCORES = ("train_loss", "val_loss", "val_accuracy", "val_mse")


@dataclass(frozen=True)
class Tables:
    """The four tables of one or more studies, each study read at one moment."""

    trials: pd.DataFrame
    epochs: pd.DataFrame
    params: pd.DataFrame
    attempts: pd.DataFrame

    @classmethod
    def read(cls, folders: Iterable[StudyFolder]) -> Tables:
        """Read studies, in the order given, into tables whose first column, `study`, is the study's name.

        `trials` has a column for every setting that any of the studies searches, filled in for all of them; what is a number
        in one study and a word in another is text. Raises `RecordError` if a record cannot be read.
        """
        found = [Source.read(folder) for folder in folders]
        settings = _setting_dtypes([study.space for study in found])
        return cls(
            trials=_together(found, {**dtypes(TRIALS), **settings}, [_trials(study, settings) for study in found]),
            epochs=_together(found, dtypes(EPOCHS), [study.epochs() for study in found]),
            params=_together(found, dtypes(PARAMS), [_params(study) for study in found]),
            attempts=_together(found, dtypes(ATTEMPTS), [study.attempts() for study in found]),
        )

    def by_name(self) -> dict[str, pd.DataFrame]:
        """The tables by their names."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def trials(folder: StudyFolder, record: StudyRecord | None = None) -> pd.DataFrame:
    """One row a trial, in order of their numbers: `TRIALS`, `CONFIG`, then every other searched field.

    A list (of classes) is written as `deer+dog`, an empty one as `none`. Reads the record unless it is given.
    """
    return Source.of(folder, record or folder.read()).trials()


def epochs(folder: StudyFolder, record: StudyRecord | None = None) -> pd.DataFrame:
    """One row a trial and epoch, in order of both: `EPOCHS`; `state` is the trial's. Reads the record likewise."""
    record = record or folder.read()
    rows = [(trial, trial.epochs[epoch]) for trial in record.trials.values() for epoch in sorted(trial.epochs)]
    of_trial = ("number", "state")
    columns = {name: [getattr(trial, name) for trial, _ in rows] for name in of_trial}
    columns |= {name: [event[name] for _, event in rows] for name in EPOCHS if name not in of_trial}
    return _frame(columns, dtypes(EPOCHS))


def params(folder: StudyFolder, record: StudyRecord | None = None) -> pd.DataFrame:
    """One row a trial and setting, in order of the trials: `PARAMS`. Reads the record likewise."""
    return _params(Source.of(folder, record or folder.read()))


def attempts(folder: StudyFolder) -> pd.DataFrame:
    """One row an attempt, in order of trial and attempt: `ATTEMPTS`. Reads the record, which alone keeps them."""
    return Source.read(folder).attempts()


@dataclass(frozen=True)
class Source:
    """What the tables of one study are made of, read at one moment."""

    folder: StudyFolder
    record: StudyRecord
    space: Space
    configs: list[TrainConfig]
    """Of each trial, in order of their numbers."""
    tried: list[Attempt]
    """Every attempt; empty where the record was given, and not read."""

    @classmethod
    def of(cls, folder: StudyFolder, record: StudyRecord, tried: Sequence[Attempt] = ()) -> Source:
        """What a record tells that was read already, but for the attempts."""
        space = folder.space
        configs = [space.config(trial.params, seed=trial.seed) for trial in record.trials.values()]
        return cls(folder, record, space, configs, list(tried))

    @classmethod
    def read(cls, folder: StudyFolder) -> Source:
        """Read a study. Raises `RecordError` if the record cannot be read."""
        found = Attempts()
        record = folder.read(found.apply)
        if not record.is_live:
            found.interrupt_orphans()
        return cls.of(folder, record, found.in_order())

    def trials(self) -> pd.DataFrame:
        """One row a trial, as the function `trials` has them."""
        return _trials(self, _setting_dtypes([self.space]))

    def epochs(self) -> pd.DataFrame:
        """One row a trial and epoch."""
        return epochs(self.folder, self.record)

    def attempts(self) -> pd.DataFrame:
        """One row an attempt."""
        return _attempts(self.tried)


def _trials(study: Source, settings: Mapping[str, str]) -> pd.DataFrame:
    found = list(study.record.trials.values())
    best = [trial.epochs[trial.best_epoch] if trial.best_epoch is not None else {} for trial in found]
    columns: dict[str, list[Any]] = {name: [getattr(trial, name, None) for trial in found] for name in TRIALS}
    columns |= {name: [event.get(name) for event in best] for name in _SCORES}
    columns["epochs_trained"] = [len(trial.epochs) for trial in found]
    columns["palette"] = [str(config.palette_name) for config in study.configs]
    columns["multiply_adds"] = [multiply_adds(config) for config in study.configs]
    for name, dtype in settings.items():
        values = [getattr(config, name) for config in study.configs]
        columns[name] = [_scalar(value, dtype) for value in values]
    return _frame(columns, {**dtypes(TRIALS), **settings})


def _params(study: Source) -> pd.DataFrame:
    names = [field.name for field in fields(TrainConfig) if field.name != "seed"]
    rows = [
        (trial.number, name, value, _origin(name, trial.params, study.space))
        for trial, config in zip(study.record.trials.values(), study.configs, strict=True)
        for name in names
        if (value := getattr(config, name)) is not None
    ]
    columns: dict[str, list[Any]] = {
        "number": [number for number, *_ in rows],
        "name": [name for _, name, *_ in rows],
        "value": [_text(value) for *_, value, _ in rows],
        "numeric": [_number(value) for *_, value, _ in rows],
        "origin": [origin for *_, origin in rows],
    }
    return _frame(columns, dtypes(PARAMS))


def _attempts(found: Sequence[Attempt]) -> pd.DataFrame:
    named = {"number": "trial", "attempt": "number"}
    columns = {name: [getattr(attempt, named.get(name, name)) for attempt in found] for name in ATTEMPTS}
    return _frame(columns, dtypes(ATTEMPTS))


def _origin(name: str, searched: Mapping[str, Any], space: Space) -> str:
    if name in searched:
        return "searched"
    return "fixed" if name in space.fixed else "default"


def _setting_dtypes(spaces: Sequence[Space]) -> dict[str, str]:
    """`CONFIG`, then every other field that a space searches, with a dtype that holds the values of all of them."""
    found: dict[str, str] = dict(CONFIG)
    for name in dict.fromkeys(name for space in spaces for name in space.search if name not in CONFIG):
        kinds = {_dtype(space.search[name]) for space in spaces if name in space.search}
        found[name] = kinds.pop() if len(kinds) == 1 else "float64" if kinds == {"Int64", "float64"} else "string"
    return found


def _dtype(parameter: Parameter) -> str:
    """The dtype that holds every value of a parameter, and its absence."""
    if parameter.kind != "choice":
        return "Int64" if parameter.kind == "int" else "float64"
    kinds = {type(choice) for choice in parameter.choices}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "Int64"
    return "float64" if kinds <= {int, float} else "string"


def _scalar(value: Any, dtype: str) -> Any:
    return _text(value) if dtype == "string" and value is not None else value


def _text(value: Any) -> str:
    """A setting's value in full."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else format_value(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, bool | int | float) else None


def _together(found: Sequence[Source], wanted: Mapping[str, str], frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One frame of several, with a leading column that says whose each row is."""
    named = [
        frame.assign(study=study.folder.name)[[*STUDY, *wanted]] for study, frame in zip(found, frames, strict=True)
    ]
    if not named:
        return _frame({name: [] for name in (*STUDY, *wanted)}, {**dtypes(STUDY), **wanted})
    return pd.concat(named, ignore_index=True).astype(dtypes(STUDY))


def _frame(columns: Mapping[str, Sequence[Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    made: dict[str, pd.Series[Any]] = {}
    for name, dtype in dtypes.items():
        # pandas parses text to times only through to_datetime
        values: Any = columns[name]
        if dtype == TIME:
            values = pd.to_datetime(pd.Series(values, dtype="object"), utc=True)
        made[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(made)
