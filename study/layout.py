"""Where every file of a results folder lies: the one module that owns their names. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from colournet.names import BEST_MODEL, LAST_CHECKPOINT
from study.errors import StudyError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def confirmation_name(top: int, seeds: int) -> str:
    """The name of the folder in which a study's best `top` are retrained with so many seeds."""
    return f"top{top}-seeds{seeds}"


def check_name(name: str) -> str:
    """Return a study's name if it is safe as a folder's name, else raise `StudyError`."""
    if not _NAME.fullmatch(name):
        raise StudyError(
            f"{name!r} cannot be the name of a study",
            hint="use up to 100 letters, digits, dots, dashes and underscores, a letter or digit first",
        )
    return name


def trial_name(number: int) -> str:
    """The name of a trial's folder."""
    return f"{number:04d}"


def attempt_name(number: int) -> str:
    """The name of the folder of one attempt, from 1, inside its trial's."""
    return f"attempt-{number}"


def attempt_of(name: str) -> int | None:
    """The attempt that a file belongs to, named from its trial's folder on; None for one of the whole trial."""
    match = re.fullmatch(r"attempt-(\d+)(/.*)?", name)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class TrialLayout:
    """The files of one trial, written by its workers."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration; `colournet train --config` repeats it."""
        return self.root / "config.toml"

    @property
    def samples(self) -> Path:
        """Validation images: grey, truth, and the colouring of the best epoch."""
        return self.root / "samples.png"

    @property
    def pictures(self) -> Path:
        """Folder of what the samples looked like on the way; there is none of a confirmation's trials."""
        return self.root / "pictures"

    def picture(self, epoch: int) -> Path:
        """The colouring of the samples after so many epochs, side by side."""
        return self.pictures / f"epoch-{epoch:04d}.png"

    def pictured(self) -> list[int]:
        """The epochs of which there is a picture, in order."""
        found = (re.fullmatch(r"epoch-(\d+)\.png", path.name) for path in self.pictures.glob("epoch-*.png"))
        return sorted(int(match[1]) for match in found if match)

    @property
    def log(self) -> Path:
        """When each attempt began, its epochs, how it ended; the traceback of what went wrong."""
        return self.root / "log.txt"

    def attempt(self, number: int) -> Path:
        """The folder of the checkpoints of one attempt, from 1."""
        return self.root / attempt_name(number)

    def model(self, attempt: int) -> Path:
        """The network after the best epoch so far, as of an attempt."""
        return self.attempt(attempt) / BEST_MODEL

    def checkpoint(self, attempt: int) -> Path:
        """What the next attempt goes on from."""
        return self.attempt(attempt) / LAST_CHECKPOINT

    def stacks(self, attempt: int) -> Path:
        """Where each thread of an attempt was when it hung past its time limit; empty or missing where it did not."""
        return self.root / f"stacks-{attempt}.txt"

    def attempts(self) -> list[int]:
        """The numbers of the attempts that have a folder, in order."""
        found = (attempt_of(path.name) for path in self.root.glob("attempt-*"))
        return sorted(number for number in found if number is not None)


@dataclass(frozen=True)
class BestLayout:
    """A copy of the best trial, ready to be used."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration; `colournet train --config` repeats it."""
        return self.root / "config.toml"

    @property
    def model(self) -> Path:
        """The network after its best epoch, for `colournet evaluate`."""
        return self.root / "model.safetensors"

    @property
    def metrics(self) -> Path:
        """The trial's number, its best epoch and that epoch's numbers."""
        return self.root / "metrics.json"

    @property
    def samples(self) -> Path:
        """The trial's samples."""
        return self.root / "samples.png"


@dataclass(frozen=True)
class StudyLayout:
    """The files of one study below `root`."""

    root: Path

    @property
    def manifest(self) -> Path:
        """What was decided when the study began."""
        return self.root / "study.json"

    @property
    def space(self) -> Path:
        """The search space in force, byte for byte."""
        return self.root / "space.toml"

    def replaced_space(self, number: int) -> Path:
        """What `study doctor --repair` found in the place of the search space, from 1."""
        return self.root / f"space.toml.replaced-{number}"

    @property
    def events(self) -> Path:
        """The record: one event a line, append-only."""
        return self.root / "events.jsonl"

    def torn(self, number: int) -> Path:
        """What `study doctor --repair` cut off the record, from 1: the bytes of a line that a crash left unfinished."""
        return self.root / f"events.jsonl.torn-{number}"

    @property
    def lock(self) -> Path:
        """Who is writing, while someone is."""
        return self.root / "driver.lock"

    @property
    def log(self) -> Path:
        """What Ray and its processes printed."""
        return self.root / "driver.log"

    @property
    def digest(self) -> Path:
        """What a long record adds up to, safe to delete."""
        return self.root / "digest.json"

    @property
    def best(self) -> BestLayout:
        """The best trial's copy."""
        return BestLayout(self.root / "best")

    @property
    def figures(self) -> Path:
        """Folder of the figures that `study analyze` draws."""
        return self.root / "figures"

    @property
    def report(self) -> Path:
        """The report that `study analyze` writes."""
        return self.root / "report.html"

    @property
    def export(self) -> Path:
        """Folder of what `study export` writes for other programs, safe to delete."""
        return self.root / "export"

    @property
    def optuna(self) -> Path:
        """The study as an Optuna storage, written by `study export`."""
        return self.export / "optuna.db"

    @property
    def reproductions(self) -> Path:
        """Folder of the standalone runs that `study reproduce` trains."""
        return self.root / "reproductions"

    @property
    def trials(self) -> Path:
        """Folder of the trials' folders."""
        return self.root / "trials"

    @property
    def confirmations(self) -> Path:
        """Folder of the small studies in which `study confirm` retrains the best."""
        return self.root / "confirmations"

    @property
    def verdict(self) -> Path:
        """In a confirmation: what it found, for machines."""
        return self.root / "verdict.json"

    @property
    def results(self) -> Path:
        """In a confirmation: its runs, one a row."""
        return self.root / "results.csv"

    def trial(self, number: int) -> TrialLayout:
        """The files of trial `number`."""
        return TrialLayout(self.trials / trial_name(number))
