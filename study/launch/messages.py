"""What a worker is given, and what it tells: the vocabulary between the two sides of Ray. Standard library only.

A worker tells by `Report`s, each a small JSON-ready mapping whose `event` is one of those below. All of them but
`finished` are recorded nearly as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Report = Mapping[str, Any]
"""`started`: attempt, host, pid, device, parameters, resumed_from_epoch, history, and of a stack how many are `fused`.
`epoch`: attempt and the epoch's metrics.
`finished`: attempt, and of a trial that is tested its test_loss, test_accuracy and test_mse. `failed`: attempt, reason
(`diverged`, `error`, `out_of_memory`, `disk_full`), message, and how many are `fused` where all of a stack failed."""

Answer = Literal["continue", "stop"]

Tell = Callable[[Report], None]
"""How a worker tells. It may not return: a trial that is to stop is ended inside the call."""

TellAll = Callable[[Sequence[tuple[int, Report]]], Collection[int]]
"""How a worker tells of several trials at once, by their numbers. It answers the numbers of all that are to stop, or have
ended; if those are all, it does not return."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One trial for a worker, JSON-ready by `asdict`."""

    number: int
    folder: str
    """The trial's folder, absolute, on a file system that the worker shares with the driver, if there is no `storage`."""
    config: dict[str, Any]
    """The fields of its `TrainConfig`."""
    metric: str
    goal: str
    """The study's objective."""
    attempts: int = 0
    """How many attempts at the trial the record has; their folders need not be there any more."""
    timeout_seconds: float | None = None
    """How long the attempt may take; None for as long as it likes."""
    storage: str | None = None
    """Where else the trial's files are kept, as `study.launch.storage` has it, if the worker need not share the folder."""
    is_tested: bool = False
    """Whether to score the best epoch's model on the test images, which the bundle must hold then."""

    def to_mapping(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)
