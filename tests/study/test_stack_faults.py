"""What becomes of the trials of a stack that fails or hangs, and of what was left for its worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from colournet import data
from study.launch import preparation, worker
from study.launch.driver import Driver
from study.launch.output import keep_quiet
from study.limits import Limits
from tests.study.fused_studies import ONE_SHAPE, driving, events, numbers, run
from tests.study.helpers import epoch, make_folder, started


@pytest.mark.parametrize(
    ("error", "reason"),
    [(torch.OutOfMemoryError("no memory"), "out_of_memory"), (RuntimeError("no reason"), "stack")],
)
def test_an_error_of_a_stack_is_no_trial_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    """Trials whose stack ran out of memory, or met any other error, say so, run again by themselves, and end well."""
    monkeypatch.setattr(data, "_SCENES_COUNT", {"train": 60, "test": 20})
    folder = make_folder(tmp_path, space_text=ONE_SHAPE)
    bundle = preparation.prepare_bundle(folder.space, None)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(worker, "train_fused", fail)
    with driving(folder, trials=2, limits=Limits(max_failures=1)) as driver:
        tasks = driver.next_tasks(2)
        run(driver, tasks, bundle)
        again = []
        while group := driver.next_tasks(2):
            again.append(numbers(group))
            run(driver, group, bundle)

    record = folder.read()
    for trial in record.trials.values():
        assert "Traceback" in folder.layout.trial(trial.number).log.read_text()
    assert sorted(again) == [[0], [1]]
    assert record.counts["completed"] == 2
    assert [event["reason"] for event in events(folder, "interrupted")] == [reason] * 2


@pytest.mark.parametrize("is_resumed", [False, True])
def test_who_fails_a_stack_fails_alone(tmp_path: Path, is_resumed: bool) -> None:
    """The one to blame for a stack's error fails once it is by itself, for the next driver too; the others go on."""
    folder = make_folder(tmp_path, space_text=ONE_SHAPE)
    error = {"event": "failed", "attempt": 1, "reason": "error", "message": "no"}
    with driving(folder, trials=3) as driver:
        for task in driver.next_tasks(3):
            begin(driver, task.number, attempt=1, fused=3)
        for number in range(3):
            assert driver.receive(number, {**error, "fused": 3}) == "stop"
        if not is_resumed:
            fail_one_of_three(driver, {**error, "attempt": 2})
    if is_resumed:
        with driving(folder, trials=3, kind="resumed") as driver:
            fail_one_of_three(driver, {**error, "attempt": 2})

    record = folder.read()
    assert [trial.state for trial in record.trials.values()].count("failed") == 1
    assert [trial.interruptions["stack"] for trial in record.trials.values()] == [1, 1, 1]


def fail_one_of_three(driver: Driver, error: dict[str, Any]) -> None:
    handed = [driver.next_tasks(3) for _ in range(3)]
    assert sorted(numbers(tasks) for tasks in handed) == [[0], [1], [2]]
    begin(driver, 1, attempt=2)
    assert driver.receive(1, error) == "stop"


def test_a_stack_that_hangs_is_no_loss(tmp_path: Path) -> None:
    """Each of its trials runs again by itself, also where the first, whose time was watched, has ended; who hangs then fails."""
    folder = make_folder(tmp_path, space_text=ONE_SHAPE)
    with driving(folder, trials=3, limits=Limits(trial_timeout_seconds=1e-9)) as driver:
        for task in driver.next_tasks(3):
            begin(driver, task.number, attempt=1, fused=3)
        driver.receive(0, {"event": "epoch", **epoch(1, None)})  # it diverges
        for number in (1, 2):
            driver.lose(number, "gone")
        assert sorted(numbers(driver.next_tasks(3)) for _ in range(2)) == [[1], [2]]
        begin(driver, 1, attempt=2)
        layout = folder.layout.trial(1)
        layout.attempt(2).mkdir(parents=True)
        layout.stacks(2).write_text("Timeout (0:00:01)!")
        driver.lose(1, "gone")

    record = folder.read()
    assert [trial.interruptions["stack"] for trial in record.trials.values()] == [0, 1, 1]
    assert [trial.reason for trial in record.trials.values()] == ["diverged", "timed_out", "stopped"]


def begin(driver: Driver, number: int, *, attempt: int, **fields: Any) -> None:
    """Tell that a worker begins, of a stack with how many are `fused`."""
    driver.receive(number, {"event": "started", **started(attempt), "history": [], **fields})


def test_nothing_of_a_group_stays_in_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left for its worker is deleted with the group, however few were over when the worker died."""
    keep_quiet()
    from study.launch import groups

    store: dict[bytes, bytes] = {}
    monkeypatch.setattr(groups.internal_kv, "_internal_kv_put", lambda key, value, **_: store.update({key: value}))
    monkeypatch.setattr(groups.internal_kv, "_internal_kv_get", lambda key, **_: store.get(key))
    monkeypatch.setattr(groups.internal_kv, "_internal_kv_del", lambda key, **_: store.pop(key))
    found = groups.Groups()
    for name in ("a", "b"):
        found.begin(name, [1, 2, 3])

    assert not found.end("a", [2])
    assert set(groups.over("a")) == {2}
    assert found.under_way("a") == (1, 3)
    assert found.end("b", [1, 2, 3])  # which its worker is told by Tune
    for name in ("a", "b"):
        found.close(name)
    assert store == {}
    assert found.running == 0
