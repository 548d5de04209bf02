"""What every figure of a study is: a question, a drawing, and the words that answer the question from the same frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from study.analysis.loaded import Loaded


@dataclass(frozen=True)
class Words:
    """What stands under a figure, and what a reader hears who cannot see it."""

    answer: str
    """One sentence computed from the data, with its n."""
    reading: str
    """What is drawn, and what is left out."""
    alt: str


def _always(study: Loaded) -> bool:  # noqa: ARG001
    return True


@dataclass(frozen=True)
class Plot:
    """One figure of a study."""

    name: str
    """Of its files, without their ending."""
    question: str
    draw: Callable[[Loaded], Figure]
    """Called within `style.styled()`."""
    tell: Callable[[Loaded], Words]
    applies: Callable[[Loaded], bool] = _always
    """Whether the study can answer the question at all; else the figure is left out."""
