"""Holding back Python's collector of cycles while a record is read."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from study import collector, summary
from study.store import StudyFolder


@pytest.fixture
def collections() -> Iterator[list[str]]:
    """What the collector does while a test runs."""
    seen: list[str] = []

    def see(phase: str, info: dict[str, int]) -> None:
        seen.append(phase)

    gc.callbacks.append(see)
    yield seen
    gc.callbacks.remove(see)


def test_the_collector_rests_within_the_block_and_works_after_it(collections: list[str]) -> None:
    """Also where blocks are nested, and where one ends with an error."""

    def read() -> None:
        with collector.paused():
            collections.clear()
            with collector.paused():
                pass
            made: list[list[int]] = [[] for _ in range(100_000)]
            assert collections == []
            raise ValueError(len(made))

    with pytest.raises(ValueError, match="100000"):
        read()

    assert gc.isenabled()
    assert len([[] for _ in range(100_000)]) == 100_000
    assert "stop" in collections


def test_one_that_was_off_stays_off() -> None:
    """Whoever had switched it off finds it so."""
    gc.disable()
    try:
        with collector.paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("way", ["read", "glance"])
def test_a_record_is_read_without_it(way: str, finished: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long record makes millions of objects that stay."""
    enabled = []
    monkeypatch.setattr("study.store.StudyRecord.read", lambda *_, **__: enabled.append(gc.isenabled()) or finished)
    monkeypatch.setattr("study.store._seen", lambda record, **_: record)

    assert getattr(finished, way)() is finished
    assert enabled == [False]
    assert gc.isenabled()


def test_a_list_does_without_it_until_the_last_study(finished: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would look at each study's trials once more, which are thrown away before the next."""
    enabled = []
    monkeypatch.setattr(summary, "_entry", lambda path: enabled.append(gc.isenabled()) or {"name": path.name})

    assert summary.list_json([finished.layout.root] * 2) == [{"name": "little"}] * 2
    assert enabled == [False, False]
    assert gc.isenabled()
