"""Studies without training: a record of any length, as a driver would have written it, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from study.records import serialize
from study.space import Space
from study.store import StudyFolder

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_WORKERS = 8


def make_study(
    results: Path, space: Space, *, name: str, trials: int, epochs: int, pruned: float = 0.2, seed: int = 0
) -> StudyFolder:
    """A finished study of `space` in which each trial was asked for `epochs` epochs.

    That share of the trials is pruned, a fiftieth fails, a twentieth is interrupted once and repeats an epoch.
    """
    goal = {"metric": space.objective.metric, "goal": space.objective.goal, "epoch": "best"}
    told = {"question": space.question, "trials": trials, "seed": seed, "objective": goal, "palettes": {}}
    data = {"fingerprint": "0" * 64}
    folder = StudyFolder.create(
        results, name, space_text=space.text, manifest={**told, "data": data, "provenance": {}, "floors": {}}
    )
    with folder.layout.events.open("wb") as file:
        for event in _events(space, random.Random(seed), trials, epochs, pruned):
            file.write(serialize(event))
    return folder


def _events(
    space: Space, generator: random.Random, trials: int, epochs: int, pruned: float
) -> Iterator[dict[str, Any]]:
    clock = _BEGAN
    told = {"trials": trials, "host": "node-0", "pid": 1, "workers": _WORKERS}
    yield {"event": "launched", "time": _stamp(clock), **told}
    for number in range(trials):
        clock += timedelta(seconds=1)
        params = space.sample(generator)
        if "epochs" in params:
            params["epochs"] = epochs
        seed = space.trial_seed(number)
        yield {"event": "asked", "time": _stamp(clock), "trial": number, "params": params, "seed": seed}
        for event in _trial(generator, epochs, pruned):
            clock += timedelta(milliseconds=generator.randint(1, 900))
            yield {"event": event.pop("event"), "time": _stamp(clock), "trial": number, **event}
    yield {"event": "ended", "time": _stamp(clock), "reason": "finished"}


def _trial(generator: random.Random, epochs: int, pruned: float) -> Iterator[dict[str, Any]]:
    fate = generator.random()
    attempt, final, losses = 1, generator.uniform(1.2, 2.0), list[float]()
    host = f"node-{generator.randint(0, 3)}"
    worker = {"host": host, "pid": generator.randint(2, 9999), "device": "cpu", "parameters": 27_600}
    yield {"event": "started", "attempt": 1, **worker, "resumed_from_epoch": 0}
    last = generator.randint(2, max(2, epochs // 3)) if fate < pruned else epochs
    for epoch in range(1, last + 1):
        losses.append(final + 1.5 / epoch + generator.gauss(0, 0.02))
        yield _epoch(attempt, epoch, losses[-1], generator)
        if epoch == last // 2 and fate > 0.95:
            yield {"event": "interrupted", "attempt": 1, "reason": "lost", "message": "the worker's node is gone"}
            attempt, repeated = 2, max(epoch - 1, 0)
            yield {"event": "started", "attempt": 2, **worker, "resumed_from_epoch": repeated}
            yield _epoch(2, epoch, losses[-1], generator)
    best = min(range(len(losses)), key=losses.__getitem__)
    ended = {"attempt": attempt, "value": losses[best], "epoch": best + 1}
    if pruned <= fate < pruned + 0.02:
        yield {"event": "failed", "attempt": attempt, "reason": "error", "message": "RuntimeError: made up"}
    elif fate < pruned:
        yield {"event": "pruned", **ended}
    else:
        yield {"event": "completed", **ended, "checkpoint": "trials/made/up.safetensors"}


def _epoch(attempt: int, epoch: int, loss: float, generator: random.Random) -> dict[str, Any]:
    seconds = generator.uniform(0.5, 2.0)
    return {
        "event": "epoch",
        "attempt": attempt,
        "epoch": epoch,
        "train_loss": loss - 0.02,
        "val_loss": loss,
        "val_accuracy": 1 / (1 + loss),
        "val_mse": loss / 100,
        "seconds": seconds,
        "images_per_second": 4000 / seconds,
    }


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
