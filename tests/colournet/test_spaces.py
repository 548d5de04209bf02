"""Colour spaces: what a network answers in each becomes RGB again, on the scale of the assignment."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from skimage import color

from colournet import palette
from colournet.batches import grey
from colournet.config import COLOUR_SPACES, TrainConfig
from colournet.decoding import decode
from colournet.spaces import SPACES, light_up, of_channels, to_bytes

seeds = st.integers(0, 2**31)


def random_images(seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (2, 3, 6, 6), dtype=np.uint8))


def test_the_table() -> None:
    """Every space that can be asked for is there, under its name, and is known by the channels of a regression."""
    assert tuple(SPACES) == COLOUR_SPACES
    for name, space in SPACES.items():
        config = TrainConfig(model="regression_cnn", colour_space=name)
        assert space.name == name
        assert of_channels(config.num_outputs) is space


@given(seed=seeds)
def test_device_decoding_is_the_palettes(seed: int) -> None:
    """Logits of one sure colour, decoded as a batch, are the picture that the palette makes of the labels, to the bit."""
    images, generator = random_images(seed), np.random.default_rng(seed)
    labels = generator.integers(0, 300, (2, 6, 6))
    level = images.float().mean(dim=1)
    for colours in (generator.random((300, 3)), generator.uniform(-90, 90, (300, 2))):
        table = colours.astype(np.float32)
        logits = 1000 * torch.nn.functional.one_hot(torch.from_numpy(labels), 300).permute(0, 3, 1, 2).float()
        for method in ("argmax", "mean", "annealed"):
            answer = decode(logits, torch.from_numpy(table), method=method)
            batch = of_channels(table.shape[1]).to_rgb(answer, grey(images))
            np.testing.assert_array_equal(to_bytes(batch), palette.decode(labels, table, grey=level.numpy()))


@given(seed=seeds)
def test_expected_chroma(seed: int) -> None:
    """The mean of chromas is lit by the grey after it is taken, not before."""
    images = random_images(seed)
    table = torch.tensor([[40.0, 0.0], [-40.0, 20.0]])

    rgb = light_up(decode(torch.zeros(2, 2, 6, 6), table, method="mean"), grey(images))

    assert torch.equal(rgb, light_up(torch.tensor([0.0, 10.0])[None, :, None, None].expand(2, -1, 6, 6), grey(images)))


@given(seed=seeds)
def test_a_right_answer_is_the_picture(seed: int) -> None:
    """What a regression should answer becomes the picture, in RGB to the bit, of chroma to two steps of 8 bits."""
    images = 90 + random_images(seed) // 4  # no colour so vivid that the search for its light would take longer

    rgb, lit = (space.to_rgb(space.target(images) * space.answer_unit, grey(images)) for space in SPACES.values())

    assert torch.equal(to_bytes(rgb), images)
    assert (to_bytes(lit).int() - images.int()).abs().max() <= 2


@given(level=st.integers(1, 254), a=st.floats(-40, 40), b=st.floats(-40, 40))
def test_light(level: int, a: float, b: float) -> None:
    """A chroma under a grey has that a and b by scikit-image, and a mean nearer to the grey than by the grey's own L."""
    rgb = light_up(torch.tensor([a, b]).reshape(1, 2, 1, 1), torch.full((1, 1, 1, 1), level / 256))
    lightness = color.rgb2lab(np.full((1, 1, 3), level / 255))[0, 0, 0]
    assume(((rgb > 0) & (rgb < 255 / 256)).all())  # else it was clipped, as is the one that it is compared with
    assume(lightness / 116 - b / 200 > -16 / 116)

    np.testing.assert_allclose(color.rgb2lab(rgb[0, :, 0, 0] * 256 / 255)[1:], [a, b], atol=0.1)
    by_own_lightness = color.lab2rgb([lightness, a, b]) * 255
    assert abs(rgb.mean().item() * 256 - level) <= 0.75 * abs(by_own_lightness.mean() - level) + 0.1


@pytest.mark.parametrize("level", range(0, 256, 15))
def test_no_chroma_is_grey(level: int) -> None:
    """Under a grey of any level, a and b of 0 are that grey, on the scale of 256 from black to white."""
    rgb = light_up(torch.zeros(1, 2, 1, 1), torch.full((1, 1, 1, 1), level / 256))

    assert to_bytes(rgb).flatten().tolist() == [level] * 3
    np.testing.assert_allclose(rgb.flatten() * 256, level, atol=0.02)


def test_what_no_screen_shows_is_clipped() -> None:
    """The most vivid chroma in black and in white stays from 0 to 255 / 256."""
    chroma = torch.tensor([[120.0, -120.0], [120.0, 120.0]]).repeat(1, 2)[None, :, None, :]

    rgb = light_up(chroma, torch.tensor([0.0, 0.3, 0.6, 255 / 256]).reshape(1, 1, 1, 4))

    assert rgb.min() == 0
    assert rgb.max() == 255 / 256


def test_gradient() -> None:
    """Chroma and grey have finite gradients, at black and without chroma too, by which a loss of RGB could be trained."""
    chroma = torch.tensor([0.0, 0.0, 10.0, -10.0, 5.0, 30.0]).reshape(1, 2, 1, 3).requires_grad_()
    level = torch.tensor([0.0, 0.4, 0.7]).reshape(1, 1, 1, 3).requires_grad_()

    light_up(chroma, level).sum().backward()

    for tensor in (chroma, level):
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()
        assert (tensor.grad[..., 1:] != 0).all()
