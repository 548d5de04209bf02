"""The settings of `TrainConfig` as options of a command, documented by the strings under its fields."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from colournet.config import TrainConfig, field_docs


def config_options(command: Any) -> Any:
    """Add one option for each field of `TrainConfig`, documented by the string under the field."""
    for field in reversed(dataclasses.fields(TrainConfig)):
        command = click.option(*_declaration(field), **_kind(field), default=None, help=_help(field))(command)
    return command


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


def _help(field: dataclasses.Field[Any]) -> str:
    default = field.default
    shown = "none" if default in ((), None) else str(default).lower() if isinstance(default, bool) else default
    return f"{field_docs()[field.name]}  [default: {shown}]"
