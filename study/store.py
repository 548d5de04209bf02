"""The results folder: creating, opening, reading it, and the one writer of its record. Standard library only."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from colournet.errors import UserError, did_you_mean
from colournet.objective import Objective
from study import lock
from study.errors import RecordError, StudyError
from study.layout import StudyLayout, check_name
from study.manifest import FORMAT, read_manifest
from study.records import Event, StudyRecord, TrialRecord, best_first, serialize
from study.space import Space

_RESTORE = "restore it from a copy"
_FLOOR_KEYS = {"val_loss": "cross_entropy", "val_accuracy": "accuracy", "val_mse": "mse"}


class StudyFolder:
    """One study on disk. Reading is safe while a driver writes."""

    def __init__(self, root: Path) -> None:
        self.layout = StudyLayout(root)
        self.manifest = read_manifest(self.layout.manifest)

    @classmethod
    def create(cls, results: Path, name: str, *, space_text: str, manifest: dict[str, Any]) -> StudyFolder:
        """Make the folder of a new study: all of it or nothing. Raises `StudyError` if the name is taken."""
        cls.check_free(results, name)
        root = results / name
        scratch = StudyLayout(Path(tempfile.mkdtemp(prefix=f".{name}-", dir=results)))
        try:
            scratch.root.chmod(0o755)
            scratch.space.write_bytes(space_text.encode())
            scratch.events.touch()
            whole = {"format": FORMAT, "name": name, "created": now(), **manifest}
            scratch.manifest.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
            scratch.root.rename(root)
        except OSError as error:
            raise (_taken(root) if root.exists() else StudyError(f"{root}: {error.strerror}")) from error
        finally:
            shutil.rmtree(scratch.root, ignore_errors=True)
        return cls(root)

    @staticmethod
    def check_free(results: Path, name: str) -> None:
        """Raise `StudyError` if there can be no new study of this name: it is taken, or no folder's name.

        What a driver left that died before its first event does not count, and is cleared away.
        """
        root = results / check_name(name)
        try:
            results.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(
                f"{results}: cannot be made a folder: {error.strerror}", hint="give another --results"
            ) from error
        if root.exists() and StudyLayout(root).manifest.is_file():
            folder = StudyFolder(root)
            if folder.driver is None:
                folder.discard_if_empty()
        if root.exists():
            raise _taken(root)

    @classmethod
    def open(cls, results: Path, name: str) -> StudyFolder:
        """Open a study by its name. Raises `RecordError` if there is none."""
        root = results / check_name(name)
        if not root.is_dir():
            known = [folder.name for folder in study_folders(results)]
            raise RecordError(
                f"{results}: there is no study {name!r}",
                hint=did_you_mean(name, known) or "study launch SPACE begins one",
            )
        return cls(root)

    @property
    def name(self) -> str:
        """The study's name, which is its folder's."""
        return self.layout.root.name

    @property
    def space(self) -> Space:
        """The search space that the study began with. Raises `RecordError` if its file is missing or damaged."""
        path = self.layout.space
        try:
            return Space.parse(path.read_bytes().decode("utf-8"), default_name=path.stem)
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}", hint=_RESTORE) from error
        except (UnicodeDecodeError, UserError) as error:
            raise RecordError(f"{path}: {error}", hint=_RESTORE) from error

    def read(self) -> StudyRecord:
        """Fold the record as it is now. What a dead driver left running is shown as interrupted.

        Raises `RecordError` if it is missing or damaged.
        """
        is_live = self.driver is not None  # asked before reading: a driver that ends meanwhile has written all
        path = self.layout.events
        try:
            with path.open("rb") as lines:
                record = StudyRecord.read(lines, source=str(path))
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}", hint=_RESTORE) from error
        record.is_live = is_live
        if not is_live:
            for trial in record.unfinished:
                trial.state = "interrupted"
        return record

    @property
    def driver(self) -> lock.Owner | None:
        """Who is writing this study now, or None."""
        return lock.living_owner(self.layout.lock)

    def state(self, record: StudyRecord) -> str:
        """`running`, `finished` (all that was asked for has ended) or `interrupted` (it can be resumed), when it was read."""
        if record.is_live:
            return "running"
        done = len(record.trials) >= record.target and not record.unfinished
        return "finished" if done and record.sessions else "interrupted"

    @property
    def objective(self) -> Objective:
        """What the study's trials are judged by."""
        return Objective(self.manifest["objective"]["metric"], self.manifest["objective"]["goal"])

    def best(self, record: StudyRecord) -> TrialRecord | None:
        """The completed trial with the best value, or None."""
        return next(best_first(record.trials.values(), goal=self.objective.goal), None)

    @property
    def confirmations(self) -> list[Path]:
        """The folders in which the study's best are retrained, by name; each is a small study of its own."""
        return study_folders(self.layout.confirmations)

    @property
    def is_confirmation(self) -> bool:
        """Whether this is such a small study, not a search."""
        return "confirms" in self.manifest

    @property
    def title(self) -> str:
        """What to call it: its name, and in front of a confirmation's that of the study it confirms."""
        return f"{self.manifest['confirms']['study']}, {self.name}" if self.is_confirmation else self.name

    @property
    def resume_command(self) -> str:
        """What goes on with it."""
        if not self.is_confirmation:
            return f"study resume {self.name}"
        confirmed = self.manifest["confirms"]
        return f"study confirm {confirmed['study']} --top {confirmed['top']} --seeds {len(confirmed['seeds'])}"

    def grey_table(self, *, on_test: bool = False) -> dict[int, float]:
        """What the grey table, which needs no network, scores by the study's metric, for each number of colours.

        On the validation images, or on the test images. Empty where the manifest holds no such floors.
        """
        metric = self.objective.metric
        regression = metric == "val_loss" and self.space.taken("model") == ["regression_cnn"]
        key = "mse" if regression else _FLOOR_KEYS[metric]
        floors = self.manifest.get("test_floors" if on_test else "floors", {})
        return {int(colours): scores["grey_table"][key] for colours, scores in floors.items()}

    def discard_if_empty(self) -> None:
        """Delete the folder if not a single event was recorded in it."""
        events = self.layout.events
        if events.is_file() and events.stat().st_size == 0:
            shutil.rmtree(self.layout.root)

    @contextmanager
    def write(self) -> Iterator[RecordWriter]:
        """Hold the study's lock and append to its record. Raises `LockedError` while another driver does."""
        with lock.hold(self.layout.lock), self.layout.events.open("r+b") as file:
            record = StudyRecord.read(file, source=str(self.layout.events))
            writer = RecordWriter(file, record)
            writer.cut_torn_line()
            yield writer


class RecordWriter:
    """Appends events to a record, each checked against the state before it and on the disk before the call returns."""

    def __init__(self, file: BinaryIO, record: StudyRecord) -> None:
        self._file = file
        self.record = record
        """The state after the last event written."""

    def append(self, kind: str, trial: int | None = None, /, **fields: Any) -> Event:
        """Write one event, stamped with the time. Raises `RecordError` if it may not come now."""
        named = {} if trial is None else {"trial": trial}
        event = {"event": kind, "time": now(), **named, **fields}
        line = serialize(event)
        self.record.apply(event)
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())
        return event

    def cut_torn_line(self) -> None:
        """Drop a last line that a crash left unfinished, and note it; leave the file's position at its end."""
        torn = self.record.torn_bytes
        end = self._file.seek(0, os.SEEK_END)
        if torn:
            self._file.truncate(end - torn)
            self._file.seek(0, os.SEEK_END)
            self.record.torn_bytes = 0
            self.append("note", text=f"cut a torn last line of {torn} bytes on {socket.gethostname()}")


def study_folders(results: Path) -> list[Path]:
    """The folders below `results` that hold a study, by name; one that is still being made begins with a dot."""
    if not results.is_dir():
        return []
    visible = (path for path in results.iterdir() if not path.name.startswith("."))
    return sorted(path for path in visible if StudyLayout(path).manifest.is_file())


def now() -> str:
    """The time in UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _taken(root: Path) -> StudyError:
    return StudyError(
        f"{root}: there is a study of this name already",
        hint=f"study resume {root.name} goes on with it; study launch SPACE --name OTHER begins another",
    )
