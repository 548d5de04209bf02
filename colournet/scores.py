"""Measures of a colouring against the truth, each a function of images with its definition, range and source.

Images come in 8 bits, or in CIE L*a*b* where colour science measures them. Unless it says otherwise a measure is a mean over all
pixels of all images. What is measured in the assignment's colours (8 bit / 256) says so; colour science takes 255 for white
(`colournet.colour`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64, Integer, UInt8
from torch import Tensor
from torch.nn import functional

from colournet import colour
from colournet.metrics import json_number, psnr_db
from colournet.palette import quantize
from colournet.spaces import SCALE

Images = UInt8[Tensor, "n 3 h w"]
Lab = Float[Tensor, "n 3 h w"]
Prior = Float64[Tensor, "bins bins"]

SSIM_WINDOW_PIXELS = 11
"""Side of SSIM's window; smaller images have no SSIM."""

_ROUNDING_ERROR = 1 / (12 * SCALE**2)
_SSIM_SIGMA_PIXELS = 1.5
_WIDEST_AB_ERROR = 150
_GRID, _BINS = 10, 23  # of a and b: -110, -100, ..., 110
_SMOOTHING = 5.0  # of the ab histogram, in units of a and b
_CHUNK_IMAGES = 100


@dataclass(frozen=True)
class Pictures:
    """Images with what several measures begin with, computed once."""

    images: Images
    lab: Lab
    labels: Integer[Tensor, "n h w"]
    """The nearest palette colour of each pixel."""

    @classmethod
    def of(cls, images: Images, *, palette: Float32[np.ndarray, "k d"]) -> Pictures:
        """Look at images in 8 bits."""
        return cls(images, to_lab(images), torch.from_numpy(quantize(images.cpu().numpy(), palette)))


def measures(answer: Pictures, truth: Pictures, *, prior: Prior) -> dict[str, float | None]:
    """Every measure of this module by name, JSON-ready: None where it is not finite, or the images are too small for it.

    For the class-balanced accuracy a pixel's class is its label; `prior` is that of `ab_auc_rebalanced`.
    """
    has_ssim = min(truth.images.shape[2:]) >= SSIM_WINDOW_PIXELS
    found = {
        "balanced_accuracy": balanced_accuracy(answer.labels, truth.labels),
        "mse": mean_squared_error(answer.images, truth.images),
        "mae": mean_absolute_error(answer.images, truth.images),
        "psnr_pooled_db": psnr_pooled_db(answer.images, truth.images),
        "psnr_image_mean_db": psnr_image_mean_db(answer.images, truth.images),
        "ssim": ssim(answer.images, truth.images) if has_ssim else math.nan,
        "ciede2000": ciede2000(answer.lab, truth.lab),
        "colourfulness": colourfulness(answer.images),
        "colourfulness_difference": colourfulness_difference(answer.images, truth.images),
        "ab_auc": ab_auc(answer.lab, truth.lab),
        "ab_auc_rebalanced": ab_auc_rebalanced(answer.lab, truth.lab, prior),
        "accuracy_within_2": accuracy_within(answer.lab, truth.lab, epsilon=2.0),
        "accuracy_within_5": accuracy_within(answer.lab, truth.lab, epsilon=5.0),
    }
    return {name: json_number(value) for name, value in found.items()}


def to_lab(images: Images) -> Lab:
    """`colournet.colour.bytes_to_lab`, some images at a time."""
    return torch.cat([colour.bytes_to_lab(chunk) for (chunk,) in _chunks(images)])


def balanced_accuracy(chosen: Integer[Tensor, "n h w"], labels: Integer[Tensor, "n h w"]) -> float:
    """Class-balanced accuracy: the fraction of a colour's pixels that were given it, averaged over the colours that occur.

    In [0, 1]; 1 over the number of colours for whoever answers one colour always. Source: Brodersen et al., The balanced
    accuracy and its posterior distribution, ICPR 2010.
    """
    pixels = torch.bincount(labels.flatten())
    correct = torch.bincount(labels[chosen == labels].flatten(), minlength=len(pixels))
    occurring = pixels > 0
    return (correct[occurring] / pixels[occurring].double()).mean().item()


def mean_squared_error(answer: Images, truth: Images) -> float:
    """Mean over pixels and channels of the squared difference, colours in the assignment's [0, 1): in [0, 1)."""
    return _squared_errors(answer, truth).mean().item()


def mean_absolute_error(answer: Images, truth: Images) -> float:
    """Mean over pixels and channels of the absolute difference, colours in the assignment's [0, 1): in [0, 1)."""
    return (answer.double() - truth.double()).abs().mean().item() / SCALE


def psnr_pooled_db(answer: Images, truth: Images) -> float:
    """PSNR in dB of the squared error pooled over all images, peak 1: `psnr_db`; infinite for no error."""
    return psnr_db(mean_squared_error(answer, truth))


def psnr_image_mean_db(answer: Images, truth: Images) -> float:
    """Mean over images of each image's own PSNR in dB, peak 1: at most 58.96, and else never below `psnr_pooled_db`.

    So that one perfect image (a grey one, copied) does not make the mean infinite, no squared error is taken for less than
    that of rounding to 8 bits, a twelfth of a squared step.
    """
    return -10 * _squared_errors(answer, truth).clamp(min=_ROUNDING_ERROR).log10().mean().item()


def ssim(answer: Images, truth: Images) -> float:
    """Structural similarity, averaged over window places, channels and images: in [-1, 1], 1 for equality.

    A Gaussian window of 11 pixels (sigma 1.5) that stays inside the image, K = (0.01, 0.03), range 255. Raises ValueError
    for images smaller than the window. Source: Wang et al., Image quality assessment, IEEE TIP 13 (2004).
    """
    height, width = truth.shape[2:]
    if min(height, width) < SSIM_WINDOW_PIXELS:
        raise ValueError(f"SSIM needs images of {SSIM_WINDOW_PIXELS} pixels a side or more, got {height} x {width}")
    return _mean(_ssim, answer, truth)


def ciede2000(answer: Lab, truth: Lab) -> float:
    """Mean over pixels of the colour difference CIEDE2000 (`colournet.colour.ciede2000`): 0 or more, 0 for equality."""
    return _mean(colour.ciede2000, answer, truth)


def colourfulness(images: Images) -> float:
    """Mean over images of their colourfulness: 0 for grey, about 15 slightly, 45 averagely and 80 highly colourful.

    Of rg = R - G and yb = (R + G) / 2 - B, in 8-bit units and without absolute values: the root of the sum of their
    variances, and 0.3 times the root of the sum of their squared means. Source: Hasler and Süsstrunk, Measuring colourfulness
    in natural images, SPIE 5007 (2003).
    """
    red, green, blue = images.double().flatten(2).unbind(dim=1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue])
    spread = opponents.var(dim=2, correction=0).sum(dim=0).sqrt()
    return (spread + 0.3 * opponents.mean(dim=2).square().sum(dim=0).sqrt()).mean().item()


def colourfulness_difference(answer: Images, truth: Images) -> float:
    """Colourfulness of the answer less that of the truth: below 0 too dull, above 0 too vivid."""
    return colourfulness(answer) - colourfulness(truth)


def accuracy_within(answer: Lab, truth: Lab, *, epsilon: float) -> float:
    """Fraction of pixels whose rounded L, a and b differ by at most epsilon, 2.2 epsilon and 2.2 epsilon: in [0, 1].

    The factor is the width of a and b, 220, over that of L, 100. Source: Nazeri, Ng and Ebrahimi, Image colorization using
    generative adversarial networks, AMDO 2018, and its program.
    """

    def within(one: Tensor, other: Tensor) -> Tensor:
        apart = (one.round() - other.round()).abs()
        widest = torch.tensor([epsilon, 2.2 * epsilon, 2.2 * epsilon], device=apart.device) + 1e-4
        return (apart <= widest[:, None, None]).all(dim=1)

    return _mean(within, answer, truth)


def ab_auc(answer: Lab, truth: Lab) -> float:
    """Area under the cumulative curve of the ab error in per cent: in [0, 100], 100 for equality of a and b.

    The curve is the fraction of pixels whose distance to the truth in (a, b) is within a threshold, for thresholds from 0 to
    150; its area is exactly the mean over pixels of max(0, 1 - distance / 150). Source: Zhang, Isola and Efros, Colorful
    image colorization, ECCV 2016.
    """
    return 100 * _mean(_ab_score, answer, truth)


def ab_auc_rebalanced(answer: Lab, truth: Lab, prior: Prior) -> float:
    """`ab_auc` with every pixel weighted by one over the prior (`ab_prior`) of its true (a, b): rare colours count alike.

    In [0, 100]. Source: Zhang, Isola and Efros (ECCV 2016), equation 4 with lambda = 0.
    """
    total = weights = 0.0
    rarity = 1 / prior.flatten()
    for one, other in _chunks(answer, truth):
        weight = rarity[_ab_bins(other)]
        total += (weight * _ab_score(one, other)).sum().item()
        weights += weight.sum().item()
    return 100 * total / weights


def ab_prior(images: Images) -> Prior:
    """How often each (a, b) occurs: a grid of probabilities in steps of 10, from -110 to 110.

    Each pixel counts for its nearest grid point; the counts are smoothed by a Gaussian (sigma 5, cut at one step), and none is
    left below one pixel, so that a colour that `images` never show weighs much, not infinitely. Source: Zhang, Isola and Efros
    (ECCV 2016), section 2.2, whose prior is that of ImageNet.
    """
    counts = torch.zeros(_BINS**2, dtype=torch.float64, device=images.device)
    for (chunk,) in _chunks(images):
        counts += torch.bincount(_ab_bins(colour.bytes_to_lab(chunk)).flatten(), minlength=_BINS**2)
    tail = math.exp(-0.5 * (_GRID / _SMOOTHING) ** 2)
    kernel = torch.tensor([tail, 1.0, tail], dtype=torch.float64, device=images.device) / (1 + 2 * tail)
    smooth = functional.conv2d(counts.reshape(1, 1, _BINS, _BINS), torch.outer(kernel, kernel)[None, None], padding=1)
    filled = smooth[0, 0].clamp(min=1.0)
    return filled / filled.sum()


def _squared_errors(answer: Images, truth: Images) -> Float64[Tensor, " n"]:
    return ((answer.double() - truth.double()) / SCALE).square().flatten(1).mean(dim=1)


def _ab_score(answer: Lab, truth: Lab) -> Float[Tensor, "n h w"]:
    apart = answer[:, 1:] - truth[:, 1:]
    return (1 - apart.square().sum(dim=1).sqrt() / _WIDEST_AB_ERROR).clamp(min=0)


def _ab_bins(lab: Lab) -> Int64[Tensor, "n h w"]:
    a, b = ((lab[:, 1:] / _GRID).round().long() + _BINS // 2).unbind(dim=1)
    return a * _BINS + b


def _ssim(answer: Images, truth: Images) -> Float64[Tensor, "n 3 y x"]:
    x, y = answer.double(), truth.double()
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * colour.WHITE_8BIT) ** 2, (0.03 * colour.WHITE_8BIT) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return likeness / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))


def _blur(images: Float64[Tensor, "n 3 h w"]) -> Float64[Tensor, "n 3 y x"]:
    """The Gaussian mean at each place where the window lies inside."""
    down, across = (_windows(side, like=images) for side in images.shape[2:])
    return down @ images @ across.T


def _windows(side: int, *, like: Tensor) -> Float64[Tensor, "places {side}"]:
    """A row for each place of the window along a side: for small images a product with it is the fastest convolution."""
    offsets = torch.arange(SSIM_WINDOW_PIXELS, device=like.device, dtype=like.dtype) - SSIM_WINDOW_PIXELS // 2
    window = torch.exp(-0.5 * (offsets / _SSIM_SIGMA_PIXELS) ** 2)
    beyond = side - SSIM_WINDOW_PIXELS
    return torch.stack([functional.pad(window / window.sum(), (place, beyond - place)) for place in range(beyond + 1)])


def _chunks(*sets: Tensor) -> Iterator[tuple[Tensor, ...]]:
    yield from zip(*(torch.split(images, _CHUNK_IMAGES) for images in sets), strict=True)


def _mean(measure: Callable[[Tensor, Tensor], Tensor], answer: Images | Lab, truth: Images | Lab) -> float:
    """The mean of a map over all images, computed some at a time."""
    total = count = 0.0
    for one, other in _chunks(answer, truth):
        values = measure(one, other)
        total += values.sum(dtype=torch.float64).item()
        count += values.numel()
    return total / count
