"""Scores of a colouring: scikit-image's where it has them, and figures that can be told by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from colournet import scores

SEEDS = st.integers(0, 2**32 - 1)


def pair(seed: int, *, count: int = 2, side: int = 14, noise: int = 60) -> tuple[Tensor, Tensor]:
    """An answer and a truth, related but not equal."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 256, (count, 3, side, side))
    answer = (truth + generator.integers(-noise, noise + 1, truth.shape)).clip(0, 255)
    return torch.tensor(answer.astype(np.uint8)), torch.tensor(truth.astype(np.uint8))


def lab(*sets: Tensor) -> list[Tensor]:
    """Images in Lab."""
    return [scores.to_lab(images) for images in sets]


def flat(*rgb: int, count: int = 1) -> Tensor:
    """Images of one colour."""
    return torch.tensor(rgb, dtype=torch.uint8)[None, :, None, None].repeat(count, 1, 12, 12)


def skimage_lab(images: Tensor) -> np.ndarray:
    return np.asarray(color.rgb2lab(images.numpy(), channel_axis=1))


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_ssim(seed: int) -> None:
    """SSIM is scikit-image's with the window of the paper."""
    answer, truth = pair(seed)

    expected = [
        structural_similarity(
            x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=0
        )
        for x, y in zip(answer.numpy(), truth.numpy(), strict=True)
    ]

    assert scores.ssim(answer, truth) == pytest.approx(np.mean(expected), abs=1e-6)


def test_ssim_of_small_images() -> None:
    """An image smaller than the window has no SSIM."""
    with pytest.raises(ValueError, match="11 pixels a side or more, got 10 x 10"):
        scores.ssim(*pair(0, side=10))


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_errors(seed: int) -> None:
    """Squared and absolute error and both PSNR are means of what numpy and scikit-image say; pooling is the harsher."""
    answer, truth = pair(seed, count=3)
    x, y = answer.numpy() / 256, truth.numpy() / 256

    by_image = [peak_signal_noise_ratio(b, a, data_range=1) for a, b in zip(x, y, strict=True)]

    assert scores.mean_squared_error(answer, truth) == pytest.approx(((x - y) ** 2).mean())
    assert scores.mean_absolute_error(answer, truth) == pytest.approx(np.abs(x - y).mean())
    assert scores.psnr_pooled_db(answer, truth) == pytest.approx(peak_signal_noise_ratio(y, x, data_range=1))
    assert scores.psnr_image_mean_db(answer, truth) == pytest.approx(np.mean(by_image))
    assert scores.psnr_image_mean_db(answer, truth) >= scores.psnr_pooled_db(answer, truth) - 1e-9


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_ciede2000(seed: int) -> None:
    """The mean colour difference is scikit-image's."""
    answer, truth = pair(seed)

    expected = color.deltaE_ciede2000(skimage_lab(answer), skimage_lab(truth), channel_axis=1).mean()

    assert scores.ciede2000(*lab(answer, truth)) == pytest.approx(expected, abs=0.01)


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_ab_auc(seed: int) -> None:
    """The closed form is the area under the curve, counted at each threshold."""
    answer, truth = pair(seed)
    errors = np.linalg.norm(skimage_lab(answer)[:, 1:] - skimage_lab(truth)[:, 1:], axis=1)
    thresholds = np.linspace(0, 150, 1501)

    curve = [(errors <= threshold).mean() for threshold in thresholds]

    assert scores.ab_auc(*lab(answer, truth)) == pytest.approx(100 * np.trapezoid(curve, thresholds) / 150, abs=0.05)


def test_ab_auc_of_known_errors() -> None:
    """A distance is taken off in proportion; beyond 150 nothing is left; lightness does not matter."""
    red, green = (skimage_lab(flat(*rgb))[0, 1:, 0, 0] for rgb in ((255, 0, 0), (0, 255, 0)))
    apart = math.dist(red, green)

    assert apart > 150
    assert scores.ab_auc(*lab(flat(255, 0, 0), flat(0, 255, 0))) == 0
    assert scores.ab_auc(*lab(flat(10, 10, 10), flat(200, 200, 200))) == pytest.approx(100, abs=1e-3)
    assert scores.ab_auc(*lab(flat(90, 90, 90), flat(255, 0, 0))) == pytest.approx(
        100 * (1 - math.hypot(*red) / 150), abs=0.01
    )


def test_rebalanced_auc() -> None:
    """Where three images in four are grey, an all-grey answer is as good on the grey as it is bad on the rest."""
    truth = torch.cat([flat(90, 90, 90, count=3), flat(200, 40, 40)])
    answer = flat(90, 90, 90, count=4)
    prior = scores.ab_prior(truth)

    on_red = scores.ab_auc(*lab(answer[3:], truth[3:]))

    assert scores.ab_auc(*lab(answer, truth)) == pytest.approx((3 * 100 + on_red) / 4, abs=1e-3)
    assert scores.ab_auc_rebalanced(*lab(answer, truth), prior) == pytest.approx((100 + on_red) / 2, abs=1e-3)


def test_prior() -> None:
    """The prior is made of probabilities, most where the pixels are, none zero."""
    prior = scores.ab_prior(flat(90, 90, 90, count=5))

    assert prior.shape == (23, 23)
    assert prior.sum().item() == pytest.approx(1)
    assert prior.argmax().item() == 11 * 23 + 11
    assert prior.min() > 0


def test_prior_takes_every_colour() -> None:
    """Each colour of the screen has its place in the grid."""
    corners = torch.tensor([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], dtype=torch.uint8)

    prior = scores.ab_prior(corners[:, :, None, None])

    assert prior.sum().item() == pytest.approx(1)


def test_colourfulness_by_hand() -> None:
    """Half red, half blue: rg is 255 or 0, yb is 127.5 or -255."""
    image = flat(255, 0, 0)
    image[:, :, 6:] = torch.tensor([0, 0, 255], dtype=torch.uint8)[:, None, None]
    spread, level = math.hypot(127.5, 191.25), math.hypot(127.5, -63.75)

    assert scores.colourfulness(image) == pytest.approx(spread + 0.3 * level)


def test_colourfulness_is_a_mean_over_images() -> None:
    """Grey has none; of a flat colour only the means count; the difference tells the dull from the vivid."""
    grey, red = flat(90, 90, 90), flat(100, 0, 0)

    assert scores.colourfulness(grey) == 0
    assert scores.colourfulness(torch.cat([grey, red])) == pytest.approx(0.3 * math.hypot(100, 50) / 2)
    assert scores.colourfulness_difference(grey, red) == pytest.approx(-0.3 * math.hypot(100, 50))


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS, epsilon=st.sampled_from([2.0, 5.0, 10.0]))
def test_accuracy_within(seed: int, epsilon: float) -> None:
    """A pixel counts if all three of its rounded channels are near enough, by scikit-image's Lab."""
    answer, truth = pair(seed, noise=20)
    # A white of other digits may round one channel in a hundred to its neighbour: taken as a slack of one.
    apart = np.abs(skimage_lab(answer).round() - skimage_lab(truth).round())
    widest = np.array([epsilon, 2.2 * epsilon, 2.2 * epsilon])[:, None, None] + 1e-6

    low, high = ((apart <= widest + slack).all(axis=1).mean() for slack in (-1, 1))

    assert low <= scores.accuracy_within(*lab(answer, truth), epsilon=epsilon) <= high


def test_accuracy_within_reaches_the_edge() -> None:
    """A difference of exactly epsilon, or of 2.2 epsilon, is within."""
    darker, lighter = flat(119, 119, 119), flat(124, 124, 124)  # L of 50.0 and 52.0

    assert scores.accuracy_within(*lab(darker, lighter), epsilon=2.0) == 1
    assert scores.accuracy_within(*lab(darker, lighter), epsilon=1.9) == 0


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS)
def test_balanced_accuracy(seed: int) -> None:
    """Balanced accuracy is scikit-learn's mean recall, also where colours are missing."""
    from sklearn.metrics import recall_score

    generator = np.random.default_rng(seed)
    labels = generator.choice([1, 4, 5, 200], (2, 4, 4), p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8)
    chosen = np.where(generator.random(labels.shape) < 0.5, labels, generator.choice([1, 4, 5, 200], labels.shape))
    chosen = chosen.astype(np.uint8)

    expected = recall_score(labels.ravel(), chosen.ravel(), labels=np.unique(labels), average="macro")

    assert scores.balanced_accuracy(torch.tensor(chosen), torch.tensor(labels)) == pytest.approx(expected)


def test_equal_images() -> None:
    """No measure finds fault with the truth."""
    images, _ = pair(0, count=120)
    prior = scores.ab_prior(images)

    assert scores.mean_squared_error(images, images) == scores.mean_absolute_error(images, images) == 0
    assert scores.psnr_pooled_db(images, images) == math.inf
    assert scores.psnr_image_mean_db(images, images) == pytest.approx(10 * math.log10(12 * 256**2))
    assert scores.ssim(images, images) == pytest.approx(1)
    assert scores.ciede2000(*lab(images, images)) == scores.colourfulness_difference(images, images) == 0
    assert scores.accuracy_within(*lab(images, images), epsilon=0.0) == 1
    assert scores.ab_auc(*lab(images, images)) == pytest.approx(100)
    assert scores.ab_auc_rebalanced(*lab(images, images), prior) == pytest.approx(100)
