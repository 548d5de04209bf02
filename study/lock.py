"""One driver writes a study: a lock file that names its owner, and a test whether that owner lives.

The file gets its name by a hard link, which is atomic on network file systems too and never shows a half-written file.
An owner on this machine is alive if its process is; one elsewhere is taken to be alive while it renews the file's time.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from study.errors import LockedError

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 60.0


@dataclass(frozen=True)
class Owner:
    """A process that holds a lock; `started` (clock ticks since boot) tells it from a later one of the same number."""

    host: str
    pid: int
    started: int | None

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock while the block runs. Raises `LockedError`, naming the owner, while another process does."""
    pid = os.getpid()
    mine = json.dumps(asdict(Owner(socket.gethostname(), pid, _process_started(pid)))).encode()
    _acquire(path, mine)
    stop = threading.Event()
    beat = threading.Thread(target=_renew, args=(path, mine, stop), name="lock-heartbeat", daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        if _read(path) == mine:
            path.unlink(missing_ok=True)


def living_owner(path: Path) -> Owner | None:
    """Who holds the lock, or None if nobody does or its owner is dead."""
    try:
        owner = Owner(**json.loads(path.read_bytes()))
        age_seconds = time.time() - path.stat().st_mtime
    except (OSError, ValueError, TypeError):
        return None
    if owner.is_here:
        return owner if owner.started == _process_started(owner.pid) and _exists(owner.pid) else None
    return owner if age_seconds < STALE_SECONDS else None


def _acquire(path: Path, mine: bytes) -> None:
    scratch = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}")
    scratch.write_bytes(mine)
    try:
        for _ in range(2):
            try:
                os.link(scratch, path)
                return
            except FileExistsError:
                owner = living_owner(path)
                if owner is not None:
                    raise _held(path, owner) from None
                _bury(path)
        raise LockedError(f"{path}: another driver took the lock this moment", hint="try again")
    finally:
        scratch.unlink(missing_ok=True)


def _bury(path: Path) -> None:
    """Take a dead owner's lock away; put it back if meanwhile another process has taken it over."""
    grave = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}.dead")
    try:
        path.rename(grave)  # of several processes one succeeds
    except FileNotFoundError:
        return
    if living_owner(grave) is not None:
        grave.rename(path)
    grave.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _held(path: Path, owner: Owner) -> LockedError:
    return LockedError(
        f"{path.parent.name}: is being written by process {owner.pid} on {owner.host}",
        hint="wait for it, or stop it; study show watches it meanwhile",
    )


def _renew(path: Path, mine: bytes, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS) and _read(path) == mine:
        os.utime(path)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process_started(pid: int) -> int | None:
    """Start time of a process where the system tells it (Linux), else None."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
