"""Small records and reports that the tests of `study` share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from study.space import Space
from study.store import StudyFolder

SPACE = """
name = "little"
question = "Does it work?"
trials = 4
pruner = { kind = "none" }

[fixed]
dataset = "scenes"
train_images = 40
num_filters = 2
batch_size = 20
num_colours = 8

[search.model]
kind = "choice"
choices = ["cnn", "unet"]

[search.epochs]
kind = "int"
low = 2
high = 4

[search.learning_rate]
kind = "float"
low = 1e-3
high = 1e-2
log = true
"""

PARAMS = {"model": "cnn", "epochs": 3, "learning_rate": 0.005}


def make_space(extra: str = "", text: str = SPACE) -> Space:
    """The little space, with more TOML behind it."""
    return Space.parse(text + extra)


def make_folder(
    results: Path, *, name: str = "little", space_text: str = SPACE, manifest: dict[str, Any] | None = None
) -> StudyFolder:
    """A study's folder as `launch` makes it, without data."""
    objective = {"metric": "val_loss", "goal": "minimize", "epoch": "best"}
    whole = {
        "question": "Does it work?",
        "trials": 4,
        "seed": 0,
        "objective": objective,
        "data": {"fingerprint": "0" * 64},
        "palettes": {},
        "floors": {},
        "provenance": {},
        **(manifest or {}),
    }
    return StudyFolder.create(results, name, space_text=space_text, manifest=whole)


def started(attempt: int = 1, **changes: Any) -> dict[str, Any]:
    """The fields of a `started` event."""
    fields = {
        "attempt": attempt,
        "host": "here",
        "pid": 1,
        "device": "cpu",
        "parameters": 100,
        "resumed_from_epoch": 0,
    }
    return {**fields, **changes}


def epoch(number: int, val_loss: float | None, *, attempt: int = 1, **changes: Any) -> dict[str, Any]:
    """The fields of an `epoch` event."""
    fields = {
        "attempt": attempt,
        "epoch": number,
        "train_loss": val_loss,
        "val_loss": val_loss,
        "val_accuracy": 0.5,
        "val_mse": 0.01,
        "seconds": 1.5,
        "images_per_second": 100.0,
    }
    return {**fields, **changes}


def session(trials: int = 4) -> dict[str, Any]:
    """The fields of a `launched` or `resumed` event."""
    return {"trials": trials, "host": "here", "pid": 1, "workers": 2}


def leave_dead_lock(path: Path) -> None:
    """Let a process die while it holds the lock."""
    script = (
        "import sys, os, signal; from pathlib import Path; from study import lock\n"
        "with lock.hold(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert path.exists()


def write_remote_lock(path: Path, *, seconds_ago: float) -> None:
    """A lock of another machine, last renewed so long ago."""
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1, "machine": "another"}))
    renewed = path.stat().st_mtime - seconds_ago
    os.utime(path, (renewed, renewed))
