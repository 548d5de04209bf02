"""A study as an Optuna storage: what Optuna reads back is the record, trial by trial."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from click.testing import CliRunner, Result
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from colournet.errors import UserError
from study.cli import cli
from study.launch import optuna_export, optuna_tables
from study.launch.optimizer import distribution, encode
from study.records import ENDED, StudyRecord
from study.store import StudyFolder
from tests.study.helpers import PARAMS, SPACE, epoch, make_folder, session, started
from tests.study.test_optimizer import CONDITION, LISTS

RECORDED = Path(__file__).parents[2] / "results" / "horses-architecture"
STATES = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
FILES = ["optuna.db", "study.sqlite3", "study.log", "study.journal"]


@pytest.fixture(autouse=True)
def _far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local time that is not UTC, so that mixing them up shows."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study of which trials are completed, pruned, diverged, failed, interrupted, and asked and not started."""
    folder = make_folder(tmp_path, space_text=SPACE + LISTS + CONDITION)
    lists = {"extra_classes": ["deer", "dog"]}
    with folder.write() as writer:
        writer.append("launched", **session(6))
        for number in range(6):
            model = {"model": "unet", "kernel_size": 5} if number % 2 else {}
            writer.append("asked", number, params={**PARAMS, "extra_classes": [], **model}, seed=number)
        for number in range(5):
            writer.append("started", number, **started(parameters=100 + number))
            for step in (1, 2):
                writer.append("epoch", number, **epoch(step, 4.0 - number / 2 - step))
        writer.append("completed", 0, attempt=1, value=2.0, epoch=2, checkpoint="trials/0000/attempt-1/best")
        writer.append("pruned", 1, attempt=1, value=1.5, epoch=2)
        writer.append("epoch", 2, **epoch(3, None))
        writer.append("failed", 2, attempt=1, reason="diverged", message="the loss of epoch 3 is not finite")
        writer.append("interrupted", 3, attempt=1, reason="lost", message="node gone")
        writer.append("started", 3, **started(2, host="there", resumed_from_epoch=2))
        writer.append("epoch", 3, **epoch(3, 0.25, attempt=2))
        writer.append("completed", 3, attempt=2, value=0.25, epoch=3, checkpoint="trials/0003/attempt-2/best")
        writer.append("asked", 6, params={**PARAMS, **lists}, seed=6)
        writer.append("failed", 6, attempt=0, reason="lost", message="no worker came")
    return folder


def export(results: Path, *arguments: str, name: str = "little") -> Result:
    return CliRunner().invoke(cli, ["export", name, "--format", "optuna", "--results", str(results), *arguments])


def load(path: Path, name: str = "little") -> optuna.Study:
    """Open an export as its readers do."""
    if path.suffix in (".log", ".journal"):
        return optuna.load_study(study_name=name, storage=JournalStorage(JournalFileBackend(str(path))))
    return optuna.load_study(study_name=name, storage=f"sqlite:///{path}")


def known(trial: FrozenTrial) -> dict[str, Any]:
    """All that there is of a trial but its id, which differs between storages; NaN is told by a word, to be equal."""
    steps = {step: "nan" if math.isnan(value) else value for step, value in trial.intermediate_values.items()}
    names = ("number", "state", "values", "params", "distributions", "user_attrs", "system_attrs")
    times = (trial.datetime_start, trial.datetime_complete)
    return {"steps": steps, "times": times, **{name: getattr(trial, name) for name in names}}


def local(stamp: str | None) -> datetime | None:
    return None if stamp is None else datetime.fromisoformat(stamp).astimezone().replace(tzinfo=None)


def check_equal(study: optuna.Study, folder: StudyFolder, record: StudyRecord) -> None:
    """Every trial of the record is there, with all that the record says of it, and nothing else."""
    search, metric = folder.space.search, folder.objective.metric
    assert [trial.number for trial in study.trials] == list(record.trials)
    for trial, expected in zip(study.trials, record.trials.values(), strict=True):
        steps = {step: event[metric] for step, event in expected.epochs.items()}
        assert trial.state == STATES.get(expected.state, TrialState.RUNNING)
        assert trial.params == {name: encode(search[name], value) for name, value in expected.params.items()}
        assert trial.distributions == {name: distribution(search[name]) for name in expected.params}
        assert known(trial)["steps"] == {step: "nan" if value is None else value for step, value in steps.items()}
        assert trial.value == expected.value
        assert trial.datetime_start == local(expected.started or expected.asked)
        assert trial.datetime_complete == local(expected.ended)
        told = {name: getattr(expected, name) for name in ("seed", "best_epoch", "parameters", "host", "device")}
        told |= {name: getattr(expected, name) for name in ("state", "reason", "message")}
        told |= {"attempts": expected.attempt, "epochs_trained": len(expected.epochs)}
        assert trial.user_attrs == {name: value for name, value in told.items() if value is not None}
    best = folder.best(record)
    assert best is not None
    assert (study.best_trial.number, study.best_value) == (best.number, best.value)


@pytest.mark.parametrize("file", FILES)
def test_what_optuna_reads_back_is_the_record(tmp_path: Path, folder: StudyFolder, file: str) -> None:
    """Numbers, states, parameters, values, times, attributes and the best trial are the record's, in each kind of file."""
    result = export(tmp_path, "--out", str(tmp_path / "out" / file))

    study = load(tmp_path / "out" / file)
    check_equal(study, folder, folder.read())
    assert result.stdout == f"{tmp_path / 'out' / file}\n"
    assert study.study_name == study.user_attrs["name"] == "little"
    assert study.user_attrs["question"] == "Does it work?"
    assert study.user_attrs["objective"]["metric"] == "val_loss"
    assert study.metric_names == ["val_loss"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [file]


def test_the_projects_own_study_is_told_to_optuna(tmp_path: Path) -> None:
    """A finished study that Ray and Optuna ran reads back whole, with the commit and versions that ran it."""
    ignored = shutil.ignore_patterns("figures", "trials", "best", "reproductions", "report.html")
    shutil.copytree(RECORDED, tmp_path / RECORDED.name, ignore=ignored)
    folder = StudyFolder.open(tmp_path, RECORDED.name)
    record = folder.read()

    export(tmp_path, name=RECORDED.name)

    study = load(folder.layout.optuna, RECORDED.name)
    check_equal(study, folder, record)
    assert all(trial.state in ENDED for trial in record.trials.values())
    assert study.user_attrs["commit"] == folder.manifest["provenance"]["commit"]
    assert study.user_attrs["versions"]["optuna"] == folder.manifest["provenance"]["versions"]["optuna"]


def test_a_bulk_of_rows_is_what_optuna_would_have_written(
    tmp_path: Path, folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Optuna's tables are not of the known version its own slow way is taken, and both give the same trials."""
    assert export(tmp_path, "--out", str(tmp_path / "bulk.db")).exit_code == 0
    monkeypatch.setattr(optuna_tables, "_KNOWN_SCHEMA", 13)
    monkeypatch.setattr(optuna_tables, "fill", None)

    assert export(tmp_path, "--out", str(tmp_path / "slow.db")).exit_code == 0

    bulk, slow = load(tmp_path / "bulk.db"), load(tmp_path / "slow.db")
    assert [known(trial) for trial in bulk.trials] == [known(trial) for trial in slow.trials]
    assert bulk.user_attrs == slow.user_attrs


def test_optuna_goes_on_with_an_export(tmp_path: Path, folder: StudyFolder) -> None:
    """An exported study is one like any other: its trials can be tabled, and it can be searched further."""
    export(tmp_path)
    study = load(folder.layout.optuna)

    trial = study.ask()

    assert trial.number == len(folder.read().trials)
    assert study.trials_dataframe()["user_attrs_seed"].dropna().tolist() == list(range(trial.number))


def test_an_export_is_repeated_whole(tmp_path: Path, folder: StudyFolder) -> None:
    """A second export to the study's own folder replaces the first, which may be open, and what a killed one left."""
    export(tmp_path)
    (folder.layout.export / "optuna.db.part").write_text("half")
    with folder.write() as writer:
        writer.append("failed", 4, attempt=1, reason="error", message="RuntimeError: no")

    assert export(tmp_path).exit_code == 0

    assert load(folder.layout.optuna).trials[4].state == TrialState.FAIL
    assert [path.name for path in folder.layout.export.iterdir()] == ["optuna.db"]


@pytest.mark.parametrize("file", ["studies.db", "studies.log"])
def test_no_storage_of_others_is_replaced(tmp_path: Path, folder: StudyFolder, file: str) -> None:
    """A file that exists, which may hold other studies, is left as it is, and told."""
    (tmp_path / file).write_text("others")

    result = export(tmp_path, "--out", str(tmp_path / file))

    assert isinstance(result.exception, UserError)
    assert "exists already" in result.exception.message
    assert (tmp_path / file).read_text() == "others"


def test_an_export_that_cannot_be_written_is_told(tmp_path: Path, folder: StudyFolder) -> None:
    """A folder that cannot be made is told in a sentence."""
    (tmp_path / "file").touch()

    result = export(tmp_path, "--out", str(tmp_path / "file" / "optuna.db"))

    assert isinstance(result.exception, UserError)
    assert "cannot be written" in result.exception.message


def test_a_parameter_that_is_not_in_the_space_is_told(tmp_path: Path) -> None:
    """A record that does not belong to its search space is refused in a sentence, not exported as something else."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        writer.append("asked", 0, params={**PARAMS, "learning_rate": "fast"}, seed=0)

    result = export(tmp_path)

    assert isinstance(result.exception, UserError)
    assert "the search space has no learning_rate = 'fast'" in result.exception.message
    assert not folder.layout.export.exists()


def test_times_are_those_of_this_machine(folder: StudyFolder) -> None:
    """Optuna keeps local times; an exported one is the moment that the record tells in UTC."""
    trial = optuna_export.Freezer(folder).freeze(folder.read().trials[0])

    assert trial.datetime_start is not None
    assert trial.datetime_start.astimezone() == datetime.fromisoformat(folder.read().trials[0].started or "")
