"""One driver writes a study: a lock file that names its owner, renewed while it is held.

The file gets its name by a hard link, which is atomic on network file systems too, where flock is not, and never shows a
half-written file. Where there are no hard links it is created exclusively, and one that names nobody yet is held by
somebody who is just beginning. A dead owner's lock is taken over. Whether an owner elsewhere is dead is judged by two times
of the same file server, whose clock need not be ours. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from study.errors import DiskError, LockedError
from study.owner import Owner, Sighting

HEARTBEAT_SECONDS = 10.0

_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_GLANCE_SECONDS = 0.05
_UNKNOWN = Owner("a host not yet named", 0, None)


@dataclass(frozen=True)
class Predecessor:
    """Whose lock was taken over."""

    owner: Owner | None
    silent_seconds: float
    """How long it had not renewed the lock."""

    def __str__(self) -> str:
        who = self.owner or "an unknown process"
        return f"{who}, whose last heartbeat was {max(self.silent_seconds, 0):.0f} s before"


class Held:
    """A lock that this process holds, as far as it knows: `check` looks."""

    def __init__(self, path: Path, content: bytes, predecessor: Predecessor | None) -> None:
        self._path = path
        self._content = content
        self._released = threading.Event()
        self._is_lost = False
        self.predecessor = predecessor
        """The dead owner that the lock was taken over from, or None if nobody held it."""

    def check(self) -> None:
        """Raise `LockedError` if another has taken the lock over, as from a machine that slept for minutes."""
        self._is_lost = self._is_lost or not self._is_mine()
        if self._is_lost:
            raise _taken_over(self._path)

    def keep(self) -> None:
        """Renew the lock until it is released or lost."""
        while not self._released.wait(HEARTBEAT_SECONDS):
            self._is_lost = self._is_lost or not self._is_mine()
            if self._is_lost:
                return
            with contextlib.suppress(OSError):  # a file server that does not answer may do so at the next beat
                os.utime(self._path)

    def release(self) -> None:
        """Let go; a lock that another has taken over stays."""
        self._released.set()
        if self._is_mine(patiently=False):
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _is_mine(self, *, patiently: bool = True) -> bool:
        """Whether the file is still ours. One that cannot be read says nothing; one that is gone may be put back at once."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError:
            return True
        if not content and patiently:
            time.sleep(_GLANCE_SECONDS)
            return self._is_mine(patiently=False)
        return content == self._content


@contextmanager
def hold(path: Path) -> Iterator[Held]:
    """Hold the lock while the block runs.

    Raises `LockedError`, naming the owner, while another process holds it, and `DiskError` if no lock can be written.
    """
    token = secrets.token_hex(8)
    content = Owner.here().serialize(token)
    scratch = path.with_name(f"{path.name}.{token}")
    try:
        scratch.write_bytes(content)
        held = Held(path, content, _acquire(path, scratch))
    except OSError as error:
        raise DiskError(
            f"{path}: cannot be written: {error.strerror}", hint="see to the disk and its rights"
        ) from error
    finally:
        scratch.unlink(missing_ok=True)
    beat = threading.Thread(target=held.keep, name="lock-heartbeat", daemon=True)
    beat.start()
    try:
        yield held
    finally:
        held.release()
        beat.join()


def living_owner(path: Path) -> Owner | None:
    """Who holds the lock, or None if nobody does or its owner is dead; a reader trusts its own clock for that."""
    seen = Sighting.of(path)
    if seen is None or not seen.is_alive(time.time()):
        return None
    return seen.owner or _UNKNOWN


def _acquire(path: Path, scratch: Path) -> Predecessor | None:
    """Put `scratch` in the lock's place; answer whose it was, if a dead owner's was buried for it."""
    predecessor = None
    for _ in range(3):
        if _place(scratch, path):
            return predecessor
        seen = Sighting.of(path)
        if seen is None:
            continue  # released this moment
        os.utime(scratch)
        now = scratch.stat().st_mtime
        if seen.is_alive(now):
            raise _held(path, seen.owner)
        if _bury(path, seen, grave=scratch.with_name(f"{scratch.name}.dead")):
            predecessor = Predecessor(seen.owner, now - seen.renewed)
    raise LockedError(f"{path.parent.name}: another driver took the lock this moment", hint="try again")


def _place(source: Path, path: Path) -> bool:
    """Give a lock file its name; answer False if there is another of that name."""
    try:
        os.link(source, path)
    except FileExistsError:
        seen = Sighting.of(path)  # the link is ours where a server did it and its answer was lost
        return seen is not None and seen.content == source.read_bytes()
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _create(path, source.read_bytes())
    return True


def _create(path: Path, content: bytes) -> bool:
    try:
        file = path.open("xb")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


def _bury(path: Path, seen: Sighting, *, grave: Path) -> bool:
    """Take a dead owner's lock away; put back what turns out to be another's, or to have been renewed meanwhile."""
    try:
        path.rename(grave)  # of several processes one succeeds
    except FileNotFoundError:
        return False
    is_dead = Sighting.of(grave) == seen
    if not is_dead:
        _place(grave, path)
    grave.unlink(missing_ok=True)
    return is_dead


def _held(path: Path, owner: Owner | None) -> LockedError:
    return LockedError(
        f"{path.parent.name}: is being written by {owner or 'a driver that is just beginning'}",
        hint="wait for it, or stop it; study show watches it meanwhile",
    )


def _taken_over(path: Path) -> LockedError:
    seen = Sighting.of(path)
    owner = None if seen is None else seen.owner
    return LockedError(
        f"{path.parent.name}: this driver lost its lock to {owner or 'another'} and writes no more",
        hint=f"it did not renew the lock for a minute, or the file was removed; study show {path.parent.name} tells the state",
    )
