"""One driver: a dead one's study is taken over, by one heir, and who was thought dead writes no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from study import lock, owner
from study.owner import Owner
from study.store import StudyFolder
from tests.study.helpers import PARAMS, leave_dead_lock, make_folder, session

REMOTE = "from study import owner; owner._machine = lambda: 'another'; owner.socket.gethostname = lambda: 'elsewhere'\n"
"""What makes a process look like one on another machine."""

NO_LINKS = "import os, errno\ndef refuse(*_): raise OSError(errno.EPERM, 'no')\nos.link = refuse\n"


def test_a_dead_owners_lock_is_taken_over_with_a_note(tmp_path: Path, links: str) -> None:
    """A lock left by a killed process holds no one up, and the record says whose it was."""
    folder = make_folder(tmp_path)
    leave_dead_lock(folder.layout.lock)
    dead = owner.Sighting.of(folder.layout.lock)
    assert dead is not None

    with folder.write() as writer:
        writer.append("launched", **session())

    assert not folder.layout.lock.exists()
    (note,) = folder.read().notes
    assert note.startswith(f"took over the lock of {dead.owner}, whose last heartbeat was ")
    assert note.endswith(" s before")


def test_a_lock_that_was_let_go_is_no_news(tmp_path: Path) -> None:
    """A driver that begins where the last one ended in order notes nothing."""
    folder = make_folder(tmp_path)
    for _ in range(2):
        with folder.write():
            pass

    assert folder.read().notes == []


def test_a_driver_that_slept_writes_no_more(tmp_path: Path) -> None:
    """A driver asleep for so long that another took its study over is refused its next event, and changes no byte."""
    folder = make_folder(tmp_path)
    script = REMOTE + (
        "import sys; from pathlib import Path; from study.store import StudyFolder\n"
        "from study.errors import LockedError\n"
        "with StudyFolder(Path(sys.argv[1])).write() as writer:\n"
        "    writer.append('launched', trials=4, host='elsewhere', pid=1, workers=1)\n"
        "    print('writing', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    try: writer.append('asked', 0, params={}, seed=0)\n"
        "    except LockedError as error: print(error.message, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder.layout.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sleeper:
        assert sleeper.stdin is not None
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "writing\n"
        sleeper.send_signal(signal.SIGSTOP)
        renewed = folder.layout.lock.stat().st_mtime - 2 * owner.STALE_SECONDS
        os.utime(folder.layout.lock, (renewed, renewed))
        with folder.write() as writer:
            writer.append("resumed", **session())
            writer.append("asked", 0, params=PARAMS, seed=1)
            after = folder.layout.events.read_bytes()
            sleeper.send_signal(signal.SIGCONT)
            told, _ = sleeper.communicate("\n", timeout=60)

            assert told == f"little: this driver lost its lock to {Owner.here()} and writes no more\n"
            assert folder.layout.events.read_bytes() == after
            writer.append("note", text="still mine")

    assert folder.read().notes[0].startswith(f"took over the lock of process {sleeper.pid} on elsewhere")


def start_racers(path: Path, prologue: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """Processes that all try to hold the lock once a file `go` is there, and say whether they did."""
    script = prologue + (
        "import sys, time; from pathlib import Path; from study import lock\n"
        "from study.errors import LockedError\n"
        "path = Path(sys.argv[1]); print('ready', flush=True)\n"
        "while not path.with_name('go').exists(): pass\n"
        "try:\n"
        "    with lock.hold(path) as held: held.check(); print('held', flush=True); sys.stdin.read(); held.check()\n"
        "except LockedError: print('refused', flush=True)\n"
    )
    for _ in range(count):
        yield subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )


@pytest.mark.parametrize("prologue", ["", NO_LINKS], ids=["hard links", "no hard links"])
def test_of_many_heirs_one_gets_the_lock(path: Path, prologue: str) -> None:
    """Of processes that find the same dead lock at the same moment exactly one takes it over, and it keeps it."""
    for _ in range(3):
        leave_dead_lock(path)
        racers = list(start_racers(path, prologue, 4))
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        path.with_name("go").touch()
        answers = [racer.stdout.readline() for racer in racers if racer.stdout is not None]
        for racer in racers:
            racer.communicate(timeout=60)

        assert sorted(answers) == ["held\n", *["refused\n"] * 3]
        assert [racer.returncode for racer in racers] == [0] * 4
        path.with_name("go").unlink()
        assert list(path.parent.iterdir()) == []


def test_an_empty_study_that_another_is_about_to_write_stays(tmp_path: Path) -> None:
    """A folder without an event is cleared away only if no driver holds it."""
    folder = make_folder(tmp_path)
    with lock.hold(folder.layout.lock):
        StudyFolder(folder.layout.root).discard_if_empty()
        assert folder.layout.manifest.exists()

    folder.discard_if_empty()
    assert not folder.layout.root.exists()
