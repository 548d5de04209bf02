"""Who holds a lock, and whether that process lives. Standard library only."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

STALE_SECONDS = 60.0
"""An owner elsewhere that has not renewed its lock for so long is taken to be dead."""


@dataclass(frozen=True)
class Owner:
    """A process that holds a lock; `started` (clock ticks since boot) tells it from a later one of the same number."""

    host: str
    pid: int
    started: int | None
    machine: str | None = None
    """What tells this boot of this machine, or this container, from another of the same name; None if the system does not."""

    @classmethod
    def here(cls) -> Owner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), _process_started(os.getpid()), _machine())

    @classmethod
    def parse(cls, content: bytes) -> Owner | None:
        """Read what a lock file holds; None for anything that is no owner, as a file that is still being written."""
        try:
            found = json.loads(content)
            owner = cls(found["host"], found["pid"], found["started"], found.get("machine"))
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            return None
        texts = type(owner.host) is str and type(owner.machine) in (str, type(None))
        numbers = type(owner.pid) is int and 0 < owner.pid < 2**31 and type(owner.started) in (int, type(None))
        return owner if texts and numbers else None

    def serialize(self, token: str) -> bytes:
        """The content of a lock file; `token` makes that of each hold its own."""
        return json.dumps({**asdict(self), "token": token}).encode()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def is_here(self) -> bool:
        """Whether its process would be seen here, if it lives."""
        machine = _machine()
        if self.machine is None or machine is None:
            return self.host == socket.gethostname()
        return self.machine == machine

    @property
    def is_running(self) -> bool:
        """Whether its process lives, given that it would be seen here."""
        return self.started == _process_started(self.pid) and _exists(self.pid)


@dataclass(frozen=True)
class Sighting:
    """A lock file as it was at one moment."""

    content: bytes
    renewed: float
    """When it was last renewed, by the clock of the file system that holds it."""

    @classmethod
    def of(cls, path: Path) -> Sighting | None:
        """Look at a lock file, past what a network file system may remember of it; None if it cannot be read."""
        try:
            with path.open("rb") as file:
                return cls(file.read(), os.fstat(file.fileno()).st_mtime)
        except OSError:
            return None

    @property
    def owner(self) -> Owner | None:
        """Whom it names; None where it is still being written, or was left so."""
        return Owner.parse(self.content)

    def is_alive(self, now: float) -> bool:
        """Whether the owner lives; `now` is a time of the same clock as `renewed`, if its word is to be trusted."""
        owner = self.owner
        return owner.is_running if owner is not None and owner.is_here else now - self.renewed < STALE_SECONDS


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process_started(pid: int) -> int | None:
    """Start time of a process where the system tells it (Linux), else None; None for one that is dead but not buried."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *others = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(others[18])


def _machine() -> str | None:
    """The boot of this machine and its table of processes, of which a container has its own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return None
