"""Where trials' files are kept when nodes share no folder: one contract for a shared path and for a real S3 server."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from colournet import data
from colournet.data import DataBundle
from study.doctor import diagnose
from study.errors import LaunchError, StudyError
from study.launch import answers, markers, mirror, preflight, preparation, worker
from study.launch.messages import Report, Task, TellAll
from study.launch.mirror import Mirror, bring_home, run_mirrored
from study.launch.storage import Storage, StorageError, below, check_same, check_uri, of_study, of_trial
from study.layout import TrialLayout
from study.store import StudyFolder
from tests.study import made_up_workers
from tests.study.helpers import SPACE, make_folder
from tests.study.made_up_workers import telling
from tests.study.servers import credentials, s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as uri, credentials():
        yield uri


@pytest.fixture(params=["a shared path", "S3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new folder of each kind of storage."""
    if request.param == "S3":
        return of_study(request.getfixturevalue("s3"), "little")
    return check_uri(str(tmp_path / "shared"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_WAIT_SECONDS", 0.0)


def make_task(uri: str, **changes: Any) -> Task:
    fields: dict[str, Any] = {"number": 3, "folder": "/nowhere", "config": {}, "metric": "val_loss", "goal": "minimize"}
    return Task(**{**fields, "storage": of_trial(uri, 3), **changes})


def test_what_was_written_is_read(uri: str) -> None:
    """A file comes back whole, is replaced whole, is listed, and is gone once it is deleted."""
    storage = Storage(uri)
    assert storage.list() == []

    storage.write("attempt-1/a", b"first")
    storage.write("b", bytes(range(256)) * 4096)
    storage.write("attempt-1/a", b"second")

    assert storage.list() == ["attempt-1/a", "b"]
    assert Storage(uri).read("attempt-1/a") == b"second"
    assert storage.read("b") == bytes(range(256)) * 4096
    storage.delete("b")
    assert storage.list() == ["attempt-1/a"]
    storage.delete()
    storage.delete()
    assert storage.list() == []


def test_what_is_not_there_is_told(uri: str) -> None:
    """Reading a file that is not there is an error that names the storage."""
    with pytest.raises(StorageError, match="cannot be read"):
        Storage(uri).read("nothing")


def test_a_storage_that_does_not_answer_is_told_within_seconds(tmp_path: Path) -> None:
    """A server that is not there, or a bucket, is one sentence, never a hang."""
    with credentials(), pytest.raises(StorageError, match="cannot be written"):
        Storage("s3://bucket/x?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:1").write("a", b"")


@pytest.mark.parametrize(
    "wrong",
    ["s3://user:password@bucket/x", "s3://bucket/x?secret_key=abc", "s3://AKIA:@bucket", "gs://b/x?credential_token=a"],
)
def test_credentials_are_refused_and_not_repeated(wrong: str) -> None:
    """A URI that would put a secret into the record is refused, and the secret is not in the message."""
    with pytest.raises(StudyError, match="credentials") as refused:
        check_uri(wrong)
    assert not any(secret in str(refused.value) for secret in ("password@", "abc", "AKIA:", "=a"))
    assert "environment" in str(refused.value.hint)


def test_unknown_storages_and_options_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path becomes a URI; what pyarrow could not open is told with what to write."""
    monkeypatch.chdir(tmp_path)
    assert check_uri("shared") == (tmp_path / "shared").as_uri()
    with pytest.raises(StudyError, match="of no known kind"):
        check_uri("ftp://host/x")
    with pytest.raises(StudyError, match="'endpoint'") as refused:
        check_uri("s3://bucket/x?endpoint=y")
    assert "endpoint_override" in str(refused.value.hint)


def test_a_study_has_a_folder_of_its_own() -> None:
    """Two studies of one name share nothing, options stay behind the path, and only the same storage is gone on with."""
    first, second = (of_study("s3://bucket/x?region=r", "little") for _ in range(2))

    assert first != second
    assert first.startswith("s3://bucket/x/little-")
    assert first.endswith("?region=r")
    check_same(first, "s3://bucket/x?region=other")
    check_same(None, None)
    with pytest.raises(StudyError, match="keeps its trials' files in"):
        check_same(first, "s3://elsewhere")


def test_a_trial_goes_on_where_another_node_left_it(uri: str) -> None:
    """What one worker left is in the folder of the next, under a number of its own, whatever the record knew."""
    told: list[Report] = []

    def note(reports: Sequence[tuple[int, Report]]) -> Collection[int]:
        told.extend(report for _, report in reports)
        return []

    def first(tasks: Sequence[Task], tell: Any) -> None:
        (task,) = tasks
        layout = TrialLayout(Path(task.folder))
        assert task.attempts == 0
        layout.attempt(1).mkdir()
        layout.checkpoint(1).write_bytes(b"epoch 1")
        tell([(task.number, {"event": "epoch"})])
        layout.checkpoint(1).write_bytes(b"epoch 2")
        tell([(task.number, {"event": "epoch"})])
        layout.checkpoint(1).write_bytes(b"never told")
        raise SystemExit  # as Tune ends a trial

    with pytest.raises(SystemExit):
        run_mirrored([make_task(uri)], first, note)

    def second(tasks: Sequence[Task], tell: Any) -> None:
        (task,) = tasks
        layout = TrialLayout(Path(task.folder))
        assert task.attempts == 1
        assert layout.checkpoint(1).read_bytes() == b"epoch 2"
        layout.log.write_text("something")
        tell([(task.number, {"event": "failed"})])

    run_mirrored([make_task(uri)], second, note)

    assert [report["event"] for report in told] == ["epoch", "epoch", "failed"]
    assert "log.txt" in Storage(of_trial(uri, 3)).list()


def test_only_what_changed_is_sent(uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file is sent once for each time that it was written, the older first."""
    layout, sent = TrialLayout(tmp_path / "here"), []
    layout.attempt(1).mkdir(parents=True)
    write = Storage.write
    monkeypatch.setattr(Storage, "write", lambda self, name, content: (sent.append(name), write(self, name, content)))
    storage_mirror = Mirror(Storage(uri), layout)

    layout.model(1).write_text("model")
    layout.checkpoint(1).write_text("checkpoint")
    storage_mirror.push()
    storage_mirror.push()
    layout.checkpoint(1).write_text("newer checkpoint")
    storage_mirror.push()

    assert sent == [f"attempt-1/{path(1).name}" for path in (layout.model, layout.checkpoint, layout.checkpoint)]


def test_a_storage_that_fails_is_no_trials_fault(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept is told as a full disk is, which interrupts the trial and ends the study in a sentence."""
    told: list[tuple[int, Report]] = []

    def refuse(*_: object) -> None:
        raise StorageError("no")

    monkeypatch.setattr(Storage, "write", refuse)

    def run(tasks: Sequence[Task], tell: TellAll) -> None:
        tell([(tasks[0].number, {"event": "started"})])

    def note(reports: Sequence[tuple[int, Report]]) -> Collection[int]:
        told.extend(reports)
        return []

    run_mirrored([make_task(uri, attempts=2)], run, note)

    assert told == [(3, {"event": "failed", "attempt": 2, "reason": "disk_full", "message": "no"})]


def test_ended_trials_come_home(uri: str, tmp_path: Path) -> None:
    """A driver fetches what its trials left, and what an earlier driver did not live to; the storage is empty then."""
    folder = make_folder(tmp_path, manifest={"storage": uri})
    layout = folder.layout.trial(0)
    away = Storage(of_trial(uri, 0))
    away.write("config.toml", b"x = 1")
    away.write("attempt-1/best.safetensors", b"model")
    away.write("attempt-1/claim", b"who")

    bring_home(of_trial(uri, 0), layout)

    assert layout.config.read_text() == "x = 1"
    assert layout.model(1).read_bytes() == b"model"
    assert [path.name for path in layout.attempt(1).iterdir()] == ["best.safetensors"]
    assert Storage(uri).list() == []


def train_all(folder: StudyFolder, bundle: DataBundle, *, kind: str, events: int | None = None, fused: int = 1) -> None:
    """Drive a study's trials, one place after another, on nodes that share nothing with it; the driver dies after some events."""
    with folder.write() as writer:
        mortal = made_up_workers.mortal(writer, events)
        driver = made_up_workers.make_driver(folder, mortal, trials=2, kind=kind, is_fusing=fused > 1)
        driver.make_good()
        while tasks := driver.next_tasks(fused):
            with contextlib.suppress(SystemExit):
                run_mirrored(tasks, lambda tasks, tell: worker.run(tasks, bundle, tell), telling(driver, tasks))
        driver.close()


def test_a_study_over_a_storage_ends_as_one_in_a_folder(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials go on from the storage when their driver has died; best and kept models come home, nothing is left there."""
    monkeypatch.setattr(data, "_SCENES_COUNT", {"train": 60, "test": 20})
    folder = make_folder(tmp_path, manifest={"storage": uri})
    bundle = preparation.prepare_bundle(folder.space, None)

    with pytest.raises(made_up_workers.DriverDied):
        train_all(folder, bundle, kind="launched", events=4)
    assert not folder.layout.trial(0).root.exists()
    assert not diagnose(tmp_path, "little").damage
    assert "trials/0000/attempt-1/last.safetensors" in Storage(uri).list()
    assert "attempt 1: epoch 1:" in answers.trial_log(folder, 0)
    train_all(folder, bundle, kind="resumed")

    record = folder.read()
    assert record.counts["completed"] == 2
    assert record.trial(0).attempt == 2
    assert sorted(record.trial(0).epochs) == list(range(1, record.trial(0).params["epochs"] + 1))
    assert folder.layout.best.model.exists()
    assert all(folder.layout.trial(number).samples.exists() for number in record.trials)
    assert Storage(below(uri, "trials")).list() == []
    assert diagnose(tmp_path, "little").findings == ()


def test_a_stack_is_mirrored_member_by_member(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of one stack are kept each in its own place; when the driver dies they go on, and end as in a folder."""
    monkeypatch.setattr(data, "_SCENES_COUNT", {"train": 60, "test": 20})
    text = SPACE.replace('choices = ["cnn", "unet"]', 'choices = ["cnn"]')
    folder = make_folder(tmp_path, manifest={"storage": uri}, space_text=text)
    bundle = preparation.prepare_bundle(folder.space, None)

    with pytest.raises(made_up_workers.DriverDied):
        train_all(folder, bundle, kind="launched", events=6, fused=2)
    kept = Storage(uri).list()
    train_all(folder, bundle, kind="resumed", fused=2)

    assert [f"trials/{number:04d}/attempt-1/last.safetensors" in kept for number in (0, 1)] == [True, True]
    record = folder.read()
    assert record.counts["completed"] == 2
    for trial in record.trials.values():
        assert trial.attempt == 2
        assert sorted(trial.epochs) == list(range(1, trial.params["epochs"] + 1))
    assert diagnose(tmp_path, "little").findings == ()


def test_markers_are_written_read_and_gone(uri: str, tmp_path: Path) -> None:
    """The check of a storage finds nothing where all is well, and leaves nothing."""
    (tmp_path / "shared").mkdir()

    assert preflight.check_storage(None, [], uri) == []
    assert Storage(uri).list() == []


def test_a_shared_path_may_have_any_name(tmp_path: Path) -> None:
    """A space or a percent sign in a path is no reason not to find it."""
    folder = tmp_path / "my study, 100%"
    folder.mkdir()

    assert preflight.check_storage(None, [], check_uri(str(folder))) == []
    assert list(folder.iterdir()) == []


def test_a_shared_path_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A mistyped path is told with a remedy."""
    (found,) = preflight.check_storage(None, [], check_uri(str(tmp_path / "mistyped")))

    assert "mistyped: there is no such folder" in found.message
    assert "--storage" in found.remedy
    assert not (tmp_path / "mistyped").exists()


def test_a_node_that_shares_nothing_is_found_out(uri: str, tmp_path: Path) -> None:
    """A node that does not see the driver's marker, or whose own is not seen, is told in words."""
    (tmp_path / "shared").mkdir()
    place = markers.folder(uri)

    assert "does not see" in str(markers.write(0, place))
    markers.begin(place)
    assert markers.write(0, place) is None
    assert markers.read(1, place, ["node-0"]) is None
    assert "cannot be read" in str(markers.read(1, place, ["node-1"]))
    markers.end(place)


def test_a_driver_whose_storage_is_gone_says_so(tmp_path: Path) -> None:
    """A driver that cannot fetch what it needs ends with one sentence and how to go on."""
    uri = "s3://bucket/x?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:1"
    folder = make_folder(tmp_path, manifest={"storage": uri})
    with credentials(), folder.write() as writer, pytest.raises(LaunchError, match="cannot be read") as told:
        made_up_workers.make_driver(folder, writer, trials=1, kind="launched").make_good()
    assert "study resume little" in str(told.value.hint)
