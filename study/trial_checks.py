"""Checks of what trials left: configurations, models, checkpoints, the best trial's copy, and what outlived its use.

Each answers the findings of one kind of fault. Standard library only.
"""

from __future__ import annotations

import filecmp
import json
import reprlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from colournet.config import TrainConfig
from colournet.errors import CheckpointError, ConfigError
from study.errors import RecordError
from study.examination import Examination, Finding
from study.folder_checks import RESTORE
from study.records import TrialRecord
from study.space import Space
from study.store import StudyFolder
from study.weights import Description, describe_checkpoint, describe_model

_COMPARED = ("train_loss", "val_loss", "val_accuracy", "val_mse", "seconds", "images_per_second")


def parameters(seen: Examination) -> Iterator[Finding]:
    """The parameters that each trial was asked with mean something in the study's search space."""
    if not any(isinstance(space, Space) for space in seen.spaces.values()):
        return
    for trial in seen.record.trials.values():
        if not seen.configs[trial.number]:
            message = f"trial {trial.number}: its parameters mean nothing in the search space"
            yield Finding(kind="parameters", message=message, hint=RESTORE)


def configurations(seen: Examination) -> Iterator[Finding]:
    """`config.toml` of each trial that was started is what it was asked to be."""
    for trial in seen.record.trials.values():
        path = seen.layout.trial(trial.number).config
        expected = seen.configs[trial.number]
        if trial.attempt and expected and not seen.is_away(trial):
            fault = _config_fault(path, expected)
            if fault is not None:
                can_restore = not path.exists() and len(expected) == 1 and seen.is_whole and not seen.is_live
                message = f"{seen.name(path)}: {fault}"
                yield Finding(kind="config", message=message, is_repairable=can_restore, hint=RESTORE, paths=(path,))


def no_weights(seen: Examination) -> Iterator[Finding]:
    """If no weights are here at all, they were not kept on purpose, as in a copy from version control."""
    named = [trial for trial in seen.record.trials.values() if trial.checkpoint is not None]
    begun = [trial for trial in seen.record.unfinished if trial.epochs and not seen.is_away(trial)]
    if seen.has_weights or not (named or begun):
        return
    parts = [f"none of the {len(named)} models that the record names is here"] if named else []
    parts += [f"{len(begun)} unfinished trials would begin anew" if begun else ""]
    hint = f"study reproduce {seen.layout.root.name} trains the best again" if named else None
    message = f"no weights were kept in this copy: {', and '.join(filter(None, parts))}"
    yield Finding(kind="no_weights", message=message, is_damage=False, hint=hint)


def models(seen: Examination) -> Iterator[Finding]:
    """The model of every completed trial is there until the record says that it was discarded, is whole, and is the trial's."""
    if seen.folder is None or not seen.has_weights:
        return
    for trial in seen.record.trials.values():
        fault = _model_fault(seen, seen.folder, trial)
        if fault is not None:
            yield Finding(
                kind="model", message=fault, hint=f"study reproduce {seen.layout.root.name} --trial {trial.number}"
            )


def checkpoints(seen: Examination) -> Iterator[Finding]:
    """Every interrupted trial can go on from its last epoch, with a checkpoint that is whole and its own."""
    if seen.is_live or not seen.has_weights:
        return
    for trial in seen.record.unfinished:
        if seen.is_away(trial):
            continue
        kept = 0
        for attempt in seen.layout.trial(trial.number).attempts():
            path = seen.layout.trial(trial.number).checkpoint(attempt)
            if path.exists():
                found, fault = _look(describe_checkpoint, path)
                fault = fault if found is None else _checkpoint_fault(seen, trial, attempt, found)
                kept = max(kept, 0 if found is None or fault else len(found.history))
                if fault is not None:
                    hint = "a next attempt does without it"
                    yield Finding(kind="checkpoint", message=f"{seen.name(path)}: {fault}", hint=hint)
        if kept < trial.last_epoch:
            lost = f"{trial.last_epoch - kept} of its {trial.last_epoch} epochs"
            message = f"trial {trial.number}: {lost} must be trained again, for want of a checkpoint"
            yield Finding(kind="lost_epochs", message=message, hint=f"study resume {seen.layout.root.name} does so")


def best(seen: Examination) -> Iterator[Finding]:
    """`best/` is a whole copy of the record's best trial; a living driver may be about to copy it."""
    if seen.folder is None or not seen.is_whole or seen.is_live:
        return
    trial = seen.folder.best(seen.record)
    fault = None if trial is None else _best_fault(seen, trial)
    if trial is not None and fault is not None:
        can_rebuild = _can_be_copied(seen, trial) and _model_fault(seen, seen.folder, trial) is None
        yield Finding(kind="best", message=f"best/: {fault}", is_repairable=can_rebuild, hint=RESTORE)


def leftovers(seen: Examination) -> Iterator[Finding]:
    """Of a trial that is over only its model is kept, until the record says that it was discarded."""
    if seen.folder is None or not seen.is_whole or seen.is_live:
        return
    paths = [path for trial in seen.ended for path in _leftovers(seen, seen.folder, trial)]
    if paths:
        message = f"{seen.some(paths)} of trials that are over"
        yield Finding(kind="leftovers", message=message, is_damage=False, is_repairable=True, paths=tuple(paths))


def _config_fault(path: Path, expected: Sequence[TrainConfig]) -> str | None:
    if not path.exists():
        return "there is no such file"
    try:
        found = TrainConfig.from_toml(path)
    except ConfigError as error:
        return error.message.removeprefix(f"{path}: ")
    return None if found in expected else _differences(found, expected[0])


def _differences(found: TrainConfig, expected: TrainConfig) -> str:
    is_there, is_asked = found.to_mapping(), expected.to_mapping()
    names = [name for name in {**is_there, **is_asked} if is_there.get(name) != is_asked.get(name)]
    told = ", ".join(
        f"{name} is {is_there.get(name)!r} there and {is_asked.get(name)!r} in the record" for name in names
    )
    return f"is of another configuration than its trial: {told}"


def _model_fault(seen: Examination, folder: StudyFolder, trial: TrialRecord) -> str | None:
    """What is wrong with the model that the record names, path included; None too where it names none."""
    try:
        path = folder.model(trial)
    except RecordError as error:
        return error.message.removeprefix(f"{seen.layout.root}/")
    if path is None:
        return None
    fault = _fault_of(seen, trial, path)
    return None if fault is None else f"{seen.name(path)}: {fault}"


def _fault_of(seen: Examination, trial: TrialRecord, model: Path) -> str | None:
    """What is wrong with a file as the model of a trial."""
    found, fault = _look(describe_model, model)
    expected = seen.configs[trial.number]
    if found is not None and expected and found.config not in expected:
        return _differences(found.config, expected[0])
    return fault


def _checkpoint_fault(seen: Examination, trial: TrialRecord, attempt: int, found: Description) -> str | None:
    expected = seen.configs[trial.number]
    if expected and found.config not in expected:
        return _differences(found.config, expected[0])
    for row in found.history:
        told = [
            event for event in seen.lines.epochs.get((trial.number, row["epoch"]), ()) if event["attempt"] <= attempt
        ]
        if told and not any(all(event[name] == row[name] for name in _COMPARED) for event in told):
            return f"its epoch {row['epoch']} is not the one that the record has"
    return None


def _look(describe: Callable[[Path], Description], path: Path) -> tuple[Description | None, str | None]:
    """What a weight file says, or what is wrong with it."""
    try:
        return describe(path), None
    except CheckpointError as error:
        return None, error.message


def _best_fault(seen: Examination, trial: TrialRecord) -> str | None:
    layout = seen.layout.best
    told = _read_json(layout.metrics)
    if told is None:
        return "metrics.json is missing or cannot be read"
    for name, wanted in (("trial", trial.number), ("value", trial.value), ("epoch", trial.best_epoch)):
        if told.get(name) != wanted:
            return f"metrics.json has {name} {reprlib.repr(told.get(name))}, the record's best trial {wanted!r}"
    source = seen.layout.trial(trial.number)
    copies = {layout.config: source.config, layout.samples: source.samples}
    if seen.has_weights or layout.model.exists():
        copies[layout.model] = source.model(trial.attempt)
    for copy, original in copies.items():
        if not copy.is_file():
            return f"{copy.name} is missing"
        if not _is_copy(copy, original):
            return f"{copy.name} is not the one of trial {trial.number}"
    fault = _fault_of(seen, trial, layout.model) if layout.model in copies else None
    return None if fault is None else f"{layout.model.name}: {fault}"


def _can_be_copied(seen: Examination, trial: TrialRecord) -> bool:
    """Whether a trial has what is copied to `best/`, and nothing there is in the way."""
    source, target = seen.layout.trial(trial.number), seen.layout.best
    has_sources = trial.checkpoint is not None and source.config.is_file() and source.samples.is_file()
    return has_sources and not any(
        path.is_dir() for path in (target.config, target.samples, target.model, target.metrics)
    )


def _is_copy(copy: Path, original: Path) -> bool:
    """Whether a file has the bytes of another; True where there is no other any more."""
    try:
        return not original.is_file() or filecmp.cmp(original, copy, shallow=False)
    except OSError:
        return False


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _leftovers(seen: Examination, folder: StudyFolder, trial: TrialRecord) -> Iterator[Path]:
    """Weights that a trial left behind; none while the one that is to stay is not there for certain."""
    if _model_fault(seen, folder, trial) is not None:
        return
    layout = seen.layout.trial(trial.number)
    kept = folder.model(trial)
    for attempt in layout.attempts():
        for path in (layout.model(attempt), layout.checkpoint(attempt)):
            if path != kept and path.is_file() and not layout.attempt(attempt).is_symlink():
                yield path
