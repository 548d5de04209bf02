"""The files of trials that are kept in a study's storage until the trials have ended. Standard library only."""

from __future__ import annotations

from study.launch import failures, mirror
from study.launch.storage import Storage, StorageError, below, of_trial
from study.layout import trial_name
from study.records import ENDED, StudyRecord
from study.store import StudyFolder


class Away:
    """Where the trials' files are while they are not in the study's folder; a study without a storage has them there."""

    def __init__(self, folder: StudyFolder) -> None:
        self._folder = folder
        self._storage: str | None = folder.manifest.get("storage")

    @property
    def is_used(self) -> bool:
        """Whether the study has a storage."""
        return self._storage is not None

    def place(self, number: int) -> str | None:
        """Where a trial's files are kept, None for its own folder."""
        return None if self._storage is None else of_trial(self._storage, number)

    def bring_home(self, number: int) -> None:
        """Fetch the files of a trial that has ended. Raises `LaunchError` if the storage does not answer."""
        place = self.place(number)
        if place is None:
            return
        try:
            mirror.bring_home(place, self._folder.layout.trial(number))
        except StorageError as error:
            raise failures.storage(self._folder, error) from error

    def bring_all_home(self, record: StudyRecord) -> None:
        """Fetch what an earlier driver did not live to fetch. Raises as `bring_home`."""
        if self._storage is None:
            return
        try:
            left = {name.partition("/")[0] for name in Storage(below(self._storage, "trials")).list()}
        except StorageError as error:
            raise failures.storage(self._folder, error) from error
        for number, trial in record.trials.items():
            if trial.state in ENDED and trial_name(number) in left:
                self.bring_home(number)
