"""Bringing a study home: what is missing comes, nothing else is touched, and nothing that is sent is believed."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from study.doctor import diagnose
from study.errors import AnswerError, LockedError, StudyError
from study.launch import answers
from study.launch.fetching import Fetched, Pack, fetch
from study.store import StudyFolder
from tests.study import made_up_workers
from tests.study.helpers import make_folder, write_remote_lock


class Cluster:
    """A cluster that keeps its studies in a folder here."""

    name = "little"

    def __init__(self, results: Path) -> None:
        self.results = results
        self.sent = b""

    def ask(self, kind: str, *, given: dict[str, str]) -> bytes:
        assert kind == "pack"
        self.sent = answers.make_pack(
            StudyFolder.open(self.results, self.name).layout, **json.loads(given[answers.HAVE])
        )
        return self.sent


def bring(cluster: Any, home: Path, *, weights: bool = False) -> Fetched:
    return fetch(cluster, home, weights=weights)


def files_of(folder: StudyFolder) -> dict[str, bytes]:
    root = folder.layout.root
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def cluster(tmp_path: Path, broken_off_once: StudyFolder) -> Cluster:
    """A cluster with a study whose driver died while two trials were under way."""
    shutil.copytree(broken_off_once.layout.root, tmp_path / "there" / "little")
    return Cluster(tmp_path / "there")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "here" / "results"


def test_a_study_comes_home_without_its_weights(cluster: Cluster, home: Path) -> None:
    """Everything but weights and what is no part of a study; the copy is sound, and says that it has no weights."""
    there = StudyFolder.open(cluster.results, "little")
    (there.layout.root / "figures").mkdir()
    (there.layout.root / "figures" / "a.png").write_text("can be drawn again")
    (there.layout.root / "space.toml.part").write_text("half")
    (there.layout.root / "link.txt").symlink_to("/etc/passwd")
    write_remote_lock(there.layout.lock, seconds_ago=0)

    fetched = bring(cluster, home)

    here = StudyFolder.open(home, "little")
    left_out = {"figures/a.png", "space.toml.part", "link.txt", "driver.lock"}
    expected = {
        name: data
        for name, data in files_of(there).items()
        if not name.endswith(".safetensors") and name not in left_out
    }
    assert files_of(here) == expected
    assert (fetched.files, fetched.known) == (len(expected), 0)
    assert [finding.kind for finding in diagnose(home, "little").findings] == ["no_weights", "unfinished"]
    assert not [path for path in home.iterdir() if path.name != "little"]


def test_with_its_weights_a_study_goes_on_at_home(cluster: Cluster, home: Path) -> None:
    """With weights the copy is all that the cluster has, and can be resumed."""
    bring(cluster, home, weights=True)

    here = StudyFolder.open(home, "little")
    made_up_workers.run(here, trials=4, kind="resumed")
    assert here.read().counts["completed"] == 4


def test_only_what_changed_comes_again(cluster: Cluster, home: Path) -> None:
    """A repeated fetch brings the new end of the record and the new files, and no more."""
    bring(cluster, home, weights=True)
    assert bring(cluster, home).files == 0
    small = len(cluster.sent)
    there = StudyFolder.open(cluster.results, "little")
    made_up_workers.run(there, trials=4, kind="resumed")

    fetched = bring(cluster, home)

    here = StudyFolder.open(home, "little")
    assert small < 1000
    assert here.read().counts["completed"] == 4
    assert here.layout.events.read_bytes() == there.layout.events.read_bytes()
    assert 0 < fetched.files < len(files_of(there))
    assert here.layout.trial(0).config.read_bytes() == there.layout.trial(0).config.read_bytes()


def test_weights_that_the_cluster_deleted_go_here_too(cluster: Cluster, home: Path) -> None:
    """A checkpoint of a trial that is over is not left behind; what is not the cluster's stays."""
    bring(cluster, home, weights=True)
    here, there = StudyFolder.open(home, "little"), StudyFolder.open(cluster.results, "little")
    own = here.layout.root / "reproductions" / "0000" / "model.safetensors"
    own.parent.mkdir(parents=True)
    own.write_text("ours")
    victim = next(iter(there.layout.root.glob("trials/*/attempt-*/last.safetensors")))
    name = victim.relative_to(there.layout.root)
    victim.unlink()

    bring(cluster, home)

    assert not (here.layout.root / name).exists()
    assert own.exists()


def test_a_confirmation_of_ones_own_is_left_alone(cluster: Cluster, home: Path) -> None:
    """What was confirmed here, where the study was brought to, keeps its weights when the study is brought again."""
    bring(cluster, home)
    own = home / "little" / "confirmations" / "top-1" / "trials" / "0000" / "attempt-1" / "best.safetensors"
    own.parent.mkdir(parents=True)
    own.write_text("ours")

    bring(cluster, home)

    assert own.read_text() == "ours"


@pytest.mark.parametrize(("file", "told"), [("study.json", "is another study"), ("events.jsonl", "went on here")])
def test_a_confirmation_of_both_sides_is_not_overwritten(cluster: Cluster, home: Path, file: str, told: str) -> None:
    """One of the same name that went another way there is refused, and the one here stays as it is."""
    bring(cluster, home)
    for results, text in ((cluster.results, "theirs"), (home, "ours")):
        path = results / "little" / "confirmations" / "top-1" / file
        path.parent.mkdir(parents=True)
        path.write_text(f"{text}\n")

    with pytest.raises(StudyError, match=told):
        bring(cluster, home)

    assert path.read_text() == "ours\n"


def test_the_record_is_sent_to_its_last_whole_line(cluster: Cluster, home: Path) -> None:
    """A line that is being written is left for the next time."""
    there = StudyFolder.open(cluster.results, "little")
    whole = there.layout.events.read_bytes()
    there.layout.events.write_bytes(whole + b'{"event": "no')

    bring(cluster, home)

    assert StudyFolder.open(home, "little").layout.events.read_bytes() == whole


def test_the_best_trials_copy_comes_whole_or_not(
    tmp_path: Path, finished_once: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While `best/` is being replaced nothing of it is sent: its files would not belong together."""
    there = StudyFolder(Path(shutil.copytree(finished_once.layout.root, tmp_path / "little")))
    read = answers._read

    def read_while_replaced(path: Path) -> bytes | None:
        if path == there.layout.best.config:
            there.layout.best.metrics.write_text("{}")
        return read(path)

    monkeypatch.setattr(answers, "_read", read_while_replaced)

    pack = Pack.read(answers.make_pack(there.layout, have={}, weights=True))
    again = Pack.read(answers.make_pack(there.layout, have={}, weights=True))

    assert not [name for name in pack.listing if name.startswith("best/")]
    assert {"best/config.toml", "best/metrics.json", "best/model.safetensors"} <= set(again.listing)


def test_another_study_is_never_overwritten(cluster: Cluster, home: Path) -> None:
    """A study of the same name that was begun here is refused, and not a byte of it changes."""
    here = make_folder(home)
    made_up_workers.run(here, trials=1)
    before = files_of(here)

    with pytest.raises(StudyError, match="is another study than the cluster's"):
        bring(cluster, home, weights=True)

    assert files_of(here) == before


def test_a_study_that_went_on_here_is_never_overwritten(cluster: Cluster, home: Path) -> None:
    """Once both sides have gone on, the two cannot be joined, and the one here stays as it is."""
    bring(cluster, home, weights=True)
    here = StudyFolder.open(home, "little")
    made_up_workers.run(here, trials=4, kind="resumed")
    before = files_of(here)

    with pytest.raises(StudyError, match="went on here"):
        bring(cluster, home, weights=True)

    assert files_of(here) == before


def test_a_study_that_is_being_written_here_is_refused(cluster: Cluster, home: Path) -> None:
    """While a driver is at work here nothing is brought."""
    bring(cluster, home)
    write_remote_lock(home / "little" / "driver.lock", seconds_ago=0)

    with pytest.raises(LockedError):
        bring(cluster, home, weights=True)


def test_a_link_out_of_the_folder_is_not_followed(cluster: Cluster, home: Path, tmp_path: Path) -> None:
    """Where a folder here leads elsewhere, nothing is written there."""
    bring(cluster, home)
    shutil.rmtree(home / "little" / "trials")
    (tmp_path / "elsewhere").mkdir()
    (home / "little" / "trials").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StudyError, match="leads out"):
        bring(cluster, home)

    assert not list((tmp_path / "elsewhere").rglob("*.toml"))


def make_zip(files: dict[str, bytes], listing: dict[str, str] | None = None) -> bytes:
    content = io.BytesIO()
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(answers.LISTING, json.dumps(digests if listing is None else listing))
    return content.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "../outside.txt",
        "/etc/cron.d/x",
        "trials/../../x",
        "trials//x",
        "./x",
        ".hidden",
        "trials/.ssh/x",
        "C:\\x",
        "a\\b",
        "driver.lock",
        "driver.lock.1",
        "x.part",
        "a\nb",
        "-rf",
    ],
)
def test_paths_are_checked(name: str) -> None:
    """Nothing that would leave the folder, hide in it or be taken for a lock is accepted."""
    with pytest.raises(StudyError, match="no study's folder has"):
        Pack.read(make_zip({name: b"x"}))


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", make_zip({})[:-9], make_zip({"a": b"x"}, {"a": "0" * 64}), make_zip({"a": b"x"}, {})],
    ids=["empty", "no zip", "cut", "damaged", "not listed"],
)
def test_contents_are_checked(content: bytes) -> None:
    """What is no pack, or not what it says it is, is told in a sentence."""
    with pytest.raises(StudyError, match=r"no pack|damaged"):
        Pack.read(content)


def test_an_answer_is_whole_or_none(tmp_path: Path) -> None:
    """An answer is found among what a job prints, once it is whole; an error is raised as it was told."""
    make_folder(tmp_path)
    printed = b"Running entrypoint for job x: ...\n" + answers.answer("show", str(tmp_path), "little")

    assert all(answers.read_answer(printed[:end]) is None for end in range(len(printed)))
    assert json.loads(answers.read_answer(printed) or b"")["study"]["name"] == "little"
    with pytest.raises(AnswerError, match="there is no study 'x'") as raised:
        answers.read_answer(answers.answer("show", str(tmp_path), "x"))
    assert "did you mean" in (raised.value.hint or "") or "known" in (raised.value.hint or "")
