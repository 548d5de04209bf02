"""`report.html`: the whole study on one page that needs nothing else, rewritten at every call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from study.analysis import confirmation_report, figures, tables
from study.analysis import html_parts as html
from study.analysis.findings import findings
from study.analysis.loaded import Loaded
from study.analysis.measure import floors
from study.analysis.plot import Plot
from study.records import TrialRecord
from study.store import StudyFolder
from study.text import duration, format_value

_LARGEST_SVG_BYTES = 1_500_000


def write_report(folder: StudyFolder) -> list[Path]:
    """Draw the figures and write the page, each file replaced whole. Answers the files, the page last.

    Raises `RecordError` if the record cannot be read.
    """
    study = Loaded.read(folder)
    written = figures.write(study, folder.layout.figures)
    written += confirmation_report.write_figures(folder)
    scratch = folder.layout.report.with_suffix(".part")
    scratch.write_text(page(study), encoding="utf-8")
    os.replace(scratch, folder.layout.report)
    return [*written, folder.layout.report]


def page(study: Loaded) -> str:
    """The page's HTML; the figures must have been drawn."""
    best = study.folder.best(study.record)
    parts = [
        _head(study),
        html.section("The answer", html.bullets(findings(study.trials, study.epochs, study.measure)), _cautions(study)),
        _best(study, best) if best is not None else "",
        confirmation_report.section(study.folder),
        _figures(study),
        html.section("Models beside the floors", tables.models(study.trials, study.measure, floors(study.folder))),
        _trials(study),
        html.section("Failures", tables.failures(study.trials)),
        _origin(study),
    ]
    ours = resources.files("study.analysis")
    return Template(ours.joinpath("report.html").read_text(encoding="utf-8")).substitute(
        title=escape(study.folder.name),
        css=ours.joinpath("report.css").read_text(encoding="utf-8"),
        body="\n".join(part for part in parts if part),
    )


def _head(study: Loaded) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in study.record.counts.items() if count) or "none asked yet"
    target = study.record.target or study.folder.manifest.get("trials", 0)
    told = f"{study.state.capitalize()}: {len(study.record.trials)} of {target} trials asked ({counts})"
    seconds = sum(trial.seconds for trial in study.record.trials.values())
    told += f"; {len(study.epochs)} epochs trained in {duration(seconds)} of workers' time."
    goal = f"Objective: {study.measure.name}, {study.measure.goal}d, at a trial's best epoch."
    question = study.folder.manifest.get("question")
    return "\n".join(
        [
            f"<header><h1>{escape(study.folder.name)}</h1>",
            html.paragraph(str(question), kind="question") if question else "",
            html.paragraph(told, kind="state"),
            html.paragraph(goal, kind="state") + "</header>",
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
    option = "" if results == "results" else f" --results {results}"
    has_copy = layout.best.config.is_file()
    config = (layout.best if has_copy else layout.trial(best.number)).config.relative_to(layout.root)
    commands = (
        f"study reproduce {study.folder.name}{option}\n"
        f"colournet train --config {results}/{study.folder.name}/{config.as_posix()}"
    )
    searched = {name: format_value(value) for name, value in best.params.items()}
    whole = study.folder.space.config(best.params, seed=best.seed).to_toml()
    return html.section(
        f"The best configuration: trial {best.number}",
        html.definitions(searched),
        html.folded("All settings", html.code(whole)),
        html.paragraph("To train it again, and compare with the record; or to train it alone:"),
        html.code(commands),
        _samples(study, best),
    )


def _samples(study: Loaded, best: TrialRecord) -> str:
    """The best trial's own pictures; its copy under `best/` may be another trial's while a study runs."""
    path = study.folder.layout.trial(best.number).samples
    if not path.is_file() and study.state != "running":
        path = study.folder.layout.best.samples
    if not path.is_file():
        return ""
    alt = f"Validation images: grey input, truth, and the colours that trial {best.number} gives them"
    told = f"{alt} ({best.params.get('model', 'its network')}, epoch {best.best_epoch})."
    return html.figure(html.image(path, alt=alt), caption=told)


def _figures(study: Loaded) -> str:
    """The figures under their headings, each below its question and above the sentence that answers it."""
    parts = []
    for heading, plots in figures.SECTIONS.items():
        shown = [_figure(study, plot) for plot in plots if plot.applies(study)]
        parts.append(html.section(heading, *shown))
    return "\n".join(part for part in parts if part)


def _figure(study: Loaded, plot: Plot) -> str:
    words = plot.tell(study)
    path = study.folder.layout.figures / f"{plot.name}.svg"
    if path.stat().st_size > _LARGEST_SVG_BYTES:
        path = path.with_suffix(".png")
    picture = html.figure(html.image(path, alt=words.alt), caption=words.reading)
    return f"<h3>{escape(plot.question)}</h3>{html.paragraph(words.answer, kind='finding')}{picture}"


def _trials(study: Loaded) -> str:
    parts = tables.trials(study.trials, list(study.space.search), study.measure)
    return html.section("All trials", *parts)


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
    if not data:
        return ""
    return (
        f"{data.get('dataset')}, {data.get('category')}, protocol {data.get('protocol')}, "
        f"{data.get('train_images')} images to train, {data.get('validation_images')} to validate"
    )


def _choice(choice: Mapping[str, Any]) -> str:
    options = ", ".join(f"{name} {value}" for name, value in choice.items() if name != "kind")
    return f"{choice.get('kind', '')}{f' ({options})' if options else ''}"
