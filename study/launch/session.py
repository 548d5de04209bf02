"""Launching and resuming: from a search space to a finished record, or one that can be resumed."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colournet import floors
from colournet.config import TrainConfig
from colournet.data import DataBundle, prepare
from study import provenance
from study.errors import InterruptedStudyError, LaunchError, StudyError, TerminatedStudyError
from study.launch import best
from study.launch.cluster import Resources, connected
from study.launch.display import Display
from study.launch.driver import Driver
from study.launch.optimizer import Optimizer
from study.launch.output import captured
from study.records import parse
from study.space import Space
from study.store import RecordWriter, StudyFolder


def launch(
    space: Space,
    results: Path,
    *,
    name: str | None = None,
    trials: int | None = None,
    data_dir: Path | None = None,
    resources: Resources | None = None,
) -> StudyFolder:
    """Begin the study of `space` and run it to its end.

    Nothing is left behind if the data or the name are wrong, or Ray is not to be had (`LaunchError`). Raises
    `InterruptedStudyError` or `TerminatedStudyError` on SIGINT or SIGTERM, the study then being resumable.
    """
    name = name or space.name
    StudyFolder.check_free(results, name)  # before the data are loaded, or even downloaded
    target = trials or space.trials
    bundle = _prepare(space, data_dir)
    folder = StudyFolder.create(results, name, space_text=space.text, manifest=_manifest(space, bundle, trials=target))
    try:
        return _run(folder, bundle, trials=target, resources=resources or Resources(), kind="launched")
    finally:
        folder.discard_if_empty()


def resume(
    folder: StudyFolder,
    *,
    trials: int | None = None,
    data_dir: Path | None = None,
    resources: Resources | None = None,
) -> StudyFolder:
    """Finish a study that stopped for any reason, or extend it to `trials` in all. Nothing happens if nothing is left.

    Raises as `launch`, and `StudyError` if more trials were asked than `trials`, or if the data are not those that the
    study began with.
    """
    record = folder.read()
    target = trials or record.target or folder.manifest["trials"]
    if target < len(record.trials):
        raise StudyError(
            f"{folder.name}: {len(record.trials)} trials were asked already, got --trials {target}",
            hint=f"leave --trials out, or name at least {len(record.trials)}",
        )
    if folder.driver is None and not record.unfinished and len(record.trials) >= target:
        return folder
    bundle = _prepare(folder.space, data_dir)
    recorded = folder.manifest["data"]["fingerprint"]
    if bundle.fingerprint != recorded:
        raise StudyError(
            f"{folder.name}: the images or palettes are not those that the study began with",
            hint=f"point --data-dir at the same data; {folder.layout.manifest} tells which they were",
        )
    return _run(folder, bundle, trials=target, resources=resources or Resources(), kind="resumed")


def _run(folder: StudyFolder, bundle: DataBundle, *, trials: int, resources: Resources, kind: str) -> StudyFolder:
    with folder.write() as writer, captured(folder.layout.log) as console, _stopping(folder.name) as stop:
        optimizer = _rebuild(folder, writer)
        with (
            Display(folder, writer.record, trials=trials, console=console) as display,
            connected(resources) as capacity,
        ):
            from study.launch import tuning

            stop.listen()
            display.workers = capacity
            writer.append(kind, trials=trials, host=socket.gethostname(), pid=os.getpid(), workers=capacity)
            best.refresh(folder, writer.record)
            driver = Driver(folder, writer, optimizer, trials=trials, on_event=display.tell)
            stop.driver = driver
            try:
                tuning.run(driver, bundle, per_trial=resources.per_trial, capacity=capacity)
            finally:
                reason = "finished" if driver.is_complete else stop.reason or "failed"
                driver.close(reason)
    if reason != "finished" and stop.error is not None:
        raise stop.error
    if reason == "failed":
        raise LaunchError(f"{folder.name}: Ray Tune gave up", hint=f"see {folder.layout.log}")
    return folder


def _rebuild(folder: StudyFolder, writer: RecordWriter) -> Optimizer:
    with folder.layout.events.open("rb") as lines:
        return Optimizer.rebuild(folder.space, writer.record, events=[parse(line) for line in lines])


def _prepare(space: Space, data_dir: Path | None) -> DataBundle:
    """Load what any trial of the space may ask for, and check that it suffices."""
    extras = {name for classes in space.taken("extra_classes") for name in classes}
    base = TrainConfig.from_mapping(
        {name: value for name, value in space.fixed.items() if name not in ("model", "dilation", "extra_classes")}
    )
    palettes = space.palettes
    base = base.replace(num_colours=palettes[0].num_colours, colour_space=palettes[0].colour_space)
    bundle = prepare(base, data_dir=data_dir, extra_classes=extras, palettes=palettes)
    for count in space.taken("train_images"):
        bundle.for_run(base.replace(train_images=count))  # raises if there are fewer
    return bundle


def _manifest(space: Space, bundle: DataBundle, *, trials: int) -> dict[str, Any]:
    train_images = bundle.train_images[bundle.category]
    base = TrainConfig.from_mapping(
        {name: space.fixed[name] for name in ("dataset", "protocol", "data_seed") if name in space.fixed}
    )
    return {
        "question": space.question,
        "trials": trials,
        "seed": space.seed,
        "objective": {"metric": space.objective.metric, "goal": space.objective.goal, "epoch": "best"},
        "sampler": {"kind": space.sampler.kind, **space.sampler.options},
        "pruner": {"kind": space.pruner.kind, **space.pruner.options},
        "space_sha256": space.fingerprint,
        "data": {
            "dataset": base.dataset,
            "category": bundle.category,
            "protocol": base.protocol,
            "data_seed": base.data_seed,
            "train_images": len(train_images),
            "validation_images": len(bundle.validation_images),
            "fingerprint": bundle.fingerprint,
        },
        "palettes": {str(name): palette.round(4).tolist() for name, palette in bundle.palettes.items()},
        "floors": {
            str(name): floors.measure(train_images, bundle.validation_images, palette)
            for name, palette in bundle.palettes.items()
        },
        "provenance": provenance.collect(),
    }


@dataclass
class _Stop:
    """Whether a signal asked the study to stop, and what to do then."""

    study: str
    driver: Driver | None = None
    reason: str | None = None
    """The reason to record, or None while nothing has asked."""
    error: StudyError | None = None
    """The error to end with, likewise."""

    def listen(self) -> None:
        """Take SIGINT and SIGTERM, in a main thread; to be done again once Ray is up, which takes SIGTERM for itself."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self.receive)
            signal.signal(signal.SIGTERM, self.receive)

    def receive(self, number: int, _: object) -> None:
        """Hand out nothing more and stop Tune, which ends its loop on SIGUSR1; before there is a driver, end at once."""
        hint = f"study resume {self.study} goes on with it"
        if number == signal.SIGINT:
            self.reason, self.error = "interrupted", InterruptedStudyError(f"{self.study}: interrupted", hint=hint)
        else:
            self.reason, self.error = "terminated", TerminatedStudyError(f"{self.study}: terminated", hint=hint)
        if self.driver is None:
            raise self.error
        self.driver.stopping = True
        signal.raise_signal(signal.SIGUSR1)


@contextmanager
def _stopping(study: str) -> Iterator[_Stop]:
    """Turn SIGINT and SIGTERM into an orderly end while the block runs (in a main thread)."""
    stop = _Stop(study)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # Tune listens to it while it runs
    stop.listen()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
