"""What a launch shows while it runs: on a terminal a small live table, elsewhere one line for each trial that ends."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from study.accounting import forecast, rate
from study.expenses import cost_text, rate_text
from study.launch.ending import Ending
from study.launch.standing import Standing
from study.records import ENDED, STATES, Event, StudyRecord, TrialRecord, best_first
from study.store import StudyFolder
from study.text import describe_params, duration

_MOST_RUNNING = 8
_BAR_WIDTH = 60
_SPARING = 10.0


class Display:
    """Shows a study's record as it grows. Reads it only; the driver's thread writes it."""

    def __init__(self, folder: StudyFolder, record: StudyRecord, *, trials: int | None, console: TextIO) -> None:
        self._folder = folder
        self._record = record
        self._standing = Standing(record, goal=self._goal)
        self._target = trials
        self._console = Console(file=console)
        self._began = time.monotonic()
        self._live: Live | None = None
        self._drawn: RenderableType | None = None
        self._due = 0.0
        self._ending: Ending | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._render,
                refresh_per_second=2,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        else:
            count = "trials" if self._target is None else f"{self._target} trials"
            self._console.print(f"{self._folder.title}: {count}; starting Ray", highlight=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def follow(self, ending: Ending) -> None:
        """Show from now on whether the study is to end early; Ray is up."""
        self._ending = ending

    def warn(self, text: str | None) -> None:
        """Show a warning, if there is one, above whatever else is shown."""
        if text is not None:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def tell(self, event: Event) -> None:
        """Take note of an event that was just recorded."""
        if event["event"] in ENDED:
            self._standing.end(self._record.trials[event["trial"]])
        if self._live is None and (event["event"] in ENDED or self._tells_of_trouble(event)):
            trial = self._record.trials[event["trial"]]
            self._console.print(self._line(trial), highlight=False, markup=False, soft_wrap=True)

    @staticmethod
    def _tells_of_trouble(event: Event) -> bool:
        return event["event"] == "interrupted" and event.get("reason") != "stopped"

    def _line(self, trial: TrialRecord) -> str:
        if trial.state == "interrupted":
            return f"trial {trial.number} interrupted ({trial.reason}) after epoch {trial.last_epoch}: {trial.message}"
        outcome = (
            trial.message if trial.value is None else f"{self._metric} {trial.value:.4f} at epoch {trial.best_epoch}"
        )
        best = self._standing.best
        leader = f"; best: trial {best.number}, {best.value:.4f}" if best and best.value is not None else ""
        of = "" if self._target is None else f"/{self._target}"
        return f"[{self._standing.ended}{of}] trial {trial.number} {trial.state}: {outcome}{leader}"

    def _render(self) -> RenderableType:
        """What was drawn last, or anew, so seldom that a study of any length takes a tenth of a core at most."""
        began = time.monotonic()
        if self._drawn is None or began >= self._due:
            self._drawn = self._draw()
            self._due = began + _SPARING * (time.monotonic() - began)
        return self._drawn

    def _draw(self) -> RenderableType:
        record = _copy(self._record)
        trials = list(record.trials.values())
        ended = sum(trial.state in ENDED for trial in trials)
        bar = Table.grid()  # a bar alone does not end its line
        bar.add_row(ProgressBar(total=self._target or ended, completed=ended, width=_BAR_WIDTH))
        lines = [self._heading(record, ended), *self._pace(record), *self._failures(trials), *self._notice()]
        return Group(*lines, bar, self._table(trials))

    def _heading(self, record: StudyRecord, ended: int) -> Text:
        elapsed = time.monotonic() - self._began
        text = _line(f"{self._folder.title}  ", style="bold")
        of = "" if self._target is None else f" of {self._target}"
        text.append(f"{ended}{of} trials, {duration(elapsed)}", style="default")
        rest = forecast(record, self._folder.space)
        if self._ending is None:
            text.append(", starting Ray", style="default")
        elif rest is not None and self._target is not None and self._ending.reason is None:
            text.append(f", about {duration(rest.seconds)} left", style="default")
        for state in STATES:
            if record.count(state):
                text.append(f"  {record.count(state)} {state}", style="red" if state == "failed" else "dim")
        return text

    def _pace(self, record: StudyRecord) -> list[Text]:
        """What it costs so far and how fast it goes."""
        pace = rate(record, datetime.now(UTC)) if self._ending is not None else None
        going = "" if pace is None else f"; {rate_text(asdict(pace))}"
        return [_line(f"{cost_text(record)}{going}", style="dim")] if record.trained else []

    @staticmethod
    def _failures(trials: list[TrialRecord]) -> list[Text]:
        """The latest failure, and why."""
        failed = [trial for trial in trials if trial.state == "failed"]
        last = max(failed, key=lambda trial: trial.ended or "", default=None)
        return (
            [] if last is None else [_line(f"trial {last.number} failed ({last.reason}): {last.message}", style="red")]
        )

    def _notice(self) -> list[Text]:
        if self._ending is None or self._ending.reason is None:
            return []
        words = f"{self._ending.reason}: running trials end their epoch; Ctrl-C again ends at once"
        return [_line(words, style="yellow")]

    def _table(self, trials: list[TrialRecord]) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
        for heading in ("", "trial", "epoch", self._metric):
            table.add_column(heading, no_wrap=True)
        table.add_column("parameters", no_wrap=True, overflow="ellipsis", ratio=1)
        best = next(best_first(trials, goal=self._goal), None)
        if best is not None:
            table.add_row("best", *self._cells(best), style="green")
        running = [trial for trial in trials if trial.state == "running" and trial.started]
        for trial in running[:_MOST_RUNNING]:
            table.add_row("", *self._cells(trial))
        if len(running) > _MOST_RUNNING:
            table.add_row("", "", "", "", f"and {len(running) - _MOST_RUNNING} more")
        return table

    def _cells(self, trial: TrialRecord) -> tuple[str, str, str, str]:
        epochs = trial.epochs
        last = epochs[max(epochs)][self._metric] if epochs else None
        epoch, value = (trial.best_epoch, trial.value) if trial.value is not None else (len(epochs), last)
        shown = "" if value is None else f"{value:.4f}"
        return str(trial.number), str(epoch or ""), shown, describe_params(trial.params)

    @property
    def _goal(self) -> str:
        return str(self._folder.manifest["objective"]["goal"])

    @property
    def _metric(self) -> str:
        return str(self._folder.manifest["objective"]["metric"])


def _copy(record: StudyRecord) -> StudyRecord:
    """A record that stays as it is while the driver's thread adds trials and epochs to the other one."""
    trials = record.trials.copy()
    moving = [trial for trial in trials.values() if trial.state not in ENDED]
    return replace(
        record, trials=trials | {trial.number: replace(trial, epochs=trial.epochs.copy()) for trial in moving}
    )


def _line(text: str, *, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
