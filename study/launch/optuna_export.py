"""A study as an Optuna storage: a SQLite file, or a journal file where the name asks for one. Never read back by us."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.trial import FrozenTrial

from colournet import files
from study.errors import StudyError
from study.launch import optuna_tables
from study.launch.frozen_trials import Freezer, direction, study_attributes
from study.store import StudyFolder

_JOURNALS = (".log", ".journal")


def export(folder: StudyFolder, out: Path | None = None) -> Path:
    """Write a study, finished or running, as an Optuna storage of the same study name; answer the file.

    By default it is `export/optuna.db` of the study's folder, which is replaced; a file named by `out` must not exist, since
    it may hold other studies. Raises `StudyError` if it does or cannot be written, `RecordError` as the record demands.
    """
    if out is not None and out.exists():
        raise StudyError(
            f"{out}: exists already, and is left as it is", hint="name another file by --out, or delete it"
        )
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    freezer, path = Freezer(folder), out or folder.layout.optuna
    trials = [freezer.freeze(trial) for trial in folder.read().trials.values()]
    write = _write_journal if path.suffix in _JOURNALS else _write_sqlite
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.scratch(path).unlink(missing_ok=True)  # what a killed export left
        with files.replacing(path) as part:
            write(folder, trials, part)
    except OSError as error:
        raise StudyError(
            f"{path}: cannot be written: {error.strerror or error}", hint="name another by --out"
        ) from error
    return path


def _write_sqlite(folder: StudyFolder, trials: list[FrozenTrial], path: Path) -> None:
    """Make the database in memory and write it at once, since SQLite is flushed to the disk for each statement."""
    with closing(sqlite3.connect(":memory:")) as database:
        storage = RDBStorage("sqlite://", engine_kwargs={"creator": lambda: database})
        study = _create(folder, storage)
        if optuna_tables.are_known(database):
            optuna_tables.fill(database, trials)
        else:
            study.add_trials(trials)
        path.write_bytes(database.serialize())
        storage.remove_session()
        storage.engine.dispose()


def _write_journal(folder: StudyFolder, trials: list[FrozenTrial], path: Path) -> None:
    """Collect the journal in memory and write it at once: Optuna's own file is flushed to the disk for each trial."""
    backend = _Memory()
    _create(folder, JournalStorage(backend)).add_trials(trials)
    JournalFileBackend(str(path)).append_logs(backend.logs)


def _create(folder: StudyFolder, storage: optuna.storages.BaseStorage) -> optuna.Study:
    study = optuna.create_study(storage=storage, study_name=folder.name, direction=direction(folder))
    for name, value in study_attributes(folder).items():
        study.set_user_attr(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([folder.objective.metric])
    return study


class _Memory(BaseJournalBackend):
    """A journal that has no file yet."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The logs from that number on."""
        return self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Keep the logs."""
        self.logs += logs
