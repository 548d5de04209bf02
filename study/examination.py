"""A study's folder as `study doctor` finds it: read past what is damaged, so that all of it can be told.

Standard library only.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from colournet.config import TrainConfig
from colournet.errors import UserError
from colournet.names import BEST_MODEL, LAST_CHECKPOINT
from study import lock
from study.errors import FormatError, RecordError
from study.layout import StudyLayout
from study.records import ENDED, Event, StudyRecord, TrialRecord, parse
from study.space import Space
from study.store import StudyFolder
from study.text import size


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is not as it should be, or is good to know."""

    kind: str
    """What sort of thing it is, one word for scripts: see docs/results-format.md."""
    message: str
    """One sentence."""
    is_damage: bool = True
    """Whether something is lost or wrong; else it is a remark."""
    is_repairable: bool = False
    """Whether `study doctor --repair` mends it, losing nothing."""
    hint: str | None = None
    paths: tuple[Path, ...] = ()
    """The files that it is about, where a repair needs them."""


@dataclass(frozen=True)
class Lines:
    """What the lines of a record add up to, those that make no sense left out."""

    record: StudyRecord = field(default_factory=StudyRecord)
    refused: Sequence[tuple[int, str]] = ()
    """Number, from 1, and fault of each line that is no event or may not come where it stands."""
    epochs: Mapping[tuple[int, int], Sequence[Event]] = field(default_factory=dict)
    """All `epoch` events by trial and epoch, those that a later attempt repeated included."""
    torn: bytes = b""
    """A last line without an end."""

    @classmethod
    def read(cls, lines: Iterable[bytes]) -> Lines:
        """Fold what can be folded."""
        record, refused, torn = StudyRecord(), list[tuple[int, str]](), b""
        epochs = defaultdict[tuple[int, int], list[Event]](list)
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                torn, record.torn_bytes = line, len(line)
                break
            try:
                event = parse(line)
                record.apply(event)
            except RecordError as error:
                refused.append((number, error.message))
                continue
            if event["event"] == "epoch":
                epochs[event["trial"], event["epoch"]].append(event)
        return cls(record, refused, epochs, torn)


@dataclass(frozen=True, kw_only=True)
class Examination:
    """All that the checks look at."""

    layout: StudyLayout
    folder: StudyFolder | None
    """None where the manifest cannot be read."""
    manifest_error: RecordError | None
    record_error: str | None
    """Why the record cannot be read at all."""
    lines: Lines
    is_live: bool
    """Whether a driver is writing: then files come and go, and much that is unfinished is in order."""
    is_ours: bool
    """Whether this process holds the lock, to repair."""

    @classmethod
    def of(cls, layout: StudyLayout, *, is_ours: bool = False) -> Examination:
        """Look at a folder."""
        is_live = not is_ours and lock.living_owner(layout.lock) is not None  # asked before reading, as by any reader
        folder, manifest_error, lines, record_error = None, None, Lines(), None
        try:
            folder = StudyFolder(layout.root)
        except RecordError as error:
            manifest_error = error
        try:
            with layout.events.open("rb") as file:
                lines = Lines.read(file)
        except OSError as error:
            record_error = f"cannot be read: {error.strerror}"
        if not is_live:
            for trial in lines.record.unfinished:
                trial.state = "interrupted"
        return cls(
            layout=layout,
            folder=folder,
            manifest_error=manifest_error,
            record_error=record_error,
            lines=lines,
            is_live=is_live,
            is_ours=is_ours,
        )

    @property
    def record(self) -> StudyRecord:
        """The record, as far as it makes sense."""
        return self.lines.record

    @property
    def is_foreign(self) -> bool:
        """Whether another version of this program wrote the folder, so that nothing of it can be judged."""
        return isinstance(self.manifest_error, FormatError)

    @property
    def is_whole(self) -> bool:
        """Whether the record can be relied on: nothing may be removed or rebuilt by one that lacks lines."""
        return self.record_error is None and not self.lines.refused

    @cached_property
    def spaces(self) -> Mapping[str, Space | UserError]:
        """The search spaces of the study by their text, that in force first, or what is wrong with them."""
        texts = list(reversed(self.record.spaces))
        with contextlib.suppress(OSError, UnicodeDecodeError):
            texts.append(self.layout.space.read_bytes().decode("utf-8"))
        return {text: _parse_space(text) for text in texts}

    @cached_property
    def configs(self) -> Mapping[int, Sequence[TrainConfig]]:
        """What each trial's configuration may be: one by each space in which its parameters mean something."""
        return {trial.number: self._configs(trial) for trial in self.record.trials.values()}

    def _configs(self, trial: TrialRecord) -> list[TrainConfig]:
        found = []
        for space in self.spaces.values():
            if isinstance(space, Space):
                with contextlib.suppress(UserError):
                    found.append(space.config(trial.params, seed=trial.seed, form=trial.form))
        return found

    @property
    def ended(self) -> list[TrialRecord]:
        """The trials that are over, in order of their numbers."""
        return [trial for trial in self.record.trials.values() if trial.state in ENDED]

    def is_away(self, trial: TrialRecord) -> bool:
        """Whether a trial's files are in the study's storage, as they are until it ends; nobody looks for them there."""
        return self.folder is not None and "storage" in self.folder.manifest and trial.state not in ENDED

    @cached_property
    def has_weights(self) -> bool:
        """Whether any weights of trials are here. A copy from version control has none, which is no damage."""
        attempts = self.layout.trials.glob("*/attempt-*/")
        return any((attempt / name).exists() for attempt in attempts for name in (BEST_MODEL, LAST_CHECKPOINT))

    def name(self, path: Path) -> str:
        """A file's name within the folder; of one beside the folder, its own."""
        return path.relative_to(self.layout.root).as_posix() if path.is_relative_to(self.layout.root) else path.name

    def some(self, paths: Sequence[Path]) -> str:
        """Files in words: the first by its name, the others by their number, and what they take."""
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        return f"{self.name(paths[0])}{more}, {size(sum(map(_bytes, paths)))},"


def _parse_space(text: str) -> Space | UserError:
    try:
        return Space.parse(text)
    except UserError as error:
        return error


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # gone meanwhile
        return 0
