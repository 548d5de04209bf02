"""The doctor: every fault of a folder is found and named, and what is in order is not called a fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from colournet.config import TrainConfig
from study import doctor, lock
from study.doctor import diagnose
from study.errors import LockedError, RecordError, StudyError
from study.store import StudyFolder
from tests.study import made_up_workers
from tests.study.harms import (
    DAMAGES,
    age,
    append,
    kinds,
    look,
    repair,
    replace,
    snapshot,
    truncate,
)
from tests.study.helpers import PARAMS, SPACE, make_folder, session

RECORDED = Path(__file__).parents[2] / "results" / "horses-architecture"


def test_a_finished_study_is_sound(finished: StudyFolder) -> None:
    """A study that ended in order has nothing to be said of, and looking changes nothing."""
    before = snapshot(finished)

    diagnosis = look(finished)

    assert (str(diagnosis), diagnosis.findings) == ("little: sound", ())
    assert snapshot(finished) == before


def test_a_fresh_folder_is_sound(tmp_path: Path) -> None:
    """A study in which nothing has run yet is unfinished, and no more."""
    assert kinds(look(make_folder(tmp_path))) == ["unfinished"]


def test_the_recorded_study_is_sound() -> None:
    """The project's own study, whose weights were not kept, is sound; that they are not here is a remark."""
    diagnosis = diagnose(RECORDED.parent, RECORDED.name)

    assert (kinds(diagnosis), diagnosis.damage) == (["no_weights"], [])
    assert "none of the 5 models" in diagnosis.findings[0].message


def test_a_study_that_was_broken_off_is_sound(broken_off: StudyFolder) -> None:
    """What a dead driver leaves is no damage: it is told, with what to do."""
    diagnosis = look(broken_off)

    assert (kinds(diagnosis), diagnosis.damage) == (["unfinished"], [])
    assert diagnosis.findings[0].message.startswith("2 trials (0, 1) have not ended and 2 more trials were asked for")
    assert diagnosis.findings[0].hint == "study resume little goes on"


@pytest.mark.parametrize("case", DAMAGES)
def test_every_damage_is_found(finished: StudyFolder, case: str) -> None:
    """Each fault is found as damage, and as nothing but what it is, in one sentence that names the file."""
    place, harm, kind, message, is_repairable = DAMAGES[case]
    harm(place(finished))

    (finding,) = look(finished).damage

    assert (finding.kind, finding.is_repairable) == (kind, is_repairable)
    assert message in finding.message
    assert "\n" not in finding.message
    assert finding.hint


def test_bad_lines_are_passed_over_and_counted(finished: StudyFolder) -> None:
    """The doctor goes on past a line that makes no sense: it tells the first few with their numbers, then how many more."""
    lines = finished.layout.events.read_bytes().splitlines(keepends=True)
    finished.layout.events.write_bytes(b"".join([lines[0], b"x\n", *lines[1:], *[b"y\n"] * 6]))

    found = [finding.message for finding in look(finished).damage]

    assert found[0] == "events.jsonl, line 2: not JSON: b'x\\n'"
    assert found[1].startswith(f"events.jsonl, line {len(lines) + 2}: not JSON: b'y")
    assert found[-1] == f"events.jsonl: 2 more lines make no sense, up to line {len(lines) + 7}"


def test_many_findings_of_a_kind_are_counted(tmp_path: Path) -> None:
    """A hundred faults of one kind do not fill the screen; scripts get every one of them."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session(25))
        for number in range(25):
            writer.append("asked", number, params={"colour": "red"}, seed=1)

    diagnosis = look(folder)

    assert str(diagnosis).endswith("\n  and 15 more findings of the kind 'parameters'; --json has all")
    assert len(diagnosis.to_mapping()["findings"]) == 26


def test_a_study_of_another_format_is_not_judged(finished: StudyFolder) -> None:
    """Of a folder that another version wrote only that is said, and nothing of it is touched."""
    finished.layout.manifest.write_text('{"format": 2}')
    age(Path(shutil.copy(finished.layout.space, finished.layout.root / "space.toml.part")))
    before = snapshot(finished)

    diagnosis = repair(finished)

    assert kinds(diagnosis) == ["manifest"]
    assert "reads format 1" in diagnosis.findings[0].message
    assert snapshot(finished) == before


def test_parameters_outside_the_space_are_damage(tmp_path: Path) -> None:
    """A trial whose recorded parameters mean nothing is told."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        writer.append("asked", 0, params={**PARAMS, "kernel_size": 4}, seed=1)

    assert [finding.message for finding in look(folder).damage] == [
        "trial 0: its parameters mean nothing in the search space"
    ]


def test_a_record_that_names_a_strange_file_is_damage(finished: StudyFolder) -> None:
    """A model that the record places outside of its trial's folder is not looked at, and never copied."""
    replace("trials/0000/attempt-1/best.safetensors", "../../etc/passwd")(finished.layout.events)
    finished.layout.best.metrics.unlink()

    found = {finding.kind: finding for finding in look(finished).damage}

    assert found["model"].message == "events.jsonl: '../../etc/passwd' is no place for the model of trial 0"
    assert not found["best"].is_repairable
    with pytest.raises(RecordError, match="is no place for the model of trial 0"):
        finished.model(finished.read().trial(0))


def test_a_copy_with_the_best_model_alone_is_sound(finished: StudyFolder) -> None:
    """Where only the best model was kept, that the others are not here is a remark, and the best one is checked."""
    for path in finished.layout.trials.glob("*/attempt-*"):
        shutil.rmtree(path)
    assert (kinds(look(finished)), look(finished).damage) == (["no_weights"], [])

    truncate(finished.layout.best.model)

    (finding,) = look(finished).damage
    assert (finding.kind, finding.is_repairable) == ("best", False)


def test_a_best_model_that_is_the_last_of_its_trial_is_looked_at(finished: StudyFolder) -> None:
    """Where the best trial's own model was discarded, the copy is checked for itself."""
    name = "trials/0000/attempt-1/best.safetensors"
    with finished.write() as writer:
        writer.append("discarded", 0, checkpoint=name, bytes=1)
    (finished.layout.root / name).unlink()
    assert look(finished).findings == ()

    truncate(finished.layout.best.model)

    (finding,) = look(finished).damage
    assert (finding.kind, finding.is_repairable) == ("best", False)
    assert finding.message.startswith("best/: model.safetensors: truncated: ")


CHECKPOINTS: dict[str, tuple[Callable[[Path], object], list[str], str]] = {
    "missing": (Path.unlink, ["lost_epochs"], "trial 0: 2 of its 2 epochs must be trained again"),
    "truncated": (truncate, ["checkpoint", "lost_epochs"], "last.safetensors: truncated: has"),
    "another trial's": (
        lambda path: made_up_workers.write_weights(path, TrainConfig(), []),
        ["checkpoint", "lost_epochs"],
        "is of another configuration than its trial",
    ),
    "another history": (
        replace('val_loss\\": 2.0', 'val_loss\\": 2.5'),
        ["checkpoint", "lost_epochs"],
        "its epoch 1 is not the one that the record has",
    ),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_lost_checkpoint_says_what_is_lost(broken_off: StudyFolder, case: str) -> None:
    """If an interrupted trial cannot go on from where it was, the doctor tells why and how many epochs that costs."""
    harm, wanted, message = CHECKPOINTS[case]
    harm(broken_off.layout.trial(0).checkpoint(1))

    found = look(broken_off).damage

    assert [finding.kind for finding in found] == wanted
    assert message in found[0].message
    assert "epochs must be trained again" in found[-1].message


def test_epochs_that_an_orphan_trained_on_are_no_damage(broken_off: StudyFolder) -> None:
    """A checkpoint that is ahead of the record, from a worker that outlived its driver, is in order."""
    layout = broken_off.layout.trial(0)
    config = TrainConfig.from_toml(layout.config)
    rows = list(broken_off.read().trial(0).epochs.values())
    ahead = [*rows, {**rows[-1], "epoch": len(rows) + 1}]
    made_up_workers.write_weights(layout.checkpoint(1), config, ahead)

    assert look(broken_off).damage == []


def test_a_space_that_the_manifest_does_not_know_is_damage(tmp_path: Path) -> None:
    """Where only its fingerprint was recorded, a changed search space is found, though it cannot be restored."""
    folder = make_folder(tmp_path)
    manifest = {**folder.manifest, "space_sha256": folder.space.fingerprint}
    folder.layout.manifest.write_text(json.dumps(manifest))
    assert look(folder).damage == []
    folder.layout.space.write_text(SPACE + "# by hand\n")

    (finding,) = look(folder).damage

    assert (finding.kind, finding.is_repairable) == ("space", False)


def test_a_running_study_is_not_called_damaged(broken_off: StudyFolder) -> None:
    """While a driver is at work nothing that comes and goes is told, and nothing may be repaired."""
    append(b'{"event":')(broken_off.layout.events)
    age(Path(shutil.copy(broken_off.layout.space, broken_off.layout.root / "space.toml.part")))
    with lock.hold(broken_off.layout.lock):
        before = snapshot(broken_off)
        diagnosis = look(broken_off)
        with pytest.raises(LockedError, match="is being written by process"):
            repair(broken_off)
        assert snapshot(broken_off) == before

    assert (diagnosis.findings, diagnosis.is_live) == ((), True)
    assert str(diagnosis) == "little: sound, a driver is at work on it"
    assert kinds(look(broken_off)) == ["torn_line", "unfinished", "scratch"]


def test_what_a_second_look_does_not_see_was_in_motion(finished: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that a living driver discards between reading the record and looking for it is not called missing."""
    name = "trials/0003/attempt-1/best.safetensors"
    of, looks = doctor.Examination.of, iter(range(9))
    with finished.write() as writer:

        def of_a_moving_folder(*arguments: object, **named: object) -> doctor.Examination:
            seen = of(*arguments, **named)  # type: ignore[arg-type]
            if next(looks) == 0:
                (finished.layout.root / name).unlink()
                writer.append("discarded", 3, checkpoint=name, bytes=1)
            return seen

        monkeypatch.setattr(doctor.Examination, "of", of_a_moving_folder)
        assert look(finished).findings == ()
        finished.layout.trial(1).model(1).unlink()
        assert kinds(look(finished)) == ["model"]


def doctor_command(*arguments: str) -> tuple[object, str]:
    """Run the command; answer its error, if it ended with one, and what it printed."""
    from study.cli import cli

    result = CliRunner().invoke(cli, ["doctor", *arguments])
    return result.exception, result.stdout


def test_the_command_prints_findings_and_ends_with_3(finished: StudyFolder) -> None:
    """`study doctor` prints what it found on stdout, and ends with exit code 3 and a hint where that is damage."""
    where = ("little", "--results", str(finished.layout.root.parent))
    error, text = doctor_command(*where)
    assert (error, text) == (None, "little: sound\n")

    truncate(finished.layout.best.model)
    truncate(finished.layout.trial(1).model(1))
    error, text = doctor_command(*where)
    assert isinstance(error, StudyError)
    assert (error.exit_code, error.message) == (3, "little: 2 findings are damage")
    assert error.hint == "study doctor little --repair mends what it can without loss"
    assert text.splitlines()[0] == "little: damaged"
    assert "  damage    best/: model.safetensors is not the one of trial 0\n            --repair mends it\n" in text

    error, text = doctor_command(*where, "--repair", "--json")
    assert isinstance(error, StudyError)
    told = json.loads(text)
    assert (told["is_sound"], told["is_live"], told["repaired"]) == (False, False, ["copied trial 0 to best/"])
    assert [finding["kind"] for finding in told["findings"]] == ["model"]


@pytest.mark.parametrize("name", ["litle", "notes"])
def test_what_is_no_study_is_not_examined(tmp_path: Path, name: str) -> None:
    """The doctor sees studies only: any other name is told as by every command."""
    make_folder(tmp_path)
    (tmp_path / "notes").mkdir()

    with pytest.raises(RecordError, match=r"there is no study 'litle'|notes: not a study"):
        diagnose(tmp_path, name)
