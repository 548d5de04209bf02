"""The report's table of all trials: plain rows for every reader, and all rows as data for the script that sorts and filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from study.analysis import html_parts as html
from study.analysis import summaries
from study.analysis.loaded import Loaded
from study.analysis.measure import NOTHING
from study.text import duration, format_value

PLAIN_ROWS = 300
"""So many trials stand in the page's HTML; the rest are there once its script has run."""

_STATES = ("completed", "pruned", "running", "interrupted", "failed")


@dataclass(frozen=True)
class Column:
    """A column's distinct values in ascending order, as text, and for each row the place of its value, -1 for none.

    So a row's place is also what it is sorted by, and a script needs to know nothing of numbers, units or orders.
    """

    name: str
    words: bool
    """Whether it is text, aligned to the left."""
    values: list[str]
    rows: list[int]

    @classmethod
    def of(cls, name: str, series: pd.Series[Any], text: Callable[[Any], str], order: Callable[[Any], Any]) -> Column:
        """Take apart a column of a frame."""
        found = [None if pd.isna(value) else value for value in series.tolist()]
        distinct = sorted({value for value in found if value is not None}, key=order)
        places = {value: place for place, value in enumerate(distinct)}
        rows = [-1 if value is None else places[value] for value in found]
        return cls(name, series.dtype == "string", [text(value) for value in distinct], rows)

    def text(self, row: int) -> str:
        """A row's text; a dash where there is nothing."""
        place = self.rows[row]
        return NOTHING if place < 0 else self.values[place]


def parts(study: Loaded) -> list[str]:
    """The table with what must be known to read it; a sentence where there is no trial."""
    if study.trials.empty:
        return [html.paragraph("None yet.")]
    found = columns(study)
    count = len(study.trials)
    rows = [[column.text(row) for column in found] for row in range(min(count, PLAIN_ROWS))]
    words = [place for place, column in enumerate(found) if column.words]
    caption = f"Trials of {study.folder.name} (n = {count:,})"
    told = {"columns": [{**vars(column)} for column in found]}
    return [
        html.paragraph(_note(study), kind="note"),
        html.table([column.name for column in found], rows, text_columns=words, caption=caption, anchor="trial-table"),
        _without_script(study, count),
        html.data("trial-data", told),
    ]


def columns(study: Loaded) -> list[Column]:
    """All columns, their rows in the order in which a reader sees them first."""
    measure = study.measure
    frame = ordered(study.trials, goal=measure.goal)
    texts: dict[str, Callable[[Any], str]] = {"value": measure.text, "seconds": duration}
    orders: dict[str, Callable[[Any], Any]] = {"state": _STATES.index, "model": _model_order}
    return [
        Column.of(title, frame[name], texts.get(name, _text), orders.get(name, _order))
        for name, title in _titles(study, frame).items()
    ]


def ordered(trials: pd.DataFrame, *, goal: str) -> pd.DataFrame:
    """The trials with their `rank` among the completed, in its order; then the pruned, those not ended, and the failed."""
    ranked = summaries.ranked(trials, goal=goal)
    ranks = pd.Series(range(1, len(ranked) + 1), index=ranked.index, dtype="Int64")
    frame = trials.assign(rank=ranks, place=trials["state"].map(_STATES.index))
    return frame.sort_values(["place", "rank", "number"]).drop(columns="place")


def _titles(study: Loaded, frame: pd.DataFrame) -> Mapping[str, str]:
    """The columns of the table, by their names in the frame."""
    titles = {"number": "trial", "state": "state", "rank": "rank", "value": study.measure.name}
    titles |= {"best_epoch": "best epoch", "epochs_trained": "epochs trained", "epochs": "epochs"}
    titles |= {"parameters": "weights", "seconds": "time"}
    titles |= {name: name for name in study.space.search if name != "epochs"}
    if (frame["attempt"] > 1).any():
        titles["attempt"] = "attempts"
    if frame["reason"].notna().any():
        titles["reason"] = "reason"
    return titles


def _note(study: Loaded) -> str:
    done = summaries.completed(study.trials)["epochs_trained"]
    told = f"The {study.measure.name} is that of a trial's best epoch. "
    if done.nunique() > 1:
        told += f"The completed trials trained for {done.min()} to {done.max()} epochs, and the rank does not allow for that. "
    return told + "Only completed trials have a rank: a pruned one saw fewer epochs than it was asked for."


def _without_script(study: Loaded, count: int) -> str:
    if count <= PLAIN_ROWS:
        return ""
    told = f"Without its script this page shows the first {PLAIN_ROWS} of {count:,}; study export {study.folder.name} has all."
    return f"<noscript>{html.paragraph(told, kind='note')}</noscript>"


def _model_order(model: str) -> tuple[int, str]:
    """Networks from the plainest to the most elaborate, any other behind them."""
    known = summaries.MODELS
    return (known.index(model) if model in known else len(known), model)


def _order(value: Any) -> tuple[float, str]:
    """Numbers by their size, also where a column of words holds them, then words by the alphabet."""
    try:
        return (float(value), "")
    except ValueError:
        return (float("inf"), str(value).casefold())


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else format_value(value)
