"""Launching and resuming: from a search space to a finished record, or one that can be resumed.

A local Ray starts meanwhile, from the moment on that nothing but the data can be wrong. So whatever takes torch, optuna or Ray
Tune, seconds to load, is imported where it is needed: all of these are loaded while Ray starts.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colournet.waiting import waiting
from study.errors import LaunchError, StudyError
from study.launch import ahead, failures, preflight, spaces, storage, trust
from study.launch.cluster import Cluster, Resources, connected
from study.launch.dealer import check_stackable
from study.launch.display import Display
from study.launch.driver import Driver
from study.launch.ending import Ending
from study.launch.local_ray import LocalRay
from study.launch.output import captured, keep_quiet
from study.launch.signals import Signals, listening
from study.launch.source import Source
from study.limits import Budget, Limits
from study.records import StudyRecord, parse
from study.space import Space
from study.space_changes import check_change
from study.store import RecordWriter, StudyFolder

if TYPE_CHECKING:
    from colournet.data import DataBundle
    from study.launch.packing import Packed


def launch(
    space: Space,
    results: Path,
    *,
    name: str | None = None,
    trials: int | None = None,
    data_dir: Path | None = None,
    resources: Resources | None = None,
    limits: Limits | None = None,
    budget: Budget | None = None,
) -> StudyFolder:
    """Begin the study of `space` and run it to its end, or to that of its budget.

    Nothing is left behind if the data or the name are wrong, or Ray is not to be had (`LaunchError`). Raises
    `InterruptedStudyError` or `TerminatedStudyError` on SIGINT or SIGTERM, `LaunchError` where trials fail wholesale or
    the disk is full; the study is resumable then.
    """
    name = name or space.name
    StudyFolder.check_free(results, name)  # before the data are loaded, or even downloaded
    target, resources = trials or space.trials, resources or Resources()
    kept = {} if resources.storage is None else {"storage": storage.of_study(resources.storage, name)}
    plan = Plan(
        kind="launched", trials=target, limits=limits or Limits(), budget=budget or Budget(), space=space, is_new=True
    )
    check_stackable(space, fused=resources.fused)
    with ahead.starting(resources, trials=target) as local:
        bundle = read_data(space, data_dir)
        from study.launch.preparation import make_manifest

        manifest = {**make_manifest(space, bundle, trials=target), **kept}
        folder = StudyFolder.create(results, name, space_text=space.text, manifest=manifest)
        try:
            return run(folder, bundle, plan, resources=resources, local=local)
        finally:
            folder.discard_if_empty()


def resume(
    folder: StudyFolder,
    *,
    trials: int | None = None,
    data_dir: Path | None = None,
    resources: Resources | None = None,
    limits: Mapping[str, Any] | None = None,
    budget: Budget | None = None,
    space: Space | None = None,
    accept_space_change: bool = False,
) -> StudyFolder:
    """Finish a study that stopped for any reason, or extend it to `trials` in all. Nothing happens if nothing is left.

    A finished study with a budget and no `trials` is extended by as many trials as the budget pays for. `limits` are those
    to change; all others stay as they were. A `space` other than that in force, or one that was changed in the folder, must
    be a widening, and be accepted. Raises as `launch`, `SpaceError` for a changed space, and `StudyError` if more trials
    were asked than `trials`, more epochs trained than the budget, or if the data are not those that the study began with.
    """
    if folder.is_confirmation:
        hint = f"{folder.resume_command} goes on with it"
        raise StudyError(f"{folder.name}: is a confirmation, its runs were decided when it began", hint=hint)
    record, budget, resources = folder.read(), budget or Budget(), resources or Resources()
    storage.check_same(folder.manifest.get("storage"), resources.storage)
    in_force = spaces.in_force(folder, record)
    changes = check_change(in_force, space or folder.space, accepted=accept_space_change, study=folder.name)
    space = (space or folder.space) if changes else in_force
    target = trials or (space.trials if changes else record.target) or folder.manifest["trials"]
    check_affordable(folder, record, target, budget)
    is_finished = not record.unfinished and len(record.trials) >= target
    is_open = is_finished and budget.is_set and trials is None
    if folder.driver is None and is_finished and not is_open and not changes:
        return folder
    plan = Plan(
        kind="resumed",
        trials=None if is_open else target,
        limits=Limits.from_mapping(record.limits).replace(**(limits or {})),
        budget=budget,
        space=space,
        is_new=bool(changes),
        notes=[f"accepted a wider search space: {change}" for change in changes],
    )
    left = None if is_open else target - len(record.trials) + len(record.unfinished)
    check_stackable(space, fused=resources.fused)
    with ahead.starting(resources, trials=left) as local:
        bundle = read_data(space, data_dir)
        from study.launch.preparation import check_data

        check_data(folder, bundle)
        return run(folder, bundle, plan, resources=resources, local=local)


def read_data(space: Space, data_dir: Path | None) -> DataBundle:
    """What any trial of the space may ask for; says so on stderr where it takes long."""
    with waiting("reading the data"):
        from study.launch.preparation import prepare_bundle

        return prepare_bundle(space, data_dir)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a session is to do."""

    kind: str
    """`launched` or `resumed`."""
    trials: int | None
    """How many trials are to be asked, all in all; None for as many as the budget pays for."""
    limits: Limits
    budget: Budget
    space: Space
    is_new: bool
    """Whether the record is to be told of the space."""
    notes: Sequence[str] = ()
    """What else is to be noted."""

    def event(self, record: StudyRecord, resources: Resources, *, workers: int) -> dict[str, Any]:
        """The fields of the event that begins the session."""
        return {
            "trials": len(record.trials) if self.trials is None else self.trials,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "workers": workers,
            "gpus_per_trial": resources.gpus_per_trial,
            **({"fused": resources.fused} if resources.fused > 1 else {}),
            "limits": self.limits.to_mapping(),
            **self.budget.to_mapping(),
            **({"space": self.space.text} if self.is_new else {}),
        }


def check_affordable(folder: StudyFolder, record: StudyRecord, target: int, budget: Budget) -> None:
    """Raise `StudyError` if more trials were asked already than `target`, or more epochs trained than the budget."""
    if target < len(record.trials):
        raise StudyError(
            f"{folder.name}: {len(record.trials)} trials were asked already, got --trials {target}",
            hint=f"leave --trials out, or name at least {len(record.trials)}",
        )
    if budget.epochs is not None and budget.epochs <= record.trained:
        raise StudyError(
            f"{folder.title}: {record.trained} epochs were trained already, got --epoch-budget {budget.epochs}",
            hint="the budget is for all sessions of the study together: name more, or leave it out",
        )


def _rebuild(space: Space, folder: StudyFolder, record: StudyRecord) -> Source:
    """Optuna's study, as the record tells it."""
    from study.launch.optimizer import Optimizer

    with folder.layout.events.open("rb") as lines:
        return Optimizer.rebuild(space, record, events=map(parse, lines))


def run(
    folder: StudyFolder,
    bundle: DataBundle,
    plan: Plan,
    *,
    resources: Resources,
    local: LocalRay | None = None,
    make_source: Callable[[Space, StudyFolder, StudyRecord], Source] = _rebuild,
) -> StudyFolder:
    """Drive a study's trials until `plan` is done or the study is to end; raises as `launch` where it is resumable.

    On a `local` Ray that starts already; by default one is started, unless a cluster is named.
    """
    with (
        folder.write() as writer,
        captured(folder.layout.log) as console,
        listening(folder.title, folder.resume_command, console) as signals,
    ):
        keep_quiet()
        with waiting("loading Ray Tune and what was asked so far", file=console):
            from study.launch import packing, tuning

            source = make_source(plan.space, folder, writer.record)
        signals.check()
        with (
            Display(folder, writer.record, trials=plan.trials, console=console) as display,
            connected(resources, local=local, abandon=signals.abandon, check=signals.check) as cluster,
        ):
            signals.listen()
            signals.check()
            resources = packing.to_measure(resources, cluster, plan.space, look=signals.check)
            _check_ready(cluster, resources, folder)
            packed = packing.pack(resources, cluster, plan.space, bundle, tell=display.warn, look=signals.check)
            _begin(folder, writer, plan, packed, workers=cluster.capacity)
            _warn(packed.resources, display)
            driver = Driver(
                folder,
                writer,
                source,
                trials=plan.trials,
                limits=plan.limits,
                budget=plan.budget,
                is_fusing=resources.fused > 1,
                on_event=display.tell,
            )
            display.follow(driver.ending)
            signals.ending = driver.ending
            signals.check()
            try:
                driver.make_good()
                with ahead.used_by_tune(local):
                    tuning.run(driver, bundle, resources=packed.resources, cluster=cluster)
            finally:
                reason = driver.close()
    _raise_for(reason, folder, driver.ending, signals)
    return folder


def _begin(folder: StudyFolder, writer: RecordWriter, plan: Plan, packed: Packed, *, workers: int) -> None:
    """Record that the session began, and with which space."""
    writer.append(plan.kind, **plan.event(writer.record, packed.resources, workers=workers))
    for text in [*plan.notes, *packed.notes]:
        writer.append("note", text=text)
    spaces.write(folder, plan.space)


def _warn(resources: Resources, display: Display) -> None:
    """Show what a user should know of where the trials run."""
    if resources.address is not None:
        display.warn(trust.warning())
    if resources.fused > 1 and not resources.gpus_per_trial:
        display.warn("--fuse is for GPUs: on CPUs a stack takes longer than its trials take one after another")


def _check_ready(cluster: Cluster, resources: Resources, folder: StudyFolder) -> None:
    """Raise `LaunchError` if not every node that may get a trial is ready for it. A local Ray's only node is this one."""
    place = folder.manifest.get("storage")
    if cluster.is_shared:
        preflight.examine(cluster, resources, place or folder.layout.root.absolute().as_uri()).check()
    elif place is not None:
        for found in preflight.check_storage(None, [], place):
            raise LaunchError(found.message, hint=found.remedy)


def _raise_for(reason: str, folder: StudyFolder, ending: Ending, signals: Signals) -> None:
    """Raise what a study ended with, if it did not end in order."""
    if isinstance(ending.error, OSError):
        raise failures.cannot_write(folder, ending.error) from ending.error
    if ending.error is not None:
        raise ending.error
    if reason in ("interrupted", "terminated"):
        signals.check()
    if reason == "failed":
        raise LaunchError(f"{folder.title}: Ray Tune gave up", hint=f"see {folder.layout.log}")
