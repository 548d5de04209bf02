"""The figures `pictures-by-epoch` and `pictures-by-architecture`: the same photographs, coloured by one network or another."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis import photographs, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.photographs import Strip
from study.analysis.plot import Plot, Words

_MOST_IMAGES = 10
_MOST_MODELS = 3
_ROW_INCHES = 0.92
_LABEL_INCHES, _TITLE_INCHES = 1.1, 0.3
_GAP = 2  # pixels of the photographs' own


def draw_by_epoch(study: Loaded) -> Figure:
    """A block of rows for each of the models: one row an epoch."""
    rows: list[Strip] = []
    for number in _epoch_trials(study):
        strips = photographs.by_epoch(study, number)
        rows += strips[:2] if not rows else []
        model = _of(study, number, "model")
        rows += [
            Strip(
                f"{model}\n{style.counted(int(strip.name), 'epoch')}\n{_loss(study, number, int(strip.name))}",
                strip.images,
            )
            for strip in strips[2:]
        ]
    return _draw(rows)


def draw_by_architecture(study: Loaded) -> Figure:
    """One row a model, each by its best completed trial."""
    grey, truth, *coloured = photographs.by_trial(study, _model_trials(study))
    named = [
        Strip(f"{_of(study, int(strip.name), 'model')}\n{_value(study, int(strip.name))}", strip.images)
        for strip in coloured
    ]
    return _draw([grey, truth, *named])


def tell_by_epoch(study: Loaded) -> Words:
    """How far each network had come after its first and after its last pictured epoch."""
    told, last = [], 0
    for number in _epoch_trials(study):
        epochs = [int(strip.name) for strip in photographs.by_epoch(study, number)[2:]]
        first, last = epochs[0], epochs[-1]
        told.append(
            f"{_of(study, number, 'model')} (trial {number}) goes from {_loss(study, number, first)} after "
            f"{style.counted(first, 'epoch')} to {_loss(study, number, last)} after {last}"
        )
    answer = f"By {study.measure.name}, {'; '.join(told)}; n = {len(told)} {'trial' if len(told) == 1 else 'trials'}."
    reading = (
        f"The same {_kind(study)} photographs in every row: the grey that the network sees, the truth, and its colouring on "
        "the way. Of each model, the best completed trial of those that trained longest; at most three models. A colouring "
        "shows each pixel's likeliest colour."
    )
    return Words(answer, reading, f"Photographs coloured after more and more epochs. {answer}")


def tell_by_architecture(study: Loaded) -> Words:
    """What the networks shown had reached."""
    numbers = [int(strip.name) for strip in photographs.by_trial(study, _model_trials(study))[2:]]
    told = "; ".join(f"{_of(study, number, 'model')} {_value(study, number)} (trial {number})" for number in numbers)
    answer = f"The best completed trial of each model, by {study.measure.name}: {told}; n = {len(numbers)}."
    reading = (
        f"The same {_kind(study)} photographs in every row: the grey that the networks see, the truth, and each network's "
        "colouring after its best epoch, which shows each pixel's likeliest colour."
    )
    return Words(answer, reading, f"Photographs coloured by each architecture. {answer}")


def _draw(rows: Sequence[Strip]) -> Figure:
    count = min(_MOST_IMAGES, *(len(row.images) for row in rows))
    width, height = _LABEL_INCHES + _ROW_INCHES * count, _ROW_INCHES * len(rows) + _TITLE_INCHES
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(left=_LABEL_INCHES / width, right=1, bottom=0, top=1 - _TITLE_INCHES / height, hspace=0.04)
    panels = figure.subplots(len(rows), 1, squeeze=False).ravel()
    for row, ax in zip(rows, panels, strict=True):
        _strip(row, count, ax=ax)
    panels[0].set_title(f"n = {count} photographs")
    return figure


def _strip(row: Strip, count: int, *, ax: Axes) -> None:
    """The images side by side on white, pixel by pixel."""
    tiles = row.images[:count].transpose(0, 2, 3, 1)
    padded = np.pad(tiles, ((0, 0), (0, 0), (0, _GAP), (0, 0)), constant_values=255)
    ax.imshow(np.concatenate(list(padded), axis=1), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_ylabel(row.name, rotation="horizontal", ha="right", va="center", fontsize=mpl.rcParams["ytick.labelsize"])


def _epoch_trials(study: Loaded) -> list[int]:
    """Of each model, the best of the completed trials that left pictures after the most epochs; three models at most."""
    layout, numbers = study.folder.layout, []
    for _, group in study.trials[study.trials["state"] == "completed"].groupby("model"):
        lengths = {number: max(layout.trial(number).pictured(), default=0) for number in group["number"]}
        longest = group[[lengths[number] == max(lengths.values()) > 0 for number in group["number"]]]
        best = longest.sort_values(["value", "number"], ascending=[study.measure.is_minimized, True])["number"].head(1)
        numbers += [int(number) for number in best if photographs.by_epoch(study, int(number))]
    return sorted(numbers, key=lambda number: summaries.MODELS.index(_of(study, number, "model")))[:_MOST_MODELS]


def _model_trials(study: Loaded) -> list[int]:
    return [int(number) for number in photographs.best_of_each(study, "model")["number"]]


def _of(study: Loaded, number: int, column: str) -> str:
    return str(study.trials.set_index("number").loc[number, column])


def _value(study: Loaded, number: int) -> str:
    value = study.record.trials[number].value
    return study.measure.text(float("nan") if value is None else value)


def _loss(study: Loaded, number: int, epoch: int) -> str:
    value = study.record.trials[number].epochs[epoch][study.measure.metric]
    return study.measure.text(float("nan") if value is None else value)


def _kind(study: Loaded) -> str:
    is_handout = study.folder.manifest.get("data", {}).get("protocol") == "handout"
    return "test" if is_handout else "validation"


BY_EPOCH = Plot(
    "pictures-by-epoch",
    "What do more epochs look like?",
    draw_by_epoch,
    tell_by_epoch,
    lambda study: bool(_epoch_trials(study)),
)
BY_ARCHITECTURE = Plot(
    "pictures-by-architecture",
    "What do the architectures look like?",
    draw_by_architecture,
    tell_by_architecture,
    lambda study: len(photographs.by_trial(study, _model_trials(study))) > 3,  # grey, truth, and two to compare
)
