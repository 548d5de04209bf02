"""What a confirmation compares: the best configurations of a search and the default one, each with the same fresh seeds.

Standard library only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from colournet.config import TrainConfig
from colournet.errors import UserError
from study.errors import RecordError, StudyError
from study.parameters import Value
from study.records import StudyRecord, TrialRecord, best_first
from study.space import Space
from study.store import StudyFolder


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One configuration."""

    params: Mapping[str, Value]
    trial: int | None = None
    """The trial of the search that had it; None for a default that is none of the best."""
    value: float | None = None
    """The objective that the search saw, at `epoch`; None likewise."""
    epoch: int | None = None
    is_default: bool = False
    """Whether it is the default configuration."""

    @classmethod
    def from_mapping(cls, told: Mapping[str, Any]) -> Candidate:
        """Read what `asdict` gave. Raises KeyError, TypeError or ValueError for anything else."""
        trial, value, epoch = (told[name] for name in ("trial", "value", "epoch"))
        return cls(
            params=dict(told["params"]),
            trial=None if trial is None else int(trial),
            value=None if value is None else float(value),
            epoch=None if epoch is None else int(epoch),
            is_default=bool(told["is_default"]),
        )

    @property
    def name(self) -> str:
        """`trial 3`, `trial 3 (default)` or `default`."""
        if self.trial is None:
            return "default"
        return f"trial {self.trial}{' (default)' if self.is_default else ''}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One candidate with one seed."""

    number: int
    """Of the confirmation's trial."""
    candidate: Candidate
    seed: int


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """Which candidates are trained with which seeds, decided once, when it begins."""

    study: str
    top: int
    """How many of the best were asked for; `candidates` are fewer where the search has fewer."""
    candidates: tuple[Candidate, ...]
    """The search's winner first; last the default, unless it is among the best."""
    seeds: tuple[int, ...]
    completed: int
    """How many completed trials the candidates are the best of."""
    notes: tuple[str, ...] = ()
    """What is to be known of the choice."""

    @classmethod
    def plan(cls, folder: StudyFolder, record: StudyRecord, *, top: int, seeds: int) -> Confirmation:
        """Choose the best `top` different configurations of a search and the default, and as many fresh seeds as asked.

        Raises `StudyError` if no trial is completed, or nothing is there to compare the best one with.
        """
        if folder.is_confirmation:
            raise StudyError(f"{folder.name}: is a confirmation itself", hint="confirm the study that it belongs to")
        space = folder.space
        best = best_configurations(space, list(best_first(record.trials.values(), goal=folder.objective.goal)), top)
        if not best:
            raise StudyError(
                f"{folder.name}: no trial is completed yet, so there is nothing to confirm",
                hint=f"{folder.resume_command} goes on with the study",
            )
        default, note = default_candidate(space, best)
        candidates = _with_default(space, best, default)
        if len(candidates) == 1:
            why = "the default is left out" if default is None else "it has the default configuration"
            raise StudyError(
                f"{folder.name}: there is nothing to compare the best trial with: {why}",
                hint="name more with --top, or search on: study resume NAME --trials N",
            )
        notes = [] if len(best) == top else [f"{top} were asked for, the search has {len(best)} that completed."]
        if record.is_live:
            notes.append("The search was still running when this confirmation began.")
        if note is not None:
            notes.append(note)
        return cls(
            study=folder.name,
            top=top,
            candidates=tuple(candidates),
            seeds=fresh_seeds(space, {trial.seed for trial in record.trials.values()}, count=seeds),
            completed=record.count("completed"),
            notes=tuple(notes),
        )

    @classmethod
    def of(cls, folder: StudyFolder) -> Confirmation:
        """What a confirmation's folder says that it compares. Raises `RecordError` if that is damaged."""
        told = folder.manifest["confirms"]
        try:
            return cls(
                study=told["study"],
                top=told["top"],
                candidates=tuple(map(Candidate.from_mapping, told["candidates"])),
                seeds=tuple(map(int, told["seeds"])),
                completed=int(told["completed"]),
                notes=tuple(map(str, told["notes"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(
                f"{folder.layout.manifest}: what it confirms cannot be read: {error!r}", hint="restore it from a copy"
            ) from error

    def to_mapping(self) -> dict[str, Any]:
        """What `of` reads, JSON-ready."""
        return asdict(self)

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every candidate with the first seed, then every one with the second: what is cut short is balanced."""
        pairs = [(candidate, seed) for seed in self.seeds for candidate in self.candidates]
        return tuple(Run(number=n, candidate=candidate, seed=seed) for n, (candidate, seed) in enumerate(pairs))


def best_configurations(space: Space, ranked: list[TrialRecord], top: int) -> list[Candidate]:
    """The first `top` of ranked trials that differ in more than their seed."""
    found: dict[TrainConfig, Candidate] = {}
    for trial in ranked:
        candidate = Candidate(params=trial.params, trial=trial.number, value=trial.value, epoch=trial.best_epoch)
        found.setdefault(space.config(trial.params), candidate)
        if len(found) == top:
            break
    return list(found.values())


def default_candidate(space: Space, best: list[Candidate]) -> tuple[Candidate | None, str | None]:
    """The configuration of someone who searches nothing: what the space fixes, and the assignment's value of all else.

    It trains for no more epochs than the search allowed any trial, so that it does not win by those alone. None where that
    configuration means nothing or cannot be compared with the best; a note says so, or that its epochs were cut.
    """
    left_out = "The default configuration is left out:"
    try:
        config = space.config({})
    except UserError as error:
        return None, f"{left_out} {error.message}."
    winner = space.config(best[0].params)
    if space.objective.metric == "val_loss" and config.is_regression != winner.is_regression:
        return None, f"{left_out} its loss is another one than that of the networks searched."
    if config.num_colours not in space.taken("num_colours"):
        return None, f"{left_out} the study has no palette of its {config.num_colours} colours."
    most, own = max(space.taken("epochs")), config.epochs
    values, params = config.replace(epochs=min(own, most)).to_mapping(), dict[str, Value]()
    for name, parameter in space.search.items():
        if parameter.is_active(params) and name in values:
            params[name] = values[name]
    cut = (
        f"The default configuration trains for {most} epochs, the most that the search allowed, not for its own {own}."
    )
    return Candidate(params=params, is_default=True), cut if most < own else None


def _with_default(space: Space, best: list[Candidate], default: Candidate | None) -> list[Candidate]:
    """The candidates with the default behind them, or marked among them."""
    if default is None:
        return best
    config = space.config(default.params)
    marked = [replace(candidate, is_default=space.config(candidate.params) == config) for candidate in best]
    return marked if any(candidate.is_default for candidate in marked) else [*marked, default]


def fresh_seeds(space: Space, used: Collection[int], *, count: int) -> tuple[int, ...]:
    """So many different seeds that no trial of the search had, the same ones at every call with the same space."""
    found: dict[int, None] = {}
    index = 0
    while len(found) < count:
        digest = hashlib.sha256(f"{space.seed}/confirm/{index}".encode()).digest()
        seed = int.from_bytes(digest[:4], "big")
        if seed not in used:
            found[seed] = None
        index += 1
    return tuple(found)


def overtaken(study: StudyFolder, confirmation: Confirmation) -> str | None:
    """Say so if the search has found a better configuration since; the confirmation is still of the old one."""
    winner, best = confirmation.candidates[0], study.best(study.read())
    if best is None or best.number == winner.trial or not study.objective.is_better(best.value, winner.value):
        return None
    return (
        f"The search has gone on since: trial {best.number} is the best now, and not what this confirmation is of; "
        "confirm it with another --top or --seeds."
    )
