"""The table of a comparison, for a terminal, for the page, and for machines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from study.analysis import comparison_words as words
from study.analysis.comparability import images
from study.analysis.comparison import Compared, Comparison
from study.analysis.comparison_summaries import Difference
from study.analysis.intervals import Estimate
from study.analysis.measure import NOTHING, floors, score_text
from study.text import duration, format_value, table

_WIDTH = 100
_MOST_DIFFERENCES = 6
_FLOORS = {"grey_copy": "grey copy", "grey_table": "grey table", "palette_ceiling": "palette ceiling"}
_SCORES = {"cross_entropy": "val_loss", "accuracy": "val_accuracy", "mse": "val_mse"}


def lines(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The header, and a line for each thing that is told of every study; one that no study has is left out."""
    columns = [_column(study) for study in comparison]
    found = [[name, *(column[name] for column in columns)] for name in columns[0]]
    found = [line for line in found if any(cell != NOTHING for cell in line[1:])]
    return ["", *(study.label for study in comparison)], [*found, *_config_lines(comparison)]


def text(comparison: Comparison, page: str) -> str:
    """For a terminal: the table, a column a study; the answer, what differs, and where the page is."""
    header, found = lines(comparison)
    shown = table(header, found, right=range(1, len(header)))
    parts = [f"by {comparison.measure.name}, {comparison.measure.goal}", shown, _paragraphs(words.findings(comparison))]
    differing = words.cautions(comparison)
    if differing:
        more = len(differing) - _MOST_DIFFERENCES
        differing = [*differing[:_MOST_DIFFERENCES], f"and {more} more on the page"] if more > 1 else differing
        parts.append("what differs:\n" + _paragraphs(differing))
    return "\n\n".join([*parts, page])


def _config_lines(comparison: Comparison) -> list[list[str]]:
    """A line a setting that any study searches: its value in the best trial of each study, also where that is fixed."""
    names = dict.fromkeys(name for study in comparison for name in study.loaded.space.search)
    best = [study.best_config for study in comparison]
    values = {name: [NOTHING if one is None else format_value(getattr(one, name)) for one in best] for name in names}
    return [[f"best: {name}", *told] for name, told in values.items()]


def _paragraphs(sentences: Sequence[str]) -> str:
    wrapper = textwrap.TextWrapper(
        _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )
    return "\n".join(map(wrapper.fill, sentences))


def floor_rows(comparison: Comparison) -> list[list[str]]:
    """What needs no network, on the images that all studies share: name, palette, cross-entropy, accuracy, squared error."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for study in comparison:
        for palette, scores in floors(study.loaded.folder).items():
            found.update({(name, palette): scores[name] for name in _FLOORS if name in scores})
    return [
        [_FLOORS[name], palette, *(score_text(metric, scores.get(key)) for key, metric in _SCORES.items())]
        for (name, palette), scores in found.items()
    ]


def to_mapping(comparison: Comparison) -> dict[str, Any]:
    """All of it for machines; these keys stay. A number that is not known is null."""
    objective = {"metric": comparison.measure.metric, "goal": comparison.measure.goal}
    told = {
        "objective": objective,
        "studies": [_study(study) for study in comparison],
        "paired": [_difference(found) for found in comparison.pairs],
        "differ_by": comparison.fixed_apart,
        "random_samples": [_difference(found) for found in comparison.samples],
        "findings": words.findings(comparison),
        "differences": words.cautions(comparison),
    }
    finite: dict[str, Any] = _finite(told)
    return finite


def _column(study: Compared) -> dict[str, str]:
    totals, measure, data = study.totals, study.loaded.measure, study.loaded.folder.manifest["data"]
    best, again = study.loaded.folder.best(study.loaded.record), study.confirmed
    quartiles = " to ".join(measure.text(totals[name]) for name in ("q1", "q3"))
    return {
        "images": images(data) if "category" in data else NOTHING,
        "state": study.loaded.state,
        **{state: f"{totals[state]:,}" for state in ("completed", "pruned", "failed")},
        "median (quartiles)": NOTHING if best is None else f"{measure.text(totals['median'])} ({quartiles})",
        "floor": " / ".join(measure.text(value) for value in measure.floors.values()) or NOTHING,
        "workers' time": duration(totals["worker_seconds"]),
        "epochs trained": f"{totals['epochs_trained']:,.0f}",
        "best": measure.text(totals["best"]),
        "best with fresh seeds": NOTHING
        if again is None
        else f"{measure.with_spread(again.mean, again.sd)} (n = {again.n})",
        "best trial": NOTHING if best is None else f"{best.number}",
        "best epoch": NOTHING if best is None else f"{best.best_epoch} of {best.last_epoch}",
    }


def _study(study: Compared) -> dict[str, Any]:
    folder, best = study.loaded.folder, study.loaded.folder.best(study.loaded.record)
    return {
        "study": study.label,
        "path": str(folder.layout.root),
        "state": study.loaded.state,
        "data": folder.manifest["data"],
        "floors": dict(study.loaded.measure.floors),
        "best_params": None if best is None else best.params,
        "best_with_fresh_seeds": None if study.confirmed is None else asdict(study.confirmed),
        **study.totals,
    }


def _difference(found: Difference) -> dict[str, Any]:
    estimate: Estimate = found.found
    return {"study": found.study, **asdict(estimate), "p": found.p, "p_corrected": found.p_corrected}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
