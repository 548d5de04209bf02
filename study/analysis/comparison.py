"""Several studies side by side: opened, found comparable, and each read at one moment."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from colournet.config import TrainConfig
from study.analysis import comparability, summaries
from study.analysis import comparison_summaries as sums
from study.analysis.comparability import Subject
from study.analysis.comparison_summaries import Difference
from study.analysis.intervals import Estimate
from study.analysis.judgement import Judgement
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.errors import RecordError, StudyError
from study.layout import StudyLayout
from study.store import StudyFolder

_LONGEST_NAME = 100
_NO_PART_OF_A_RUN = ("seed", "device")


@dataclass(frozen=True, eq=False)
class Compared:
    """One of the studies."""

    label: str
    loaded: Loaded

    @cached_property
    def totals(self) -> dict[str, float]:
        """Its row of the table: see `comparison_summaries.totals`."""
        return sums.totals(self.loaded.trials, self.loaded.attempts, goal=self.loaded.measure.goal)

    @cached_property
    def configs(self) -> list[TrainConfig]:
        """Of its trials, in order of their numbers."""
        trials = self.loaded.record.trials.values()
        return [self.loaded.space.config(trial.params, seed=trial.seed) for trial in trials]

    @property
    def best_config(self) -> TrainConfig | None:
        """That of the best completed trial."""
        best = self.loaded.folder.best(self.loaded.record)
        return None if best is None else self.configs[best.number]

    @property
    def completed_values(self) -> pd.Series[float]:
        """The objective of each completed trial."""
        return summaries.completed(self.loaded.trials)["value"]

    @cached_property
    def confirmed(self) -> Estimate | None:
        """The best trial's value on the validation images with fresh seeds, where `study confirm` has trained them."""
        best = self.loaded.folder.best(self.loaded.record)
        for root in self.loaded.folder.confirmations:
            rows = Judgement.read(StudyFolder(root)).verdict.rows.values()
            found = [row.value for row in rows if best is not None and row.candidate.trial == best.number]
            if found and found[0].n > 1:
                return found[0]
        return None


@dataclass(frozen=True)
class Comparison:
    """Two or more comparable studies."""

    studies: tuple[Compared, ...]
    subjects: tuple[Subject, ...]

    @classmethod
    def read(cls, results: Path, names: Sequence[str]) -> Comparison:
        """Read studies by their names or paths. Raises `StudyError` if they cannot be compared, `RecordError` if not read."""
        labels = _labels([_find(results, name) for name in names], names)
        comparability.check([_subject(label, folder) for label, folder in labels.items()])
        studies = tuple(Compared(label, Loaded.read(folder)) for label, folder in labels.items())
        subjects = [
            replace(_subject(one.label, one.loaded.folder), devices=_devices(one.loaded.trials)) for one in studies
        ]
        return cls(studies, tuple(subjects))

    def __iter__(self) -> Iterator[Compared]:
        return iter(self.studies)

    @property
    def first(self) -> Compared:
        """The study that the others are held against."""
        return self.studies[0]

    @property
    def title(self) -> str:
        """`a, b and c`."""
        return comparability.listed([study.label for study in self.studies])

    @property
    def slug(self) -> str:
        """A folder's name: `a-vs-b`; of many or long names, and of equal ones, the first, with a hash of all."""
        names = [study.loaded.folder.name for study in self.studies]
        whole = "-vs-".join(names)
        if len(set(names)) == len(names) and len(whole) <= _LONGEST_NAME:
            return whole
        paths = "\n".join(str(study.loaded.folder.layout.root.resolve()) for study in self.studies)
        return f"{names[0][: _LONGEST_NAME // 2]}-vs-{len(names) - 1}-{hashlib.sha256(paths.encode()).hexdigest()[:8]}"

    @cached_property
    def measure(self) -> Measure:
        """What all are judged by, with the floors of every palette that any of them has."""
        floors = {name: value for study in self.studies for name, value in study.loaded.measure.floors.items()}
        return replace(self.first.loaded.measure, floors=floors)

    @cached_property
    def fixed_apart(self) -> list[str]:
        """The settings that no study searches and that are not the same in all: what the studies differ in by plan."""
        names = [field.name for field in fields(TrainConfig) if field.name not in _NO_PART_OF_A_RUN]
        spaces = [study.loaded.space for study in self.studies]
        return [
            name
            for name in names
            if not any(name in space.search for space in spaces)
            and any(space.taken(name) != spaces[0].taken(name) for space in spaces)
        ]

    @cached_property
    def pairs(self) -> list[Difference]:
        """Each study less the first, in pairs of completed trials with the same seed and settings but for `fixed_apart`."""
        return sums.paired({study.label: _by_key(study, self.fixed_apart) for study in self.studies})

    @cached_property
    def samples(self) -> list[Difference]:
        """Each study's mean less the first one's, where all are random samples of their spaces; else none."""
        if not all(subject.is_random_sample for subject in self.subjects):
            return []
        return sums.unpaired({study.label: study.completed_values.tolist() for study in self.studies})

    def at_equal_trials(self) -> tuple[int, dict[str, float]]:
        """How many trials every study has asked, and the best value among so many of each; NaN where none completed."""
        n = min(len(study.loaded.trials) for study in self.studies)
        goal = self.measure.goal
        curves = {study.label: sums.by_asked(study.loaded.trials, goal=goal)["best"] for study in self.studies}
        return n, {label: float(curve.iloc[n - 1]) if n else float("nan") for label, curve in curves.items()}


def _find(results: Path, name: str) -> StudyFolder:
    """A study by its name, by its path, or by its path below `results`."""
    if "/" not in name:
        return StudyFolder.open(results, name)
    for path in (Path(name), results / name):
        if StudyLayout(path).manifest.is_file():
            return StudyFolder(path.resolve())
    raise RecordError(
        f"{name}: there is no study", hint=f"give a name below {results}, or the path of a study's folder"
    )


def _labels(folders: Sequence[StudyFolder], names: Sequence[str]) -> dict[str, StudyFolder]:
    """What each is called: its title where that is its own, else what the user called it."""
    places = [folder.layout.root.resolve() for folder in folders]
    for place, name in zip(places, names, strict=True):
        if places.count(place) > 1:
            raise StudyError(f"{name}: is named twice", hint="compare two studies or more, each named once")
    titles = [folder.title for folder in folders]
    seen = Counter(titles)
    labels = [title if seen[title] == 1 else str(place) for title, place in zip(titles, places, strict=True)]
    return dict(zip(labels, folders, strict=True))


def _subject(label: str, folder: StudyFolder) -> Subject:
    return Subject(label=label, manifest=folder.manifest, space=folder.space)


def _devices(trials: pd.DataFrame) -> tuple[str, ...]:
    return tuple(sorted(trials["device"].dropna().unique()))


def _by_key(study: Compared, apart: Sequence[str]) -> pd.Series[float]:
    """The values of completed trials, by a text of all their settings and the seed."""
    keys = [_key(config, apart) for config in study.configs]
    done = study.loaded.trials.assign(key=keys)
    return summaries.completed(done).set_index("key")["value"]


def _key(config: TrainConfig, apart: Sequence[str]) -> str:
    told: Mapping[str, Any] = {field.name: getattr(config, field.name) for field in fields(config)}
    return repr({name: value for name, value in told.items() if name not in apart and name != "device"})
