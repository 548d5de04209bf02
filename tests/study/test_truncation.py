"""A record cut at any byte of its end is still a study: nothing before the cut is lost, and resume finishes it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from study.doctor import diagnose
from study.records import ENDED, StudyRecord, parse
from study.store import StudyFolder
from tests.study import made_up_workers
from tests.study.helpers import SPACE, make_folder

TRIALS = 4
HALVING = SPACE.replace('kind = "none"', 'kind = "successive_halving", min_epochs = 1, reduction_factor = 2')


def end(folder: StudyFolder) -> None:
    made_up_workers.run(folder, trials=TRIALS)


def die_after_a_start(folder: StudyFolder) -> None:
    made_up_workers.die(folder, trials=TRIALS, events=15)


def die_in_an_epoch(folder: StudyFolder) -> None:
    made_up_workers.die(folder, trials=TRIALS, events=17)


def die_after_a_resume(folder: StudyFolder) -> None:
    made_up_workers.die(folder, trials=TRIALS, events=9)
    made_up_workers.die(folder, trials=TRIALS, events=4, kind="resumed")


HISTORIES: dict[str, tuple[Callable[[StudyFolder], None], list[str]]] = {
    # how the study came to its end, and the events of its last three lines
    "ended": (end, ["pruned", "completed", "ended"]),
    "died after a start": (die_after_a_start, ["pruned", "asked", "started"]),
    "died in an epoch": (die_in_an_epoch, ["started", "epoch", "epoch"]),
    "died after a resume": (die_after_a_resume, ["started", "started", "epoch"]),
}


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("history", HISTORIES)
def test_a_record_cut_at_any_byte_is_finished(tmp_path: Path, history: str) -> None:
    """Cut at any byte of its last three lines, a study opens, says how much was torn, and is resumed to its end: what
    stood before the cut stays, and every trial is asked once and ends once. Tried at each end of a line and each third byte."""
    make, last_events = HISTORIES[history]
    folder = make_folder(tmp_path / "whole", space_text=HALVING)
    make(folder)
    whole = folder.layout.events.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert [parse(line)["event"] for line in lines[-3:]] == last_events

    ends = {len(b"".join(lines[:count])) for count in range(len(lines) - 3, len(lines) + 1)}
    for cut in sorted(ends.union(range(min(ends), len(whole), 3))):
        check_cut(folder.layout.root, tmp_path / "cut" / folder.name, whole[:cut])


def check_cut(source: Path, root: Path, kept: bytes) -> None:
    """Resume a copy of a study of whose record so much is left."""
    shutil.copytree(source, root)
    folder = StudyFolder(root)
    folder.layout.events.write_bytes(kept)
    torn = len(kept) - (kept.rfind(b"\n") + 1)
    before = folder.read()
    assert before.torn_bytes == torn

    made_up_workers.run(folder, trials=TRIALS, kind="resumed")

    check_finished(folder, kept[: len(kept) - torn])
    assert sum(note.startswith(f"cut a torn last line of {torn} bytes") for note in folder.read().notes) == bool(torn)
    shutil.rmtree(root)


def check_finished(folder: StudyFolder, kept: bytes) -> None:
    """The study has ended, begins with what was kept, and every trial was asked once and ended once."""
    content = folder.layout.events.read_bytes()
    assert content.startswith(kept)
    events = [parse(line) for line in content.splitlines()]
    assert [event["trial"] for event in events if event["event"] == "asked"] == list(range(TRIALS))
    assert Counter(event["trial"] for event in events if event["event"] in ENDED) == Counter(range(TRIALS))
    record = folder.read()
    assert folder.state(record) == "finished"
    check_epochs(record, StudyRecord.read(kept.splitlines(keepends=True), source="kept"))
    assert diagnose(folder.layout.root.parent, folder.name).damage == []


def check_epochs(record: StudyRecord, before: StudyRecord) -> None:
    """No epoch is missing, and what trials had ended with is what they end with."""
    for number, trial in record.trials.items():
        assert sorted(trial.epochs) == list(range(1, trial.last_epoch + 1))
        if trial.state == "completed":
            assert trial.last_epoch == trial.params["epochs"]
        if number in before.trials:
            old = before.trials[number]
            assert (trial.params, trial.seed) == (old.params, old.seed)
            assert trial.epochs.keys() >= old.epochs.keys()
            if old.state in ENDED:
                assert (trial.state, trial.value, trial.best_epoch) == (old.state, old.value, old.best_epoch)
