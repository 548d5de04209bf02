"""The writer of a record: what the disk did not take is neither in the file nor in the state."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from study import lock, writer
from study.errors import DiskError, LockedError, RecordError, StudyError
from study.records import StudyRecord, serialize
from study.store import StudyFolder
from study.writer import RecordWriter
from tests.study.helpers import PARAMS, epoch, make_folder, session, started


class SmallDisk:
    """A file on a disk with room for so many bytes more; `refuses` is what it says when it is full, or at every flush."""

    def __init__(self, path: Path, *, room: int, refuses: int = errno.ENOSPC) -> None:
        self._file = path.open("r+b", buffering=0)
        self.room = room
        self.refuses = refuses
        self.name = self._file.name
        for name in ("seek", "truncate", "fileno", "close"):
            setattr(self, name, getattr(self._file, name))

    def write(self, content: memoryview) -> int:
        taken = min(self.room, len(content))
        if taken == 0:
            raise OSError(self.refuses, os.strerror(self.refuses))
        self.room -= taken
        return self._file.write(content[:taken])


@contextmanager
def writing(folder: StudyFolder, *, room: int, refuses: int = errno.ENOSPC) -> Iterator[tuple[RecordWriter, SmallDisk]]:
    """A writer on a small disk."""
    with lock.hold(folder.layout.lock) as held:
        disk = SmallDisk(folder.layout.events, room=room, refuses=refuses)
        yield RecordWriter(disk, folder.read(), held=held, study=folder.name), disk  # type: ignore[arg-type]
        disk.close()  # type: ignore[attr-defined]


def begin(folder: StudyFolder) -> bytes:
    """A trial that runs; answers the record."""
    with folder.write() as writer:
        writer.append("launched", **session(1))
        writer.append("asked", 0, params=PARAMS, seed=1)
        writer.append("started", 0, **started())
    return folder.layout.events.read_bytes()


def test_a_disk_that_is_full_at_any_byte_loses_nothing(tmp_path: Path) -> None:
    """Wherever in a line the disk is full, the record ends with its last whole event, on disk and in memory alike."""
    folder = make_folder(tmp_path)
    before = begin(folder)
    line = serialize({"event": "epoch", "time": "2026-01-01T00:00:00.000Z", "trial": 0, **epoch(1, 1.0)})

    for room in range(len(line)):
        with writing(folder, room=room) as (writer, disk):
            with pytest.raises(DiskError) as caught:
                writer.append("epoch", 0, **epoch(1, 1.0))
            disk.room = 10_000
            with pytest.raises(DiskError) as again:
                writer.append("note", text="there is space again")
            assert again.value is caught.value
            assert writer.record.trial(0).epochs == {}
            assert writer.record.notes == []
        assert folder.layout.events.read_bytes() == before

    assert caught.value.message == f"{folder.layout.events}: cannot be written: No space left on device"
    assert caught.value.hint == "free some space, then study resume little goes on"
    with folder.write() as writer:
        writer.append("epoch", 0, **epoch(1, 1.0))
    assert folder.read().trial(0).last_epoch == 1


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS])
def test_whatever_the_disk_says_is_told(tmp_path: Path, number: int) -> None:
    """A quota, a limit, a broken disk: each is one sentence that says so, with what to do."""
    folder = make_folder(tmp_path)
    with writing(folder, room=5, refuses=number) as (writer, _), pytest.raises(DiskError) as caught:
        writer.append("launched", **session())

    assert caught.value.message.endswith(f"cannot be written: {os.strerror(number)}")
    assert "study resume little" in str(caught.value.hint)
    assert folder.layout.events.read_bytes() == b""


def test_a_disk_that_fails_at_the_flush_counts_as_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written but could not be brought to the disk is taken back: nobody was promised it."""
    folder = make_folder(tmp_path)
    before = begin(folder)

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with folder.write() as appender:
        monkeypatch.setattr(writer.os, "fsync", refuse)
        with pytest.raises(DiskError, match="Input/output error"):
            appender.append("epoch", 0, **epoch(1, 1.0))
        assert appender.record.trial(0).epochs == {}

    assert folder.layout.events.read_bytes() == before


def test_a_disk_that_cannot_even_be_cut_leaves_a_torn_line(tmp_path: Path) -> None:
    """Where the rest of a line cannot be taken back, the next writer cuts it as it cuts what a crash left."""
    folder = make_folder(tmp_path)
    before = begin(folder)

    def refuse(_: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with writing(folder, room=20) as (appender, disk):
        disk.truncate = refuse  # type: ignore[attr-defined]
        with pytest.raises(DiskError):
            appender.append("epoch", 0, **epoch(1, 1.0))
    assert folder.read().torn_bytes == 20

    with folder.write() as appender:
        assert appender.record.trial(0).epochs == {}
    assert folder.layout.events.read_bytes().startswith(before)


class Interruption(BaseException):
    """What a signal's handler raises."""


def test_an_interruption_in_mid_write_leaves_no_half_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a signal ends the writing of an event, the file has it not, and no further event can contradict it."""
    folder = make_folder(tmp_path)
    before = begin(folder)
    sync, calls = os.fsync, iter([True])

    def interrupt(descriptor: int) -> None:
        if next(calls, False):
            raise Interruption
        sync(descriptor)

    with folder.write() as appender:
        monkeypatch.setattr(writer.os, "fsync", interrupt)
        with pytest.raises(Interruption):
            appender.append("epoch", 0, **epoch(1, 1.0))
        with pytest.raises(StudyError, match="was interrupted while an event was written"):
            appender.append("interrupted", 0, attempt=1)

    assert folder.layout.events.read_bytes() == before


def test_a_disk_that_is_really_full_is_told(small_disk: Path) -> None:
    """On a real file system that fills up, every event before is kept, and the study goes on once there is space."""
    folder = make_folder(small_disk)
    before = begin(folder)
    with folder.write() as appender:
        fill(small_disk / "filler", leave=100)
        with pytest.raises(DiskError, match="No space left on device"):
            [appender.append("epoch", 0, **epoch(number, 1.0)) for number in range(1, 200)]
        written = appender.record.trial(0).last_epoch

    assert folder.layout.events.read_bytes().startswith(before)
    assert (folder.read().torn_bytes, folder.read().trial(0).last_epoch) == (0, written)
    (small_disk / "filler").unlink()
    with folder.write() as appender:
        appender.append("epoch", 0, **epoch(written + 1, 1.0))


def fill(path: Path, *, leave: int) -> None:
    """Write until the disk is full, in pieces so small that hardly `leave` bytes are left."""
    with path.open("wb", buffering=0) as file:
        for size in (4096, leave):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_a_limit_on_file_sizes_is_told(tmp_path: Path) -> None:
    """A process that may write no larger files ends in the same sentence, with the record whole."""
    folder = make_folder(tmp_path)
    before = begin(folder)
    script = (
        "import resource, sys; from pathlib import Path; from study.store import StudyFolder\n"
        "from study.errors import DiskError\n"
        "with StudyFolder(Path(sys.argv[1])).write() as writer:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "    try: writer.append('note', text='x' * 1000)\n"
        "    except DiskError as error: print(error.message)\n"
    )
    limit = str(len(before) + 500)
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder.layout.root), limit], capture_output=True, text=True, check=True
    )

    assert done.stdout == f"{folder.layout.events}: cannot be written: File too large\n"
    assert folder.layout.events.read_bytes() == before


def test_a_record_that_another_program_changed_is_not_written_on(tmp_path: Path) -> None:
    """If the record is longer than this driver left it, the next event is refused rather than written over another's."""
    folder = make_folder(tmp_path)
    with folder.write() as appender:
        appender.append("launched", **session())
        with folder.layout.events.open("ab") as file:
            file.write(serialize({"event": "note", "time": "2026-01-01T00:00:00.000Z", "text": "from elsewhere"}))
        after = folder.layout.events.read_bytes()
        with pytest.raises(LockedError, match="another program has changed the record"):
            appender.append("note", text="mine")

    assert folder.layout.events.read_bytes() == after


def test_a_record_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    """A record that cannot be opened for writing is one sentence."""
    folder = make_folder(tmp_path)
    folder.layout.events.unlink()
    folder.layout.events.mkdir()

    with pytest.raises(StudyError, match=r"events\.jsonl: cannot be read: Is a directory"), folder.write():
        pass


def test_an_illegal_event_leaves_no_trace(tmp_path: Path) -> None:
    """The writer refuses an event that may not come, and neither file nor state changes."""
    folder = make_folder(tmp_path)
    with folder.write() as appender:
        appender.append("launched", **session())
        before = folder.layout.events.read_bytes()
        with pytest.raises(RecordError):
            appender.append("epoch", 0, **epoch(1, 1.0))
        assert folder.layout.events.read_bytes() == before
        assert StudyRecord.read(before.splitlines(keepends=True), source="x") == appender.record


def test_every_event_has_the_time_in_utc(tmp_path: Path) -> None:
    """What is written is what is answered, stamped with the time to the millisecond."""
    folder = make_folder(tmp_path)
    with folder.write() as appender:
        event = appender.append("note", text="now")

    assert json.loads(folder.layout.events.read_bytes()) == event
    assert event["time"].endswith("Z")
