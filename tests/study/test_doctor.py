"""The doctor: every fault of a folder is found and named, what is in order is not called a fault, and repairs lose nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from colournet import files
from colournet.config import TrainConfig
from study import doctor, lock
from study.doctor import Diagnosis, diagnose, mend
from study.errors import LockedError, RecordError, StudyError
from study.records import serialize
from study.repairs import REPAIRS
from study.store import StudyFolder
from tests.study import made_up
from tests.study.helpers import PARAMS, SPACE, make_folder, session, started

RECORDED = Path(__file__).parents[2] / "results" / "horses-architecture"
HALVING = SPACE.replace('kind = "none"', 'kind = "successive_halving", min_epochs = 1, reduction_factor = 2')


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study of four trials that ended, of which only the models are left."""
    results = tmp_path_factory.mktemp("finished")
    folder = make_folder(results)
    made_up.run(folder, trials=4)
    mend(results, "little")
    return folder


@pytest.fixture(scope="module")
def broken_off_once(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study whose driver died while two trials were under way."""
    folder = make_folder(tmp_path_factory.mktemp("broken-off"))
    made_up.die(folder, trials=4, events=8)
    return folder


@pytest.fixture
def finished(tmp_path: Path, finished_once: StudyFolder) -> StudyFolder:
    return StudyFolder(Path(shutil.copytree(finished_once.layout.root, tmp_path / "little")))


@pytest.fixture
def broken_off(tmp_path: Path, broken_off_once: StudyFolder) -> StudyFolder:
    return StudyFolder(Path(shutil.copytree(broken_off_once.layout.root, tmp_path / "little")))


def look(folder: StudyFolder) -> Diagnosis:
    return diagnose(folder.layout.root.parent, folder.layout.root.name)


def repair(folder: StudyFolder) -> Diagnosis:
    return mend(folder.layout.root.parent, folder.layout.root.name)


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [finding.kind for finding in diagnosis.findings]


def age(path: Path) -> Path:
    """Make a file look as if it had not been touched for an hour."""
    then = path.stat().st_mtime - 3600
    os.utime(path, (then, then))
    return path


def snapshot(folder: StudyFolder) -> dict[str, bytes]:
    root = folder.layout.root
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


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


def of_trial(number: int, name: str) -> Callable[[StudyFolder], Path]:
    """A file of a trial."""
    return lambda folder: folder.layout.trial(number).root / name


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def append(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes() + content)


def write(content: bytes) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return do


def replace(old: str, new: str) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return do


def of_another_config(path: Path) -> None:
    made_up.write_weights(path, TrainConfig(epochs=9))


MODEL = "attempt-1/best.safetensors"
FOREIGN = b'{"event":"vanished","time":"2026-01-01T00:00:00.000Z"}\n'
LATE = serialize({"event": "started", "time": "2026-01-01T00:00:00.000Z", "trial": 0, **started(5)})

Place = Callable[[StudyFolder], Path]
DAMAGES: dict[str, tuple[Place, Callable[[Path], object], str, str, bool]] = {
    # what is done to which file: kind and message of what is found, and whether it can be repaired
    "no manifest": (lambda f: f.layout.manifest, Path.unlink, "manifest", "it has no study.json", False),
    "a torn manifest": (lambda f: f.layout.manifest, truncate, "manifest", "cannot be read", False),
    "no record": (lambda f: f.layout.events, Path.unlink, "record", "No such file", False),
    "a torn line": (lambda f: f.layout.events, append(b'{"event":'), "torn_line", "after 9 bytes", True),
    "a foreign line": (lambda f: f.layout.events, append(b"hello\n"), "line", "not JSON: b'hello", False),
    "an unknown event": (lambda f: f.layout.events, append(FOREIGN), "line", "unknown event 'vanished'", False),
    "an impossible event": (lambda f: f.layout.events, append(LATE), "line", "is 'started' after it was", False),
    "no space": (lambda f: f.layout.space, Path.unlink, "space", "No such file", False),
    "a space that is none": (lambda f: f.layout.space, write(b"name = 1\n"), "space", "nothing to search", False),
    "an unasked trial": (of_trial(4, "config.toml"), write(b""), "stranger", "trials/0004: no such trial", False),
    "no config": (of_trial(1, "config.toml"), Path.unlink, "config", "trials/0001/config.toml: there is no", True),
    "a config that is none": (of_trial(1, "config.toml"), write(b"="), "config", "not valid TOML", False),
    "another config": (
        of_trial(1, "config.toml"),
        replace("\nepochs = ", "\nepochs = 1"),
        "config",
        "epochs is 1",
        False,
    ),
    "no model": (of_trial(1, MODEL), Path.unlink, "model", "trials/0001/attempt-1/best.safetensors: cannot", False),
    "a truncated model": (of_trial(1, MODEL), truncate, "model", "truncated: has", False),
    "a model that is none": (of_trial(1, MODEL), write(b"PK\x03\x04" * 9), "model", "not a safetensors file", False),
    "another trial's model": (of_trial(1, MODEL), of_another_config, "model", "epochs is 9 there and", False),
    "no best metrics": (lambda f: f.layout.best.metrics, Path.unlink, "best", "metrics.json is missing", True),
    "best is another's": (
        lambda f: f.layout.best.metrics,
        replace('"trial": 0', '"trial": 1'),
        "best",
        "has trial 1, the record's best trial 0",
        True,
    ),
    "no best model": (lambda f: f.layout.best.model, Path.unlink, "best", "model.safetensors is missing", True),
    "a changed best model": (lambda f: f.layout.best.model, truncate, "best", "model.safetensors is not the one", True),
    "a changed best config": (
        lambda f: f.layout.best.config,
        append(b"\n"),
        "best",
        "config.toml is not the one",
        True,
    ),
}


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
    made_up.run(folder, trials=6)
    record = folder.read()
    assert record.count("pruned")
    assert (kinds(look(folder)), look(folder).damage) == (["leftovers"], [])

    diagnosis = repair(folder)

    assert diagnosis.repaired[0].startswith("removed trials/0000/attempt-1/last.safetensors and ")
    left = {path.relative_to(tmp_path / "little").as_posix() for path in tmp_path.rglob("trials/**/*.safetensors")}
    assert left == {trial.checkpoint for trial in record.trials.values() if trial.state == "completed"}
    assert diagnosis.findings == ()


def test_nothing_is_removed_while_what_should_stay_is_missing(tmp_path: Path) -> None:
    """Where a completed trial's model is not whole, no other weights of that trial are called left over."""
    folder = make_folder(tmp_path)
    made_up.run(folder, trials=1)
    folder.layout.trial(0).model(1).unlink()

    diagnosis = repair(folder)

    assert kinds(diagnosis) == ["model"]
    assert folder.layout.trial(0).checkpoint(1).exists()


def test_what_a_failed_trial_left_to_read_stays(tmp_path: Path) -> None:
    """A repair removes the weights of a failed trial, and neither its log nor where it hung."""
    folder = make_folder(tmp_path)
    made_up.die(folder, trials=1, events=4)
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


CHECKPOINTS: dict[str, tuple[Callable[[Path], object], list[str], str]] = {
    "missing": (Path.unlink, ["lost_epochs"], "trial 0: 2 of its 2 epochs must be trained again"),
    "truncated": (truncate, ["checkpoint", "lost_epochs"], "last.safetensors: truncated: has"),
    "another trial's": (
        lambda path: made_up.write_weights(path, TrainConfig(), []),
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
    layout = broken_off.layout.trial(0)
    if case == "another history":
        content = layout.checkpoint(1).read_bytes()
        layout.checkpoint(1).write_bytes(content.replace(b'val_loss\\": 2.0', b'val_loss\\": 2.5'))
    else:
        harm(layout.checkpoint(1))

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
    made_up.write_weights(layout.checkpoint(1), config, ahead)

    assert look(broken_off).damage == []


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


def test_a_space_that_the_manifest_does_not_know_is_damage(tmp_path: Path) -> None:
    """Where only its fingerprint was recorded, a changed search space is found, though it cannot be restored."""
    folder = make_folder(tmp_path)
    manifest = {**folder.manifest, "space_sha256": folder.space.fingerprint}
    folder.layout.manifest.write_text(json.dumps(manifest))
    assert look(folder).damage == []
    folder.layout.space.write_text(SPACE + "# by hand\n")

    (finding,) = look(folder).damage

    assert (finding.kind, finding.is_repairable) == ("space", False)


def test_a_dead_drivers_lock_is_told_and_removed(finished: StudyFolder) -> None:
    """A lock whose owner died is a remark; a repair takes it away, and the record says whose it was."""
    script = (
        "import sys, os, signal; from pathlib import Path; from study import lock\n"
        "with lock.hold(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(finished.layout.lock)], check=False)

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
        finished.layout.trial(2).model(1).unlink()
        assert kinds(look(finished)) == ["model"]


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

    made_up.run(broken_off, trials=4, kind="resumed")

    assert broken_off.state(broken_off.read()) == "finished"
    assert repair(broken_off).findings == ()


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
