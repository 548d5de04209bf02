"""A distributed hyperparameter study service for image colourization.

Launching a study writes a results folder; everything else reads it. See `docs/architecture.md`.
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "Space": "study.space",
    "StudyFolder": "study.store",
    "StudyRecord": "study.records",
    "launch": "study.launch.session",
    "resume": "study.launch.session",
    "confirm": "study.launch.confirmation",
    "reproduce": "study.reproduce",
}

__all__ = list(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
