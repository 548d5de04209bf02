"""`report.html`: the whole study on one page that needs nothing else, rewritten at every call."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from colournet import files
from study.analysis import augmentation_figure, confirmation_report, figures, gallery, tables, trial_table
from study.analysis import html_parts as html
from study.analysis import page as frame
from study.analysis.findings import findings
from study.analysis.loaded import Loaded
from study.analysis.measure import floors
from study.analysis.plot import Plot
from study.analysis.style import counted
from study.records import TrialRecord
from study.store import StudyFolder
from study.text import duration, format_value

_SMALL_SVG_BYTES = 500_000
_SENTENCES = 3
_FOOT = (
    "Written by study analyze. This file needs no other: it can be sent as it is. In the study's folder, figures/ holds each "
    "figure as PNG and SVG."
)


def write_report(folder: StudyFolder, tell: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Draw the figures and write the page, each file replaced whole. Answers the files, the page last.

    `tell` is called with what is being done. Raises `RecordError` if the record cannot be read.
    """
    tell("reading the record")
    study = Loaded.read(folder)
    written = figures.write(study, folder.layout.figures, tell)
    tell("drawing the confirmations")
    written += confirmation_report.write_figures(folder)
    tell(f"writing {folder.layout.report.name}")
    files.write_text(folder.layout.report, page(study))
    return [*written, folder.layout.report]


def page(study: Loaded) -> str:
    """The page's HTML; the figures must have been drawn."""
    best = study.folder.best(study.record)
    parts = [
        _answer(study),
        _best(study, best) if best is not None else "",
        confirmation_report.section(study.folder),
        html.section("Before and after", *gallery.parts(study)),
        _figures(study),
        html.section("Models beside the floors", tables.models(study.trials, study.measure, floors(study.folder))),
        html.section("All trials", *trial_table.parts(study)),
        html.section("Failures", tables.failures(study.trials), tables.interruptions(study.attempts)),
        _origin(study),
    ]
    return frame.whole(
        study.folder.name, head=_head(study), body="\n".join(part for part in parts if part), foot=html.paragraph(_FOOT)
    )


def _answer(study: Loaded) -> str:
    """Three sentences that matter most, what the confirmation found being the second, then the others."""
    found = findings(study.trials, study.epochs, study.measure)
    if augmentation_figure.PLOT.applies(study):
        found.insert(2, augmentation_figure.PLOT.tell(study).answer)
    found[1:1] = confirmation_report.verdicts(study.folder)
    short, rest = found[:_SENTENCES], found[_SENTENCES:]
    return html.section(
        "The answer",
        "".join(html.paragraph(sentence, kind="answer") for sentence in short),
        _cautions(study),
        f"<h3>Further findings</h3>{html.bullets(rest)}" if rest else "",
    )


def _head(study: Loaded) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in study.record.counts.items() if count) or "none asked yet"
    target = study.record.target or study.folder.manifest.get("trials", 0)
    told = f"{study.state.capitalize()}: {len(study.record.trials)} of {target} trials asked ({counts})"
    seconds = sum(trial.seconds for trial in study.record.trials.values())
    told += f"; {counted(len(study.epochs), 'epoch')} trained in {duration(seconds)} of workers' time."
    goal = f"Objective: {study.measure.name}, {study.measure.goal}d, at a trial's best epoch."
    question = study.folder.manifest.get("question")
    return "\n".join(
        [
            f"<h1>{escape(study.folder.name)}</h1>",
            html.paragraph(str(question), kind="question") if question else "",
            html.paragraph(told, kind="state"),
            html.paragraph(goal, kind="state"),
        ]
    )


def _cautions(study: Loaded) -> str:
    """What a reader must know before believing a number."""
    told = []
    if study.state == "running":
        told.append("The study is running: everything here is of the moment when this page was written.")
    if study.state == "interrupted":
        told.append(f"The study is not finished; study resume {study.folder.name} goes on with it.")
    if study.folder.manifest.get("data", {}).get("protocol") == "handout":
        told.append(
            "Protocol 'handout': epochs and trials were selected on the test images, so these scores flatter; they serve "
            "only to compare with the assignment's published figures."
        )
    if study.record.torn_bytes:
        told.append(f"The record's last line is torn; its {study.record.torn_bytes} bytes were not read.")
    return "".join(html.paragraph(text, kind="warning") for text in told)


def _best(study: Loaded, best: TrialRecord) -> str:
    layout = study.folder.layout
    results = layout.root.resolve().parent.name
    option = "" if results == "results" else f" --results {shlex.quote(results)}"
    has_copy = layout.best.config.is_file()
    config = (layout.best if has_copy else layout.trial(best.number)).config.relative_to(layout.root)
    path = f"{results}/{study.folder.name}/{config.as_posix()}"
    searched = {name: format_value(value) for name, value in best.params.items()}
    whole = study.folder.space.config(best.params, seed=best.seed, form=best.form).to_toml()
    return html.section(
        f"The best configuration: trial {best.number}",
        html.definitions(searched),
        html.paragraph("To train it again, and compare with the record:"),
        html.code(f"study reproduce {shlex.quote(study.folder.name)}{option}"),
        html.paragraph("To train it alone:"),
        html.code(f"colournet train --config {shlex.quote(path)}"),
        html.folded("All settings", html.code(whole)),
    )


def _figures(study: Loaded) -> str:
    """The figures under their headings, each below its question and the sentence that answers it; none of no trials."""
    if study.trials.empty:
        return ""
    parts = []
    for heading, plots in figures.SECTIONS.items():
        shown = [_figure(study, plot) for plot in plots if plot.applies(study)]
        parts.append(html.section(heading, *shown))
    return "\n".join(part for part in parts if part)


def _figure(study: Loaded, plot: Plot) -> str:
    words = plot.tell(study)
    path = _lighter(study.folder.layout.figures / f"{plot.name}.svg")
    picture = html.figure(html.image(path, alt=words.alt), caption=words.reading)
    question = html.heading(plot.question, anchor=f"figure-{plot.name}")
    return f"{question}{html.paragraph(words.answer, kind='finding')}{picture}"


def _lighter(path: Path) -> Path:
    """An SVG, or the PNG beside it where that is smaller and the SVG large, so that the page can still be sent."""
    sizes = {found: found.stat().st_size for found in (path, path.with_suffix(".png"))}
    return path if sizes[path] <= _SMALL_SVG_BYTES else min(sizes, key=lambda found: sizes[found])


def _origin(study: Loaded) -> str:
    """With what and where the study ran."""
    manifest = study.folder.manifest
    origin: Mapping[str, Any] = manifest.get("provenance", {})
    data: Mapping[str, Any] = manifest.get("data", {})
    dirty = " with uncommitted changes" if origin.get("dirty") else ""
    versions = ", ".join(f"{name} {version}" for name, version in origin.get("versions", {}).items() if version)
    told = {
        "created (UTC)": manifest["created"],
        "command": origin.get("command"),
        "commit": f"{origin['commit']}{dirty}" if origin.get("commit") else "unknown, not run from a checkout",
        "versions": versions,
        "host": origin.get("host"),
        "processor": f"{origin['cpu']}, {origin.get('cpus')} CPUs" if origin.get("cpu") else None,
        "devices": ", ".join(sorted(study.trials["device"].dropna().unique())),
        "platform": origin.get("platform"),
        "data": _data(data),
        "data fingerprint": data.get("fingerprint"),
        "search space": f"SHA-256 {manifest['space_sha256']}" if "space_sha256" in manifest else None,
        "sampler": _choice(manifest.get("sampler", {})),
        "pruner": _choice(manifest.get("pruner", {})),
        "seed": manifest["seed"],
        "drivers": study.record.sessions,
    }
    notes = html.bullets(study.record.notes) if study.record.notes else ""
    return html.section(
        "Where these numbers come from",
        html.definitions({name: str(text) for name, text in told.items() if text not in (None, "")}),
        notes and "<h3>Notes of the record</h3>" + notes,
    )


def _data(data: Mapping[str, Any]) -> str:
    told = {"dataset": "{}", "category": "{}", "protocol": "protocol {}"}
    told |= {"train_images": "{} images to train", "validation_images": "{} to validate"}
    return ", ".join(text.format(data[name]) for name, text in told.items() if name in data)


def _choice(choice: Mapping[str, Any]) -> str:
    options = ", ".join(f"{name} {value}" for name, value in choice.items() if name != "kind")
    return f"{choice.get('kind', '')}{f' ({options})' if options else ''}"
