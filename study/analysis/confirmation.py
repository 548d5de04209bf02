"""The verdict of a confirmation: did the best trial of a search win by more than luck?

The rule, in the order in which it is applied:

1. *undecided*: runs have not ended, there are fewer than three seeds, the winner has fewer than three scores, or no other
   candidate has three seeds in common with it.
2. *winner's curse*: the winner diverged with a fresh seed, or another candidate is significantly better.
3. *confirmed*: the winner is significantly better than every other candidate.
4. *winner's curse*: the search saw a significantly better value of the winner than fresh seeds give.
5. *tied*: none of these; the winner cannot be told apart from at least one other.

Candidates are compared on the test images, which chose nothing, in pairs of runs with the same seed. What the search saw is
compared with validation values, since it is one, as one more value of the same kind: against the interval of the mean alone
an honest value would seem lucky in one of six draws (five seeds), in nearly half of them with many. All these questions are
one family under Holm's correction: where nothing is to be found, 95 of 100 confirmations find nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from study.analysis.intervals import LEVEL, Estimate, estimate, holm, one_more, p_of_mean, p_of_one_more
from study.candidates import Candidate, Confirmation
from study.fields import TEST_SCORES
from study.records import ENDED, StudyRecord
from study.store import StudyFolder

LEAST_SEEDS = 3
"""Of fewer values no spread can be told that is worth the name."""

_SEARCH = "search"
"""Stands for the search's own value among the questions by candidate."""

RUN_DTYPES: Mapping[str, str] = {
    "run": "int64",
    "candidate": "string",
    "seed": "int64",
    "state": "string",
    "reason": "string",
    "value": "float64",
    "best_epoch": "Int64",
    "epochs_trained": "int64",
    "epochs": "int64",
    **dict.fromkeys(TEST_SCORES, "float64"),
}
"""The columns of `runs`. `value` is the objective at the best epoch, which validation images chose and test images score;
`state` is a trial's, or `planned`."""

Outcome = Literal["confirmed", "tied", "winner's curse", "undecided"]
Ground = Literal["", "unfinished", "few seeds", "no pairs", "diverged", "beaten", "lucky"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the runs of one candidate say."""

    candidate: Candidate
    epochs: int
    """Epochs that each of its runs was to train."""
    value: Estimate
    """The objective on the validation images."""
    test: Mapping[str, Estimate]
    """The scores on the test images, by `TEST_SCORES`."""
    failed: Mapping[str, int]
    """How many runs failed, by reason; they are in no mean."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One answer of the family: a difference, and whether it is more than chance."""

    difference: Estimate
    p: float
    p_corrected: float
    sign: int
    """1 where less is better, -1 where more is."""

    @property
    def is_better(self) -> bool:
        """Whether it is significantly better than the winner's fresh runs."""
        return self.p_corrected < 1 - LEVEL and self.sign * self.difference.mean < 0

    @property
    def is_worse(self) -> bool:
        """Whether it is significantly worse."""
        return self.p_corrected < 1 - LEVEL and self.sign * self.difference.mean > 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All that a confirmation tells, by name of the candidate where it is one of several."""

    outcome: Outcome
    ground: Ground
    """Why, where the outcome alone does not say it."""
    rows: Mapping[str, Row]
    """The winner of the search first."""
    rivals: Mapping[str, Question]
    """Each other candidate less the winner, on the test images, over the seeds that both have."""
    search: Question | None
    """The value that the search saw of the winner less the mean of its fresh ones; the interval is that of one value."""

    @property
    def winner(self) -> Row:
        """The best candidate of the search."""
        return next(iter(self.rows.values()))

    def named(self, *, better: bool = False, worse: bool = False) -> list[str]:
        """The rivals that are significantly better or worse than the winner; without either, those that are neither."""
        wanted = (better, worse)
        return [name for name, found in self.rivals.items() if (found.is_better, found.is_worse) == wanted]

    @property
    def uncompared(self) -> list[str]:
        """The candidates that have too few seeds in common with the winner."""
        return [name for name in list(self.rows)[1:] if name not in self.rivals]


def runs(folder: StudyFolder, record: StudyRecord | None = None) -> pd.DataFrame:
    """One row for each run of a confirmation, those included that have not begun: `RUN_DTYPES`."""
    record = record or folder.read()
    rows = []
    for run in Confirmation.of(folder).runs:
        trial = record.trials.get(run.number)
        told = (
            {} if trial is None else {name: getattr(trial, name) for name in ("state", "reason", "value", "best_epoch")}
        )
        rows.append(
            {
                "run": run.number,
                "candidate": run.candidate.name,
                "seed": run.seed,
                "state": "planned",
                "epochs_trained": 0 if trial is None else len(trial.epochs),
                "epochs": folder.space.config(run.candidate.params).epochs,
                **told,
                **({} if trial is None else trial.test),
            }
        )
    return pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype=dtype) for name, dtype in RUN_DTYPES.items()}
    )


def judge(frame: pd.DataFrame, candidates: Sequence[Candidate], *, metric: str, goal: str) -> Verdict:
    """Apply the rule to the frame of `runs`; `metric` is the objective, whose name begins with `val_`."""
    rows = {candidate.name: _row(frame, candidate) for candidate in candidates}
    winner, *others = rows
    pairs = {other: _paired(frame, other, winner, test_column(metric)) for other in others}
    asked = {other: (found, p_of_mean(found)) for other, found in pairs.items() if found.n >= LEAST_SEEDS}
    value, seen = rows[winner].value, candidates[0].value
    if seen is not None and value.n >= LEAST_SEEDS:
        asked[_SEARCH] = _seen_less_mean(seen, value), p_of_one_more(value, seen)
    corrected = holm([p for _, p in asked.values()])
    sign = 1 if goal == "minimize" else -1
    questions = {
        name: Question(difference=difference, p=p, p_corrected=p_corrected, sign=sign)
        for (name, (difference, p)), p_corrected in zip(asked.items(), corrected, strict=True)
    }
    search = questions.pop(_SEARCH, None)
    outcome, ground = _decide(frame, rows[winner], questions, search)
    return Verdict(outcome=outcome, ground=ground, rows=rows, rivals=questions, search=search)


def test_column(metric: str) -> str:
    """The score on the test images that an objective on validation images goes with."""
    return f"test_{metric.removeprefix('val_')}"


def _decide(
    frame: pd.DataFrame, winner: Row, rivals: Mapping[str, Question], search: Question | None
) -> tuple[Outcome, Ground]:
    if not frame["state"].isin(ENDED).all():
        return "undecided", "unfinished"
    if frame["seed"].nunique() < LEAST_SEEDS:
        return "undecided", "few seeds"
    if "diverged" in winner.failed:
        return "winner's curse", "diverged"
    if winner.value.n < LEAST_SEEDS:
        return "undecided", "few seeds"
    if not rivals:
        return "undecided", "no pairs"
    if any(rival.is_better for rival in rivals.values()):
        return "winner's curse", "beaten"
    if all(rival.is_worse for rival in rivals.values()):
        return "confirmed", ""
    return ("winner's curse", "lucky") if search is not None and search.is_better else ("tied", "")


def _row(frame: pd.DataFrame, candidate: Candidate) -> Row:
    own = frame[frame["candidate"] == candidate.name]
    completed = own[own["state"] == "completed"]
    return Row(
        candidate=candidate,
        epochs=int(own["epochs"].iloc[0]),
        value=estimate(completed["value"].dropna().tolist()),
        test={name: estimate(completed[name].dropna().tolist()) for name in TEST_SCORES},
        failed=dict(Counter(own.loc[own["state"] == "failed", "reason"])),
    )


def _paired(frame: pd.DataFrame, other: str, winner: str, column: str) -> Estimate:
    """The other's score less the winner's, over the seeds with which both have one."""
    scored = frame[frame["state"] == "completed"].pivot(index="seed", columns="candidate", values=column)
    scored = scored.reindex(columns=[other, winner]).dropna()
    return estimate((scored[other] - scored[winner]).tolist())


def _seen_less_mean(seen: float, value: Estimate) -> Estimate:
    """The value seen less the mean of fresh ones, with the interval in which that lies for an honest value, turned about."""
    low, high = one_more(value)
    return Estimate(value.n, seen - value.mean, value.sd * math.sqrt(1 + 1 / value.n), seen - high, seen - low)
