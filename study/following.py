"""Following a record as it grows, by whole lines from where the last look ended. Standard library only."""

from __future__ import annotations

import os
from dataclasses import replace

from study.errors import RecordError
from study.records import ENDED, StudyRecord, TrialRecord, parse
from study.store import StudyFolder


class Follower:
    """A study's record as of the last look. Reads only; the study may end, be resumed, and end again meanwhile."""

    def __init__(self, folder: StudyFolder) -> None:
        self._folder = folder
        self._offset = 0
        self._lines = 0
        self._was_live = False
        self._changed: set[int] = set()
        self.record = StudyRecord()
        """As the events tell it: what a dead driver left running runs on, as it may be dead only to this machine."""

    def trial(self, number: int) -> TrialRecord:
        """A trial as `StudyFolder.read` shows it: interrupted where its driver is dead."""
        trial = self.record.trials[number]
        is_orphan = not self.record.is_live and trial.state not in ENDED
        return replace(trial, state="interrupted") if is_orphan else trial

    @property
    def seen(self) -> StudyRecord:
        """The record of the last look as `StudyFolder.read` shows it."""
        if self.record.is_live:
            return self.record
        return replace(self.record, trials={number: self.trial(number) for number in self.record.trials})

    def look(self) -> set[int]:
        """Fold what was written since the last look; answer the trials of which something was, or whose driver came or went.

        A line that is not whole yet is left for the next look. A file that has become shorter is read anew. Raises
        `RecordError` for a record that is missing or damaged, as often as it is looked at; what was read before stays.
        """
        self.record.is_live = self._folder.driver is not None  # asked before reading, as StudyFolder.read does
        self._fold()
        if self.record.is_live != self._was_live:
            self._was_live = self.record.is_live
            self._touch_unfinished()
        changed, self._changed = self._changed, set()
        return changed

    def _fold(self) -> None:
        path = self._folder.layout.events
        try:
            with path.open("rb") as lines:
                if lines.seek(0, os.SEEK_END) < self._offset:
                    self._begin_anew()
                lines.seek(self._offset)
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    self._apply(line)
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}") from error

    def _apply(self, line: bytes) -> None:
        try:
            event = parse(line)
            self.record.apply(event)
        except RecordError as error:
            where = f"{self._folder.layout.events}, line {self._lines + 1}"
            raise RecordError(f"{where}: {error.message}", hint=error.hint) from error
        self._offset, self._lines = self._offset + len(line), self._lines + 1
        if "trial" in event:
            self._changed.add(event["trial"])
        else:
            self._touch_unfinished()  # a new session interrupts what an old one left

    def _touch_unfinished(self) -> None:
        self._changed |= {trial.number for trial in self.record.unfinished}

    def _begin_anew(self) -> None:
        self._offset, self._lines, self.record = 0, 0, StudyRecord(is_live=self.record.is_live)
