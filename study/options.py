"""What several commands of `study` share: options on where trials run and how far a study may go, and how they print."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]
AUTO = "auto"

RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of all studies.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder that holds CIFAR-10.  [default: $COLOURNET_DATA, else a download into the cache]",
)


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


class Share(click.ParamType[Any]):
    """An amount from 0, or `auto`."""

    name = "FLOAT|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the amount; what is neither is wrong usage."""
        return value if value == AUTO else click.FloatRange(min=0).convert(value, param, ctx)


class Pair(click.ParamType[Any]):
    """A `NAME=AMOUNT`, or a `KEY=VALUE`."""

    def __init__(self, name: str, *, is_amount: bool) -> None:
        self.name = name
        self._is_amount = is_amount

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take both sides apart; what is wrong with them is wrong usage."""
        if not isinstance(value, str):
            return value
        key, equals, told = (part.strip() for part in value.partition("="))
        if not (key and equals and told):
            self.fail(f"{value!r}: write {self.name}", param, ctx)
        if not self._is_amount:
            return key, told
        with contextlib.suppress(ValueError):
            if 0 < float(told) < float("inf"):
                return key, float(told)
        return self.fail(f"{value!r}: the amount must be a number above 0", param, ctx)


_RESOURCES = (
    click.option("--address", help="A running Ray cluster, `auto` or HOST:PORT.  [default: a local Ray]"),
    click.option("--cpus", type=click.IntRange(min=1), help="CPUs of the local Ray.  [default: all]"),
    click.option("--cpus-per-trial", type=click.FloatRange(min=0), default=1.0, show_default=True),
    click.option(
        "--gpus-per-trial",
        type=Share(),
        default=0.0,
        show_default=True,
        help="Whole GPUs, a part of one, or `auto`: the part is measured before the first trial.",
    ),
    click.option(
        "--fuse",
        "fused",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Train up to so many trials that differ in no shape as one stacked network, in the place of one. For GPUs.",
    ),
    click.option("--memory-per-trial", type=Amount("SIZE"), help="Memory to set aside for a trial, such as 2GB."),
    click.option(
        "--resource",
        "custom",
        multiple=True,
        type=Pair("NAME=AMOUNT", is_amount=True),
        help="What a trial takes of a resource of the cluster's own; may be repeated.",
    ),
    click.option(
        "--label",
        "labels",
        multiple=True,
        type=Pair("KEY=VALUE", is_amount=False),
        help="Run trials only on nodes with this label, or one of `in(A, B)`, or without `!VALUE`; may be repeated.",
    ),
    click.option(
        "--wait-for-nodes",
        "wait_seconds",
        type=Amount("TIME"),
        default=0.0,
        help="Wait so long for a node that a trial fits on, as a cluster that scales itself has none at first.",
    ),
    click.option(
        "--storage",
        help="Where nodes keep trials' files if they do not share --results: a shared path, s3://BUCKET/PREFIX, gs://...",
    ),
)
_PLAIN = (
    "address",
    "cpus",
    "cpus_per_trial",
    "gpus_per_trial",
    "fused",
    "memory_per_trial",
    "wait_seconds",
    "storage",
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
        help="Fail a trial that takes longer, or whose stack does.  [default: no limit]",
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
        from study.launch.resources import Resources

        given = {name: values.pop(name) for name in _PLAIN}
        given |= {name: dict(values.pop(name)) for name in ("custom", "labels")}
        if given["gpus_per_trial"] == AUTO:
            given |= {"gpus_per_trial": 0.0, "is_packed": True}
        return command(resources=Resources(**given), **values)

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
