"""What a study has cost and will cost, in words. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from study.accounting import spent
from study.records import StudyRecord
from study.text import duration

_EPOCHS_OF = {
    "completed": "in completed trials",
    "pruned": "in pruned ones",
    "failed": "in failed ones",
    "unfinished": "in trials under way",
    "repeated": "trained once more after a loss",
}


def cost_text(record: StudyRecord) -> str:
    """What a study has cost so far: `117 epochs, 11 min of workers' time`, and the hours of GPUs where there are any."""
    gpus = f", {record.gpu_seconds / 3600:.3g} GPU hours" if record.gpu_seconds else ""
    epochs = f"{record.trained:,} epoch{'' if record.trained == 1 else 's'}"
    return f"{epochs}, {duration(record.worker_seconds)} of workers' time{gpus}"


def rate_text(pace: Mapping[str, float]) -> str:
    """How fast it goes, from the fields of `study.accounting.Rate`: `120 epochs and 11 trials an hour`."""
    return f"{_amount(pace['epochs_per_hour'])} epochs and {_amount(pace['trials_per_hour'])} trials an hour"


def cost_lines(record: StudyRecord, told: Mapping[str, Any]) -> list[str]:
    """What was trained, to what end, how fast, and what is left to train."""
    lines = [f"  trained    {cost_text(record)}"]
    parts = [f"{count} {_EPOCHS_OF[of]}" for of, count in asdict(spent(record)).items() if count]
    if len(parts) > 1:
        lines.append("             " + ", ".join(parts))
    lines += _overhead_lines(record)
    pace, rest = told["rate"], told["forecast"]
    if pace is not None:
        lines.append(f"  rate       {rate_text(pace)}, over the last {duration(pace['seconds'])}")
    if rest is not None:
        lines.append(
            f"  left       {rest['trials']} trials, about {rest['epochs']:.0f} epochs, {duration(rest['worker_seconds'])} of "
            f"workers' time; {duration(rest['seconds'])} with the workers of last time"
        )
    return lines


def _overhead_lines(record: StudyRecord) -> list[str]:
    """What trials cost beside their epochs, and how much of the workers' time was epochs; nothing before one has ended."""
    cost, share = record.worker_time.cost, record.worker_time.share_in_epochs()
    if share is None:
        return []
    parts = [f"{share:.1%} of workers' time was in epochs".replace("%", " %")]
    if cost is not None:
        count = len(record.worker_time.costs)
        parts.append(f"beside them a trial took {cost:.3g} s (median of {count} on warm workers)")
    return [f"  overhead   {'; '.join(parts)}"]


def _amount(count: float) -> str:
    """A count that may be a fraction, to two digits at least."""
    return f"{count:,.0f}" if count >= 10 or count == 0 else f"{count:.2g}"
