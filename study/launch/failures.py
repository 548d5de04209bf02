"""What is told of failures that end a study, and how a hanging trial is known. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from study.errors import LaunchError
from study.layout import TrialLayout
from study.records import TrialRecord
from study.store import StudyFolder

_MOST_LINES = 40


def has_hung(layout: TrialLayout) -> bool:
    """Whether the latest attempt of a trial was ended by its watchdog, which tells where it hung."""
    attempt = max(layout.attempts(), default=0)
    try:
        return layout.stacks(attempt).stat().st_size > 0
    except OSError:
        return False


def disk_full(folder: StudyFolder, number: int, message: str) -> LaunchError:
    """The error of a study whose worker could not write."""
    return LaunchError(
        f"{folder.title}: trial {number} could not write its checkpoint: {message}",
        hint=f"free some space, then {folder.resume_command}; --checkpoint-quota keeps checkpoints small",
    )


def other_software(folder: StudyFolder, message: str) -> LaunchError:
    """The error of a study on a cluster that a node of other software has joined."""
    return LaunchError(
        f"{folder.title}: {message}",
        hint=f"install the same on every node, or take that one out, then {folder.resume_command}",
    )


def storage(folder: StudyFolder, error: OSError) -> LaunchError:
    """The error of a study whose storage does not answer the driver."""
    return LaunchError(f"{folder.title}: {error}", hint=f"see to the storage, then {folder.resume_command}")


def cannot_write(folder: StudyFolder, error: OSError) -> LaunchError:
    """The error of a study whose driver could not write a file of its folder."""
    return LaunchError(
        f"{error.filename or folder.layout.root}: cannot be written: {error.strerror or error}",
        hint=f"mend that, then {folder.resume_command}",
    )


def too_many(folder: StudyFolder, failed: Sequence[TrialRecord]) -> LaunchError:
    """The error of a study that is given up for failures in a row, with the first one's traceback if it has one."""
    first = failed[0]
    log = folder.layout.trial(first.number).log
    try:
        lines = log.read_text(encoding="utf-8").rstrip().splitlines()
        told = "\n".join([f"{log}:", *lines[-_MOST_LINES:]])
    except OSError:
        told = f"study show {folder.name} {first.number} tells more"
    return LaunchError(
        f"{folder.title}: {len(failed)} trials failed in a row, the first, trial {first.number}, by {first.message}",
        hint=f"see {told}",
    )


def first_line(error: BaseException) -> str:
    """An error in a line."""
    return (str(error) or type(error).__name__).splitlines()[0][:500]
