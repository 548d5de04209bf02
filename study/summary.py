"""What `study list` and `study show` tell, computed from a record. Standard library only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from study import collector
from study.accounting import forecast, rate, spent
from study.errors import RecordError
from study.expenses import cost_lines
from study.layout import StudyLayout
from study.records import ENDED, StudyRecord, TrialRecord
from study.store import StudyFolder
from study.text import describe_params, duration, format_value, table

_MOST_TRIALS = 20
_MOST_FAILED = 5
_LEFT = 5
"""Where the time left stands among the columns of the list, which has it while any study runs."""


def study_json(folder: StudyFolder, record: StudyRecord) -> dict[str, Any]:
    """The state of a study for machines; these keys stay."""
    best, rest, epochs = folder.best(record), forecast(record, folder.space), spent(record)
    pace = rate(record, datetime.now(UTC)) if record.is_live else None
    return {
        "name": folder.name,
        "state": folder.state(record),
        "trials": record.counts,
        "target": record.target or folder.manifest["trials"],
        "objective": folder.manifest["objective"],
        "best": None
        if best is None
        else {"number": best.number, "value": best.value, "epoch": best.best_epoch, "params": best.params},
        "epochs_trained": record.trained,
        "epochs": {**asdict(epochs), "wasted": epochs.wasted},
        "cost": {
            "worker_seconds": record.worker_seconds,
            "gpu_seconds": record.gpu_seconds,
            "seconds_beside_epochs": record.worker_time.cost,
            "share_in_epochs": record.worker_time.share_in_epochs(),
        },
        "rate": None if pace is None else asdict(pace),
        "forecast": None if rest is None else asdict(rest),
        "failures": [
            {"number": trial.number, "reason": trial.reason, "message": trial.message}
            for trial in record.trials.values()
            if trial.state == "failed"
        ],
        "interruptions": dict(
            sum((trial.interruptions for trial in record.trials.values() if trial.interruptions), Counter())
        ),
        "ended": None if record.ended is None else {"reason": record.ended, "message": record.message},
        "confirmations": list(_confirmations(folder)),
        "created": folder.manifest["created"],
        "torn_bytes": record.torn_bytes,
    }


def trial_json(trial: TrialRecord) -> dict[str, Any]:
    """The state of one trial for machines."""
    return {
        "number": trial.number,
        "state": trial.state,
        "params": trial.params,
        "seed": trial.seed,
        "value": trial.value,
        "best_epoch": trial.best_epoch,
        "attempts": trial.attempt,
        "reason": trial.reason,
        "message": trial.message,
        "interruptions": dict(trial.interruptions),
        "asked": trial.asked,
        "started": trial.started,
        "ended": trial.ended,
        "host": trial.host,
        "device": trial.device,
        "fused": trial.fused,
        "parameters": trial.parameters,
        "checkpoint": trial.checkpoint,
        "test": dict(trial.test),
        "epochs": [trial.epochs[epoch] for epoch in sorted(trial.epochs)],
    }


def list_json(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The state of every study for machines; of a damaged one its name, the state `damaged` and the reason."""
    with collector.paused():  # until the last record is thrown away
        return [_entry(path) for path in paths]


def study_list(entries: Iterable[Mapping[str, Any]]) -> str:
    """One line a study, from `list_json`; how much time is left, while any of them runs."""
    header = ["study", "state", "trials", "objective", "best", "left", "created (UTC)"]
    rows = [header, *(_row(entry) for entry in entries)]
    if not any(row[_LEFT] for row in rows[1:]):
        rows = [[*row[:_LEFT], *row[_LEFT + 1 :]] for row in rows]
    return table(rows[0], rows[1:], right=(2, 4))


def _entry(path: Path) -> dict[str, Any]:
    try:
        folder = StudyFolder(path)
        return study_json(folder, folder.glance())
    except RecordError as error:
        return {"name": path.name, "state": "damaged", "reason": error.message}


def _row(entry: Mapping[str, Any]) -> list[str]:
    if entry["state"] == "damaged":
        return [entry["name"], "damaged", "", "", "", "", entry["reason"]]
    ended = sum(entry["trials"][state] for state in ENDED)
    best = "" if entry["best"] is None else f"{entry['best']['value']:.4f}"
    trials = f"{ended}/{entry['target']}"
    rest = entry["forecast"] if entry["state"] == "running" else None
    left = "" if rest is None else duration(rest["seconds"])
    return [entry["name"], entry["state"], trials, entry["objective"]["metric"], best, left, entry["created"]]


def study_text(folder: StudyFolder, record: StudyRecord, *, with_trials: bool = True) -> str:
    """The state of a study for people, a screen at most, with the table of its trials or without."""
    told = study_json(folder, record)
    counts = ", ".join(f"{count} {state}" for state, count in told["trials"].items() if count) or "none yet"
    objective = folder.manifest["objective"]
    lines = [
        f"{folder.name}: {told['state']}{_why(record)}, {len(record.trials)} of {told['target']} trials asked",
        f"  trials     {counts}",
        *_data_lines(folder),
        f"  objective  {objective['metric']}, {objective['goal']}, of a trial's best epoch",
        *cost_lines(record, told),
    ]
    best = folder.best(record)
    if best is not None:
        lines.append(
            f"  best       trial {best.number}: {best.value:.6g} at epoch {best.best_epoch} of {best.last_epoch}"
        )
        lines += [f"               {name} = {format_value(value)}" for name, value in best.params.items()]
    lines += _floor_lines(folder, best)
    lines += [
        f"  confirmed  {found['name']}: {found['outcome']}, {found['sentence']}" for found in told["confirmations"]
    ]
    if record.torn_bytes:
        lines.append(f"  note       the record's last line is torn ({record.torn_bytes} bytes not read)")
    lines += _trouble_lines(record, Counter(told["interruptions"]))
    if with_trials and record.trials:
        lines += ["", trials_table(folder, record)]
    return "\n".join(lines)


def trials_table(folder: StudyFolder, record: StudyRecord) -> str:
    """The trials, best first, then those without a value, in order; the first so many."""
    metric, goal = folder.manifest["objective"]["metric"], folder.manifest["objective"]["goal"]
    sign = 1 if goal == "minimize" else -1

    def rank(trial: TrialRecord) -> tuple[bool, bool, float, int]:
        value = trial.value
        return trial.state != "completed", value is None, 0.0 if value is None else sign * value, trial.number

    ordered = sorted(record.trials.values(), key=rank)
    rows = [
        [
            str(trial.number),
            trial.state,
            "" if trial.value is None else f"{trial.value:.4f}",
            "" if trial.best_epoch is None else f"{trial.best_epoch}",
            f"{trial.last_epoch}",
            describe_params(trial.params),
        ]
        for trial in ordered[:_MOST_TRIALS]
    ]
    text = table(["trial", "state", metric, "best epoch", "epochs", "parameters"], rows, right=(0, 2, 3, 4))
    more = len(ordered) - _MOST_TRIALS
    return text + (f"\n... and {more} more; study show --json {folder.name} has all counts" if more > 0 else "")


def trial_text(folder: StudyFolder, trial: TrialRecord) -> str:
    """One trial for people: what it was, how it went, epoch by epoch."""
    lines = [f"{folder.name}, trial {trial.number}: {trial.state}"]
    if trial.reason:
        lines.append(f"  reason     {trial.reason}: {trial.message}")
        lines.append(f"  log        {folder.layout.trial(trial.number).log}")
    if trial.value is not None:
        metric = folder.manifest["objective"]["metric"]
        lines.append(f"  best       {metric} {trial.value:.6g} at epoch {trial.best_epoch}")
    if trial.test:
        scores = ", ".join(f"{name} {'nan' if score is None else f'{score:.6g}'}" for name, score in trial.test.items())
        lines.append(f"  tested     {scores}, by the best epoch's model")
    stack = f", in a stack of {trial.fused}" if trial.fused > 1 else ""
    lines.append(f"  seed       {trial.seed}, attempt {trial.attempt}, on {trial.host} ({trial.device}){stack}")
    lines += [f"  {name} = {format_value(value)}" for name, value in trial.params.items()]
    header = ["epoch", "train loss", "val loss", "val accuracy", "seconds"]
    names = ("train_loss", "val_loss", "val_accuracy", "seconds")
    rows = [
        [str(epoch), *("nan" if event[name] is None else f"{event[name]:.4f}" for name in names)]
        for epoch, event in sorted(trial.epochs.items())
    ]
    return "\n".join([*lines, "", table(header, rows, right=range(5))])


def _data_lines(folder: StudyFolder) -> list[str]:
    """What the numbers were measured on, as far as the manifest tells."""
    data = folder.manifest["data"]
    if not data.keys() >= {"dataset", "category", "protocol", "train_images", "validation_images"}:
        return []
    measured = "the test images, as the assignment does" if data["protocol"] == "handout" else "split off by seed"
    return [
        f"  data       {data['dataset']}, {data['category']}: {_most_trained_on(folder)} images to train on, "
        f"{data['validation_images']} to validate, {measured}"
    ]


def _most_trained_on(folder: StudyFolder) -> str:
    """How many images a trial trains on, at most, where every trial is held to a part of them."""
    there, most = folder.manifest["data"]["train_images"], folder.space.fixed.get("train_images")
    return f"{most} of {there}" if isinstance(most, int) and most < there else str(there)


def _floor_lines(folder: StudyFolder, best: TrialRecord | None) -> list[str]:
    """The grey table's score by the study's metric, and a warning if the best trial is worse."""
    scores = list(folder.grey_table().values())
    if len(scores) != 1:
        return []
    lines = [f"  floor      {scores[0]:.6g}, the grey table, which needs no network"]
    if best is not None and folder.objective.is_better(scores[0], best.value):
        lines.append(f"             the best trial is WORSE than that by {folder.objective.metric}")
    return lines


def _confirmations(folder: StudyFolder) -> Iterator[dict[str, str]]:
    """What each confirmation said when `study confirm` last ended: its name, outcome and sentence."""
    for root in folder.confirmations:
        try:
            told = json.loads(StudyLayout(root).verdict.read_bytes())
            found = {"outcome": str(told["outcome"]), "sentence": str(told["sentences"][0])}
        except (OSError, ValueError, RecursionError, LookupError, TypeError):
            found = {"outcome": "undecided", "sentence": _without_verdict(root)}
        yield {"name": root.name, **found}


def _without_verdict(root: Path) -> str:
    try:
        return f"{StudyFolder(root).resume_command} goes on with it"
    except RecordError as error:
        return error.message


def _why(record: StudyRecord) -> str:
    """Why the latest driver ended, where that is not plain from the state."""
    if record.ended in (None, "finished", "interrupted"):
        return ""
    return f" ({record.ended})" if record.message is None else f" ({record.ended}: {record.message})"


def _trouble_lines(record: StudyRecord, cut: Counter[str]) -> list[str]:
    """What failed and why, and whose attempts were cut short by something else than the study's end."""
    failed = [trial for trial in record.trials.values() if trial.state == "failed"]
    lines = [f"  failed     trial {trial.number} ({trial.reason}): {trial.message}" for trial in failed[:_MOST_FAILED]]
    if len(failed) > _MOST_FAILED:
        lines.append(f"             and {len(failed) - _MOST_FAILED} more: {_counted(Counter(map(_reason, failed)))}")
    del cut["stopped"]
    return [*lines, f"  retried    {_counted(cut)}"] if cut else lines


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())


def _reason(trial: TrialRecord) -> str:
    return str(trial.reason)
