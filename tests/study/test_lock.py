"""The lock: whose it is, and whether its owner lives."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study import lock, owner
from study.errors import DiskError, LockedError
from study.owner import Owner
from tests.study.helpers import write_remote_lock


def test_a_lock_is_there_while_it_is_held(path: Path, links: str) -> None:
    """The lock names its owner while it is held, and nothing is left of it after."""
    with lock.hold(path):
        assert lock.living_owner(path) == Owner.here()

    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_there_are_no_hard_links_a_lock_is_created(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """However a file system says that it has no hard links, there is a lock, and for one at a time."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    with lock.hold(path):
        assert lock.living_owner(path) == Owner.here()
        with pytest.raises(LockedError):
            lock.hold(path).__enter__()


def test_any_other_refusal_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that refuses a link for another reason is told, and nothing is left on it."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(DiskError, match="Input/output error"):
        lock.hold(path).__enter__()

    assert list(path.parent.iterdir()) == []


def test_a_second_driver_is_refused_and_told_who_writes(path: Path, links: str) -> None:
    """While one holds the lock another is refused with the owner's number and host, and leaves nothing."""
    with lock.hold(path), pytest.raises(LockedError, match=f"process {os.getpid()} on {Owner.here().host}") as caught:
        lock.hold(path).__enter__()

    assert caught.value.hint
    assert list(path.parent.iterdir()) == []


def test_a_process_that_is_dead_but_not_buried_holds_nothing(path: Path) -> None:
    """A killed driver that its parent has not waited for is dead."""
    script = (
        "import sys; from pathlib import Path; from study import lock\n"
        "with lock.hold(Path(sys.argv[1])): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert lock.living_owner(path) is not None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert lock.living_owner(path) is None


def test_an_owner_elsewhere_is_alive_while_it_renews(path: Path) -> None:
    """An owner on another machine counts as alive until its lock has not been renewed for a minute."""
    write_remote_lock(path, seconds_ago=0)
    assert lock.living_owner(path) == Owner("elsewhere", 1, 1, "another")

    write_remote_lock(path, seconds_ago=2 * owner.STALE_SECONDS)
    assert lock.living_owner(path) is None


def test_a_machine_of_the_same_name_is_another(path: Path) -> None:
    """Two machines, or containers, that share a name are told apart: the other's process is not looked for here."""
    here = Owner.here()
    path.write_bytes(Owner(here.host, 2**22 + 1, 1, "another").serialize("x"))

    with pytest.raises(LockedError):
        lock.hold(path).__enter__()


@pytest.mark.parametrize("wrong_by_seconds", [-3600.0, 3600.0])
def test_our_own_clock_decides_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, wrong_by_seconds: float) -> None:
    """Whether an owner elsewhere is dead is judged by the file server's clock; ours may be an hour before or behind."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + wrong_by_seconds)

    write_remote_lock(path, seconds_ago=owner.STALE_SECONDS / 2)
    with pytest.raises(LockedError, match="process 1 on elsewhere"):
        lock.hold(path).__enter__()

    write_remote_lock(path, seconds_ago=2 * owner.STALE_SECONDS)
    with lock.hold(path) as held:
        assert held.predecessor is not None
        assert held.predecessor.silent_seconds == pytest.approx(2 * owner.STALE_SECONDS, abs=10)


@pytest.mark.parametrize("content", [b"", b'{"host": "els', b"null", b'{"host": 1, "pid": "x", "started": []}'])
def test_a_lock_that_names_nobody_is_held_for_a_moment(path: Path, content: bytes) -> None:
    """A lock that is still being written counts as held until it is old; then its maker has died and it is taken over."""
    path.write_bytes(content)
    with pytest.raises(LockedError, match="a driver that is just beginning"):
        lock.hold(path).__enter__()
    assert lock.living_owner(path) is not None

    renewed = path.stat().st_mtime - 2 * owner.STALE_SECONDS
    os.utime(path, (renewed, renewed))
    assert lock.living_owner(path) is None
    with lock.hold(path) as held:
        assert str(held.predecessor).startswith("an unknown process, whose last heartbeat was 120 s before")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Where no lock can be made the error is one sentence with the path and what the system said."""
    with pytest.raises(DiskError, match=r"driver\.lock: cannot be written: No such file or directory") as caught:
        lock.hold(tmp_path / "gone" / "driver.lock").__enter__()

    assert caught.value.hint


def test_a_held_lock_is_renewed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is held the lock's time moves on."""
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    with lock.hold(path):
        os.utime(path, (0, 0))
        while path.stat().st_mtime == 0:
            time.sleep(0.01)


def test_a_lock_that_is_lost_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder whose lock another took, or someone removed, is told who has it; the other's lock stays."""
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    with lock.hold(path) as held:
        held.check()
        path.unlink()
        write_remote_lock(path, seconds_ago=0)
        with pytest.raises(LockedError, match="this driver lost its lock to process 1 on elsewhere"):
            held.check()
        path.unlink()
        with pytest.raises(LockedError, match="this driver lost its lock to another"):
            held.check()
        write_remote_lock(path, seconds_ago=0)

    assert lock.living_owner(path) == Owner("elsewhere", 1, 1, "another")


def test_a_lock_that_proves_alive_is_put_back(path: Path, links: str) -> None:
    """Where a lock that looked dead is renewed, or another's, before it can be taken away, it stays where it was."""
    write_remote_lock(path, seconds_ago=2 * owner.STALE_SECONDS)
    seen = owner.Sighting.of(path)
    assert seen is not None
    os.utime(path)
    content = path.read_bytes()

    assert not lock._bury(path, seen, grave=path.with_name("grave"))

    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]
