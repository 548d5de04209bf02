"""Trials written into an Optuna SQLite database in bulk.

Optuna's `add_trials` looks for each value's row before it writes it, some 100 statements a trial: 30 ms each, six minutes for
10,000 trials of 30 epochs. Here the same rows go into the tables that Optuna made, if they are of the version known here.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial

_KNOWN_SCHEMA = 12
_STUDY = 1
"""The id of a new database's only study; trials are numbered from 0 and have ids from 1."""

_INSERT = {
    "trials": "(trial_id, number, study_id, state, datetime_start, datetime_complete) VALUES (?, ?, ?, ?, ?, ?)",
    "trial_values": "(trial_id, objective, value, value_type) VALUES (?, 0, ?, 'FINITE')",
    "trial_params": "(trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
    "trial_user_attributes": "(trial_id, key, value_json) VALUES (?, ?, ?)",
    "trial_intermediate_values": ("(trial_id, step, intermediate_value, intermediate_value_type) VALUES (?, ?, ?, ?)"),
}


def are_known(database: sqlite3.Connection) -> bool:
    """Whether the tables that Optuna made are of the version that `fill` writes."""
    return database.execute("SELECT schema_version FROM version_info").fetchall() == [(_KNOWN_SCHEMA,)]


def fill(database: sqlite3.Connection, trials: Iterable[FrozenTrial]) -> None:
    """Add the trials of the database's only study, which has none yet, in order of their numbers."""
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _INSERT}
    for trial in trials:
        for table, row in _rows(trial):
            rows[table].append(row)
    with database:
        for table, columns in _INSERT.items():
            database.executemany(f"INSERT INTO {table} {columns}", rows[table])


def _rows(trial: FrozenTrial) -> Iterator[tuple[str, tuple[Any, ...]]]:
    key = trial.number + 1
    times = (_text(trial.datetime_start), _text(trial.datetime_complete))
    yield "trials", (key, trial.number, _STUDY, trial.state.name, *times)
    if trial.value is not None:
        yield "trial_values", (key, trial.value)
    for name, value in trial.params.items():
        wanted = trial.distributions[name]
        yield "trial_params", (key, name, wanted.to_internal_repr(value), distribution_to_json(wanted))
    for name, value in trial.user_attrs.items():
        yield "trial_user_attributes", (key, name, json.dumps(value))
    for step, value in trial.intermediate_values.items():
        stored = (None, "NAN") if math.isnan(value) else (value, "FINITE")
        yield "trial_intermediate_values", (key, step, *stored)


def _text(local: datetime | None) -> str | None:
    """A local time as Optuna keeps it in SQLite: UTC, without a zone."""
    if local is None:
        return None
    return local.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
