"""The results folder: made whole, written by one, read by all."""

import json
from pathlib import Path
from typing import Any

import pytest

from study.errors import RecordError, StudyError
from study.store import StudyFolder, study_folders
from tests.study.helpers import PARAMS, SPACE, epoch, make_folder, session, started


def write_one_trial(folder: StudyFolder) -> None:
    with folder.write() as writer:
        writer.append("launched", **session(1))
        writer.append("asked", 0, params=PARAMS, seed=1)
        writer.append("started", 0, **started())
        writer.append("epoch", 0, **epoch(1, 1.0))


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    """A record written event by event is read back to the same state."""
    folder = make_folder(tmp_path)

    write_one_trial(folder)

    assert folder.read().trial(0).epochs[1]["val_loss"] == 1.0


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    """A second study of the same name is refused and the first one's folder is untouched."""
    folder = make_folder(tmp_path)
    write_one_trial(folder)
    before = folder.layout.manifest.read_bytes()

    with pytest.raises(StudyError, match="already"):
        make_folder(tmp_path)

    assert folder.layout.manifest.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["little"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/etc", "a b", "x" * 101, "-x", "a\n"])
def test_names_stay_within_the_results_folder(tmp_path: Path, name: str) -> None:
    """A name that could leave the results folder, or confuse a shell, is refused."""
    with pytest.raises(StudyError, match="cannot be the name"):
        StudyFolder.open(tmp_path, name)


def test_an_unknown_study_gets_a_hint(tmp_path: Path) -> None:
    """Opening a study that is not there names the nearest one that is."""
    make_folder(tmp_path)

    with pytest.raises(RecordError) as caught:
        StudyFolder.open(tmp_path, "litle")

    assert caught.value.hint == "did you mean 'little'?"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1}', "\x00"])
def test_a_wrong_manifest_is_one_sentence(tmp_path: Path, text: str) -> None:
    """A manifest that is damaged or of another format is told, not guessed at."""
    folder = make_folder(tmp_path)
    folder.layout.manifest.write_text(text)

    with pytest.raises(RecordError, match=r"study\.json"):
        StudyFolder.open(tmp_path, "little")


DAMAGED_MANIFESTS: dict[str, tuple[Any, str]] = {
    "objective": ("val_loss", "objective must be a table, got 'val_loss'"),
    "objective.metric": ("val_los", "there is no metric 'val_los'"),
    "objective.goal": (None, "lacks objective.goal"),
    "seed": (True, "seed must be a whole number, got True"),
    "trials": (None, "lacks trials"),
    "data": (None, "lacks data"),
    "data.fingerprint": (None, "lacks data.fingerprint"),
    "palettes": (None, "lacks palettes"),
    "palettes.many": ([], "palettes are by number of colours, got 'many'"),
    "palettes.24-hsv": ([], "palettes are by number of colours, got '24-hsv'"),
    "floors.24-lab": (
        {"grey_table": {"cross_entropy": 1.0, "accuracy": 0.5, "mse": 0.1}},
        "floors.24-lab has no scores of the grey table",
    ),
    "provenance": ([], "provenance must be a table, got []"),
    "floors.many": ({}, "floors are by number of colours, got 'many'"),
    "floors.24": ({"grey_table": {}}, "floors.24 has no scores of the grey table"),
}


@pytest.mark.parametrize("key", DAMAGED_MANIFESTS)
def test_a_damaged_manifest_is_one_sentence(tmp_path: Path, key: str) -> None:
    """A manifest in which a needed key is gone, or holds what it cannot, is refused when it is opened."""
    value, message = DAMAGED_MANIFESTS[key]
    path = make_folder(tmp_path).layout.manifest
    manifest = json.loads(path.read_text())
    table, _, name = key.rpartition(".")
    inside = manifest[table] if table else manifest
    inside[name] = value
    if value is None:
        del inside[name]
    path.write_text(json.dumps(manifest))

    with pytest.raises(RecordError) as caught:
        StudyFolder.open(tmp_path, "little")

    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("model", "metric", "expected"),
    [
        ("unet", "val_loss", {"24": 1.0, "300-lab": 2.0}),
        ("unet", "val_mse", {"24": 0.1, "300-lab": 0.2}),
        ("regression_cnn", "val_loss", {"24": 0.1, "300-lab": 0.02}),
    ],
)
def test_the_floor_is_in_the_studys_own_unit(
    tmp_path: Path, model: str, metric: str, expected: dict[str, float]
) -> None:
    """The grey table is told by the metric; of a regression's loss by the squared error of its colour space."""
    text = SPACE.replace("[search.model]\nkind", "[search.kernel_size]\nkind").replace('["cnn", "unet"]', "[3, 5]")
    folder = make_folder(tmp_path, space_text=text.replace("[fixed]", f'[fixed]\nmodel = "{model}"'))
    scores = {"cross_entropy": 1.0, "accuracy": 0.5, "mse": 0.1}
    lab = {"cross_entropy": 2.0, "accuracy": 0.4, "mse": 0.2, "chroma_mse": 0.02}
    manifest = json.loads(folder.layout.manifest.read_text())
    manifest["objective"] = {"metric": metric, "goal": "minimize"}
    manifest["floors"] = {"24": {"grey_table": scores}, "300-lab": {"grey_table": lab}}
    folder.layout.manifest.write_text(json.dumps(manifest))

    assert StudyFolder.open(tmp_path, "little").grey_table() == expected


def test_a_missing_record_is_told(tmp_path: Path) -> None:
    """A folder that lost its record says which file is missing."""
    folder = make_folder(tmp_path)
    folder.layout.events.unlink()

    with pytest.raises(RecordError, match=r"events\.jsonl: cannot be read: No such file"):
        folder.read()


@pytest.mark.parametrize("content", [None, b"trials = 0", b"\xff"])
def test_a_damaged_space_names_the_studys_own_file(tmp_path: Path, content: bytes | None) -> None:
    """A search space that a study lost is to be restored there; the project's spaces are no help."""
    folder = make_folder(tmp_path)
    folder.layout.space.unlink() if content is None else folder.layout.space.write_bytes(content)

    with pytest.raises(RecordError) as caught:
        _ = folder.space

    assert caught.value.message.startswith(f"{folder.layout.space}: ")
    assert "search_spaces" not in str(caught.value.hint)


def test_state_follows_the_driver(tmp_path: Path) -> None:
    """A study is running while its driver lives, then interrupted or finished by what its record says."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session(1))
        writer.append("asked", 0, params=PARAMS, seed=1)
        assert folder.state(folder.read()) == "running"
        assert folder.read().counts["running"] == 1
    assert folder.state(folder.read()) == "interrupted"
    assert folder.read().counts["interrupted"] == 1

    with folder.write() as writer:
        writer.append("resumed", **session(1))
        writer.append("started", 0, **started())
        writer.append("failed", 0, attempt=1, reason="error", message="no")
    assert folder.state(folder.read()) == "finished"


def test_a_record_keeps_whether_it_was_live(tmp_path: Path) -> None:
    """A driver that ends after the record was read does not turn its running trials into those of an interrupted study."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session(1))
        writer.append("asked", 0, params=PARAMS, seed=1)
        record = folder.read()

    assert (folder.state(record), record.counts["running"]) == ("running", 1)


def test_only_studies_are_listed(tmp_path: Path) -> None:
    """Other files and folders of a results folder are passed over; a missing one holds no studies."""
    make_folder(tmp_path)
    make_folder(tmp_path, name="unborn").layout.root.rename(tmp_path / ".unborn-x1y2")
    (tmp_path / "notes").mkdir()
    (tmp_path / "a.txt").touch()

    assert [path.name for path in study_folders(tmp_path)] == ["little"]
    assert study_folders(tmp_path / "none") == []
