"""`study show --watch`: a study told again as it goes on, until it ends. Standard library only, but for the live screen."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from study.expenses import rate_text
from study.following import Follower
from study.records import ENDED, StudyRecord
from study.store import StudyFolder
from study.summary import study_json, study_text
from study.text import duration, fit

_SECONDS = 1.0
_SHARE = 0.1
"""Of one core, at most, goes to telling a study of any length."""
_OF_THE_CLOCK = ("rate", "forecast")


def records(folder: StudyFolder, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[StudyRecord]:
    """The record as it is, then again every second (a long one less often), by what was appended; at last that of its end.

    A study that does not run is told once. Raises `RecordError` if the record is missing or damaged.
    """
    follower = Follower(folder)
    while True:
        began = time.monotonic()
        follower.look()
        yield follower.seen
        if not follower.record.is_live:
            return
        sleep(max(_SECONDS, (time.monotonic() - began) / _SHARE))


def json_lines(folder: StudyFolder, seen: Iterable[StudyRecord]) -> Iterator[str]:
    """A line of JSON at first and at each change, as `study show --json` has it; time alone changes nothing."""
    last = None
    for record in seen:
        told = study_json(folder, record)
        lasting = {name: value for name, value in told.items() if name not in _OF_THE_CLOCK}
        if lasting != last:
            yield json.dumps(told)
        last = lasting


def lines(folder: StudyFolder, seen: Iterable[StudyRecord]) -> Iterator[str]:
    """A line at first and whenever a trial began, ended or was interrupted, or the study did; not for every epoch."""
    last = None
    for record in seen:
        told = study_json(folder, record)
        lasting = [told["state"], told["trials"], told["target"]]
        if lasting != last:
            yield _line(told)
        last = lasting


def on_screen(folder: StudyFolder, seen: Iterable[StudyRecord]) -> None:
    """The state of the study in its place on the terminal; the last one stays."""
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, vertical_overflow="ellipsis", redirect_stderr=False) as live:
        for record in seen:
            text = fit(study_text(folder, record), shutil.get_terminal_size().columns)
            live.update(Text(text, no_wrap=True), refresh=True)


def watch(folder: StudyFolder, *, as_json: bool, tell: Callable[[str], None]) -> None:
    """Follow a study: on a terminal in its place, elsewhere by `tell`, line by line."""
    seen = records(folder)
    if not as_json and sys.stdout.isatty():
        on_screen(folder, seen)
        return
    for line in (json_lines if as_json else lines)(folder, seen):
        tell(line)


def _line(told: dict[str, Any]) -> str:
    """State, counts, best, rate, time left, and the latest failure."""
    counts = ", ".join(f"{count} {state}" for state, count in told["trials"].items() if count) or "none asked"
    ended = sum(told["trials"][state] for state in ENDED)
    parts = [f"{told['name']}: {told['state']}, {ended}/{told['target']} trials ended ({counts})"]
    if told["best"] is not None:
        best = told["best"]
        parts.append(
            f"best trial {best['number']}, {told['objective']['metric']} {best['value']:.4f} at epoch {best['epoch']}"
        )
    if told["rate"] is not None:
        parts.append(rate_text(told["rate"]))
    if told["rate"] is not None and told["forecast"] is not None:
        parts.append(f"about {duration(told['forecast']['seconds'])} left")
    if told["failures"]:
        last = told["failures"][-1]
        parts.append(f"last failed trial {last['number']} ({last['reason']}): {last['message']}")
    return "; ".join(parts)
