"""The report's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from colournet.palette_name import PaletteName
from study.analysis import html_parts as html
from study.analysis import summaries
from study.analysis.measure import NOTHING, Measure, score_text
from study.text import format_value

_FOLDED_FROM = 40
_SCORES = {"val_loss": "cross_entropy", "val_accuracy": "accuracy", "val_mse": "mse"}
_FLOOR_NAMES = {"grey_copy": "grey copy", "grey_table": "grey table", "palette_ceiling": "palette ceiling"}


def models(trials: pd.DataFrame, measure: Measure, floors: Mapping[str, Mapping[str, Any]]) -> str:
    """Each model's best completed trial, then what needs no network; a verdict beside each model."""
    best = summaries.by_model(trials, goal=measure.goal)
    rows = [_model_row(row, measure) for row in best.to_dict("records")]
    for palette, scores in floors.items():
        of = _of(palette, measure)
        rows += [_floor_row(f"{label}{of}", scores[key]) for key, label in _FLOOR_NAMES.items() if key in scores]
    header = ["", f"by {measure.name}", "completed", "pruned", "failed", "best trial", "best epoch"]
    header += ["cross-entropy", "accuracy", "squared error", "weights"]
    note = (
        "Scores of validation images at the best epoch of each model's best completed trial, by the objective. The floors "
        "need no network: grey copy sets red, green and blue to grey; the grey table knows how often each colour goes with "
        "a grey level; the palette ceiling gives each pixel its nearest colour, and no classification can be nearer."
    )
    return html.table(header, rows, text_columns=(0, 1)) + html.paragraph(note, kind="note")


def trials(frame: pd.DataFrame, searched: list[str], measure: Measure) -> list[str]:
    """The completed trials, best first; then, told apart, the pruned, those under way, and the failed."""
    pending = frame[frame["state"].isin(["running", "interrupted"])]
    groups = {
        "Completed, best first": summaries.ranked(frame, goal=measure.goal),
        "Pruned: they saw fewer epochs than asked, and are not ranked": summaries.pruned(frame),
        "Not ended": pending,
        "Failed": frame[frame["state"] == "failed"],
    }
    return [_group(title, group, searched, measure) for title, group in groups.items() if len(group)] or [
        html.paragraph("None yet.")
    ]


def failures(frame: pd.DataFrame) -> str:
    """Which trials failed, and why; nothing where none did."""
    failed = frame[frame["state"] == "failed"]
    rows = [
        [str(row["number"]), _text(row["reason"]), str(row["epochs_trained"]), _text(row["message"])]
        for row in failed.to_dict("records")
    ]
    return html.table(["trial", "reason", "epochs trained", "message"], rows, text_columns=(0, 1, 3)) if rows else ""


def _group(title: str, group: pd.DataFrame, searched: list[str], measure: Measure) -> str:
    columns = {"number": "trial", "value": measure.name, "best_epoch": "best epoch", "epochs_trained": "epochs trained"}
    columns |= {"epochs": "epochs asked", "parameters": "weights"}
    columns |= {name: name for name in searched if name != "epochs"}
    if group["state"].nunique() > 1:
        columns |= {"state": "state"}
    rows = [[_cell(row, name, measure) for name in columns] for row in group.to_dict("records")]
    words = [place for place, name in enumerate(columns) if group[name].dtype == "string"]
    table = html.table(list(columns.values()), rows, text_columns=words)
    title = f"{title} (n = {len(group)})"
    return html.folded(title, table) if len(group) > _FOLDED_FROM else f"<h3>{title}</h3>{table}"


def _cell(row: Mapping[Any, Any], name: str, measure: Measure) -> str:
    return score_text(measure.metric, row[name]) if name == "value" else _text(row[name])


def _model_row(row: Mapping[Any, Any], measure: Measure) -> list[str]:
    counts = [str(row[name]) for name in ("n", "n_pruned", "n_failed")]
    if not row["n"]:
        return [str(row["model"]), "none completed", *counts, *[NOTHING] * 6]
    is_regression = row["model"] == "regression_cnn"
    scores = [score_text(name, None if name == "val_loss" and is_regression else row[name]) for name in _SCORES]
    epoch = f"{row['best_epoch']} of {row['epochs_trained']}"
    best = [str(row["number"]), epoch, *scores, _text(row["parameters"])]
    return [f"{row['model']}{_of(row['palette'], measure)}", _verdict(row, measure), *counts, *best]


def _verdict(row: Mapping[Any, Any], measure: Measure) -> str:
    floor = measure.floors.get(str(row["palette"]))
    if floor is None:
        return NOTHING
    return "better than the grey table" if measure.is_better(row["value"], floor) else "WORSE than the grey table"


def _of(palette: str, measure: Measure) -> str:
    """In which palette cross-entropy and accuracy are counted, where trials differ in it and these cannot be compared."""
    return f", {PaletteName.parse(palette).words}" if len(measure.floors) > 1 else ""


def _floor_row(label: str, scores: Mapping[str, float]) -> list[str]:
    shown = [score_text(metric, scores.get(key)) for metric, key in _SCORES.items()]
    return [label, "no network", *[NOTHING] * 5, *shown, NOTHING]


def _text(value: Any) -> str:
    """A cell's text; a dash where there is nothing."""
    if pd.isna(value):
        return NOTHING
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else format_value(value)
