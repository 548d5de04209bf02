"""Which studies may stand side by side, and what is to be known where they may: manifests in, sentences out.

Numbers can be compared where they measure the same thing on the same images: the same objective, data set, category, protocol
and split, and, but for `val_mse`, in the same palette and as the same kind of loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.errors import StudyError
from study.space import Space
from study.text import format_value

MOST_STUDIES = 8
"""So many can be told apart in one figure, by colour, marker and line together."""

_IMAGES = ("dataset", "category", "protocol")
_COUNTS = ("train_images", "validation_images")
_HASH_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What decides whether a study can be compared with another one, and what is told of it if so."""

    label: str
    manifest: Mapping[str, Any]
    space: Space
    devices: tuple[str, ...] = ()
    """What its trials computed on."""

    @property
    def metric(self) -> str:
        """The objective's metric."""
        return str(self.manifest["objective"]["metric"])

    @property
    def data(self) -> Mapping[str, Any]:
        """What the manifest tells of the images; the fingerprint at least."""
        found: Mapping[str, Any] = self.manifest["data"]
        return found

    @property
    def loss(self) -> str:
        """What `val_loss` is; one kind for all trials, or the space would have been refused."""
        if self.space.taken("model") != ["regression_cnn"]:
            return "a cross-entropy"
        return {"rgb": "a squared error of RGB", "lab": "a squared error of chroma"}[
            self.space.taken("colour_space")[0]
        ]

    @property
    def is_regression(self) -> bool:
        """Whether its loss is a squared error, which no palette has a part in."""
        return self.loss != "a cross-entropy"

    @property
    def is_random_sample(self) -> bool:
        """Whether its completed trials are drawn at random from its space: no sampler that learns, none pruned or known."""
        kinds = [self.manifest.get(name, {}).get("kind") for name in ("sampler", "pruner")]
        return kinds == ["random", "none"] and not self.space.enqueue


def check(subjects: Sequence[Subject]) -> None:
    """Raise `StudyError`, saying what differs and naming the sets that can be compared, unless all of them can be."""
    if len(subjects) > MOST_STUDIES:
        raise StudyError(
            f"{len(subjects)} studies are too many for one comparison, {MOST_STUDIES} is the most that can be told apart",
            hint="compare the ones that matter, or several times a few",
        )
    sets = comparable_sets(subjects)
    if len(sets) == 1:
        return
    first = sets[0][0]
    told = [_refusal(first, other) for other in (found[0] for found in sets[1:])]
    commands = [f"study compare {' '.join(one.label for one in found)}" for found in sets if len(found) > 1]
    hint = (
        "these can be: " + "; ".join(commands) if commands else "compare studies of one objective, on one set of images"
    )
    raise StudyError("; ".join(told), hint=hint)


def comparable_sets(subjects: Sequence[Subject]) -> list[list[Subject]]:
    """The studies in sets within which each can be compared with each, in the order given."""
    sets: list[list[Subject]] = []
    for subject in subjects:
        fitting = next((found for found in sets if not any(obstacles(one, subject) for one in found)), None)
        if fitting is None:
            sets.append([subject])
        else:
            fitting.append(subject)
    return sets


def obstacles(a: Subject, b: Subject) -> list[str]:
    """Why the numbers of two studies mean different things, a clause each; empty where they can be compared."""
    return [told for rule in _RULES if (told := rule(a, b))]


def _refusal(a: Subject, b: Subject) -> str:
    clashes = obstacles(a, b) or ["each can be compared with some of the others, but not with all"]
    return f"{a.label} and {b.label} cannot be compared: {', and '.join(clashes)}"


def _objective(a: Subject, b: Subject) -> str:
    goals = [f"{one.metric} ({one.manifest['objective']['goal']})" for one in (a, b)]
    return "" if goals[0] == goals[1] else f"{a.label} is judged by {goals[0]}, {b.label} by {goals[1]}"


def _images(a: Subject, b: Subject) -> str:
    """The images: by what the manifests tell of them, and by their fingerprint where that is the same or is missing."""
    if any(_differs(a, b, name) for name in _IMAGES):
        return f"{a.label} was validated on {images(a.data)}, {b.label} on {images(b.data)}"
    if _differs(a, b, "data_seed"):
        return (
            f"{a.label}'s images were split by data_seed {a.data['data_seed']}, {b.label}'s by {b.data['data_seed']}, so they "
            "were validated on other images"
        )
    if any(_differs(a, b, name) for name in _COUNTS):
        return f"{a.label} has {_counts(a.data)}, {b.label} {_counts(b.data)}"
    prints = [str(one.data["fingerprint"])[:_HASH_DIGITS] for one in (a, b)]
    if a.data["fingerprint"] == b.data["fingerprint"] or _same_images_by_floors(a, b):
        return ""
    return f"the images or palettes differ by fingerprint, {a.label}'s {prints[0]}, {b.label}'s {prints[1]}"


def _kind_of_loss(a: Subject, b: Subject) -> str:
    if a.metric != "val_loss" or b.metric != "val_loss" or a.loss == b.loss:
        return ""
    return f"{a.label}'s val_loss is {a.loss}, {b.label}'s {b.loss}"


def _palettes(a: Subject, b: Subject) -> str:
    """Cross-entropy and accuracy count in a palette's colours; a squared error knows none."""
    if a.metric != b.metric or a.metric == "val_mse" or (a.metric == "val_loss" and a.is_regression | b.is_regression):
        return ""
    words = [" and ".join(palette.words for palette in one.space.palettes) for one in (a, b)]
    if words[0] == words[1]:
        return ""
    return f"{a.metric} counts in {words[0]} in {a.label}, in {words[1]} in {b.label}"


_RULES: tuple[Callable[[Subject, Subject], str], ...] = (_objective, _images, _kind_of_loss, _palettes)


def _same_images_by_floors(a: Subject, b: Subject) -> bool:
    """Whether the fingerprints differ by their palettes alone, though the images are the same.

    A fingerprint covers the palettes too, so studies over other palettes never share one. Then the grey copy's error, which
    is of the validation images alone, must be equal to the last digit, and so must the palettes that both have, which were
    fitted to the training images.
    """
    of_a, of_b = (one.manifest["palettes"] for one in (a, b))
    if of_a.keys() == of_b.keys() or any(of_a[name] != of_b[name] for name in of_a.keys() & of_b.keys()):
        return False
    copies = [
        {scores.get("grey_copy", {}).get("mse") for scores in one.manifest.get("floors", {}).values()} for one in (a, b)
    ]
    return len(copies[0]) == 1 and copies[0] == copies[1] != {None}


def _differs(a: Subject, b: Subject, name: str) -> bool:
    """Whether both manifests tell something of the data, and not the same."""
    return name in a.data and name in b.data and a.data[name] != b.data[name]


def images(data: Mapping[str, Any]) -> str:
    """What the images are, in words: `horse (cifar10, split)`."""
    if "category" not in data:
        return "images of which its manifest says nothing"
    return f"{data['category']} ({data.get('dataset')}, {data.get('protocol')})"


def _counts(data: Mapping[str, Any]) -> str:
    return f"{data['train_images']} images to train on and {data['validation_images']} to validate"


def differences(subjects: Sequence[Subject]) -> list[str]:
    """What differs between comparable studies and may explain their numbers, a sentence each."""
    told = [_aspect(name, [tell(subject) for subject in subjects], subjects) for name, tell in _ASPECTS.items()]
    told += [_aspect(f"Setting `{name}`", words, subjects) for name, words in _settings(subjects).items()]
    return [sentence for sentence in told if sentence]


def _aspect(name: str, words: Sequence[str], subjects: Sequence[Subject]) -> str:
    """`Sampler: a and b tpe, c random.`; nothing where all are the same."""
    if len(set(words)) == 1:
        return ""
    who: dict[str, list[str]] = {}
    for subject, word in zip(subjects, words, strict=True):
        who.setdefault(word, []).append(subject.label)
    return f"{name}: " + "; ".join(f"{word} in {listed(labels)}" for word, labels in who.items()) + "."


def listed(labels: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *others, last = labels
    return f"{', '.join(others)} and {last}" if others else last


def _settings(subjects: Sequence[Subject]) -> dict[str, list[str]]:
    """For each setting that any space names: what it is in each study. The epochs have a sentence of their own."""
    named = [name for subject in subjects for name in (*subject.space.fixed, *subject.space.search)]
    wanted = dict.fromkeys(name for name in named if name not in ("epochs", "dataset", "category", "protocol"))
    return {name: [_setting(subject.space, name) for subject in subjects] for name in wanted}


def _setting(space: Space, name: str) -> str:
    """`50`, or `searched (3 or 5)`."""
    if name in space.search:
        return f"searched ({space.search[name].describe()})"
    value = space.taken(name)[0]
    return "the default" if value is None else format_value(value)


def _epochs(subject: Subject) -> str:
    values = subject.space.taken("epochs")
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def _choice(subject: Subject, name: str) -> str:
    choice = subject.manifest.get(name, {})
    options = ", ".join(f"{key} {value}" for key, value in choice.items() if key != "kind")
    return f"{choice.get('kind', 'unknown')}{f' ({options})' if options else ''}"


def _commit(subject: Subject) -> str:
    origin = subject.manifest["provenance"]
    commit = str(origin.get("commit") or "unknown")[:_HASH_DIGITS]
    return commit + (" with uncommitted changes" if origin.get("dirty") else "")


def _versions(subject: Subject) -> str:
    found = subject.manifest["provenance"].get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in found.items() if version) or "unknown"


def _hardware(subject: Subject) -> str:
    origin = subject.manifest["provenance"]
    parts = [origin.get("host"), origin.get("cpu"), ", ".join(subject.devices)]
    return ", ".join(str(part) for part in parts if part) or "unknown"


_ASPECTS: Mapping[str, Callable[[Subject], str]] = {
    "Kind": lambda subject: "a confirmation" if "confirms" in subject.manifest else "a search",
    "Epochs of a trial": _epochs,
    "Sampler": lambda subject: _choice(subject, "sampler"),
    "Pruner": lambda subject: _choice(subject, "pruner"),
    "Seed of the study": lambda subject: str(subject.manifest["seed"]),
    "Hardware": _hardware,
    "Commit": _commit,
    "Versions": _versions,
}
"""What is told of each study where it is not the same for all."""
