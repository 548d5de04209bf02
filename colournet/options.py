"""Options that commands share: where data lie, and the settings of a config, documented by the strings under its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from colournet.config import TrainConfig, field_docs

DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder that holds CIFAR-10.  [default: $COLOURNET_DATA, else a download into the cache]",
)


def options_of(kind: type) -> Callable[[Any], Any]:
    """Make a decorator that adds one option for each field of a config, documented by the string under the field."""

    def add(command: Any) -> Any:
        for field in reversed(dataclasses.fields(kind)):
            help_text = _help(field, field_docs(kind)[field.name])
            command = click.option(*_declaration(field), **_kind(field), default=None, help=help_text)(command)
        return command

    return add


config_options = options_of(TrainConfig)


def read_settings(
    config_file: Path | None, given: Mapping[str, Any], *, known: TrainConfig | None = None
) -> TrainConfig:
    """The config that the options of `config_options` name, over that of a file, one that is known, or the defaults."""
    found = known or (TrainConfig.from_toml(config_file) if config_file else None)
    values = found.to_mapping() if found else {"form": TrainConfig.form}  # a mapping without one is of an older version
    chosen = {name: value for name, value in given.items() if value is not None}
    if "extra_classes" in chosen:
        chosen["extra_classes"] = split_names(chosen["extra_classes"])
    return TrainConfig.from_mapping({**values, **chosen})


def split_names(text: str) -> list[str]:
    """The words of a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _declaration(field: dataclasses.Field[Any]) -> list[str]:
    flag = "--" + field.name.replace("_", "-")
    return [f"{flag}/--no-{flag[2:]}" if isinstance(field.default, bool) else flag, field.name]


def _kind(field: dataclasses.Field[Any]) -> dict[str, Any]:
    if isinstance(field.default, bool):
        return {}
    if field.name == "extra_classes":
        return {"type": str, "metavar": "CLASS,..."}
    if isinstance(field.default, str):
        return {"type": str, "metavar": "NAME"}
    return {"type": float if isinstance(field.default, float) else int}


def _help(field: dataclasses.Field[Any], text: str) -> str:
    default = field.default
    shown = "none" if default in ((), None) else str(default).lower() if isinstance(default, bool) else default
    return f"{text}  [default: {shown}]"
