"""Colour science: the published figures, and scikit-image's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color
from torch import Tensor

from colournet.colour import bytes_to_lab, ciede2000, lab_to_bytes, lab_to_srgb, srgb_to_lab

SEEDS = st.integers(0, 2**32 - 1)

# Sharma, Wu and Dalal (2005), table 1: L, a, b of two colours, and their difference.
SHARMA = [
    (50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425),
    (50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615),
    (50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412),
    (50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669),
    (50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461),
    (50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065),
    (50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492),
    (50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977),
    (50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030),
    (50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
    (36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
]


def column(*rows: tuple[float, ...]) -> Tensor:
    """Colours as an image of one column."""
    return torch.tensor(rows, dtype=torch.float64).T[:, :, None]


def random_rgb(seed: int) -> np.ndarray:
    """Images in [0, 1]; a third of the channels is 0 or 1."""
    generator = np.random.default_rng(seed)
    rgb = generator.random((2, 3, 4, 5))
    return np.where(generator.random(rgb.shape) < 1 / 3, rgb.round(), rgb)


@pytest.mark.parametrize("pair", SHARMA, ids=[f"pair {number}" for number in range(1, len(SHARMA) + 1)])
def test_published_differences(pair: tuple[float, ...]) -> None:
    """CIEDE2000 has the published values, to all their digits, either way round."""
    one, other = column(pair[:3]), column(pair[3:6])

    assert ciede2000(one, other).item() == pytest.approx(pair[6], abs=5e-5)
    assert ciede2000(other, one).item() == pytest.approx(pair[6], abs=5e-5)


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_lab_is_scikit_images(seed: int) -> None:
    """L*a*b* is scikit-image's, whose white is given to fewer digits."""
    rgb = random_rgb(seed)

    lab = srgb_to_lab(torch.tensor(rgb)).numpy()

    np.testing.assert_allclose(lab, color.rgb2lab(rgb, channel_axis=1), atol=0.02)


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_rgb_is_scikit_images(seed: int) -> None:
    """The way back is scikit-image's, which clips."""
    lab = color.rgb2lab(random_rgb(seed), channel_axis=1)

    rgb = lab_to_srgb(torch.tensor(lab)).numpy().clip(0, 1)

    np.testing.assert_allclose(rgb, color.lab2rgb(lab, channel_axis=1), atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_difference_is_scikit_images(seed: int) -> None:
    """CIEDE2000 is scikit-image's on any two images."""
    one, other = (color.rgb2lab(random_rgb(seed + add), channel_axis=1) for add in (0, 1))

    difference = ciede2000(torch.tensor(one), torch.tensor(other)).numpy()

    np.testing.assert_allclose(difference, color.deltaE_ciede2000(one, other, channel_axis=1), atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(seed=SEEDS)
def test_round_trip(seed: int) -> None:
    """To L*a*b* and back is nowhere, in 8 bits to the last."""
    rgb = torch.tensor(random_rgb(seed))
    images = (rgb * 255).round().to(torch.uint8)

    torch.testing.assert_close(lab_to_srgb(srgb_to_lab(rgb)), rgb, atol=1e-9, rtol=0)
    assert torch.equal(lab_to_bytes(bytes_to_lab(images)), images)


def test_grey_axis() -> None:
    """Black is (0, 0, 0), white (100, 0, 0), and no grey has chroma."""
    levels = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)

    lab = bytes_to_lab(levels)

    torch.testing.assert_close(lab[:, 0, [0, 255]].T, torch.tensor([[0.0, 0, 0], [100, 0, 0]]), atol=1e-4, rtol=0)
    assert lab[1:].abs().max() < 1e-3
    assert (lab[0].diff() > 0).all()


def test_out_of_gamut() -> None:
    """A colour that no screen can show comes out of [0, 1], and is clipped in 8 bits."""
    lab = column((50.0, 120.0, 0.0))

    rgb = lab_to_srgb(lab)

    assert rgb.min() < 0
    assert rgb.max() > 1
    assert lab_to_bytes(lab)[:, 0, 0].tolist()[:2] == [255, 0]


def test_gradients_at_the_corners() -> None:
    """Black, grey, white and equal colours have finite gradients, in both precisions and both ways."""
    for dtype in (torch.float32, torch.float64):
        rgb = torch.tensor([[0.0, 0.0, 0.5, 1.0, 1.0], [0, 0, 0.5, 1, 0], [0, 1e-30, 0.5, 1, 0]], dtype=dtype)[
            ..., None
        ]
        answer = rgb.clone().requires_grad_()

        lab = srgb_to_lab(answer)
        for truth in (srgb_to_lab(rgb), srgb_to_lab(rgb.flip(1)), torch.zeros_like(rgb)):
            total = ciede2000(lab, truth).sum() + lab.square().sum() + lab_to_srgb(lab).sum()
            (gradient,) = torch.autograd.grad(total, answer, retain_graph=True)
            assert gradient.isfinite().all()


def test_gradients() -> None:
    """The gradients are those of the functions."""
    one = column((50.0, 20.0, -30.0), (3.0, 1.0, 2.0), (80.0, -40.0, 5.0)).requires_grad_()
    other = column((40.0, -20.0, 10.0), (2.0, -3.0, 1.0), (70.0, -30.0, 25.0))
    rgb = torch.tensor([[0.2, 0.01, 0.9], [0.4, 0.002, 0.7], [0.6, 0.02, 0.1]], dtype=torch.float64)[..., None]

    assert torch.autograd.gradcheck(lambda lab: ciede2000(lab, other), one)
    assert torch.autograd.gradcheck(srgb_to_lab, rgb.requires_grad_())
    assert torch.autograd.gradcheck(lab_to_srgb, one)
