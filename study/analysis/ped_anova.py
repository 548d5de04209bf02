"""PED-ANOVA: by which settings the best trials differ from all, one setting at a time.

The density of a setting's values among the best trials is held against that among all, by Pearson's divergence.
Reference: Watanabe, Bansal and Hutter, PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces, 2023;
a setting that exists in some trials only counts among those, as in Conditional PED-ANOVA, 2026.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from study.analysis.settings import FloatArray, Setting

_STEPS = 50
_LEAST_BANDWIDTH = 0.5 / 1.64  # 90 % of a kernel fall into its own step
_TINY = 1e-12


def top_count(n: int) -> int:
    """How many of n trials are the best: a tenth, but ten at least, or a quarter where that is fewer, and two at least."""
    return max(math.ceil(n / 10), min(10, n // 4), 2)


def divergence(codes: FloatArray, is_top: np.ndarray, setting: Setting) -> float:
    """How much the density of a setting among the top trials differs from that among all; 0 if no top trial has it."""
    has = ~np.isnan(codes)
    top, every = has & is_top, has
    if not top.any():
        return 0.0
    weight = (top.sum() / is_top.sum()) ** 2 / (every.sum() / len(codes))
    best, all_of_them = density(codes[top], setting) + _TINY, density(codes[every], setting) + _TINY
    return float(weight * (all_of_them @ (best / all_of_them - 1) ** 2))


def density(codes: FloatArray, setting: Setting) -> FloatArray:
    """How likely each value (of a range: each of up to 50 steps of it) is, as codes tell it; it sums to 1.

    One further observation, spread over all values, keeps any of them from being impossible.
    """
    size = _size(setting)
    steps = np.clip(np.rint(setting.share(codes) * (size - 1)), 0, size - 1).astype(int)
    counts = np.bincount(steps, minlength=size).astype(np.float64)
    if setting.has_range:
        counts = _smooth(counts, _bandwidth(steps))
    found: FloatArray = (counts + 1 / size) / (len(codes) + 1)
    return found


def _size(setting: Setting) -> int:
    if not setting.has_range:
        return len(setting.choices)
    (low, high), step = setting.ends, setting.parameter.step
    if step is None and setting.parameter.kind == "int":
        step = 1
    return _STEPS if step is None or setting.parameter.log else min(round((high - low) / step) + 1, _STEPS)


def _bandwidth(steps: np.ndarray) -> float:
    """Scott's rule, with the smaller of two measures of spread."""
    first, third = np.percentile(steps, [25, 75])
    deviation = float(steps.std(ddof=1)) if len(steps) > 1 else 0.0
    spread = min(float(third - first) / 1.34, deviation)
    return max(1.059 * spread / math.pow(len(steps), 0.2), _LEAST_BANDWIDTH)


def _smooth(counts: FloatArray, bandwidth: float) -> FloatArray:
    """Spread each count over its neighbours as a normal density does, with nothing lost at the ends."""
    places = np.arange(len(counts))
    edges = np.concatenate([[-0.5], places + 0.5])
    shares = np.diff(ndtr((edges[:, None] - places[None, :]) / bandwidth), axis=0)
    smoothed: FloatArray = (shares / shares.sum(axis=0)) @ counts
    return smoothed
