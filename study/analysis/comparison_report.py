"""`comparison.html`: several studies on one page that needs nothing else, with its figures beside it."""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from colournet import files
from study.analysis import comparison_figures, comparison_tables
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
    page, numbers = target / "comparison.html", target / "comparison.json"
    try:
        target.mkdir(parents=True, exist_ok=True)
        written = comparison_figures.write(comparison, target)
        files.write_text(numbers, json.dumps(comparison_tables.to_mapping(comparison), indent=2) + "\n")
        files.write_text(page, _page(comparison, target))
    except OSError as error:
        raise StudyError(
            f"{target}: cannot be written to: {error.strerror or error}", hint="give another folder by --out"
        ) from error
    return [*written, numbers, page]


def _page(comparison: Comparison, target: Path) -> str:
    ours = resources.files("study.analysis")
    return Template(ours.joinpath("comparison.html").read_text(encoding="utf-8")).substitute(
        title=escape(comparison.title),
        css=ours.joinpath("report.css").read_text(encoding="utf-8"),
        body="\n".join(part for part in _parts(comparison, target) if part),
    )


def _parts(comparison: Comparison, target: Path) -> list[str]:
    measure = comparison.measure
    floors = comparison_tables.floor_rows(comparison)
    goal = f"Objective: {measure.name}, {measure.goal}d, at a trial's best epoch, on the same validation images."
    head = f"<header><h1>{escape(comparison.title)}</h1>{html.paragraph(goal, kind='state')}</header>"
    return [
        head,
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
    return f"<h3>{escape(picture.question)}</h3>{html.paragraph(picture.answer(comparison), kind='finding')}{shown}"


def _differences(comparison: Comparison) -> str:
    told = words.cautions(comparison)
    return html.bullets(told) if told else html.paragraph("Nothing that the manifests tell of.")
