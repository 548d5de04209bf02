"""Harm done to a study's folder, and what the doctor then says; the tests of doctor and repairs share it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from colournet.config import TrainConfig
from study.doctor import Diagnosis, diagnose, mend
from study.records import serialize
from study.store import StudyFolder
from tests.study import made_up_workers
from tests.study.helpers import started


def look(folder: StudyFolder) -> Diagnosis:
    return diagnose(folder.layout.root.parent, folder.layout.root.name)


def repair(folder: StudyFolder) -> Diagnosis:
    return mend(folder.layout.root.parent, folder.layout.root.name)


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [finding.kind for finding in diagnosis.findings]


def age(path: Path) -> Path:
    """Make a file look as if it had not been touched for an hour."""
    then = path.stat().st_mtime - 3600
    os.utime(path, (then, then))
    return path


def snapshot(folder: StudyFolder) -> dict[str, bytes]:
    root = folder.layout.root
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def of_trial(number: int, name: str) -> Callable[[StudyFolder], Path]:
    """A file of a trial."""
    return lambda folder: folder.layout.trial(number).root / name


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def append(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes() + content)


def write(content: bytes) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return do


def replace(old: str, new: str) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        content = path.read_bytes()
        assert old.encode() in content
        path.write_bytes(content.replace(old.encode(), new.encode()))

    return do


def of_another_config(path: Path) -> None:
    made_up_workers.write_weights(path, TrainConfig(epochs=9))


MODEL = "attempt-1/best.safetensors"
FOREIGN = b'{"event":"vanished","time":"2026-01-01T00:00:00.000Z"}\n'
LATE = serialize({"event": "started", "time": "2026-01-01T00:00:00.000Z", "trial": 0, **started(5)})

Place = Callable[[StudyFolder], Path]
DAMAGES: dict[str, tuple[Place, Callable[[Path], object], str, str, bool]] = {
    # what is done to which file: kind and message of what is found, and whether it can be repaired
    "no manifest": (lambda f: f.layout.manifest, Path.unlink, "manifest", "it has no study.json", False),
    "a torn manifest": (lambda f: f.layout.manifest, truncate, "manifest", "cannot be read", False),
    "no record": (lambda f: f.layout.events, Path.unlink, "record", "No such file", False),
    "a torn line": (lambda f: f.layout.events, append(b'{"event":'), "torn_line", "after 9 bytes", True),
    "a foreign line": (lambda f: f.layout.events, append(b"hello\n"), "line", "not JSON: b'hello", False),
    "an unknown event": (lambda f: f.layout.events, append(FOREIGN), "line", "unknown event 'vanished'", False),
    "an impossible event": (lambda f: f.layout.events, append(LATE), "line", "is 'started' after it was", False),
    "no space": (lambda f: f.layout.space, Path.unlink, "space", "No such file", False),
    "a space that is none": (lambda f: f.layout.space, write(b"name = 1\n"), "space", "nothing to search", False),
    "an unasked trial": (of_trial(4, "config.toml"), write(b""), "stranger", "trials/0004: no such trial", False),
    "no config": (of_trial(1, "config.toml"), Path.unlink, "config", "trials/0001/config.toml: there is no", True),
    "a config that is none": (of_trial(1, "config.toml"), write(b"="), "config", "not valid TOML", False),
    "another config": (
        of_trial(1, "config.toml"),
        replace("\nepochs = ", "\nepochs = 1"),
        "config",
        "epochs is 1",
        False,
    ),
    "no model": (of_trial(1, MODEL), Path.unlink, "model", "trials/0001/attempt-1/best.safetensors: cannot", False),
    "a truncated model": (of_trial(1, MODEL), truncate, "model", "truncated: has", False),
    "a model that is none": (of_trial(1, MODEL), write(b"PK\x03\x04" * 9), "model", "not a safetensors file", False),
    "another trial's model": (of_trial(1, MODEL), of_another_config, "model", "epochs is 9 there and", False),
    "no best metrics": (lambda f: f.layout.best.metrics, Path.unlink, "best", "metrics.json is missing", True),
    "best is another's": (
        lambda f: f.layout.best.metrics,
        replace('"trial": 0', '"trial": 1'),
        "best",
        "has trial 1, the record's best trial 0",
        True,
    ),
    "no best model": (lambda f: f.layout.best.model, Path.unlink, "best", "model.safetensors is missing", True),
    "a changed best model": (lambda f: f.layout.best.model, truncate, "best", "model.safetensors is not the one", True),
    "a changed best config": (
        lambda f: f.layout.best.config,
        append(b"\n"),
        "best",
        "config.toml is not the one",
        True,
    ),
}
