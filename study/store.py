"""The results folder: creating, opening, reading it, and the one writer of its record. Standard library only."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from colournet import files
from colournet.errors import UserError, did_you_mean
from colournet.objective import Objective
from colournet.palette_name import SQUARED_ERRORS, PaletteName
from study import collector, digest, lock
from study.errors import DiskError, LockedError, RecordError, StudyError
from study.layout import StudyLayout, check_name
from study.manifest import FORMAT, read_manifest
from study.owner import Owner
from study.records import Event, StudyRecord, TrialRecord, best_first
from study.space import Space
from study.writer import RecordWriter, now, opened

__all__ = ["RecordWriter", "StudyFolder", "study_folders"]

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
        whole = {"format": FORMAT, "name": name, "created": now(), **manifest}
        try:
            with _scratch_folder(results, name) as scratch:
                files.write_text(scratch.space, space_text)
                files.write_text(scratch.manifest, json.dumps(whole, indent=2) + "\n")
                scratch.events.touch()
                scratch.root.rename(root)
        except OSError as error:
            raise (_taken(root) if root.exists() else _unwritable(root, error)) from error
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
            StudyFolder(root).discard_if_empty()
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

    def read(self, on_event: Callable[[Event], None] | None = None) -> StudyRecord:
        """Fold the record as it is now, and call `on_event` with each event that was folded.

        What a dead driver left running is shown as interrupted. Raises `RecordError` if the record is missing or damaged.
        """
        is_live = self.driver is not None  # asked before reading: a driver that ends meanwhile has written all
        return _seen(self._fold(on_event), is_live=is_live)

    def glance(self) -> StudyRecord:
        """As `read`, from the digest and what came after it where there is one; a long record is told of at once.

        Trials that have ended lack their epochs but for what `study.digest` says of them, and damage before the digest is
        not seen.
        """
        is_live = self.driver is not None
        with self._opened() as lines, collector.paused():
            known = digest.load(self.layout.digest, lines)
            record = StudyRecord.read(lines, source=str(self.layout.events), after=known)
        return _seen(record, is_live=is_live)

    @property
    def driver(self) -> Owner | None:
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

    def model(self, trial: TrialRecord) -> Path | None:
        """The kept model of a completed trial; None if none was kept. Raises `RecordError` if it is not the trial's own."""
        if trial.checkpoint is None:
            return None
        path = self.layout.trial(trial.number).model(trial.attempt)
        if trial.checkpoint != path.relative_to(self.layout.root).as_posix():
            raise RecordError(
                f"{self.layout.events}: {trial.checkpoint!r} is no place for the model of trial {trial.number}",
                hint=_RESTORE,
            )
        return path

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

    def grey_table(self, *, on_test: bool = False) -> dict[str, float]:
        """What the grey table, which needs no network, scores by the study's metric, for each palette (`24`, `24-lab`).

        On the validation images, or on the test images. Empty where the manifest holds no such floors.
        """
        metric = self.objective.metric
        regression = metric == "val_loss" and self.space.taken("model") == ["regression_cnn"]
        floors = self.manifest.get("test_floors" if on_test else "floors", {})
        return {
            name: scores["grey_table"][
                SQUARED_ERRORS[PaletteName.parse(name).colour_space] if regression else _FLOOR_KEYS[metric]
            ]
            for name, scores in floors.items()
        }

    def discard_if_empty(self) -> None:
        """Delete the folder if not a single event was recorded in it and no driver is about to."""
        if self._is_empty():
            with contextlib.suppress(LockedError, DiskError), lock.hold(self.layout.lock):
                if self._is_empty():
                    shutil.rmtree(self.layout.root)

    def _is_empty(self) -> bool:
        events = self.layout.events
        return events.is_file() and events.stat().st_size == 0

    @contextmanager
    def write(self) -> Iterator[RecordWriter]:
        """Hold the study's lock and append to its record.

        Raises `LockedError` while another driver does, `DiskError` if nothing can be written. A dead driver's lock is taken
        over and the line that it left torn is cut off, each with a note.
        """
        with lock.hold(self.layout.lock) as held, self.write_under(held) as writer:
            if held.predecessor is not None:
                writer.append("note", text=f"took over the lock of {held.predecessor}")
            yield writer

    @contextmanager
    def write_under(self, held: lock.Held) -> Iterator[RecordWriter]:
        """Append to the record under a lock that is held already."""
        record = self._fold()
        with opened(self.layout.events) as file:
            kept = digest.Keeper(self.layout)
            writer = RecordWriter(file, record, held=held, study=self.name, on_growth=kept.look)
            writer.cut_torn_line()
            yield writer
            kept.look(writer.record, writer.size, is_last=True)

    def _fold(self, on_event: Callable[[Event], None] | None = None) -> StudyRecord:
        with self._opened() as lines, collector.paused():
            return StudyRecord.read(lines, source=str(self.layout.events), on_event=on_event)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """The record's file. Raises `RecordError` if it cannot be read."""
        path = self.layout.events
        try:
            with path.open("rb") as file:
                yield file
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}", hint=_RESTORE) from error


def _seen(record: StudyRecord, *, is_live: bool) -> StudyRecord:
    """A record as a reader sees it: what a dead driver left running is interrupted."""
    record.is_live = is_live
    if not is_live:
        for trial in record.unfinished:
            trial.state = "interrupted"
    return record


def study_folders(results: Path) -> list[Path]:
    """The folders below `results` that hold a study, by name; one that is still being made begins with a dot."""
    if not results.is_dir():
        return []
    visible = (path for path in results.iterdir() if not path.name.startswith("."))
    return sorted(path for path in visible if StudyLayout(path).manifest.is_file())


@contextmanager
def _scratch_folder(results: Path, name: str) -> Iterator[StudyLayout]:
    """A folder that becomes a study's when it is renamed; gone at the end if it was not."""
    root = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=results))
    try:
        root.chmod(0o755)
        yield StudyLayout(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _unwritable(root: Path, error: OSError) -> DiskError:
    return DiskError(f"{root}: cannot be made: {error.strerror}", hint="free some space, or give another --results")


def _taken(root: Path) -> StudyError:
    return StudyError(
        f"{root}: there is a study of this name already",
        hint=f"study resume {root.name} goes on with it; study launch SPACE --name OTHER begins another",
    )
