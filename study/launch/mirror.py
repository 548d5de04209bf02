"""A trial on a node that does not share the results folder: its files are mirrored to the study's storage as they change.

A worker trains in a folder of its own, and before it tells anything, what changed is in the storage: so whoever was told of
an epoch finds its checkpoint there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from colournet import files
from study.launch.messages import Report, Task, TellAll
from study.launch.storage import Storage, StorageError
from study.layout import TrialLayout, attempt_name, attempt_of

_CLAIM = "claim"
_TRIES = 4
_WAIT_SECONDS = 1.0

_T = TypeVar("_T")


def run_mirrored(tasks: Sequence[Task], run: Callable[[Sequence[Task], TellAll], None], tell: TellAll) -> None:
    """Run trials whose files are kept in their `storage`: begin with what is there, and leave there what changes.

    A storage that does not answer is told as a disk that is full would be: it is no trial's fault.
    """
    try:
        with contextlib.ExitStack() as scratch:
            here = {task.number: _Mirrored(task, Path(scratch.enter_context(_folder()))) for task in tasks}

            def push_and_tell(told: Sequence[tuple[int, Report]]) -> Collection[int]:
                for number, report in told:
                    here[number].push(has_failed=report["event"] == "failed")
                return tell(told)

            run([mirrored.task for mirrored in here.values()], push_and_tell)
    except StorageError as error:
        fields = {"event": "failed", "reason": "disk_full", "message": str(error)}
        tell([(task.number, {**fields, "attempt": task.attempts}) for task in tasks])


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="study-trial-", ignore_cleanup_errors=True)


class _Mirrored:
    """A trial in a folder of this node."""

    def __init__(self, task: Task, folder: Path) -> None:
        assert task.storage is not None
        storage = Storage(task.storage)
        attempt = _claim(storage, behind=task.attempts)
        self._mirror = Mirror(storage, TrialLayout(folder))
        self._mirror.pull(before=attempt)
        self.task = dataclasses.replace(task, folder=str(folder), attempts=attempt - 1)

    def push(self, *, has_failed: bool) -> None:
        """Bring the storage up to date; of a trial that has failed as far as it goes."""
        with contextlib.suppress(StorageError) if has_failed else contextlib.nullcontext():
            self._mirror.push()


class Mirror:
    """The files of one trial, here and in the storage."""

    def __init__(self, storage: Storage, layout: TrialLayout) -> None:
        self._storage = storage
        self._root = layout.root
        self._known: dict[str, tuple[int, int, int]] = {}

    def pull(self, *, before: int | None = None) -> None:
        """Fetch every file, of the attempts only those before one where it is given."""
        for name in self._storage.list():
            attempt = attempt_of(name)
            if name.endswith(f"/{_CLAIM}") or (before is not None and attempt is not None and attempt >= before):
                continue
            path = self._root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = _patiently(partial(self._storage.read, name))
            with files.replacing(path) as part:
                part.write_bytes(content)
            self._known[name] = _stamp(path)

    def push(self) -> None:
        """Bring the storage up to date, in the order in which files were written, as the next attempt relies on it."""
        changed = []
        for path in self._root.rglob("*"):
            if path.is_file() and not path.name.endswith(".part"):
                name, stamp = path.relative_to(self._root).as_posix(), _stamp(path)
                if self._known.get(name) != stamp:
                    changed.append((stamp, name, path))
        for stamp, name, path in sorted(changed, key=lambda found: found[0][0]):
            _patiently(partial(self._storage.write, name, path.read_bytes()))
            self._known[name] = stamp


def bring_home(uri: str, layout: TrialLayout) -> None:
    """Move the files of a trial that has ended from the storage into the study's folder. Raises `StorageError`."""
    storage = Storage(uri)
    Mirror(storage, layout).pull()
    _patiently(storage.delete)


def _claim(storage: Storage, *, behind: int) -> int:
    """The number of the next attempt after `behind`, of which no other worker believes that it is its own.

    A storage knows no `mkdir` that only one can do; who wrote last has it, and who reads another's claim goes on to the next.
    """
    mine = secrets.token_hex(16).encode()
    attempt = behind
    while True:
        taken = [attempt_of(name) or 0 for name in _patiently(storage.list)]
        attempt = max(attempt, behind, *taken, 0) + 1
        name = f"{attempt_name(attempt)}/{_CLAIM}"
        _patiently(partial(storage.write, name, mine))
        if _patiently(partial(storage.read, name)) == mine:
            return attempt


def _patiently(call: Callable[[], _T]) -> _T:
    """Call; a storage that fails is asked again a few times, with growing patience."""
    for turn in range(_TRIES):
        try:
            return call()
        except StorageError:
            if turn == _TRIES - 1:
                raise
            time.sleep(_WAIT_SECONDS * 2**turn)
    raise AssertionError("unreachable")


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file does; files are replaced, never changed, but for the log."""
    found = path.stat()
    return found.st_mtime_ns, found.st_ino, found.st_size
