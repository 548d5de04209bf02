"""`study show --watch`, the rate and the cost that a study tells, and the live table of a launch."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from study import watch
from study.accounting import Rate, rate
from study.cli import cli
from study.expenses import cost_text, rate_text
from study.launch.display import Display
from study.launch.ending import Ending
from study.limits import Budget
from study.records import StudyRecord
from study.store import RecordWriter, StudyFolder
from study.summary import study_json, study_list, study_text
from tests.study.helpers import PARAMS, epoch, make_folder, session, started

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def record(*events: tuple[float, str, int | None, dict[str, Any]], **of_session: Any) -> StudyRecord:
    """A record of events, each with its minute; the session begins in minute 0."""
    found = StudyRecord()
    for minute, kind, trial, fields in [(0.0, "launched", None, {**session(), **of_session}), *events]:
        named = {} if trial is None else {"trial": trial}
        found.apply({"event": kind, "time": (BEGAN + timedelta(minutes=minute)).isoformat(), **named, **fields})
    return found


def begun(trial: int, minute: float, **changes: Any) -> list[tuple[float, str, int | None, dict[str, Any]]]:
    asked = {"params": PARAMS, "seed": 1}
    return [(minute, "asked", trial, asked), (minute, "started", trial, started(**changes))]


def trained(trial: int, *minutes: float) -> list[tuple[float, str, int | None, dict[str, Any]]]:
    return [(minute, "epoch", trial, epoch(number, 2.0)) for number, minute in enumerate(minutes, start=1)]


COMPLETED = {"attempt": 1, "value": 2.0, "epoch": 1, "checkpoint": "x"}


def at(minute: float) -> datetime:
    return BEGAN + timedelta(minutes=minute)


def test_the_rate_is_that_of_the_last_hour() -> None:
    """What a long session did earlier does not count; trials count where they ended."""
    found = record(
        *begun(0, 0), *trained(0, 1, 2, 3), (3, "completed", 0, COMPLETED),
        *begun(1, 50), *trained(1, 100, 110, 120, 130), (130, "completed", 1, COMPLETED),
    )  # fmt: skip

    assert rate(found, at(150)) == Rate(epochs_per_hour=4.0, trials_per_hour=1.0, seconds=3600.0)


def test_the_rate_of_a_young_or_slow_session_is_that_of_all_of_it() -> None:
    """Within the first hour, and where the last one has hardly an epoch, the whole session is what there is to go by."""
    young = record(*begun(0, 0), *trained(0, 10, 20))
    slow = record(*begun(0, 0), *trained(0, 60, 120, 180, 240))

    assert rate(young, at(30)) == Rate(epochs_per_hour=4.0, trials_per_hour=0.0, seconds=1800.0)
    assert rate(slow, at(240)) == Rate(epochs_per_hour=1.0, trials_per_hour=0.0, seconds=4 * 3600.0)


def test_there_is_no_rate_without_an_epoch() -> None:
    """A session that has trained nothing has no rate, nor one whose clock went back; filled-in epochs were trained before."""
    filled = (5.0, "epoch", 0, {**epoch(1, 2.0), "filled_in": True})

    assert rate(StudyRecord(), at(1)) is None
    assert rate(record(*begun(0, 0)), at(1)) is None
    assert rate(record(*begun(0, 0), filled), at(10)) is None
    assert rate(record(*begun(0, 0), *trained(0, 5)), at(-1)) is None


def test_the_cost_counts_repeated_epochs_and_shares_of_gpus() -> None:
    """Workers' time has every epoch; hours of GPUs have the share that the session said, a whole one where it said none."""
    on_gpu = [*begun(0, 0, device="cuda:0"), *trained(0, 1, 2)]
    again = [(3, "interrupted", 0, {"attempt": 1}), (3, "started", 0, started(2, device="cuda:1"))]
    repeated = [(4, "epoch", 0, epoch(2, 2.0, attempt=2))]

    quarter = record(*on_gpu, *again, *repeated, gpus_per_trial=0.25)
    whole = record(*on_gpu)
    without = record(*begun(0, 0), *trained(0, 1))

    assert (quarter.worker_seconds, quarter.gpu_seconds) == (4.5, 1.125)
    assert (whole.worker_seconds, whole.gpu_seconds) == (3.0, 3.0)
    assert (without.worker_seconds, without.gpu_seconds) == (1.5, 0.0)
    assert cost_text(without) == "1 epoch, 2 s of workers' time"
    assert cost_text(whole) == "2 epochs, 3 s of workers' time, 0.000833 GPU hours"


def test_a_rate_in_words() -> None:
    """Many are told as whole numbers, few to two digits."""
    told = {"epochs_per_hour": 1234.5, "trials_per_hour": 0.25}

    assert rate_text(told) == "1,234 epochs and 0.25 trials an hour"


def begin(writer: RecordWriter, trial: int) -> None:
    writer.append("asked", trial, params=PARAMS, seed=trial)
    writer.append("started", trial, **started())


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[StudyFolder, RecordWriter]]:
    """A study under way: a trial completed, one failed, one running."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        for trial in range(3):
            begin(writer, trial)
            writer.append("epoch", trial, **epoch(1, 2.0))
        writer.append(
            "completed", 0, attempt=1, value=2.0, epoch=1, checkpoint="trials/0000/attempt-1/best.safetensors"
        )
        writer.append("failed", 1, attempt=1, reason="error", message="RuntimeError: no")
        time.sleep(0.005)  # the record's clock has milliseconds
        yield folder, writer


def test_a_running_study_tells_its_rate_and_its_failures(running: tuple[StudyFolder, RecordWriter]) -> None:
    """Text and JSON have the rate, the cost, what is left and what failed; the list says how long."""
    folder, _ = running
    seen = folder.read()
    told, text = study_json(folder, seen), study_text(folder, seen)

    assert told["rate"]["epochs_per_hour"] > 0
    assert (told["cost"]["worker_seconds"], told["cost"]["gpu_seconds"]) == (4.5, 0.0)
    assert told["failures"] == [{"number": 1, "reason": "error", "message": "RuntimeError: no"}]
    assert "\n  rate       " in text
    assert "trial 1 (error): RuntimeError: no" in text
    assert "left" in study_list([told]).splitlines()[0]


def test_an_ended_study_has_no_rate(tmp_path: Path) -> None:
    """Where nothing runs nothing goes at any rate, and the list has no column for it."""
    folder = make_folder(tmp_path)

    told = study_json(folder, folder.read())

    assert told["rate"] is None
    assert "left" not in study_list([told])


def test_a_study_is_followed_to_its_end(tmp_path: Path) -> None:
    """Each look tells what was appended meanwhile; the last one is of the study as its driver left it."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session(1))
        seen = watch.records(folder, sleep=lambda _: None)
        lines = watch.json_lines(folder, seen)
        states = [json.loads(next(lines))]
        begin(writer, 0)
        states.append(json.loads(next(lines)))
        writer.append("epoch", 0, **epoch(1, 2.0))
        states.append(json.loads(next(lines)))
        writer.append(
            "completed", 0, attempt=1, value=2.0, epoch=1, checkpoint="trials/0000/attempt-1/best.safetensors"
        )
        writer.append("ended", reason="finished")
    states += map(json.loads, lines)

    assert [told["epochs_trained"] for told in states] == [0, 0, 1, 1]
    assert [told["trials"]["running"] for told in states] == [0, 1, 1, 0]
    assert [told["state"] for told in states] == ["running", "running", "running", "finished"]


def test_nothing_new_is_not_told_again(tmp_path: Path) -> None:
    """Looks that find nothing add no line, and epochs alone add none for people."""
    folder = make_folder(tmp_path)
    told: list[str] = []
    with folder.write() as writer:
        writer.append("launched", **session(1))
        begin(writer, 0)
        looks = watch.records(folder, sleep=lambda _: None)
        seen = [next(looks), next(looks)]
        told += watch.json_lines(folder, seen)
        writer.append("epoch", 0, **epoch(1, 2.0))
        told += watch.lines(folder, [*seen, next(looks)])

    assert len(told) == 2
    assert told[1].startswith("little: running, 0/1 trials ended (1 running)")


def test_a_study_whose_driver_died_is_told_as_interrupted(tmp_path: Path) -> None:
    """What it left running is shown as `study show` shows it, and the watch is over."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session(2))
        begin(writer, 0)

    (told,) = watch.lines(folder, watch.records(folder))

    assert told == "little: interrupted, 0/2 trials ended (1 interrupted)"


def test_watching_a_study_that_has_ended_tells_it_once(tmp_path: Path) -> None:
    """There is nothing to wait for; one of its trials cannot be watched."""
    make_folder(tmp_path)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["show", "little", *arguments, "--results", str(tmp_path)])

    assert run("--watch").output == "little: interrupted, 0/4 trials ended (none asked)\n"
    assert json.loads(run("--watch", "--json").output)["state"] == "interrupted"
    assert run("0", "--watch").exit_code == 2


SHOW = "from study.cli import main; main()"


def test_ctrl_c_ends_a_watch(running: tuple[StudyFolder, RecordWriter]) -> None:
    """SIGINT ends it with 130 and a word, not a traceback; the study knows nothing of it."""
    folder, _ = running
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW, "show", "little", "--watch", "--json", "--results", str(folder.layout.root.parent)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, restore_signals=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["state"] == "running"

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert err.strip() == "interrupted"
    assert folder.driver is not None


def test_a_terminal_shows_the_study_in_its_place(running: tuple[StudyFolder, RecordWriter]) -> None:
    """On a terminal the whole state is drawn, drawn again, and left there when the study is over."""
    folder, _ = running
    terminal, end = pty.openpty()
    arguments = ["show", "little", "--watch", "--results", str(folder.layout.root.parent)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW, *arguments], stdout=end, stderr=end, stdin=end, env=environment
    )
    os.close(end)
    shown = b""
    while shown.count(b"little: running") < 2:
        shown += os.read(terminal, 4096)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    os.close(terminal)

    assert b"RuntimeError: no" in shown
    assert b"rate       " in shown
    assert b"\x1b[" in shown


def test_the_live_table_tells_all_at_a_glance(running: tuple[StudyFolder, RecordWriter]) -> None:
    """Counts of each state, time left, cost, rate, the latest failure, the best and what runs."""
    folder, writer = running
    display = Display(folder, writer.record, trials=4, console=io.StringIO())
    display.follow(Ending(Budget(), grace_seconds=1.0))
    text = io.StringIO()

    Console(file=text, width=120).print(display._render())

    shown = text.getvalue()
    assert "little  2 of 4 trials" in shown
    assert "about " in shown
    assert "1 completed  1 failed  1 running" in shown
    assert "3 epochs, 4 s of workers' time; " in shown
    assert "trials an hour" in shown
    assert "trial 1 failed (error): RuntimeError: no" in shown
    assert "best  0      1      2.0000" in shown
