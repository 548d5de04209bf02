"""Chaos: a study of many short trials, a random fault every few seconds, resumed until it is done, then audited.

    python -m tests.study.chaos --faults 100

runs the long version in a temporary folder and prints its log, which docs/experiments.md keeps.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from colournet.batches import ImageSet
from colournet.checkpoints import load_model
from colournet.data import prepare
from colournet.evaluation import score
from study.doctor import diagnose
from study.records import ENDED, Event, parse
from study.store import StudyFolder

SPACE = """
name = "chaos"
trials = {trials}
pruner = {{ kind = "successive_halving", min_epochs = 8, reduction_factor = 2 }}

[fixed]
dataset = "scenes"
train_images = 60
num_filters = 2
batch_size = 20
num_colours = 8

[search.model]
kind = "choice"
choices = ["cnn", "unet"]

[search.epochs]
kind = "int"
low = 12
high = 24

[search.learning_rate]
kind = "choice"
choices = [1e-3, 3e-3, 1e-2, 3e-2, 1e30]
"""
_FAULTS = Path(__file__).parent / "faults"
_EXPECTED = {0, 1, 130, 143, -signal.SIGKILL, -signal.SIGINT, -signal.SIGTERM}
_PATIENCE_SECONDS = 120.0


@dataclass
class Chaos:
    """A study under attack in a folder of its own."""

    root: Path
    ray_dir: Path
    seed: int
    tell: Callable[[str], None] = print
    committed: Counter[str] = field(default_factory=Counter)
    drivers: int = 0
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._deck: list[str] = []
        self.faults = self.root / "faults"
        self.faults.mkdir(parents=True)

    @property
    def folder(self) -> StudyFolder:
        """The study."""
        return StudyFolder.open(self.root / "results", "chaos")

    def run(self, *, trials: int, faults: int) -> None:
        """Launch a study, commit so many faults, each while it runs, and let it end; it grows if it ends too early."""
        (self.root / "space.toml").write_text(SPACE.format(trials=trials))
        while sum(self.committed.values()) < faults:
            if self._ensure_driver(trials):
                trials += 4  # it was done before the faults were
                continue
            self._commit(self._draw())
        while not self._ensure_driver(trials):
            assert self.process is not None
            self.process.wait(timeout=600)

    def _draw(self) -> str:
        """The next kind of fault: all of them, in a random order, then again."""
        if not self._deck:
            self._deck = self.random.sample(_KINDS, len(_KINDS))
        return self._deck.pop()

    def _ensure_driver(self, trials: int) -> bool:
        """Have a driver at work, and wait until its study moves; answer whether instead all that was asked for is done."""
        if self.process is None or self.process.poll() is not None:
            if self.process is not None and self._is_done(trials):
                return True
            self._start(trials)
        before = self._size()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._size() == before or not self._running():
            assert self.process is not None
            if self.process.poll() is not None:
                return self._is_done(trials)
            assert time.monotonic() < deadline, "nothing moves any more"
            time.sleep(0.05)
        return False

    def _start(self, trials: int) -> None:
        if self.process is not None:
            code = self.process.returncode
            assert code in _EXPECTED, (code, self._log())
            assert "Traceback" not in self._log(), self._log()
        self.drivers += 1
        known = (self.root / "results" / "chaos").exists()
        command = ["resume", "chaos"] if known else ["launch", "space.toml"]
        options = ["--trials", str(trials), "--max-failures", "50", "--lost-retries", "20", "--trial-timeout", "60s"]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(_FAULTS), *sys.path]),
            "STUDY_FAULTS": str(self.faults),
            "RAY_TMPDIR": str(self.ray_dir),
            "NO_COLOR": "1",
        }
        with (self.root / "driver.err").open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from study.cli import main; main()", *command, *options],
                cwd=self.root,
                env=environment,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
            )

    def _commit(self, kind: str) -> None:
        time.sleep(self.random.uniform(0.0, 2.0))
        assert self.process is not None
        if kind in _SIGNALS:
            self.process.send_signal(_SIGNALS[kind])
            self.process.wait(timeout=_PATIENCE_SECONDS)
        elif kind == "kill worker":
            if not self._kill_worker():
                return
        else:
            (self.faults / kind).touch()
            if not self._taken(kind):
                return
        self.committed[kind] += 1
        record = self.folder.read()
        self.tell(f"fault {sum(self.committed.values())}: {kind}; {record.counts}, {record.trained} epochs trained")

    def _kill_worker(self) -> bool:
        """Kill a worker that has a trial, and wait until its driver knows; answer whether there was one."""
        workers = self._running()
        if not workers:
            return False
        victim = self.random.choice(workers)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            return False
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while victim in self._running():
            assert time.monotonic() < deadline, "the driver does not notice that a worker is gone"
            time.sleep(0.05)
        return True

    def _taken(self, kind: str) -> bool:
        """Wait until a worker has committed a fault; where none comes by, take it back."""
        deadline = time.monotonic() + 20
        while (self.faults / kind).exists():
            assert self.process is not None
            if time.monotonic() > deadline or self.process.poll() is not None:
                (self.faults / kind).unlink(missing_ok=True)
                return False
            time.sleep(0.02)
        return True

    def _running(self) -> list[int]:
        """The processes of the trials under way."""
        if not (self.root / "results" / "chaos").exists():
            return []
        running = {trial.number for trial in self.folder.read().trials.values() if trial.state == "running"}
        latest = {event["trial"]: event["pid"] for event in self.events() if event["event"] == "started"}
        return [pid for number, pid in latest.items() if number in running]

    def _is_done(self, trials: int) -> bool:
        record = self.folder.read()
        return len(record.trials) >= trials and not record.unfinished

    def _size(self) -> int:
        try:
            return (self.root / "results" / "chaos" / "events.jsonl").stat().st_size
        except FileNotFoundError:
            return 0

    def _log(self) -> str:
        return (self.root / "driver.err").read_text()

    def events(self) -> Iterator[Event]:
        """The whole lines of the record."""
        lines = self.folder.layout.events.read_bytes().splitlines(keepends=True)
        return (parse(line) for line in lines if line.endswith(b"\n"))


_SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
_KINDS = (*_SIGNALS, "kill worker", "error", "out_of_memory", "disk_full", "exit")


def audit(chaos: Chaos, *, workers: int) -> str:
    """Check that nothing was lost, repeated or mislabelled; answer what there was, in a sentence."""
    record, events = chaos.folder.read(), list(chaos.events())
    ends = Counter(event["trial"] for event in events if event["event"] in ENDED)
    assert dict(ends) == dict.fromkeys(range(record.target), 1), "each trial asked for ends exactly once"
    assert chaos.folder.state(record) == "finished"
    _check_epochs(events)
    _check_best(chaos.folder)
    assert diagnose(chaos.root / "results", "chaos").damage == [], "the doctor is content"

    faults = sum(chaos.committed.values())
    repeated = record.trained - sum(len(trial.epochs) for trial in record.trials.values())
    assert repeated <= faults * workers, (repeated, faults)

    reasons = Counter(trial.reason for trial in record.trials.values() if trial.state == "failed")
    assert reasons["error"] <= chaos.committed["error"]
    assert reasons["lost"] == reasons["timed_out"] == 0
    assert {trial.number for trial in record.trials.values() if trial.params["learning_rate"] == 1e30} >= {
        trial.number for trial in record.trials.values() if trial.reason == "diverged"
    }
    return (
        f"{record.target} trials, each ended once: {dict(record.counts)}; failed by {dict(reasons)}; "
        f"{record.trained} epochs trained, {repeated} of them again; {faults} faults: {dict(chaos.committed)}; "
        f"{chaos.drivers} drivers"
    )


def _check_epochs(events: list[Event]) -> None:
    """Within an attempt no epoch is missing or repeated."""
    last: dict[tuple[int, int], int] = {}
    for event in events:
        if event["event"] == "epoch":
            key = event["trial"], event["attempt"]
            assert event["epoch"] == last.get(key, event["epoch"] - 1) + 1, event
            last[key] = event["epoch"]


def _check_best(folder: StudyFolder) -> None:
    """The best trial's model gives the recorded value to the bit."""
    best = folder.best(folder.read())
    assert best is not None
    assert best.checkpoint is not None
    model = load_model(folder.layout.root / best.checkpoint)
    data = prepare(model.config).for_run(model.config)
    images = ImageSet.on(torch.device("cpu"), data.validation_images, data.validation_labels)
    threads = torch.get_num_threads()
    torch.set_num_threads(model.config.num_threads)
    try:
        found = score(model.network, images, torch.tensor(data.palette), regression=False, form=model.config.form)
    finally:
        torch.set_num_threads(threads)
    assert found.loss == best.value, (found.loss, best.value)


def main() -> None:
    """Run the long version and print its log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as root,
        tempfile.TemporaryDirectory(prefix="r-", ignore_cleanup_errors=True) as ray_dir,
    ):
        began = time.monotonic()
        chaos = Chaos(Path(root), Path(ray_dir), wanted.seed)
        chaos.run(trials=wanted.trials, faults=wanted.faults)
        print(audit(chaos, workers=os.cpu_count() or 1), f"in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
