"""Tokens, keys and passwords, which nobody may read in a record or a log, are taken out of text. Standard library only."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable

HIDDEN = "***"

_WORDS = r"tokens?|[a-z]*passw(?:or)?d|passphrase|sshpass|pwd|secrets?|credentials?|apikey|auth|signature|sig|key"
_SECRET_NAME = re.compile(rf"(?:^|[^a-z])(?:{_WORDS})(?:$|[^a-z])")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+@")
_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.-]*)(=|%3D)([^\s&'\"]+)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_SHORTEST = 6  # a value shorter than that is no secret, and would be found in innocent words
_NO_VALUES = ("", "0", "1", "true", "false", "token", "disabled")


def redacted(text: str) -> str:
    """The text without its secrets.

    Taken out are passwords in URLs, values that are given to a name such as `token` or `secret_key`, bearer tokens, and the
    value of every variable of this process's environment whose name says that it is secret.
    """
    for value in _of_environment():
        text = text.replace(value, HIDDEN)
    text = _USERINFO.sub(f"{HIDDEN}@", text)
    text = _BEARER.sub(lambda found: f"{found[1]} {HIDDEN}", text)
    return _ASSIGNMENT.sub(lambda found: found[1] + found[2] + HIDDEN if is_secret(found[1]) else found[0], text)


def redacted_command(arguments: Iterable[str]) -> str:
    """A command line as a shell takes it, without its secrets: also what follows an option such as `--token`."""
    shown: list[str] = []
    is_value = False
    for argument in arguments:
        shown.append(HIDDEN if is_value and not argument.startswith("--") else redacted(argument))
        is_value = argument.startswith("-") and "=" not in argument and is_secret(argument)
    return shlex.join(shown)


def is_secret(name: str) -> bool:
    """Whether a variable, option or key of this name holds a secret, as far as its name tells."""
    return _SECRET_NAME.search(_CAMEL.sub("_", name).lower()) is not None


def _of_environment() -> list[str]:
    """The secret values of this process's environment, the longest first."""
    values = {value for name, value in os.environ.items() if is_secret(name) and not name.endswith(("_PATH", "_SOCK"))}
    return sorted((value for value in values if _is_telling(value)), key=len, reverse=True)


def _is_telling(value: str) -> bool:
    return len(value) >= _SHORTEST and value.lower() not in _NO_VALUES
