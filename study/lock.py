"""One driver writes a study: a lock file that names its owner, and a test whether that owner lives.

The file is made with an exclusive create, which is atomic on network file systems too. An owner on this machine is alive
if its process is; one elsewhere is taken to be alive while it renews the file's time.
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
    _acquire(path)
    stop = threading.Event()
    beat = threading.Thread(target=_renew, args=(path, stop), name="lock-heartbeat", daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        path.unlink(missing_ok=True)


def living_owner(path: Path) -> Owner | None:
    """Who holds the lock, or None if nobody does or its owner is dead."""
    try:
        owner = Owner(**json.loads(path.read_text(encoding="utf-8")))
        age_seconds = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return None  # made and not yet written by a process that died in between
    if owner.is_here:
        return owner if owner.started == _process_started(owner.pid) and _exists(owner.pid) else None
    return owner if age_seconds < STALE_SECONDS else None


def _acquire(path: Path) -> None:
    pid = os.getpid()
    text = json.dumps(asdict(Owner(socket.gethostname(), pid, _process_started(pid))))
    scratch = path.with_name(f"{path.name}.{socket.gethostname()}.{pid}")
    scratch.write_text(text, encoding="utf-8")
    try:
        for _ in range(2):
            try:
                os.link(scratch, path)  # fails if it exists; the name never stands for a half-written file
                return
            except FileExistsError:
                owner = living_owner(path)
                if owner is not None:
                    raise _held(path, owner) from None
                path.unlink(missing_ok=True)
        raise LockedError(f"{path}: another driver took the lock this moment", hint="try again")
    finally:
        scratch.unlink(missing_ok=True)


def _held(path: Path, owner: Owner) -> LockedError:
    return LockedError(
        f"{path.parent.name}: is being written by process {owner.pid} on {owner.host}",
        hint="wait for it, or stop it; study show watches it meanwhile",
    )


def _renew(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        try:
            os.utime(path)
        except OSError:
            return  # the folder was taken away under us; the writer will notice


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
