"""A confirmation, read and judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from study.analysis.confirmation import Question, Verdict, judge, runs, test_column
from study.analysis.intervals import Estimate
from study.analysis.measure import Measure
from study.candidates import Confirmation
from study.records import ENDED
from study.store import StudyFolder


@dataclass(frozen=True)
class Judgement:
    """A confirmation as it is at one moment, with its verdict."""

    folder: StudyFolder
    confirmation: Confirmation
    runs: pd.DataFrame
    verdict: Verdict
    measure: Measure
    """The objective on the validation images."""
    test: Measure
    """The same on the test images, with their floors; its `metric` keeps the objective's name."""

    @classmethod
    def read(cls, folder: StudyFolder) -> Judgement:
        """Read a confirmation, finished or running, and judge it."""
        confirmation, frame, measure = Confirmation.of(folder), runs(folder), Measure.of(folder)
        label, name = (text.replace("validation", "test") for text in (measure.label, measure.name))
        return cls(
            folder=folder,
            confirmation=confirmation,
            runs=frame,
            verdict=judge(frame, confirmation.candidates, metric=measure.metric, goal=measure.goal),
            measure=measure,
            test=replace(measure, label=label, name=name, floors=folder.grey_table(on_test=True)),
        )

    @property
    def decisive(self) -> Estimate:
        """The winner's score on the test images, by which it is compared."""
        return self.verdict.winner.test[test_column(self.measure.metric)]

    @property
    def ended(self) -> int:
        """How many of the runs have ended."""
        return int(self.runs["state"].isin(ENDED).sum())

    def to_mapping(self) -> dict[str, Any]:
        """The verdict and all its numbers, JSON-ready: a number that is not finite is null. These keys stay."""
        verdict, confirmation = self.verdict, self.confirmation
        mapping = {
            "study": confirmation.study,
            "confirmation": self.folder.name,
            "outcome": verdict.outcome,
            "ground": verdict.ground or None,
            "objective": self.folder.manifest["objective"],
            "decided_by": test_column(self.measure.metric),
            "seeds": list(confirmation.seeds),
            "runs": {"planned": len(self.runs), "ended": self.ended},
            "candidates": [
                {
                    "name": name,
                    **asdict(row.candidate),
                    "epochs": row.epochs,
                    "validation": asdict(row.value),
                    "test": {score: asdict(found) for score, found in row.test.items()},
                    "failed": dict(row.failed),
                }
                for name, row in verdict.rows.items()
            ],
            "comparisons": [{"with": name, **_question(found)} for name, found in verdict.rivals.items()],
            "search": None if verdict.search is None else _question(verdict.search),
            "test_floors": self.folder.manifest.get("test_floors", {}),
        }
        return {name: _finite(value) for name, value in mapping.items()}


def _question(found: Question) -> dict[str, Any]:
    return {
        **asdict(found.difference),
        "p": found.p,
        "p_corrected": found.p_corrected,
        "is_better": found.is_better,
        "is_worse": found.is_worse,
    }


def _finite(value: Any) -> Any:
    """The value with null for every number that is not finite, which JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
