"""The files that a confirmation leaves, and its section of the study's report."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from colournet import files
from study.analysis import confirmation_figure, style
from study.analysis import html_parts as html
from study.analysis.confirmation_tables import candidate_table, heading, question_table
from study.analysis.confirmation_words import notes, sentences
from study.analysis.judgement import Judgement
from study.candidates import overtaken
from study.store import StudyFolder
from study.text import describe_params

_PAIRS = (
    "Test scores less the winner's, in pairs of runs with the same seed; then what the search saw less the fresh mean:"
)


def to_mapping(judgement: Judgement) -> dict[str, Any]:
    """The verdict in numbers and in sentences, the reason of its outcome first; JSON-ready."""
    return {**judgement.to_mapping(), "sentences": sentences(judgement), "notes": notes(judgement)}


def publish(judgement: Judgement) -> list[Path]:
    """Write `verdict.json`, `results.csv` and the figure into the confirmation's folder; answer the files."""
    layout = judgement.folder.layout
    files.write_text(layout.verdict, json.dumps(to_mapping(judgement), indent=2) + "\n")
    files.write_text(layout.results, judgement.runs.to_csv(index=False, lineterminator="\n"))
    return [layout.verdict, layout.results, *write_figure(judgement)]


def write_figure(judgement: Judgement) -> list[Path]:
    """Draw the figure into the confirmation's own folder, as PNG and SVG."""
    target = judgement.folder.layout.figures
    target.mkdir(exist_ok=True)
    with style.styled():
        return style.save(confirmation_figure.draw(judgement), target / confirmation_figure.NAME)


def write_figures(study: StudyFolder) -> list[Path]:
    """Draw the figure of each of a study's confirmations."""
    return [path for judgement in _judgements(study) for path in write_figure(judgement)]


def section(study: StudyFolder) -> str:
    """What each confirmation of a study found, as HTML; nothing where there is none. The figures must have been drawn."""
    parts = [part for judgement in _judgements(study) for part in _parts(study, judgement)]
    return html.section("Did the best trial win?", *parts)


def verdicts(study: StudyFolder) -> list[str]:
    """What each confirmation of a study came to, in a sentence."""
    return [f"{judgement.verdict.outcome.capitalize()}: {sentences(judgement)[0]}" for judgement in _judgements(study)]


def _judgements(study: StudyFolder) -> list[Judgement]:
    return [Judgement.read(StudyFolder(root)) for root in study.confirmations]


def _parts(study: StudyFolder, judgement: Judgement) -> list[str]:
    first, *rest = sentences(judgement)
    newer = overtaken(study, judgement.confirmation)
    params = {candidate.name: describe_params(candidate.params) for candidate in judgement.confirmation.candidates}
    header, questions = question_table(judgement)
    picture = judgement.folder.layout.figures / f"{confirmation_figure.NAME}.svg"
    alt = f"Scores of {', '.join(params)} with fresh seeds. {judgement.verdict.outcome.capitalize()}: {first}"
    return [
        f"<h3>{judgement.verdict.outcome.capitalize()} ({escape(judgement.folder.name)})</h3>",
        html.paragraph(f"{heading(judgement)}."),
        html.bullets([first[:1].upper() + first[1:], *rest]),
        html.paragraph(newer, kind="warning") if newer else "",
        html.table(*candidate_table(judgement)),
        html.paragraph(_PAIRS) + html.table(header, questions) if questions else "",
        html.definitions(params),
        html.figure(html.image(picture, alt=alt), caption=confirmation_figure.caption(judgement)),
        html.bullets(notes(judgement)),
    ]
