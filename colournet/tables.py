"""A network, or some filters, in words and numbers: tables as plain text or as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table

from colournet.config import TrainConfig, check_value
from colournet.errors import ConfigError
from colournet.layers import INPUT, Description, Filter, Layer, describe_filter
from colournet.spaces import SPACES

FORMATS = ("text", "markdown")

_HEADINGS = (
    "layer",
    "input",
    "filter",
    "filters",
    "output",
    "weights",
    "multiply-adds",
    "receptive field",
)
_FILTER_HEADINGS = ("filter", "weights", "receptive field")
_WORDS = 3  # so many first columns hold words, the others numbers


def network_text(config: TrainConfig, description: Description, *, form: str) -> str:
    """The layers of a network as a table under a title, in one of `FORMATS`, and its totals below."""
    layers = table(_HEADINGS, [_row(layer) for layer in description.layers], words=_WORDS, form=form)
    return f"{title(config)}\n\n{layers}\n\n{totals(description)}"


def title(config: TrainConfig) -> str:
    """What the network is, in one line."""
    answer = SPACES[config.colour_space].answer_words if config.is_regression else config.palette_name.words
    dilation = f", dilation {config.dilation}" if config.dilation > 1 else ""
    return f"{config.model}: kernel {config.kernel_size}{dilation}, {config.num_filters} filters, {answer}"


def totals(description: Description) -> str:
    """One sentence with the totals of a network."""
    size, field = description.image_size, description.receptive_field
    return (
        f"{len(description.layers)} convolutions, {description.weights:,} weights "
        f"({description.parameters:,} with biases and BatchNorm), {description.multiply_adds:,} multiply-adds "
        f"for an image of {square(size)} pixels.\nAn output pixel can depend on {square(field)} input pixels."
    )


def filter_name(kernel_size: int, dilation: int) -> str:
    """`3 x 3`, or `3 x 3, dilation 2`."""
    return square(kernel_size) + (f", dilation {dilation}" if dilation > 1 else "")


def square(side: int) -> str:
    """`3 x 3`."""
    return f"{side} x {side}"


def parse_filters(text: str) -> list[Filter]:
    """Describe filters written as `3,5,3:2`: side, and dilation after a colon, in the ranges that networks have.

    Raises `ConfigError` for anything else.
    """
    filters = []
    for word in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?::(\d{1,4}))?", word.strip(), flags=re.ASCII)
        if match is None:
            raise ConfigError(
                f"--filters: {word.strip()!r} is no filter",
                hint="write side, or side:dilation, with commas between: 3,5,3:2 (dilation 2 leaves one gap)",
            )
        side, dilation = int(match[1]), int(match[2] or 1)
        filters.append(describe_filter(check_value("kernel_size", side), check_value("dilation", dilation)))
    return filters


def filters_text(filters: Sequence[Filter], *, form: str) -> str:
    """Weights, biases not counted, and receptive field of filters on one channel as a table in one of `FORMATS`."""
    rows = [
        (filter_name(each.kernel_size, each.dilation), f"{each.weights:,}", square(each.receptive_field))
        for each in filters
    ]
    return table(_FILTER_HEADINGS, rows, words=1, form=form)


def _row(layer: Layer) -> tuple[str, ...]:
    return (
        layer.name,
        f"{layer.channels_in} of " + " + ".join("the image" if name == INPUT else name for name in layer.sources),
        filter_name(layer.kernel_size, layer.dilation),
        f"{layer.filters:,}",
        square(layer.output_size),
        f"{layer.weights:,}",
        f"{layer.multiply_adds:,}",
        square(layer.receptive_field),
    )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, words: int, form: str) -> str:
    """A table in one of `FORMATS`; its first `words` columns hold words, the others numbers."""
    if form == "markdown":
        rule = ["---"] * words + ["---:"] * (len(headings) - words)
        return "\n".join("| " + " | ".join(row) + " |" for row in (headings, rule, *rows))
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(headings):
        drawn.add_column(heading, justify="left" if index < words else "right", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    text = StringIO()
    Console(file=text, width=200).print(drawn)
    return "\n".join(line.rstrip() for line in text.getvalue().strip("\n").splitlines() if line.strip())
