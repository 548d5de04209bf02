"""The report's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from colournet.palette_name import PaletteName
from study.analysis import html_parts as html
from study.analysis import summaries
from study.analysis.measure import NOTHING, Measure, score_text
from study.text import format_value

_MOST_MESSAGES = 40
_MOST_NUMBERS = 12
_LONGEST_MESSAGE = 600
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
    caption = "Models and floors, scored on the validation images"
    return html.table(header, rows, text_columns=(0, 1), caption=caption) + html.paragraph(note, kind="note")


def failures(frame: pd.DataFrame) -> str:
    """Which trials failed, and why, one row a message; a sentence where none did, nothing where there are no trials."""
    if frame.empty:
        return ""
    failed = frame[frame["state"] == "failed"]
    if failed.empty:
        return html.paragraph(f"None of the n = {len(frame):,} trials failed.")
    groups = list(failed.fillna({"reason": NOTHING, "message": NOTHING}).groupby(["reason", "message"], sort=False))
    groups.sort(key=lambda group: -len(group[1]))
    rows = [
        [
            str(reason),
            f"{len(group):,}",
            _numbers(group["number"].tolist()),
            _span(group["epochs_trained"]),
            _cut(str(message)),
        ]
        for (reason, message), group in groups[:_MOST_MESSAGES]
    ]
    table = html.table(
        ["reason", "trials", "which", "epochs trained", "message"],
        rows,
        text_columns=(0, 2, 4),
        caption=f"Failed trials (n = {len(failed):,} of {len(frame):,})",
    )
    more = len(groups) - len(rows)
    return table + (html.paragraph(f"{more:,} further messages are left out.", kind="note") if more else "")


def interruptions(attempts: pd.DataFrame) -> str:
    """Why trials were broken off and begun again, one row a reason; nothing where none was."""
    broken = attempts[attempts["outcome"] == "interrupted"]
    if broken.empty:
        return ""
    groups = broken.fillna({"reason": "the driver died"}).groupby("reason")
    rows = [
        [str(reason), f"{len(group):,}", f"{group['number'].nunique():,}", _numbers(sorted(set(group["number"])))]
        for reason, group in groups
    ]
    caption = f"Interrupted attempts (n = {len(broken):,} of {len(attempts):,})"
    return html.table(["reason", "attempts", "trials", "which"], rows, text_columns=(0, 3), caption=caption)


def _numbers(numbers: Sequence[int]) -> str:
    """Some numbers of trials, and how many more there are."""
    told = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    more = len(numbers) - _MOST_NUMBERS
    return f"{told} and {more:,} more" if more > 0 else told


def _span(values: pd.Series[Any]) -> str:
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"


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
