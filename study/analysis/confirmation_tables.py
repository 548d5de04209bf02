"""A confirmation as tables, and all of it as one text."""

from __future__ import annotations

import textwrap
from dataclasses import replace

from study.analysis.confirmation import Question, Row
from study.analysis.confirmation_words import notes, sentences
from study.analysis.judgement import Judgement
from study.analysis.measure import NOTHING, Measure, score_text
from study.fields import TEST_SCORES
from study.text import describe_params, table

_WIDTH = 79
_FLOOR_NAMES = {"grey_table": "grey table", "grey_copy": "grey copy", "palette_ceiling": "ceiling"}
_FLOOR_KEYS = {"test_loss": "cross_entropy", "test_accuracy": "accuracy", "test_mse": "mse"}
_TEST_HEADER = {"test_loss": "test loss", "test_accuracy": "test accuracy", "test_mse": "test squared error"}


def text(judgement: Judgement) -> str:
    """All of it for people, a screen at most."""
    verdict, confirmation = judgement.verdict, judgement.confirmation
    header, rows = candidate_table(judgement)
    lines = [textwrap.fill(heading(judgement), _WIDTH), "", table(header, rows, right=range(1, len(header))), ""]
    header, rows = question_table(judgement)
    if rows:
        lines += [table(header, rows, right=range(1, len(header))), ""]
    lines += [f"{candidate.name}: {describe_params(candidate.params)}" for candidate in confirmation.candidates]
    first, *rest = sentences(judgement)
    told = [f"{verdict.outcome.upper()}: {first}", *rest, *(f"note: {note}" for note in notes(judgement))]
    lines += ["", *(textwrap.fill(line, _WIDTH) for line in told)]
    return "\n".join(lines)


def heading(judgement: Judgement) -> str:
    """What was trained, in a line."""
    confirmation, data = judgement.confirmation, judgement.folder.manifest["data"]
    best = sum(candidate.trial is not None for candidate in confirmation.candidates)
    default = " and the default" if len(confirmation.candidates) > best else ""
    return (
        f"{confirmation.study}: the best {best} of {confirmation.completed} completed trials{default}, each with "
        f"{len(confirmation.seeds)} fresh seeds, scored on {data.get('test_images')} test images"
    )


def candidate_table(judgement: Judgement) -> tuple[list[str], list[list[str]]]:
    """Header and rows: every candidate, then what needs no network."""
    header = ["", "n", "epochs", "search", judgement.measure.name, *_TEST_HEADER.values()]
    rows = [_candidate_row(name, row, judgement.measure) for name, row in judgement.verdict.rows.items()]
    manifest = judgement.folder.manifest
    for colours, floors in manifest.get("test_floors", {}).items():
        many = f", {colours} colours" if len(manifest["test_floors"]) > 1 else ""
        grey = judgement.measure.floors.get(colours)
        for key, label in _FLOOR_NAMES.items():
            seen = judgement.measure.text(grey) if key == "grey_table" and grey is not None else NOTHING
            scores = [_score(name, floors.get(key, {}).get(_FLOOR_KEYS[name])) for name in TEST_SCORES]
            rows.append([f"{label}{many}", *[NOTHING] * 3, seen, *scores])
    return header, rows


def question_table(judgement: Judgement) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the differences from the winner, with their intervals and p; no rows where nothing is compared."""
    verdict, measure = judgement.verdict, judgement.measure
    winner = verdict.winner.candidate.name
    header = [f"less {winner}", "n", "difference", "95 % interval", "p", "p, corrected"]
    rows = [[f"{name}, {judgement.test.name}", *_question(found, measure)] for name, found in verdict.rivals.items()]
    if verdict.search is not None:
        rows.append([f"search, {measure.name}", *_question(verdict.search, measure)])
    return header, rows


def _candidate_row(name: str, row: Row, measure: Measure) -> list[str]:
    seen = NOTHING if row.candidate.value is None else measure.text(row.candidate.value)
    value = measure.with_spread(row.value.mean, row.value.half_width)
    scores = [
        replace(measure, metric=_val(score)).with_spread(found.mean, found.half_width)
        for score, found in row.test.items()
    ]
    return [name, str(row.value.n), str(row.epochs), seen, value, *scores]


def _question(found: Question, measure: Measure) -> list[str]:
    difference = found.difference
    interval = f"{measure.signed(difference.low)} to {measure.signed(difference.high)}"
    return [str(difference.n), measure.signed(difference.mean), interval, _p(found.p), _p(found.p_corrected)]


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _score(name: str, value: float | None) -> str:
    return score_text(_val(name), value)


def _val(score: str) -> str:
    """The name under which a test score's values are formatted."""
    return f"val_{score.removeprefix('test_')}"
