"""The answer in sentences, each computed from the frames and each with its n; none claims more than the numbers do."""

from __future__ import annotations

from typing import Any

import pandas as pd

from study.analysis import budgets, intervals, summaries
from study.analysis.budgets import Budget
from study.analysis.measure import Measure

_LEAST = 3
"""Groups of fewer trials are told, not compared."""


def findings(trials: pd.DataFrame, epochs: pd.DataFrame, measure: Measure) -> list[str]:
    """All sentences that the data support, the most important first; at least one."""
    if trials.empty:
        return ["No trial has been asked yet."]
    found = [
        best(trials, measure),
        against_floor(trials, measure),
        by_length(trials, measure),
        last_epoch(trials),
        epochs_needed(epochs, measure),
        by_model(trials, measure),
        stopped_early(trials, measure),
        failures(trials),
    ]
    return [sentence for sentence in found if sentence]


def best(trials: pd.DataFrame, measure: Measure) -> str:
    """Which completed trial is the best, and whether the ranking mixes lengths of training."""
    ranked = summaries.ranked(trials, goal=measure.goal)
    if ranked.empty:
        return f"No trial has completed, so there is no best one: {_counts(trials)}."
    first = ranked.iloc[0]
    weights = "" if pd.isna(first["parameters"]) else f", {int(first['parameters']):,} weights"
    text = (
        f"Trial {first['number']} is the best of n = {len(ranked)} completed: {measure.name} "
        f"{measure.text(first['value'])} at epoch {first['best_epoch']} of {first['epochs_trained']} "
        f"({first['model']}{weights})."
    )
    low, high = ranked["epochs_trained"].min(), ranked["epochs_trained"].max()
    if low < high:
        text += f" The completed trials trained for {low} to {high} epochs, so this ranking mixes lengths of training."
    return text


def against_floor(trials: pd.DataFrame, measure: Measure) -> str:
    """How many completed trials beat the table that needs no network; nothing where no floor belongs."""
    done = summaries.completed(trials).assign(floor=lambda frame: frame["palette"].map(measure.floors))
    done = done.dropna(subset=["floor"])
    if done.empty:
        return ""
    beaten = [measure.is_better(value, floor) for value, floor in zip(done["value"], done["floor"], strict=True)]
    score = f" ({measure.text(measure.floor)})" if measure.floor is not None else ""
    table = f"the grey table{score}, which needs no network, by {measure.name}"
    if not any(beaten):
        return f"None of the n = {len(done)} completed trials is better than {table}."
    return f"{sum(beaten)} of n = {len(done)} completed trials {_is(sum(beaten))} better than {table}."


def by_length(trials: pd.DataFrame, measure: Measure) -> str:
    """The shortest budgets against the longest, if both have trials enough, by pairs or by Welch's t-test."""
    groups = budgets.groups(trials, goal=measure.goal)
    if len(groups) < 2:
        return ""
    short, long = groups[0], groups[-1]
    told = f"{_group(long, measure)} against {_group(short, measure)}"
    seen = budgets.compare(short, long)
    if seen is None:
        return f"Longest budgets against shortest: {told}; too few trials to compare them."
    pairs = f", n = {seen.n[0]} pairs of equal settings" if seen.of_pairs else ""
    if not seen.is_clear:
        interval = measure.interval(-seen.high, -seen.low)
        return f"Longest budgets against shortest: {told}; no clear difference (95 % interval of it {interval}{pairs})."
    side, gap = "above" if seen.mean < 0 else "below", measure.difference(seen.mean)
    others = not seen.of_pairs and budgets.differ_otherwise(short, long)
    caution = ", though the trials differ in other settings too" if others else ""
    interval = measure.interval(*sorted((abs(seen.low), abs(seen.high))))
    return f"The longest budgets end {gap} {side} the shortest (95 % interval {interval}{pairs}): {told}{caution}."


def last_epoch(trials: pd.DataFrame) -> str:
    """How often the last epoch was the best, which tells whether training was still getting better."""
    done = summaries.completed(trials)
    if done.empty:
        return ""
    last = int((done["best_epoch"] == done["epochs_trained"]).sum())
    return f"In {last} of n = {len(done)} completed trials the last epoch was the best."


def epochs_needed(epochs: pd.DataFrame, measure: Measure) -> str:
    """When the best of all trials was within one per cent of where it ended."""
    table = summaries.envelope(epochs, metric=measure.metric, goal=measure.goal)
    near = summaries.near_final(table)
    if near is None or len(table) < 2 or table["n"].iloc[0] < 2:
        return ""
    final = table.iloc[-1]
    return (
        f"The best {measure.name} of all trials came within 1 % of its final {measure.text(final['best'])} by epoch {near} "
        f"of {int(final['epoch'])} (n = {int(table['n'].iloc[0])} trials at the first epoch, {int(final['n'])} at the last)."
    )


def by_model(trials: pd.DataFrame, measure: Measure) -> str:
    """The medians of the models, where there are two or more."""
    table = summaries.by_level(trials, "model", goal=measure.goal)
    if len(table) < 2 or not table["n"].any():
        return ""
    told = "; ".join(_level(row, measure) for row in table.to_dict("records"))
    few = "" if (table["n"] >= _LEAST).all() else "; some have too few trials for a ranking"
    return f"Median {measure.name} of the completed trials by model: {told}{few}."


def stopped_early(trials: pd.DataFrame, measure: Measure) -> str:
    """How many trials were pruned and when, and whether one of them had been ahead of all completed ones."""
    stopped = summaries.pruned(trials)
    if stopped.empty:
        return ""
    low, high = stopped["epochs_trained"].min(), stopped["epochs_trained"].max()
    after = f"{low}" if low == high else f"{low} to {high}"
    many = len(stopped) > 1
    text = (
        f"{len(stopped)} of {len(trials)} trials {'were' if many else 'was'} pruned after {after} "
        f"epoch{'' if high == 1 else 's'}; {'they' if many else 'it'} saw fewer epochs than asked and "
        f"{'are' if many else 'is'} not ranked with the completed ones."
    )
    ranked = summaries.ranked(trials, goal=measure.goal)
    leader = stopped.sort_values(["value", "number"], ascending=[measure.is_minimized, True]).iloc[0]
    if not ranked.empty and measure.is_better(leader["value"], ranked.iloc[0]["value"]):
        text += (
            f" Pruned trial {leader['number']} had reached {measure.text(leader['value'])} at epoch {leader['best_epoch']}, "
            "better than every completed one."
        )
    return text


def failures(trials: pd.DataFrame) -> str:
    """How many trials failed, and of what."""
    failed = trials[trials["state"] == "failed"]
    if failed.empty:
        return ""
    reasons = failed["reason"].fillna("unknown").value_counts()
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"{len(failed)} of {len(trials)} trials failed ({told})."


def _counts(trials: pd.DataFrame) -> str:
    counts = trials["state"].value_counts()
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _group(group: Budget, measure: Measure) -> str:
    seen = intervals.estimate(group.trials["value"].tolist())
    epochs = f"{group.length} epoch{'' if group.high == 1 else 's'}"
    return f"{measure.with_spread(seen.mean, seen.sd)} at {epochs} (n = {seen.n})"


def _level(row: dict[Any, Any], measure: Measure) -> str:
    if not row["n"]:
        return f"{row['level']} none completed ({row['n_pruned']} pruned)"
    return f"{row['level']} {measure.text(row['median'])} (n = {row['n']})"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
