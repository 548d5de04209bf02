"""Logits become colours by three methods, which agree where the network is sure."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from colournet.decoding import METHODS, decode, restore_grey
from colournet.errors import ConfigError

PALETTE = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.25, 0.0], [0.0, 0.5, 0.75]])
seeds = st.integers(0, 2**31)


def draw(seed: int, *size: int) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("method", METHODS)
def test_sure_answer(method: str) -> None:
    """Where all but one colour are as good as impossible, every method answers that colour."""
    labels = torch.tensor([[[0, 1], [2, 1]]])
    logits = 1000 * torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()

    assert torch.equal(decode(logits, PALETTE, method=method), PALETTE[labels].permute(0, 3, 1, 2))


def test_expected_colour() -> None:
    """The mean weighs the colours by their probabilities."""
    logits = torch.tensor([0.2, 0.3, 0.5]).log().reshape(1, 3, 1, 1)

    colour = decode(logits, PALETTE, method="mean").flatten()

    assert colour.tolist() == pytest.approx([0.15, 0.325, 0.375])


@given(seed=seeds)
def test_temperature(seed: int) -> None:
    """Annealing at 1 is the mean, and very hot it is the palette's mean."""
    logits = draw(seed, 2, 3, 4, 4)

    def annealed(temperature: float) -> torch.Tensor:
        return decode(logits, PALETTE, method="annealed", temperature=temperature)

    assert torch.equal(annealed(1.0), decode(logits, PALETTE, method="mean"))
    assert torch.allclose(annealed(1e8), PALETTE.mean(dim=0).reshape(1, 3, 1, 1).expand(2, 3, 4, 4), atol=1e-6)


def test_cold() -> None:
    """Near zero, annealing is argmax."""
    logits = torch.tensor([0.1, 0.4, 0.2]).reshape(1, 3, 1, 1)

    assert torch.equal(decode(logits, PALETTE, method="annealed", temperature=1e-4), decode(logits, PALETTE))


@given(seed=seeds, method=st.sampled_from(METHODS))
def test_range(seed: int, method: str) -> None:
    """No method leaves the palette's range in any channel."""
    colours = decode(5 * draw(seed, 2, 3, 4, 4), PALETTE, method=method)

    assert colours.shape == (2, 3, 4, 4)
    assert (colours >= -1e-6).all()
    assert (colours <= PALETTE.amax(dim=0).reshape(1, 3, 1, 1) + 1e-6).all()


def test_unknown_method() -> None:
    """A misspelt method is told with the right one, and a temperature of 0 is refused."""
    with pytest.raises(ConfigError, match="no decoding 'meen'") as caught:
        decode(torch.zeros(1, 3, 1, 1), PALETTE, method="meen")
    with pytest.raises(ConfigError, match="above 0, got 0"):
        decode(torch.zeros(1, 3, 1, 1), PALETTE, method="annealed", temperature=0.0)

    assert caught.value.hint == "did you mean 'mean'?"


@given(seed=seeds)
def test_restored_grey(seed: int) -> None:
    """The answer has the grey that was shown and the chroma that it had; to restore twice changes nothing."""
    rgb, grey = 0.5 + 0.02 * draw(seed, 2, 3, 4, 4), 0.5 + 0.02 * draw(seed + 1, 2, 1, 4, 4)

    restored = restore_grey(rgb, grey)

    assert torch.allclose(restored.mean(dim=1, keepdim=True), grey, atol=1e-6)
    assert torch.allclose(restored[:, 0] - restored[:, 1], rgb[:, 0] - rgb[:, 1], atol=1e-6)
    assert torch.allclose(restore_grey(restored, grey), restored, atol=1e-6)


def test_restored_grey_is_clipped() -> None:
    """Colour that does not fit beside black or white is cut off."""
    rgb = torch.tensor([0.9, 0.0, 0.0]).reshape(1, 3, 1, 1)

    assert restore_grey(rgb, torch.zeros(1, 1, 1, 1)).flatten().tolist() == pytest.approx([0.6, 0, 0])
    assert restore_grey(rgb, torch.full((1, 1, 1, 1), 0.99)).max().item() == 255 / 256
