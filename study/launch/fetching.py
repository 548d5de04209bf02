"""Bringing a study's folder home from a cluster: what is missing or has changed here, each file whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from colournet import files
from study import lock
from study.errors import StudyError
from study.launch import answers
from study.launch.submitted import Submitted
from study.layout import StudyLayout, check_name
from study.text import size

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_COMES_AND_GOES = re.compile(r"(confirmations/[^/]+/)?trials/\d+/attempt-\d+/[^/]+\.safetensors")
_OTHER = "give another --results, or move it away"


@dataclass(frozen=True)
class Fetched:
    """What came home."""

    root: Path
    files: int
    """How many files are new, or have changed."""
    bytes: int
    known: int
    """How many the folder had already."""

    def __str__(self) -> str:
        return f"{self.root}: fetched {self.files} files, {size(self.bytes)}; {self.known} were here already"


def fetch(submitted: Submitted, results: Path, *, weights: bool = False) -> Fetched:
    """Bring a study home into `results`, its weights too if they are asked for; repeated, what has changed since.

    Raises `StudyError` if there is another study of this name here, or the study went on here.
    """
    layout = StudyLayout(results / check_name(submitted.name))
    have = {path: _digest(layout.root / path) for path in answers.fetchable(layout)}
    given = {answers.HAVE: json.dumps({"have": have, "weights": weights})}
    pack = Pack.read(submitted.ask("pack", given=given))
    if layout.root.exists():
        with lock.hold(layout.lock):
            pack.update(layout)
    else:
        pack.create(layout)
    return Fetched(layout.root, len(pack.contents), sum(map(len, pack.contents.values())), pack.known)


@dataclass(frozen=True)
class Pack:
    """What a cluster sent of a study's folder, checked."""

    contents: dict[str, bytes]
    """The files that are new or have changed, by their paths below the study's folder."""
    listing: dict[str, str]
    """All files that the cluster has, each with its SHA-256."""

    @classmethod
    def read(cls, content: bytes) -> Pack:
        """Open a pack. Raises `StudyError` if a path would leave the folder or be hidden in it, or a file is not as listed."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                listing = dict(json.loads(archive.read(answers.LISTING)))
                names = [name for name in archive.namelist() if name != answers.LISTING]
                for name in (*names, *listing):
                    _check_path(name)
                contents = {name: archive.read(name) for name in names}
        except (zipfile.BadZipFile, LookupError, ValueError, TypeError) as error:
            raise StudyError("what the cluster sent is no pack of a study's files", hint="try again") from error
        for name, data in contents.items():
            if hashlib.sha256(data).hexdigest() != listing.get(name):
                raise StudyError(f"{name}: came from the cluster damaged", hint="try again")
        return cls(contents, listing)

    @property
    def known(self) -> int:
        """How many of the cluster's files were here already."""
        return len(self.listing) - len(self.contents)

    def create(self, layout: StudyLayout) -> None:
        """Make the folder: all of it, or nothing."""
        layout.root.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{layout.root.name}-", dir=layout.root.parent))
        try:
            scratch.chmod(0o755)
            self._write(StudyLayout(scratch))
            scratch.rename(layout.root)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def update(self, layout: StudyLayout) -> None:
        """Bring the folder up to date, the record last: a reader finds every file that the record knows of.

        Weights that the cluster has deleted since go here too; a confirmation that it does not know is left alone. Raises
        `StudyError`, and changes nothing, if this is another study, or its record, or that of a confirmation, is not the
        beginning of the cluster's.
        """
        if _digest(layout.manifest) != self.listing.get(layout.manifest.name):
            raise StudyError(f"{layout.root}: is another study than the cluster's of this name", hint=_OTHER)
        for name in self.contents:
            self._check_joins(layout.root / name, self.contents[name])
        self._write(layout)
        for name in answers.fetchable(layout):
            found = _COMES_AND_GOES.fullmatch(name)
            if found and name not in self.listing and f"{found[1] or ''}{layout.events.name}" in self.listing:
                (layout.root / name).unlink(missing_ok=True)

    @staticmethod
    def _check_joins(path: Path, data: bytes) -> None:
        """Raise `StudyError` if a manifest or a record here is not that of the cluster, or its beginning."""
        layout, here = StudyLayout(path.parent), _read(path)
        if path == layout.manifest and here not in (b"", data):
            raise StudyError(f"{path.parent}: is another study than the cluster's of this name", hint=_OTHER)
        if path == layout.events and not data.startswith(here):
            raise StudyError(f"{path.parent}: went on here, apart from the cluster's", hint=_OTHER)

    def _write(self, layout: StudyLayout) -> None:
        for name, data in sorted(self.contents.items(), key=lambda item: item[0].endswith(layout.events.name)):
            path = layout.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.resolve().is_relative_to(layout.root.resolve()):
                raise StudyError(f"{path}: leads out of the study's folder", hint="remove the link")
            with files.replacing(path) as part:
                part.write_bytes(data)


def _check_path(name: str) -> None:
    """Raise `StudyError` if a path is not one below the study's folder, in plain words."""
    parts = name.split("/")
    if not all(map(_PART.fullmatch, parts)) or PurePosixPath(name).as_posix() != name or _is_ours(name):
        raise StudyError(f"{name!r}: the cluster sent a file that no study's folder has", hint="is it our cluster?")


def _is_ours(name: str) -> bool:
    """Whether a file of this name would be taken for a lock or for scratch."""
    return name.startswith("driver.lock") or name.endswith(".part")


def _digest(path: Path) -> str:
    return hashlib.sha256(_read(path)).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
