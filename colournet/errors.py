"""Errors that a user can act on, and nothing else.

Every error of colournet and of the study service derives from `UserError`: one sentence that says what happened and
where, an optional hint that says what to do, and the exit code of the command that ran into it. The command lines
catch it in one place (`colournet.entrypoint`); any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """What the user can mend, told in one sentence with a hint."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions pickle their positional arguments only; the hint must survive the trip between processes.
        return _rebuild, (type(self), self.message, self.hint)


class ConfigError(UserError):
    """A setting has a name, a type or a value that does not exist."""


class DataError(UserError):
    """A data set, palette or picture is missing, damaged or not what it claims to be."""


class CheckpointError(UserError):
    """A checkpoint or run folder is missing, damaged or of another make."""


class DivergedError(UserError):
    """Training left the finite numbers: a loss became NaN or infinite."""


def _rebuild(kind: type[UserError], message: str, hint: str | None) -> UserError:
    return kind(message, hint=hint)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Answer `did you mean 'X'?` for the known word nearest to `word`, else list the known words, or None if there are none."""
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + ", ".join(words) if words else None
