"""Axes along hyperparameters, and the colours of values: what the figures of the search share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure

from study.analysis import style
from study.analysis.measure import Measure
from study.analysis.settings import FloatArray, Setting

_GOLDEN = 0.6180339887
_MOST_WORD = 16
_SHARE_OF_MAP = 0.9
"""Of the colour map's ramp; its lightest end would be lost on white."""


def colours(*, dark_is_low: bool = True) -> Colormap:
    """Viridis, in which the order stays visible to the colour-blind and in print, without its lightest end."""
    ramp = mpl.colormaps["viridis"](np.linspace(0, _SHARE_OF_MAP, 256))
    return ListedColormap(ramp if dark_is_low else ramp[::-1])


def of_values(measure: Measure) -> Colormap:
    """The colours of objective values, good ones dark."""
    return colours(dark_is_low=measure.is_minimized)


def norm(values: Sequence[float]) -> Normalize:
    """From the lowest to the highest value, or around it where there is one value alone."""
    low, high = (float(min(values)), float(max(values))) if len(values) else (0.0, 1.0)
    return Normalize(low, high) if low < high else Normalize(low - 0.5, low + 0.5)


def bar(figure: Figure, panels: Any, label: str, scale: Normalize, cmap: Colormap, *, whole: bool = False) -> None:
    """A colour bar to the right of the panels."""
    made = figure.colorbar(ScalarMappable(scale, cmap), ax=panels, fraction=0.035, pad=0.015, aspect=28)
    made.set_label(label)
    made.outline.set_visible(False)
    if whole:
        made.locator = style.whole_numbers()
        made.update_ticks()


def set_axis(ax: Axes, setting: Setting, *, which: str = "x") -> None:
    """Give an axis its ends, scale, ticks and label."""
    axis: Axis = ax.xaxis if which == "x" else ax.yaxis
    low, high = setting.ends
    set_scale, set_ends = (ax.set_xscale, ax.set_xlim) if which == "x" else (ax.set_yscale, ax.set_ylim)
    if not setting.has_range:
        words = [short(word) for word in setting.labels]
        is_long = which == "x" and sum(len(word) + 2 for word in words) > 30
        turned: dict[str, Any] = {"rotation": 25, "ha": "right"} if is_long else {}
        axis.set_ticks(range(len(words)), words, **turned)
        set_ends(-0.5, high + 0.5)
    elif setting.parameter.log:
        pad = (high / low) ** 0.04
        set_scale("log")
        set_ends(low / pad, high * pad)
        style.set_log_ticks(axis, low, high)
    else:
        pad = 0.4 * (setting.parameter.step or 1) if setting.is_coarse else 0.04 * (high - low)
        set_ends(low - pad, high + pad)
        if setting.is_coarse:
            axis.set_ticks(setting.parameter.values)
        elif setting.parameter.kind == "int":
            axis.set_major_locator(style.whole_numbers())
    axis.set_label_text(setting.label + (" (log)" if setting.parameter.log else ""))


def short(word: str) -> str:
    """A choice's name that fits an axis."""
    return word if len(word) <= _MOST_WORD else word[: _MOST_WORD - 1] + "…"


def spread(codes: FloatArray, numbers: FloatArray, setting: Setting, *, width: float = 0.3) -> FloatArray:
    """Codes as places on an axis: trials that share one of a few values side by side, the same way at every call.

    `width` is how far to either side, in steps from one value to the next.
    """
    if not setting.is_coarse or setting.parameter.log:
        return codes
    found: FloatArray = codes + width * (setting.parameter.step or 1) * (2 * (numbers * _GOLDEN % 1) - 1)
    return found


def places(setting: Setting, shares: FloatArray) -> FloatArray:
    """Codes at shares of a range."""
    low, high = setting.ends
    found: FloatArray = low * (high / low) ** shares if setting.parameter.log else low + shares * (high - low)
    return found
