"""What a comparison of studies says in sentences, each with its n; no more than search studies can tell."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from study.analysis import comparison_summaries as sums
from study.analysis import summaries
from study.analysis.comparability import differences, listed
from study.analysis.comparison import Compared, Comparison
from study.analysis.comparison_summaries import LEAST_PAIRS, Difference
from study.analysis.measure import Measure
from study.text import duration

_LEAST = 3
NO_SAMPLE = (
    "The completed trials of a search are no random sample of its space: a sampler chooses, mostly where values were good, and a "
    "pruner lets those complete. So their distributions describe what was tried, and their difference has no interval."
)


def findings(comparison: Comparison) -> list[str]:
    """The answer, the most important first."""
    return [
        best(comparison),
        *at_equal_trials(comparison),
        *against_floors(comparison),
        *paired(comparison),
        *distributions(comparison),
    ]


def cautions(comparison: Comparison) -> list[str]:
    """What a reader must know before believing a number."""
    return [told for study in comparison for told in _unfinished(study)] + differences(comparison.subjects)


def best(comparison: Comparison) -> str:
    """Which study has the best completed trial, and how often its value was seen."""
    measure = comparison.measure
    ended = [study for study in comparison if not math.isnan(study.totals["best"])]
    if not ended:
        return "No study has a completed trial yet, so there is nothing to compare."
    sign = 1 if measure.is_minimized else -1
    ranked = sorted(ended, key=lambda study: sign * study.totals["best"])
    told = "; ".join(_best(study, measure) for study in ranked)
    without = [study.label for study in comparison if study not in ended]
    none = f"; none completed in {listed(without)}" if without else ""
    return (
        f"Best {measure.name}, each of one trial with one seed: {told}{none}. Differences of such winners are partly luck; "
        "study confirm tells how much."
    )


def _best(study: Compared, measure: Measure) -> str:
    totals = study.totals
    told = f"{study.label} {measure.text(totals['best'])} (best of n = {totals['completed']:,})"
    if study.confirmed is not None:
        again = measure.with_spread(study.confirmed.mean, study.confirmed.sd)
        told += f", {again} with fresh seeds (n = {study.confirmed.n})"
    return told


def at_equal_trials(comparison: Comparison) -> Iterator[str]:
    """The best of as many trials as each study has, where they have not equally many."""
    n, values = comparison.at_equal_trials()
    if n and len({len(study.loaded.trials) for study in comparison}) > 1:
        told = ", ".join(f"{label} {_or_none(comparison.measure, value)}" for label, value in values.items())
        yield f"The best of more trials is better by chance alone; among the first n = {n:,} asked of each: {told}."


def at_equal_work(comparison: Comparison) -> Iterator[str]:
    """The best by the time that every study's workers had spent as much as those of the cheapest."""
    goal = comparison.measure.goal
    curves = {one.label: sums.by_cost(one.loaded.trials, one.loaded.epochs, goal=goal) for one in comparison}
    least = min((table["worker_seconds"].max() for table in curves.values() if len(table)), default=0.0)
    if least > 0 and all(len(table) for table in curves.values()):
        values = {label: _last(table.loc[table["worker_seconds"] <= least, "best"]) for label, table in curves.items()}
        told = ", ".join(f"{label} {_or_none(comparison.measure, value)}" for label, value in values.items())
        yield f"The best completed within {duration(least)} of workers' time, which all have spent: {told}."


def at_equal_epochs(comparison: Comparison) -> Iterator[str]:
    """The medians of the completed trials at the last epoch that some of every study have reached."""
    wanted = {"metric": comparison.measure.metric, "goal": comparison.measure.goal}
    courses = {one.label: summaries.quartiles_by_epoch(one.loaded.epochs, **wanted) for one in comparison}
    if any(table.empty for table in courses.values()):
        return
    last = min(int(table["epoch"].max()) for table in courses.values())
    rows = {label: table[table["epoch"] == last].iloc[0] for label, table in courses.items()}
    told = ", ".join(
        f"{label} {comparison.measure.text(row['median'])} (n = {int(row['n'])})" for label, row in rows.items()
    )
    yield f"After {last} epoch{'' if last == 1 else 's'}, which completed trials of every study have, the median is {told}."


def against_floors(comparison: Comparison) -> Iterator[str]:
    """How many completed trials of each study beat the grey table."""
    told = []
    for study in comparison:
        measure = study.loaded.measure
        done = study.loaded.trials[study.loaded.trials["state"] == "completed"]
        floors = done["palette"].map(measure.floors)
        known = done["value"].notna() & floors.notna()
        if known.any():
            pairs = zip(done["value"][known], floors[known], strict=True)
            beaten = sum(measure.is_better(value, floor) for value, floor in pairs)
            told.append(f"{beaten} of n = {known.sum():,} in {study.label}")
    if told:
        floor = comparison.measure.floor
        score = "" if floor is None else f" ({comparison.measure.text(floor)})"
        yield f"Completed trials better than the grey table{score}, which needs no network: {', '.join(told)}."


def paired(comparison: Comparison) -> Iterator[str]:
    """The differences between trials that have all else in common, corrected for their number."""
    apart = f" but for {listed(comparison.fixed_apart)}" if comparison.fixed_apart else ""
    for found in comparison.pairs:
        n = found.found.n
        what = f"{found.study} less {comparison.first.label}, in n = {n} {'pair' if n == 1 else 'pairs'}"
        of = f"{what} of completed trials with the same seed and settings{apart}"
        yield f"{of}: {difference(found, comparison.measure, questions=len(comparison.pairs))}"


def distributions(comparison: Comparison) -> Iterator[str]:
    """The medians; with intervals for the means only where the trials are random samples."""
    measure = comparison.measure
    done = [study for study in comparison if study.totals["completed"]]
    if len(done) < 2:
        return
    told = ", ".join(
        f"{study.label} {measure.text(study.totals['median'])} (n = {study.totals['completed']:,})" for study in done
    )
    few = "; some have too few trials for that to say much" if any(s.totals["completed"] < _LEAST for s in done) else ""
    budgets = {study.totals[name] for study in done for name in ("least_epochs", "most_epochs")}
    mixed = f"; they trained for {min(budgets):.0f} to {max(budgets):.0f} epochs" if len(budgets) > 1 else ""
    yield f"Median {measure.name} of completed trials: {told}{few}{mixed}."
    if not comparison.samples:
        yield NO_SAMPLE
    for found in comparison.samples:
        what = f"Mean of {found.study} less that of {comparison.first.label}, both drawn at random from their spaces"
        yield f"{what}: {difference(found, measure, questions=len(comparison.samples))}"


def difference(found: Difference, measure: Measure, *, questions: int) -> str:
    """A difference with its interval, and whether it is clear: a sentence's end."""
    estimate = found.found
    if estimate.n < LEAST_PAIRS:
        return f"{_signed(estimate.mean, measure)}, too few to tell a difference."
    if estimate.sd == 0 and estimate.mean == 0:
        return "the same to the last digit in every one."
    better = "better" if (estimate.mean < 0) == measure.is_minimized else "worse"
    corrected = f" after Holm's correction for {questions} questions" if questions > 1 else ""
    verdict = f"{found.study} is {better}" if found.is_clear else "no clear difference"
    ends = f"{_signed(estimate.low, measure)} to {_signed(estimate.high, measure)}"
    p = "p < 0.001" if found.p_corrected < 0.001 else f"p = {found.p_corrected:.2g}"
    return f"{_signed(estimate.mean, measure)} (95 % interval {ends}; {p}{corrected}): {verdict}."


def _signed(value: float, measure: Measure) -> str:
    return f"{'-' if value < 0 else '+'}{measure.difference(value)}"


def _last(values: pd.Series[float]) -> float:
    return float(values.iloc[-1]) if len(values) else math.nan


def _or_none(measure: Measure, value: float) -> str:
    return "none completed" if math.isnan(value) else measure.text(value)


def _unfinished(study: Compared) -> Iterator[str]:
    """That a study goes on, or that its numbers flatter."""
    if study.loaded.state != "finished":
        yield f"{study.label} is {study.loaded.state}: its numbers are of the moment when this was written."
    if study.loaded.folder.manifest["data"].get("protocol") == "handout":
        yield f"{study.label} selected epochs and trials on the test images (protocol handout), so its scores flatter."
