"""The one writer of a study's record. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from study import lock
from study.errors import DiskError, LockedError, StudyError
from study.records import Event, StudyRecord, serialize
from study.secrets import redacted

_IN_WORDS = ("message", "text")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RecordWriter:
    """Appends events to a record, each checked against the state before it and on the disk before the call returns.

    What cannot be written leaves the file at the end of its last whole event, and is never in the state. After that nothing
    more is written.
    """

    def __init__(
        self,
        file: FileIO,
        record: StudyRecord,
        *,
        held: lock.Held,
        study: str,
        on_growth: Callable[[StudyRecord, int], None] = lambda record, size: None,  # noqa: ARG005
    ) -> None:
        """`file` is unbuffered and holds what `record` was read from. `on_growth` is called after each event, with the size."""
        self._file = file
        self._end = file.seek(0, os.SEEK_END)
        self._held = held
        self._study = study
        self._on_growth = on_growth
        self._broken: StudyError | None = None
        self.record = record
        """The state after the last event written."""

    def append(self, kind: str, trial: int | None = None, /, **fields: Any) -> Event:
        """Write one event, stamped with the time; secrets are taken out of what it says in words.

        Raises `RecordError` if it may not come now, `DiskError` if the disk does not take it, and `LockedError` if another
        driver has taken the study over.
        """
        named = {} if trial is None else {"trial": trial}
        said = {name: redacted(fields[name]) for name in _IN_WORDS if isinstance(fields.get(name), str)}
        event = {"event": kind, "time": now(), **named, **fields, **said}
        line = serialize(event)
        self.record.check(event)
        self._check_mine()
        try:
            self._write(line)
            self.record.apply(event)
        except OSError as error:
            self._cut_back()
            raise self._break(error) from error
        except BaseException:  # what a signal raised: whether file and state agree cannot be told any more
            self._cut_back()
            self._broken = StudyError(
                f"{self._study}: was interrupted while an event was written, this driver writes no more",
                hint=f"study resume {self._study} goes on",
            )
            raise
        self._on_growth(self.record, self._end)
        return event

    @property
    def size(self) -> int:
        """How many bytes the record has."""
        return self._end

    def cut_torn_line(self) -> None:
        """Drop a last line that a crash left unfinished, and note it."""
        torn = self.record.torn_bytes
        if torn:
            self._end -= torn
            try:
                self._file.truncate(self._end)
            except OSError as error:
                raise self._break(error) from error
            self.record.torn_bytes = 0
            self.append("note", text=f"cut a torn last line of {torn} bytes on {socket.gethostname()}")

    def _write(self, line: bytes) -> None:
        self._file.seek(self._end)
        rest = memoryview(line)
        while rest:
            rest = rest[self._file.write(rest) :]
        os.fsync(self._file.fileno())
        self._end += len(line)

    def _check_mine(self) -> None:
        """Raise if this driver may write no more; a record that is longer than we left it has been taken over as well."""
        if self._broken is not None:
            raise self._broken
        self._held.check()
        if self._file.seek(0, os.SEEK_END) != self._end:
            raise LockedError(
                f"{self._study}: another program has changed the record, this driver writes no more",
                hint=f"study doctor {self._study} tells whether it is whole",
            )

    def _cut_back(self) -> None:
        """Leave the last whole event at the end; where that fails too, the next writer finds a torn line and cuts it."""
        with contextlib.suppress(OSError):
            self._file.truncate(self._end)
            os.fsync(self._file.fileno())

    def _break(self, error: OSError) -> DiskError:
        wanted = "free some space" if error.errno in _FULL else "see to the disk"
        told = DiskError(
            f"{self._file.name}: cannot be written: {error.strerror}",
            hint=f"{wanted}, then study resume {self._study} goes on",
        )
        self._broken = told
        return told


@contextmanager
def opened(path: Path) -> Iterator[FileIO]:
    """A record to be written, without a buffer: what a full disk refused must not be written when it is closed."""
    try:
        file = path.open("r+b", buffering=0)
    except OSError as error:
        raise DiskError(f"{path}: cannot be written: {error.strerror}", hint="see to the rights of the file") from error
    with file:
        yield file


def now() -> str:
    """The time in UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
