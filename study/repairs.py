"""Repairs of a study's folder that lose nothing: each a function from what was found to a line that tells what was done.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from colournet import files
from colournet.errors import UserError
from study import best
from study.examination import Examination, Finding

Repair = Callable[[Examination, Finding], str]


def repair(seen: Examination, findings: Iterable[Finding]) -> tuple[list[str], list[str]]:
    """Mend what can be mended, under the study's lock; answer a line for each repair that was done and that failed."""
    done, failed = list[str](), list[str]()
    for finding in findings:
        if finding.is_repairable and finding.kind in REPAIRS:
            try:
                done.append(REPAIRS[finding.kind](seen, finding))
            except OSError as error:
                failed.append(f"could not mend {finding.message}: {error.strerror}")
            except UserError as error:
                failed.append(f"could not mend {finding.message}: {error.message}")
    return done, failed


def _cut_torn_line(seen: Examination, _: Finding) -> str:
    torn = seen.lines.torn
    kept = _free(seen.layout.torn)
    with files.replacing(kept) as part:
        part.write_bytes(torn)
    with seen.layout.events.open("r+b") as record:
        record.truncate(record.seek(0, os.SEEK_END) - len(torn))
        os.fsync(record.fileno())
    return f"cut a torn last line of {len(torn)} bytes, kept in {kept.name}"


def _restore_space(seen: Examination, _: Finding) -> str:
    path = seen.layout.space
    kept = _free(seen.layout.replaced_space) if path.exists() else None
    if kept is not None:
        path.rename(kept)
    with files.replacing(path) as part:
        part.write_bytes(seen.record.spaces[-1].encode())
    return "restored space.toml from the record" + (f", what stood there is kept in {kept.name}" if kept else "")


def _restore_config(seen: Examination, finding: Finding) -> str:
    (path,) = finding.paths
    trial = next(trial for trial in seen.record.trials.values() if seen.layout.trial(trial.number).config == path)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, seen.configs[trial.number][0].to_toml())
    return f"wrote {seen.name(path)} from the record"


def _rebuild_best(seen: Examination, _: Finding) -> str:
    assert seen.folder is not None
    seen.layout.best.metrics.unlink(missing_ok=True)
    best.refresh(seen.folder, seen.folder.best(seen.record))
    return f"copied trial {best.published(seen.folder)} to best/"


def _remove(seen: Examination, finding: Finding) -> str:
    told = f"removed {seen.some(finding.paths).removesuffix(',')}"
    for path in finding.paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return told


def _remove_weights(seen: Examination, finding: Finding) -> str:
    """Remove weights, and the attempts' folders that are empty then; only a trial that is over needs no folder for its count."""
    told = _remove(seen, finding)
    for folder in {path.parent for path in finding.paths}:
        with contextlib.suppress(OSError):
            folder.rmdir()
    return told


def _free(name: Callable[[int], Path]) -> Path:
    """The first of numbered files that is not there yet."""
    number = 1
    while name(number).exists():
        number += 1
    return name(number)


REPAIRS: Mapping[str, Repair] = {
    "torn_line": _cut_torn_line,
    "space": _restore_space,
    "config": _restore_config,
    "best": _rebuild_best,
    "scratch": _remove,
    "leftovers": _remove_weights,
}
"""By kind of finding. A dead driver's lock needs none: it is taken over by whoever repairs, and let go."""
