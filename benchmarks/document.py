"""docs/performance.md, made from the results alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.figures import in_words, is_reached, number
from colournet import files

PATH = Path(__file__).parents[1] / "docs" / "performance.md"

_HEAD = """# Performance

What was measured, beside what was to be reached. `make bench` measures all of it again, `python -m benchmarks NAME` a part;
this page is made of `benchmarks/results/*.json` by `python -m benchmarks --write-docs`. Every figure is a median, with the
smallest and the largest of its n in brackets. Contenders take turns within one run, and a ratio is formed within a round."""


def write() -> Path:
    """Write the page; answer where."""
    files.write_text(PATH, text())
    return PATH


def text() -> str:
    """The page as the results that there are make it."""
    found = results.read()
    goals = [goal for result in found for goal in result["measured"].get("goals", ())]
    rows = [[_wanted(goal), in_words(goal), _verdict(goal)] for goal in goals]
    parts = [_HEAD, _table(["goal", "measured", "reached"], rows), *map(_section, found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(goal: Mapping[str, Any]) -> str:
    if goal["median"] is None:
        return "open"
    return "yes" if is_reached(goal) else "**no**"


def _wanted(goal: Mapping[str, Any]) -> str:
    bounds = [
        f"{words} {number(goal[name])} {goal['unit']}".rstrip()
        for name, words in (("at_least", "at least"), ("at_most", "at most"))
        if name in goal
    ]
    return f"{goal['what']}: {', '.join(bounds)}"


def _section(result: Mapping[str, Any]) -> str:
    figures = [[each["what"], in_words(each)] for each in result["measured"].get("figures", ())]
    parts = [
        f"## {result['name']}",
        f"{result['what']} {_measured_on(result)}{_sizes(result['measured'].get('sizes', {}))}",
        _table(["figure", "measured"], figures),
        results.remarks(result["name"]),
    ]
    return "\n\n".join(part for part in parts if part)


def _measured_on(result: Mapping[str, Any]) -> str:
    """What it was measured on, in one sentence."""
    hardware, versions = result["hardware"], result["versions"]
    gpu = hardware["gpu"] or "no GPU"
    machine = f"{hardware['cores']} cores of {hardware['cpu']}, {hardware['memory_gib']:g} GiB, {gpu}"
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    commit = f"commit {str(result['commit'])[:10]}{' with changes' if result['dirty'] else ''}"
    seconds = result["took_seconds"]
    took = "run in parts" if seconds is None else f"it took {number(seconds)} s"
    return f"Measured on {result['measured_at']} on {machine}; {packages}; {commit}; {took}."


def _sizes(sizes: Mapping[str, Any]) -> str:
    """How large what was measured is, in one sentence."""
    told = [f"{name.replace('_', ' ')} {value}" for name, value in sizes.items()]
    return f" Sizes: {', '.join(told)}." if told else ""


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
    return "\n".join(lines) if len(lines) > 2 else ""
