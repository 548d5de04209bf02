"""Repairs: they mend what can be mended, lose nothing, and say in a line what they did."""

from __future__ import annotations

from pathlib import Path

import pytest

from colournet import files
from study.repairs import REPAIRS
from study.store import StudyFolder
from tests.study import made_up_workers
from tests.study.harms import (
    DAMAGES,
    age,
    append,
    kinds,
    look,
    repair,
    snapshot,
    truncate,
)
from tests.study.helpers import SPACE, leave_dead_lock, make_folder, session

HALVING = SPACE.replace('kind = "none"', 'kind = "successive_halving", min_epochs = 1, reduction_factor = 2')


@pytest.mark.parametrize("case", [case for case, (*_, is_repairable) in DAMAGES.items() if is_repairable])
def test_what_can_be_repaired_is(finished: StudyFolder, case: str) -> None:
    """A repair of a fault leaves the folder as it was, but for a note, and says in a line what it did."""
    before = snapshot(finished)
    place, harm, *_ = DAMAGES[case]
    harm(place(finished))

    diagnosis = repair(finished)

    after = snapshot(finished)
    record = after.pop("events.jsonl")
    torn = {name: after.pop(name) for name in list(after) if name.startswith("events.jsonl.torn-")}
    assert diagnosis.findings == ()
    assert len(diagnosis.repaired) == 1
    assert record.startswith(before.pop("events.jsonl"))
    assert finished.read().notes[-1] == f"study doctor: {diagnosis.repaired[0]}"
    assert after == before
    assert torn == ({"events.jsonl.torn-1": b'{"event":'} if case == "a torn line" else {})


def test_whatever_cannot_be_repaired_is_left_alone(finished: StudyFolder) -> None:
    """A repair of a folder with faults that cost something changes no byte."""
    for case in ("a foreign line", "another config", "a truncated model", "no best model", "best is another's"):
        place, harm, *_ = DAMAGES[case]
        harm(place(finished))
    before = snapshot(finished)

    diagnosis = repair(finished)

    assert diagnosis.repaired == ()
    assert {"line", "config", "model"} <= set(kinds(diagnosis))
    assert snapshot(finished) == before


def test_a_discarded_model_that_is_still_there_is_left_over(finished: StudyFolder) -> None:
    """A model that the record says was discarded has outlived its use, and a repair removes it with its folder."""
    path = finished.layout.trial(3).model(1)
    with finished.write() as writer:
        writer.append("discarded", 3, checkpoint="trials/0003/attempt-1/best.safetensors", bytes=1)

    assert (kinds(look(finished)), look(finished).damage) == (["leftovers"], [])
    assert repair(finished).findings == ()
    assert not path.parent.exists()
    assert finished.layout.trial(3).config.exists()


def test_what_trials_left_behind_is_removed(tmp_path: Path) -> None:
    """Of a study that ended, a repair keeps the models of completed trials and removes all other weights."""
    folder = make_folder(tmp_path, space_text=HALVING)
    made_up_workers.run(folder, trials=6)
    record = folder.read()
    assert record.count("pruned")
    assert look(folder).findings == ()  # the driver clears up behind itself
    for number, trial in record.trials.items():
        config = folder.space.config(trial.params, seed=trial.seed)
        folder.layout.trial(number).attempt(1).mkdir(exist_ok=True)
        made_up_workers.write_weights(folder.layout.trial(number).checkpoint(1), config, [])
    assert (kinds(look(folder)), look(folder).damage) == (["leftovers"], [])

    diagnosis = repair(folder)

    assert diagnosis.repaired[0].startswith("removed trials/0000/attempt-1/last.safetensors and ")
    left = {path.relative_to(tmp_path / "little").as_posix() for path in tmp_path.rglob("trials/**/*.safetensors")}
    assert left == {trial.checkpoint for trial in record.trials.values() if trial.checkpoint is not None}
    assert diagnosis.findings == ()


def test_nothing_is_removed_while_what_should_stay_is_missing(tmp_path: Path) -> None:
    """Where a completed trial's model is not whole, no other weights of that trial are called left over."""
    folder = make_folder(tmp_path)
    made_up_workers.run(folder, trials=1)
    folder.layout.trial(0).model(1).rename(folder.layout.trial(0).checkpoint(1))

    diagnosis = repair(folder)

    assert kinds(diagnosis) == ["model"]
    assert folder.layout.trial(0).checkpoint(1).exists()


def test_what_a_failed_trial_left_to_read_stays(tmp_path: Path) -> None:
    """A repair removes the weights of a failed trial, and neither its log nor where it hung."""
    folder = make_folder(tmp_path)
    made_up_workers.die(folder, trials=1, events=4)
    with folder.write() as writer:
        writer.append("resumed", **session(1))
        writer.append("failed", 0, attempt=1, reason="timed_out", message="no")
    layout = folder.layout.trial(0)
    layout.stacks(1).write_text("here it hung")
    layout.log.write_text("Traceback")

    repair(folder)

    assert not layout.checkpoint(1).exists()
    assert layout.stacks(1).read_text() == "here it hung"
    assert layout.log.exists()


def test_the_space_in_force_is_restored_from_the_record(tmp_path: Path) -> None:
    """Where the record holds the search space a changed file is put back, and what stood there is kept."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session(), space=SPACE)
    folder.layout.space.write_text(SPACE + "# by hand\n")
    (finding,) = look(folder).damage
    assert (finding.kind, finding.is_repairable) == ("space", True)

    repair(folder)

    assert folder.layout.space.read_text() == SPACE
    assert folder.layout.replaced_space(1).read_text() == SPACE + "# by hand\n"
    assert look(folder).damage == []


def test_a_dead_drivers_lock_is_told_and_removed(finished: StudyFolder) -> None:
    """A lock whose owner died is a remark; a repair takes it away, and the record says whose it was."""
    leave_dead_lock(finished.layout.lock)

    assert (kinds(look(finished)), look(finished).damage) == (["dead_lock"], [])
    diagnosis = repair(finished)

    assert diagnosis.findings == ()
    assert diagnosis.repaired[0].startswith("removed the lock of process ")
    assert not finished.layout.lock.exists()
    assert "removed the lock of process " in finished.read().notes[-1]


def test_scratch_of_the_dead_is_removed(finished: StudyFolder) -> None:
    """Files that a dead process left half-written go, wherever they lie; new ones may be another's work and stay."""
    root = finished.layout.root
    attempt = finished.layout.trial(1).attempt(1)
    old = [
        root / "a.part",
        root / "driver.lock.1234",
        attempt / ".tmpAb12cD",
        files.scratch(finished.layout.best.model),
    ]
    for path in old:
        path.write_bytes(b"half")
        age(path)
    unborn = root.parent / ".little-ab12cd_x"
    unborn.mkdir()
    (root.parent / ".little-other-x1y2z3w4").mkdir()
    age(unborn)
    age(root.parent / ".little-other-x1y2z3w4")
    new = finished.layout.best.root / "samples.png.part"
    new.write_bytes(b"half")

    assert (kinds(look(finished)), look(finished).damage) == (["scratch"], [])
    assert repair(finished).findings == ()

    assert not any(path.exists() for path in [*old, unborn])
    assert new.exists()
    assert attempt.exists()
    assert (root.parent / ".little-other-x1y2z3w4").exists()


def test_a_repair_that_fails_is_told(finished: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repair that the disk does not allow is told in its line, and the others are done."""
    truncate(finished.layout.best.model)
    append(b"torn")(finished.layout.events)

    def refuse(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setitem(REPAIRS, "best", refuse)  # type: ignore[arg-type]
    diagnosis = repair(finished)

    assert [line.partition(" ")[0] for line in diagnosis.repaired] == ["cut", "could"]
    assert diagnosis.repaired[1].endswith("is not the one of trial 0: Permission denied")
    assert kinds(diagnosis) == ["best"]


def test_torn_lines_are_kept_one_by_one(finished: StudyFolder) -> None:
    """What is cut off a second time does not take the place of what was cut off before."""
    for content in (b"first", b"second"):
        append(content)(finished.layout.events)
        repair(finished)

    assert finished.layout.torn(1).read_bytes() == b"first"
    assert finished.layout.torn(2).read_bytes() == b"second"


def test_a_repaired_study_can_be_resumed(broken_off: StudyFolder) -> None:
    """After a repair the study goes on to its end, and is then sound but for what its trials left."""
    append(b'{"event":')(broken_off.layout.events)
    repair(broken_off)

    made_up_workers.run(broken_off, trials=4, kind="resumed")

    assert broken_off.state(broken_off.read()) == "finished"
    assert repair(broken_off).findings == ()
