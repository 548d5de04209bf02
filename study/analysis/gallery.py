"""Which trials' pictures the report shows: the best, the median, the worst, and the best of each network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from study.analysis import html_parts as html
from study.analysis import summaries
from study.analysis.loaded import Loaded
from study.best import published
from study.text import describe_params

LARGEST_BYTES = 1_000_000
"""A larger picture is left out, so that the page can still be sent."""


@dataclass(frozen=True)
class Pick:
    """A completed trial whose pictures are worth a look."""

    number: int
    rank: int
    """Among all completed trials, from 1."""
    roles: tuple[str, ...]
    """What it stands for, and whether it does so only for want of another's pictures."""


def picks(trials: pd.DataFrame, pictured: set[int], *, goal: str) -> list[Pick]:
    """The trials to show, best first, each once: of the completed ones only those in `pictured` can be."""
    ranked = summaries.ranked(trials, goal=goal)
    ranked = ranked.assign(rank=range(1, len(ranked) + 1))
    shown = ranked[ranked["number"].isin(pictured)]
    if shown.empty:
        return []
    middle = (len(ranked) + 1) / 2
    median = shown.iloc[int((shown["rank"] - middle).abs().argmin())]
    roles: dict[int, list[str]] = {}

    def add(row: pd.Series[Any], role: str, *, exact: bool) -> None:
        roles.setdefault(int(row["number"]), []).append(role if exact else f"{role} of those with pictures")

    add(shown.iloc[0], "the best", exact=shown["rank"].iloc[0] == 1)
    add(median, "the median", exact=abs(median["rank"] - middle) < 1)
    add(shown.iloc[-1], "the worst", exact=shown["rank"].iloc[-1] == len(ranked))
    if ranked["model"].nunique() > 1:
        for model, group in shown.groupby("model", sort=False):
            best = ranked.loc[ranked["model"] == model, "number"].iloc[0]
            add(group.iloc[0], f"the best {model}", exact=group["number"].iloc[0] == best)
    rank = shown.set_index("number")["rank"]
    found = [Pick(number, int(rank[number]), tuple(names)) for number, names in roles.items()]
    return sorted(found, key=lambda pick: pick.rank)


def parts(study: Loaded) -> list[str]:
    """The pictures with their captions; nothing where no completed trial left any."""
    done = summaries.completed(study.trials)
    paths = _pictures(study, done["number"].tolist())
    chosen = picks(study.trials, set(paths), goal=study.measure.goal)
    if not chosen:
        return []
    told = (
        "Validation images, the same for all trials: the grey that a network is given, the truth, and the colours that it "
        "gives them after its best epoch."
    )
    if len(paths) < len(done):
        told += f" Pictures of {len(paths)} of the {len(done)} completed trials are at hand."
    return [html.paragraph(told), *(_figure(study, pick, paths[pick.number], len(done)) for pick in chosen)]


def _figure(study: Loaded, pick: Pick, path: Path, count: int) -> str:
    trial = study.record.trials[pick.number]
    roles = ", ".join(pick.roles)
    name = f"{roles[:1].upper()}{roles[1:]}: trial {pick.number}"
    told = (
        f"{name}, rank {pick.rank} of {count}, {study.measure.name} {study.measure.text(trial.value or 0.0)} at epoch "
        f"{trial.best_epoch} ({describe_params(trial.params)})."
    )
    alt = f"{name}. Rows of the same photographs: in grey, in their true colours, and as this trial colours them."
    return html.figure(html.image(path, alt=alt), caption=told)


def _pictures(study: Loaded, numbers: list[int]) -> dict[int, Path]:
    """The pictures that trials left, by their numbers; the copy in `best/` serves for the trial that it is of."""
    layout = study.folder.layout
    found = {number: layout.trial(number).samples for number in numbers}
    copied = published(study.folder)
    if copied in found and not found[copied].is_file():
        found[copied] = layout.best.samples
    return {number: path for number, path in found.items() if path.is_file() and path.stat().st_size <= LARGEST_BYTES}
