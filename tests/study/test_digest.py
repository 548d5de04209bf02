"""A digest saves reading a long record, and tells just what the record does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.made_up import make_study
from study import digest
from study.errors import RecordError
from study.records import StudyRecord
from study.store import StudyFolder
from study.summary import study_json, study_text
from tests.study.helpers import epoch, make_space, session, started


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    """A finished study whose digest was kept, as if it were long, when its last driver ended."""
    monkeypatch.setattr(digest, "_LEAST_BYTES", 1000)
    made = make_study(tmp_path, make_space(), name="long", trials=40, epochs=6, pruned=0.3)
    with made.write():
        pass
    assert made.layout.digest.exists()
    return made


def told(folder: StudyFolder, record: StudyRecord) -> tuple[object, ...]:
    """What commands tell of a record."""
    return study_json(folder, record), study_text(folder, record)


def count_events(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The events that are folded from now on."""
    folded: list[Any] = []
    apply = StudyRecord.apply

    def count(record: StudyRecord, event: Any) -> None:
        folded.append(event)
        apply(record, event)

    monkeypatch.setattr(StudyRecord, "apply", count)
    return folded


def test_a_glance_tells_what_reading_tells(folder: StudyFolder) -> None:
    """Counts, costs, the best trial and the table of trials are the same by either way."""
    assert told(folder, folder.glance()) == told(folder, folder.read())


def test_a_glance_reads_what_came_after_the_digest(folder: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a record that grew on, only the new events are folded, those of trials that the digest has under way as well."""
    with folder.write() as writer:
        writer.append("resumed", **session(41))
        writer.append("asked", 40, params=dict(writer.record.trials[0].params), seed=1)
        writer.append("started", 40, **started())
        writer.append("epoch", 40, **epoch(1, 1.5))
    monkeypatch.setattr(digest.Keeper, "look", lambda *_, **__: None)
    with folder.write() as writer:
        writer.append("epoch", 40, **epoch(2, 1.25))
        writer.append("completed", 40, attempt=1, value=1.25, epoch=2, checkpoint="x")
    whole = folder.read()
    folded = count_events(monkeypatch)

    seen = folder.glance()

    assert [event["event"] for event in folded] == ["epoch", "completed"]
    assert told(folder, seen) == told(folder, whole)
    assert seen.trials[40] == whole.trials[40]


def test_the_rate_of_a_running_study_is_told_at_a_glance(folder: StudyFolder) -> None:
    """Epochs of the latest session are counted by their times, also those of trials that ended before the digest."""
    with folder.write() as writer:
        writer.append("resumed", **session(41))
        writer.append("asked", 40, params=dict(writer.record.trials[0].params), seed=1)
        writer.append("started", 40, **started())
        for number in (1, 2, 3):
            writer.append("epoch", 40, **epoch(number, 1.5))
        writer.append("completed", 40, attempt=1, value=1.5, epoch=1, checkpoint="x")
        digest.Keeper(folder.layout).look(writer.record, writer.size, is_last=True)

        rates = [study_json(folder, record)["rate"] for record in (folder.glance(), folder.read())]

    per_trial = [pace["epochs_per_hour"] / pace["trials_per_hour"] for pace in rates]
    assert per_trial == pytest.approx([3.0, 3.0])


@pytest.mark.parametrize("harm", ["gone", "torn", "of another record", "of another format", "record cut"])
def test_a_digest_that_does_not_fit_counts_for_nothing(folder: StudyFolder, harm: str) -> None:
    """Whatever a digest holds, what is told is what the record says."""
    path, events = folder.layout.digest, folder.layout.events
    text = path.read_text()
    if harm == "gone":
        path.unlink()
    elif harm == "torn":
        path.write_text(text[: len(text) // 2])
    elif harm == "of another record":
        events.write_bytes(events.read_bytes().replace(b'"reason":"finished"', b'"reason":"budget"'))
    elif harm == "of another format":
        path.write_text(json.dumps({**json.loads(text), "format": 99}))
    else:
        lines = events.read_bytes().splitlines(keepends=True)
        events.write_bytes(b"".join(lines[: len(lines) // 2]))

    assert told(folder, folder.glance()) == told(folder, folder.read())


def test_damage_behind_the_digest_is_told_by_its_line(folder: StudyFolder) -> None:
    """The number of a damaged line counts from the record's beginning."""
    with folder.layout.events.open("ab") as file:
        file.write(b"nonsense\n")
    lines = folder.layout.events.read_bytes().count(b"\n")

    with pytest.raises(RecordError, match=f"line {lines}: not JSON"):
        folder.glance()


def test_digests_are_kept_at_geometric_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that becomes a hundred times longer is digested some twenty times, not once an event."""
    monkeypatch.setattr(digest, "_LEAST_BYTES", 1000)
    sizes: list[int] = []
    monkeypatch.setattr(digest, "_told", lambda record, events, size: sizes.append(size) or "{}")
    folder = make_study(tmp_path, make_space(), name="growing", trials=2, epochs=2)
    with folder.write() as writer:
        for _ in range(1000):
            writer.append(
                "note", text="one more line, of about a hundred bytes in all, so that the record grows to 100 kB"
            )

    assert writer.size > 100_000
    assert 15 < len(sizes) < 25
