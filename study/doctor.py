"""`study doctor`: a study's folder against its record. Checks find, repairs mend, here both are put together and told.

Standard library only.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study import folder_checks, lock, trial_checks
from study.errors import DamagedStudyError, StudyError
from study.examination import Examination, Finding
from study.layout import StudyLayout, check_name
from study.repairs import repair
from study.store import StudyFolder

_MOST_OF_A_KIND = 10
_TOLD = ("kind", "message", "is_damage", "is_repairable", "hint")

Check = Callable[[Examination], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    folder_checks.manifest,
    folder_checks.record,
    folder_checks.torn_line,
    folder_checks.space,
    folder_checks.strangers,
    trial_checks.parameters,
    trial_checks.configurations,
    trial_checks.models,
    trial_checks.checkpoints,
    trial_checks.best,
    trial_checks.no_weights,
    folder_checks.unfinished,
    folder_checks.dead_lock,
    folder_checks.scratch,
    trial_checks.leftovers,
)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What the doctor has to say of a study."""

    study: str
    is_live: bool
    """Whether a driver was writing; then nothing that comes and goes was looked at."""
    findings: tuple[Finding, ...]
    """Damage first, then remarks."""
    repaired: tuple[str, ...] = ()
    """What was mended before, a line each."""

    @property
    def damage(self) -> list[Finding]:
        """The findings that are more than remarks."""
        return [finding for finding in self.findings if finding.is_damage]

    def to_mapping(self) -> dict[str, Any]:
        """All of it for machines; these keys stay."""
        return {
            "name": self.study,
            "is_sound": not self.damage,
            "is_live": self.is_live,
            "repaired": list(self.repaired),
            "findings": [{name: getattr(finding, name) for name in _TOLD} for finding in self.findings],
        }

    def __str__(self) -> str:
        state = "damaged" if self.damage else "sound"
        lines = [f"{self.study}: {state}{', a driver is at work on it' if self.is_live else ''}"]
        lines += [f"  repaired  {line}" for line in self.repaired]
        told = Counter[str]()
        for finding in self.findings:
            told[finding.kind] += 1
            lines += _lines(finding) if told[finding.kind] <= _MOST_OF_A_KIND else []
        lines += [
            f"  and {count - _MOST_OF_A_KIND} more findings of the kind {kind!r}; --json has all"
            for kind, count in told.items()
            if count > _MOST_OF_A_KIND
        ]
        return "\n".join(lines)

    def check(self) -> None:
        """Raise `DamagedStudyError` if there is damage."""
        if self.damage:
            can_mend = any(finding.is_repairable for finding in self.damage)
            raise DamagedStudyError(
                f"{self.study}: {len(self.damage)} {'finding is' if len(self.damage) == 1 else 'findings are'} damage",
                hint=f"study doctor {self.study} --repair mends what it can without loss"
                if can_mend
                else self.damage[0].hint,
            )


def _lines(finding: Finding) -> list[str]:
    advice = "--repair mends it" if finding.is_repairable else finding.hint
    told = f"  {'damage' if finding.is_damage else 'remark'}    {finding.message}"
    return [told, f"            {advice}"] if advice else [told]


def diagnose(results: Path, name: str) -> Diagnosis:
    """Look at a study's folder. Raises `StudyError` if there is none of this name."""
    layout = _layout(results, name)
    seen = Examination.of(layout)
    findings = _find(seen)
    if seen.is_live and findings:  # what a second look does not confirm was in motion
        again = set(_find(Examination.of(layout)))
        findings = [finding for finding in findings if finding in again]
    return _diagnosis(seen, findings)


def mend(results: Path, name: str) -> Diagnosis:
    """Repair what can be repaired without loss, and look again. Raises `LockedError` while a driver is at work."""
    layout = _layout(results, name)
    with lock.hold(layout.lock) as held:
        repaired = [] if held.predecessor is None else [f"removed the lock of {held.predecessor}"]
        while True:  # a repair may make another one possible; each is done once
            seen = Examination.of(layout, is_ours=True)
            findings = _find(seen)
            done, failed = repair(seen, findings)
            if not set(done) - set(repaired):
                break
            repaired += done
        if repaired:
            _note(seen, held, f"study doctor: {'; '.join(repaired)}")
        return _diagnosis(seen, findings, [*repaired, *failed])


def _note(seen: Examination, held: lock.Held, text: str) -> None:
    """Let the record say what was mended, if it can be written on."""
    if seen.folder is not None and seen.is_whole:
        with contextlib.suppress(StudyError), seen.folder.write_under(held) as writer:
            writer.append("note", text=text)


def _layout(results: Path, name: str) -> StudyLayout:
    layout = StudyLayout(results / check_name(name))
    if not any(path.exists() for path in (layout.manifest, layout.events, layout.space)):
        StudyFolder.open(results, name)  # raises: there is nothing of a study
    return layout


def _find(seen: Examination) -> list[Finding]:
    checks = (folder_checks.manifest,) if seen.is_foreign else CHECKS
    findings = [finding for check in checks for finding in check(seen)]
    return sorted(findings, key=lambda finding: not finding.is_damage)


def _diagnosis(seen: Examination, findings: Iterable[Finding], repaired: Iterable[str] = ()) -> Diagnosis:
    return Diagnosis(
        study=seen.layout.root.name, is_live=seen.is_live, findings=tuple(findings), repaired=tuple(repaired)
    )
