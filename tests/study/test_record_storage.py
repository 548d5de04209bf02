"""The record as an Optuna storage: a view that Optuna can read and not write."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from study.errors import StudyError
from study.launch.record_storage import RecordStorage
from tests.study.helpers import PARAMS, SPACE, make_folder, session
from tests.study.test_dashboard import finish


def test_the_record_is_an_optuna_storage_that_cannot_be_written(tmp_path: Path) -> None:
    """Optuna itself can load the study and look at every trial, and is refused whatever would change one."""
    folder = make_folder(tmp_path)
    finish(folder)
    storage = RecordStorage(folder)
    storage.refresh()

    study = optuna.load_study(study_name="little", storage=storage)

    assert study.best_trial.number == 0
    assert [trial.number for trial in study.get_trials(states=[optuna.trial.TrialState.PRUNED])] == [1]
    assert storage.get_trial_number_from_id(storage.get_trial_id_from_study_id_trial_number(0, 3)) == 3
    assert storage.get_trial_param(3, "epochs") == PARAMS["epochs"]
    with pytest.raises(KeyError):
        storage.get_trial(4)
    with pytest.raises(KeyError):
        storage.get_all_trials(1)
    for change in (study.ask, lambda: study.set_user_attr("mine", 1), lambda: optuna.create_study(storage=storage)):
        with pytest.raises(StudyError, match="cannot be changed"):
            change()


def test_a_space_that_grew_is_followed(tmp_path: Path) -> None:
    """Trials of a study that was resumed with another space are shown as that space has them."""
    folder = make_folder(tmp_path)
    finish(folder)
    storage = RecordStorage(folder)
    storage.refresh()
    wider = SPACE.replace("high = 4", "high = 9")
    with folder.write() as writer:
        folder.layout.space.write_text(wider)
        writer.append("resumed", **session(), space=wider)
        writer.append("asked", 4, params={**PARAMS, "epochs": 9}, seed=4)

    storage.refresh()

    assert storage.get_trial(4).params["epochs"] == 9
