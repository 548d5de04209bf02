"""What several commands of `study` share: options on where trials run and how far a study may go, and how they print."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of all studies.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def fitted(text: str) -> None:
    """Print, and cut lines that would wrap in a terminal; a file or a pipe gets them whole."""
    from study.text import fit

    click.echo(fit(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text)


class Amount(click.ParamType[Any]):
    """An amount with a unit: a length of `TIME` in seconds, or a `SIZE` in bytes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the amount; what is wrong with it is wrong usage."""
        from study import limits
        from study.errors import StudyError

        if not isinstance(value, str):
            return value
        read = {"TIME": limits.parse_seconds, "SIZE": limits.parse_bytes}[self.name]
        try:
            return read(value)
        except StudyError as error:
            self.fail(f"{error.message}: {error.hint}", param, ctx)


_RESOURCES = (
    click.option("--address", help="A running Ray cluster, `auto` or HOST:PORT.  [default: a local Ray]"),
    click.option("--cpus", type=click.IntRange(min=1), help="CPUs of the local Ray.  [default: all]"),
    click.option("--cpus-per-trial", type=click.FloatRange(min=0), default=1.0, show_default=True),
    click.option("--gpus-per-trial", type=click.FloatRange(min=0), default=0.0, show_default=True),
)
_BUDGET = {
    "seconds": click.option(
        "--time-budget", "seconds", type=Amount("TIME"), help="End after so long, such as 90s, 30m or 2h; resumable."
    ),
    "epochs": click.option(
        "--epoch-budget", "epochs", type=click.IntRange(min=1), help="Train at most so many epochs, all in all."
    ),
}
_LIMITS = {
    "trial_timeout_seconds": click.option(
        "--trial-timeout",
        "trial_timeout_seconds",
        type=Amount("TIME"),
        help="Fail a trial that takes longer.  [default: no limit]",
    ),
    "lost_retries": click.option(
        "--lost-retries",
        type=click.IntRange(min=0),
        help="How many lost workers a trial may go on after.  [default: 3]",
    ),
    "max_failures": click.option(
        "--max-failures", type=click.IntRange(min=1), help="Give up after so many failures in a row.  [default: 5]"
    ),
    "grace_seconds": click.option(
        "--grace",
        "grace_seconds",
        type=Amount("TIME"),
        help="How long trials may end their epoch when the study is stopped.  [default: 15s]",
    ),
    "keep_checkpoints": click.option(
        "--keep-checkpoints",
        type=click.IntRange(min=1),
        help="How many models of the best trials are kept.  [default: 3]",
    ),
    "checkpoint_quota_bytes": click.option(
        "--checkpoint-quota",
        "checkpoint_quota_bytes",
        type=Amount("SIZE"),
        help="Most that checkpoints may take, such as 2GB.  [default: no limit]",
    ),
}


def resource_options(command: Command) -> Command:
    """Add the options that say where trials run and what each takes; they reach the command as `resources`."""

    @functools.wraps(command)
    def with_resources(**values: Any) -> Any:
        from study.launch.cluster import Resources

        names = ("address", "cpus", "cpus_per_trial", "gpus_per_trial")
        return command(resources=Resources(**{name: values.pop(name) for name in names}), **values)

    return _add(with_resources, _RESOURCES)


def limit_options(command: Command) -> Command:
    """Add the options that say how far a study may go: they reach the command as `budget`, and as those `limits` given."""

    @functools.wraps(command)
    def with_limits(**values: Any) -> Any:
        from study.limits import Budget

        budget = Budget(**{name: values.pop(name) for name in _BUDGET})
        return command(limits={name: values.pop(name) for name in _LIMITS}, budget=budget, **values)

    return _add(with_limits, (*_BUDGET.values(), *_LIMITS.values()))


def _add(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
