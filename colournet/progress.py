"""What the commands show of their work: a bar on stderr while it goes on, a table of scores at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from colournet.colourize import Outcome
from colournet.errors import DataError

_LINE_SECONDS = 30.0
_FLOOR_NAMES = {
    "grey_copy": "grey copy",
    "grey_table": "grey table",
    "palette_ceiling": "palette ceiling",
    "palette_ceiling_grey_restored": "ceiling, grey restored",
}
_MEASURES = {
    "balanced_accuracy": ("class-balanced accuracy", "{:.1%}"),
    "mse": ("MSE", "{:.5f}"),
    "mae": ("MAE", "{:.4f}"),
    "psnr_pooled_db": ("PSNR (dB), pooled", "{:.2f}"),
    "psnr_image_mean_db": ("PSNR (dB), image mean", "{:.2f}"),
    "ssim": ("SSIM", "{:.3f}"),
    "ciede2000": ("CIEDE2000 (0 is best)", "{:.2f}"),
    "colourfulness": ("colourfulness", "{:.1f}"),
    "colourfulness_difference": ("... less the truth's", "{:+.1f}"),
    "ab_auc": ("AuC of ab error (%)", "{:.1f}"),
    "ab_auc_rebalanced": ("... rebalanced", "{:.1f}"),
    "accuracy_within_2": ("Lab accuracy within 2", "{:.1%}"),
    "accuracy_within_5": ("Lab accuracy within 5", "{:.1%}"),
}

_PERCEPTION = {
    "accuracy": ("taken for their class", "{:.1%}"),
    "feature_distance": ("feature distance (0 is best)", "{:.4f}"),
    "kid": ("KID to photographs (0 is best)", "{:.4f}"),
    "kid_standard_error": ("... its standard error", "{:.4f}"),
}

_DECODING_NAMES = {
    "argmax": "likeliest colour (argmax)",
    "mean": "expected colour (mean)",
    "annealed": "annealed mean",
    "rgb": "RGB as answered",
    "lab": "chroma as answered",
}


class Epoch(Protocol):
    """What a bar tells of an epoch, of whatever network."""

    @property
    def epoch(self) -> int:
        """Its number, from 1."""

    @property
    def val_loss(self) -> float:
        """Mean loss over the validation images."""

    @property
    def val_accuracy(self) -> float:
        """Fraction that is right, in [0, 1]."""


@contextmanager
def epoch_progress(epochs: int, *, label: str = "training") -> Iterator[Callable[[Epoch], None]]:
    """Show a bar over epochs while the block runs; answer the `on_epoch` that moves it.

    Where stderr is no terminal there is a line instead, now and then, while training takes long.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs  {task.fields[last]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=epochs, last="")
        told = time.monotonic()

        def tell(metrics: Epoch) -> None:
            nonlocal told
            last = f"val loss {metrics.val_loss:.4f}, accuracy {metrics.val_accuracy:.1%}"
            progress.update(task, completed=metrics.epoch, last=last)
            if not console.is_terminal and time.monotonic() - told >= _LINE_SECONDS:
                told = time.monotonic()
                console.print(f"{label}: {metrics.epoch} of {epochs} epochs, {last}", markup=False, highlight=False)

        yield tell


@contextmanager
def image_progress(count: int) -> Iterator[Callable[[Outcome], None]]:
    """Show a bar over images while the block runs; answer the function that moves it and names what was skipped."""
    columns = (TextColumn("colouring"), BarColumn(), MofNCompleteColumn(), TextColumn("images"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, redirect_stdout=False) as progress:
        task = progress.add_task("colouring", total=count)

        def tell(outcome: Outcome) -> None:
            if outcome.error is not None:
                console.print(f"skipped: {outcome.error.message}", markup=False, highlight=False, soft_wrap=True)
            progress.advance(task)

        yield tell


def told(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The files that were written, one a line. In the end raises `DataError` if any image was skipped."""
    yield from (str(outcome.job.target) for outcome in outcomes if outcome.error is None)
    skipped = sum(outcome.error is not None for outcome in outcomes)
    if skipped:
        raise DataError(f"{skipped} of {len(outcomes)} images could not be coloured", hint="each is named above")


def scores_table(scores: Mapping[str, Any], *, name: str, split: str) -> str:
    """The answer of `evaluate` as text: a table of the floors and the model, one of its decodings, and a verdict."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{scores['images']} {split} images", title_justify="left")
    for heading in ("", "cross-entropy", "accuracy", "MSE", "PSNR (dB)"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for floor, values in scores["floors"].items():
        table.add_row(_FLOOR_NAMES[floor], *_cells(values))
    table.add_row(name, *_cells(scores), style="bold")
    tables = [table, _decoding_table(scores["decoding"]), _measures_table(scores["measures"], name=name)]
    if "perception" in scores:
        tables.append(_perception_table(scores, name=name))
    return "\n\n".join([*map(_text, tables), verdict(scores)])


def _measures_table(measures: Mapping[str, Mapping[str, Any]], *, name: str) -> Table:
    """The `measures` of `evaluate` as a table: one a row, the floors and the model in columns."""
    table = Table(box=box.SIMPLE_HEAD, title="Measures of the pictures in 8 bits", title_justify="left")
    table.add_column("")
    for column in measures:
        heading = _words(name) if column == "model" else _FLOOR_NAMES[column]
        table.add_column(heading, justify="right", max_width=13)
    for key, (label, pattern) in _MEASURES.items():
        values = [found[key] for found in measures.values()]
        table.add_row(label, *("" if value is None else pattern.format(value) for value in values))
    return table


def _perception_table(scores: Mapping[str, Any], *, name: str) -> Table:
    """The `perception` of `evaluate` as a table: one measure a row, the pictures in columns."""
    restored = "mean, grey restored" if "mean" in scores["decoding"] else "grey restored"
    names = {"grey_copy": "grey copy", "model": _words(name), "model_grey_restored": f"{_words(name)}, {restored}"}
    table = Table(box=box.SIMPLE_HEAD, title="What a classifier sees", title_justify="left")
    table.add_column("")
    for column in scores["perception"]:
        table.add_column(names.get(column, column), justify="right", max_width=13)
    for key, (label, pattern) in _PERCEPTION.items():
        values = [found[key] for found in scores["perception"].values()]
        table.add_row(label, *("" if value is None else pattern.format(value) for value in values))
    return table


def _words(name: str) -> str:
    """A model's name as words, which a narrow column can break."""
    return name.replace("_", " ")


def _decoding_table(decoding: Mapping[str, Mapping[str, Any]]) -> Table:
    """Error of each decoding, as it is and with the input's grey restored."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("decoding", "MSE", "PSNR (dB)", "MSE, grey restored", "PSNR (dB)"):
        table.add_column(heading, justify="left" if heading == "decoding" else "right")
    for method in (name for name in decoding if not name.endswith("_grey")):
        errors = [cell for name in (method, f"{method}_grey") for cell in _cells(decoding[name])[2:]]
        table.add_row(_DECODING_NAMES[method], *errors)
    return table


def verdict(scores: Mapping[str, Any]) -> str:
    """One sentence: whether the model beats the grey table (by squared error where it has no cross-entropy)."""
    measure = "mse" if scores["cross_entropy"] is None else "cross_entropy"
    model, table = scores[measure], scores["floors"]["grey_table"][measure]
    word = {"mse": "squared error", "cross_entropy": "cross-entropy"}[measure]
    if model is None:
        return "The model's answer is not made of finite numbers."
    relation = "better" if model < table else "WORSE"
    return f"In {word} the model is {relation} than the grey table, which needs no network: {model:.4f} against {table:.4f}."


def _text(table: Table) -> str:
    text = StringIO()
    Console(file=text, width=100).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())


def _cells(values: Mapping[str, Any]) -> list[str]:
    formats = {"cross_entropy": "{:.4f}", "accuracy": "{:.1%}", "mse": "{:.5f}", "psnr_db": "{:.2f}"}
    return [pattern.format(values[key]) if values.get(key) is not None else "" for key, pattern in formats.items()]
