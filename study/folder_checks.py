"""Checks of a study's folder as a whole: manifest, record, search space, lock, and what was never finished.

Each answers the findings of one kind of fault. Standard library only.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from colournet.errors import UserError
from study.examination import Examination, Finding
from study.owner import Sighting

RESTORE = "restore it from a copy"

_MOST_LINES = 5
_MOST_NUMBERS = 10
_SCRATCH_SECONDS = 60.0
_SCRATCH = re.compile(r".*\.part|driver\.lock\..*|\.tmp\w{6}")  # ours, the lock's, and safetensors' own


def manifest(seen: Examination) -> Iterator[Finding]:
    """`study.json` is there, whole, and of this format."""
    if seen.manifest_error is not None:
        error = seen.manifest_error
        yield Finding(kind="manifest", message=error.message, hint=error.hint or RESTORE)


def record(seen: Examination) -> Iterator[Finding]:
    """The record is there, and each of its lines is an event that may come where it stands."""
    if seen.record_error is not None:
        yield Finding(kind="record", message=f"events.jsonl: {seen.record_error}", hint=RESTORE)
    refused = seen.lines.refused
    for number, fault in refused[:_MOST_LINES]:
        hint = "lines after it may be refused for want of it; restore the record from a copy"
        yield Finding(kind="line", message=f"events.jsonl, line {number}: {fault}", hint=hint)
    if len(refused) > _MOST_LINES:
        message = f"events.jsonl: {len(refused) - _MOST_LINES} more lines make no sense, up to line {refused[-1][0]}"
        yield Finding(kind="line", message=message, hint=RESTORE)


def torn_line(seen: Examination) -> Iterator[Finding]:
    """The record ends with a whole line; a living driver may be in the middle of one."""
    if seen.lines.torn and not seen.is_live:
        message = f"events.jsonl: its last line is torn after {len(seen.lines.torn)} bytes"
        yield Finding(kind="torn_line", message=message, is_repairable=True, hint="study resume cuts it as well")


def unfinished(seen: Examination) -> Iterator[Finding]:
    """All that was asked for has ended, or a driver is at work on it."""
    if seen.is_live or not seen.is_whole or seen.folder is None:
        return
    numbers = [trial.number for trial in seen.record.unfinished]
    missing = (seen.record.target or int(seen.folder.manifest["trials"])) - len(seen.record.trials)
    parts = [f"{_trials(numbers)} not ended"] if numbers else []
    parts += [f"{missing} more {'trial was' if missing == 1 else 'trials were'} asked for"] if missing > 0 else []
    if parts:
        message = f"{' and '.join(parts)}, and no driver is at work"
        hint = f"study resume {seen.layout.root.name} goes on"
        yield Finding(kind="unfinished", message=message, is_damage=False, hint=hint)


def space(seen: Examination) -> Iterator[Finding]:
    """`space.toml` is the search space in force: the record's last one, or that of which the manifest has the fingerprint."""
    fault = _space_fault(seen)
    if fault is not None:
        can_restore = bool(seen.record.spaces) and seen.is_whole and not seen.is_live
        yield Finding(kind="space", message=f"space.toml: {fault}", is_repairable=can_restore, hint=RESTORE)


def dead_lock(seen: Examination) -> Iterator[Finding]:
    """There is no lock, or its owner lives."""
    found = None if seen.is_live else Sighting.of(seen.layout.lock)
    if found is not None and not seen.is_ours:
        message = f"driver.lock: its owner, {found.owner or 'an unknown process'}, is dead"
        hint = "the next driver takes it over"
        yield Finding(kind="dead_lock", message=message, is_damage=False, is_repairable=True, hint=hint)


def scratch(seen: Examination) -> Iterator[Finding]:
    """No file was left half-written by a process that died, in the folder or, from when it was made, beside it."""
    if seen.is_live:
        return
    paths = [path for path in seen.layout.root.rglob("*") if _SCRATCH.fullmatch(path.name) and path.is_file()]
    beside = re.compile(rf"\.{re.escape(seen.layout.root.name)}-\w{{8}}")
    paths += [path for path in seen.layout.root.parent.glob(".*") if beside.fullmatch(path.name) and path.is_dir()]
    paths = [path for path in paths if _is_old(path)]
    if paths:
        message = f"{seen.some(paths)} left half-written by a process that died"
        yield Finding(kind="scratch", message=message, is_damage=False, is_repairable=True, paths=tuple(paths))


def strangers(seen: Examination) -> Iterator[Finding]:
    """No trial has a folder that the record never asked for, as after its end was lost."""
    if not seen.is_whole or seen.is_live:
        return
    known = {seen.layout.trial(number).root.name for number in seen.record.trials}
    folders = sorted(path.name for path in seen.layout.trials.glob("*") if re.fullmatch(r"\d{4,}", path.name))
    unknown = [name for name in folders if name not in known]
    if unknown:
        message = f"trials/{unknown[0]}: no such trial was ever asked" + _and_more(len(unknown) - 1)
        yield Finding(kind="stranger", message=message, hint="the record may have lost its end; restore it from a copy")


def _space_fault(seen: Examination) -> str | None:
    try:
        content = seen.layout.space.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if seen.record.spaces:
        if content != seen.record.spaces[-1].encode():
            return "is not the search space that the record has in force"
    else:
        fingerprint = None if seen.folder is None else seen.folder.manifest.get("space_sha256")
        if fingerprint is not None and fingerprint != hashlib.sha256(content).hexdigest():
            return "is not the search space that the study began with"
    try:
        found = seen.spaces.get(content.decode("utf-8"))
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    return found.message if isinstance(found, UserError) else None


def _is_old(path: Path) -> bool:
    """Whether nobody can still be writing it."""
    try:
        return time.time() - path.lstat().st_mtime > _SCRATCH_SECONDS
    except OSError:
        return False


def _and_more(count: int) -> str:
    return f", nor {count} more of those that have a folder" if count else ""


def _trials(numbers: Sequence[int]) -> str:
    """Trials in words, with the verb."""
    told = ", ".join(map(str, numbers[:_MOST_NUMBERS])) + (", ..." if len(numbers) > _MOST_NUMBERS else "")
    return f"trial {told} has" if len(numbers) == 1 else f"{len(numbers)} trials ({told}) have"
