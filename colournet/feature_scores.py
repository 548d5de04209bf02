"""Measures of pictures by what a classifier answers to them, each with its definition, range and source.

They are functions of its logits and features, whatever the classifier. What they say depends on its weights: compare figures
of one classifier alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional

from colournet.config import CLASSES

_KERNEL_ROWS = 500  # of the kernel's matrix that are held at a time


def class_accuracy(logits: Float[Tensor, "n classes"], category: str) -> float:
    """Fraction of images that are taken for their class, the likeliest of ten: in [0, 1]; of the truth not 1 either.

    Source: Zhang, Isola and Efros, Colorful image colorization, ECCV 2016, section 3.1 (semantic interpretability), by a
    network that was not trained for it.
    """
    return (logits.argmax(dim=1) == CLASSES.index(category)).double().mean().item()


def feature_distances(
    answer: Sequence[Float[Tensor, "n _ _ _"]], truth: Sequence[Float[Tensor, "n _ _ _"]]
) -> Float[Tensor, " n"]:
    """The perceptual distance of each image to its truth by the features of all stages: in [0, 2], 0 for equal images.

    At each place of a stage's map the channels are scaled to a vector of length 1 (no features stay 0); its squared distance to
    the truth's is averaged over places, then over stages alike. So far the LPIPS of Zhang et al., The unreasonable effectiveness
    of deep features as a perceptual metric, CVPR 2018, without its weights, which are learned from people's judgements. Comparing
    features rather than pixels: Johnson, Alahi and Fei-Fei, Perceptual losses, ECCV 2016.
    """
    stages = [
        (functional.normalize(one, dim=1) - functional.normalize(other, dim=1)).square().sum(dim=1).mean(dim=(1, 2))
        for one, other in zip(answer, truth, strict=True)
    ]
    return torch.stack(stages).mean(dim=0)


def kernel_distance(answer: Float[Tensor, "n d"], reference: Float[Tensor, "m d"]) -> tuple[float, float]:
    """The kernel distance (KID) between two sets of pooled features, and its standard error; NaN for sets of one.

    The squared maximum mean discrepancy under the kernel (x . y / d + 1)^3, estimated without bias: 0 in expectation, and so
    below 0 as often as above, for two samples of the same pictures in distribution; larger the more they differ, without bound.
    No picture needs its counterpart. Source: Bińkowski et al., Demystifying MMD GANs, ICLR 2018; there it is averaged over
    subsets, here taken over all pairs, and the error is that of the linear part of the U-statistic (Gretton et al., A kernel
    two-sample test, JMLR 13, 2012): a tenth or so too large in simulation, and half as much again where the distance is near 0.
    """
    if min(len(answer), len(reference)) < 2:
        return math.nan, math.nan
    x, y = answer.double(), reference.double()
    of_x = _mean_with_others(x) - _kernel_sums(x, y) / len(y)
    of_y = _mean_with_others(y) - _kernel_sums(y, x) / len(x)
    variance = 4 * (of_x.var() / len(x) + of_y.var() / len(y))
    return (of_x.mean() + of_y.mean()).item(), variance.sqrt().item()


def _mean_with_others(x: Float64[Tensor, "n d"]) -> Float64[Tensor, " n"]:
    with_itself = (x.square().sum(dim=1) / x.shape[1] + 1) ** 3
    return (_kernel_sums(x, x) - with_itself) / (len(x) - 1)


def _kernel_sums(x: Float64[Tensor, "n d"], y: Float64[Tensor, "m d"]) -> Float64[Tensor, " n"]:
    """For each row of x, the sum of its kernel with all rows of y."""
    return torch.cat([((part @ y.T / x.shape[1] + 1) ** 3).sum(dim=1) for part in torch.split(x, _KERNEL_ROWS)])
