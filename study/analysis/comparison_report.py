"""`comparison.html`: several studies on one page that needs nothing else, with its figures beside it."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from colournet import files
from study.analysis import comparison_figures, comparison_tables, page
from study.analysis import comparison_words as words
from study.analysis import html_parts as html
from study.analysis.comparison import Comparison
from study.errors import StudyError

_LARGEST_SVG_BYTES = 1_500_000
_FLOOR_NOTE = (
    "They need no network: grey copy sets red, green and blue to grey; the grey table knows how often each colour goes with a "
    "grey level; the palette ceiling gives each pixel its nearest colour."
)


def write(comparison: Comparison, results: Path, out: Path | None = None) -> list[Path]:
    """Write figures, `comparison.json` and the page into a folder, each file whole; answer the files, the page last.

    By default that is `comparisons/A-vs-B` below `results`. Raises `StudyError` if it cannot be written.
    """
    target = out or results / "comparisons" / comparison.slug
    whole, numbers = target / "comparison.html", target / "comparison.json"
    try:
        target.mkdir(parents=True, exist_ok=True)
        written = comparison_figures.write(comparison, target)
        files.write_text(numbers, json.dumps(comparison_tables.to_mapping(comparison), indent=2) + "\n")
        files.write_text(whole, _page(comparison, target))
    except OSError as error:
        raise StudyError(
            f"{target}: cannot be written to: {error.strerror or error}", hint="give another folder by --out"
        ) from error
    return [*written, numbers, whole]


def _page(comparison: Comparison, target: Path) -> str:
    measure = comparison.measure
    goal = f"Objective: {measure.name}, {measure.goal}d, at a trial's best epoch, on the same validation images."
    head = f"<h1>{escape(comparison.title)}</h1>{html.paragraph(goal, kind='state')}"
    body = "\n".join(part for part in _parts(comparison, target) if part)
    return page.whole(comparison.title, head=head, body=body)


def _parts(comparison: Comparison, target: Path) -> list[str]:
    floors = comparison_tables.floor_rows(comparison)
    return [
        html.section("The answer", html.bullets(words.findings(comparison))),
        html.section("Side by side", html.table(*comparison_tables.lines(comparison))),
        html.section("Figures", *(_figure(picture, comparison, target) for picture in comparison_figures.PICTURES)),
        html.section(
            "The floors",
            html.table(["", "palette", "cross-entropy", "accuracy", "squared error"], floors, text_columns=(0, 1))
            + html.paragraph(_FLOOR_NOTE, kind="note")
            if floors
            else "",
        ),
        html.section("What differs", _differences(comparison)),
    ]


def _figure(picture: comparison_figures.Picture, comparison: Comparison, target: Path) -> str:
    path = target / f"{picture.name}.svg"
    if path.stat().st_size > _LARGEST_SVG_BYTES:
        path = path.with_suffix(".png")
    alt = f"{picture.question} {words.best(comparison)}"
    shown = html.figure(html.image(path, alt=alt), caption=picture.reading)
    question = html.heading(picture.question, anchor=picture.name)
    return f"{question}{html.paragraph(picture.answer(comparison), kind='finding')}{shown}"


def _differences(comparison: Comparison) -> str:
    told = words.cautions(comparison)
    return html.bullets(told) if told else html.paragraph("Nothing that the manifests tell of.")
