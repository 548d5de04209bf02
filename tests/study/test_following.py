"""Following a record while a driver writes it, dies, and another one goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.errors import RecordError
from study.following import Follower
from tests.study.helpers import PARAMS, epoch, make_folder, session, started


def test_each_look_tells_what_is_new(tmp_path: Path) -> None:
    """A look folds what was written since the last one, and names the trials that it was about."""
    folder = make_folder(tmp_path)
    follower = Follower(folder)
    assert follower.look() == set()

    with folder.write() as writer:
        writer.append("launched", **session())
        for number in (0, 1):
            writer.append("asked", number, params=PARAMS, seed=number)
            writer.append("started", number, **started())
        assert follower.look() == {0, 1}
        writer.append("epoch", 1, **epoch(1, 2.0))
        assert follower.look() == {1}
        assert follower.look() == set()

    assert follower.record.trials[1].epochs == folder.read().trials[1].epochs


def test_a_line_under_way_is_left_for_later(tmp_path: Path) -> None:
    """Half a line is not read, and the whole one is, once."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        writer.append("asked", 0, params=PARAMS, seed=0)
    whole = folder.layout.events.read_bytes()
    follower = Follower(folder)

    folder.layout.events.write_bytes(whole[:-20])
    assert follower.look() == set()
    folder.layout.events.write_bytes(whole)

    assert follower.look() == {0}


def test_a_study_is_followed_through_death_and_resumption(tmp_path: Path) -> None:
    """A trial runs, is interrupted when its driver dies in mid-line, and runs again when another one has cut that line."""
    folder = make_folder(tmp_path)
    follower = Follower(folder)
    with folder.write() as writer:
        writer.append("launched", **session())
        writer.append("asked", 0, params=PARAMS, seed=0)
        writer.append("started", 0, **started())
        follower.look()
        assert follower.trial(0).state == "running"
    with folder.layout.events.open("ab") as events:
        events.write(b'{"event":"epoch"')

    assert follower.look() == {0}
    assert follower.trial(0).state == folder.read().trials[0].state == "interrupted"

    with folder.write() as writer:
        writer.append("resumed", **session())
        writer.append("started", 0, **started(2))
        assert follower.look() == {0}
        assert (follower.trial(0).state, follower.trial(0).attempt) == ("running", 2)
    assert follower.record.notes == folder.read().notes != []


def test_a_record_that_became_shorter_is_read_anew(tmp_path: Path) -> None:
    """A record that was put back to an earlier state is shown as it is now."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        writer.append("asked", 0, params=PARAMS, seed=0)
    earlier = folder.layout.events.read_bytes()
    with folder.write() as writer:
        writer.append("asked", 1, params=PARAMS, seed=1)
    follower = Follower(folder)
    follower.look()

    folder.layout.events.write_bytes(earlier)

    assert follower.look() == {0}
    assert list(follower.record.trials) == [0]


def test_a_damaged_line_is_told_at_every_look_until_it_is_mended(tmp_path: Path) -> None:
    """Damage is told with file and line, what was read before stays, and nothing is lost when the line is made good."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        writer.append("asked", 0, params=PARAMS, seed=0)
    whole = folder.layout.events.read_bytes()
    follower = Follower(folder)
    folder.layout.events.write_bytes(whole + b"{}\n")

    for _ in range(2):
        with pytest.raises(RecordError, match=r"events\.jsonl, line 3: unknown event"):
            follower.look()
    folder.layout.events.write_bytes(whole)

    assert follower.look() == {0}


def test_a_missing_record_is_told(tmp_path: Path) -> None:
    """A record that was taken away is told in a sentence."""
    folder = make_folder(tmp_path)
    folder.layout.events.unlink()

    with pytest.raises(RecordError, match="cannot be read"):
        Follower(folder).look()
