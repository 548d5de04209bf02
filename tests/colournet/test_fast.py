"""The fast form of a network is the network: its answers, gradients, statistics and losses."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from colournet import fast
from colournet.config import TrainConfig
from colournet.data import DataBundle
from colournet.models import build
from colournet.optimization import make_optimizer
from colournet.training import train

KERNELS = (1, 3, 5, 7, 15)
NETWORKS: list[dict[str, Any]] = [
    *({"model": model, "kernel_size": size} for model in ("cnn", "unet", "regression_cnn") for size in KERNELS),
    *({"model": "dilated_unet", "dilation": dilation, "kernel_size": 3} for dilation in (2, 5, 16)),
    {"model": "dilated_unet", "dilation": 2, "kernel_size": 5},
    {"model": "regression_cnn", "colour_space": "lab"},
]


def name_of(settings: dict[str, Any]) -> str:
    return " ".join(str(value) for value in settings.values())


def make(settings: dict[str, Any], dtype: torch.dtype) -> tuple[nn.Module, Tensor, Tensor, TrainConfig]:
    """A network whose BatchNorm has seen something, images that are not square, and what they should give."""
    config = TrainConfig(num_filters=3, num_colours=5, **settings)
    generator = torch.Generator().manual_seed(1)
    network = build(config, generator=generator).to(dtype)
    grey = torch.rand(3, 1, 16, 24, generator=generator).to(dtype)
    wanted = torch.randint(0, 5, (3, 16, 24), generator=generator)
    network(torch.rand(3, 1, 16, 24, generator=generator).to(dtype))
    return network, grey, wanted, config


def loss_of(network: nn.Module, grey: Tensor, labels: Tensor, config: TrainConfig) -> Tensor:
    """What is trained for, in the fast form where that is asked for, else as it is said."""
    if config.is_regression:
        output = fast.ANSWERS[config.form](network, grey)
        return functional.mse_loss(output, labels[:, None].to(output.dtype).expand_as(output) / 5)
    smoothing = config.label_smoothing
    if config.form == "fast":
        return fast.cross_entropy(network, grey, labels, smoothing=smoothing)
    return functional.cross_entropy(network(grey), labels, label_smoothing=smoothing)


@pytest.mark.parametrize("settings", NETWORKS, ids=name_of)
@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float64, 1e-12), (torch.float32, 2e-5)], ids=["float64", "float32"]
)
def test_answers_gradients_and_statistics(settings: dict[str, Any], dtype: torch.dtype, error: float) -> None:
    """After a training step of either form, gradients and running statistics are equal, and so are the answers then."""
    network, grey, labels, config = make(settings, dtype)
    other = copy.deepcopy(network)
    wanted = loss_of(network, grey, labels, config.replace(form="reference"))
    wanted.backward()  # type: ignore[no-untyped-call]

    found = loss_of(other, grey, labels, config)
    found.backward()  # type: ignore[no-untyped-call]

    torch.testing.assert_close(found, wanted, rtol=error, atol=error)
    for (name, theirs), mine in zip(network.named_parameters(), other.parameters(), strict=True):
        assert mine.grad is not None, name
        torch.testing.assert_close(
            mine.grad, theirs.grad, rtol=error, atol=error, msg=lambda text, n=name: f"{n}: {text}"
        )
    torch.testing.assert_close(other.state_dict(), network.state_dict(), rtol=error, atol=error)
    with torch.no_grad():
        torch.testing.assert_close(fast.answer(other.eval(), grey), network.eval()(grey), rtol=error, atol=error)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("size", [3, 5])
def test_smoothed_labels(size: int, smoothing: float) -> None:
    """What is outside of the image has no part in smoothing labels."""
    network, grey, labels, config = make({"kernel_size": size, "label_smoothing": smoothing}, torch.float64)

    found = loss_of(network, grey, labels, config)

    torch.testing.assert_close(found, loss_of(network, grey, labels, config.replace(form="reference")))


def test_another_network_is_asked_itself() -> None:
    """A network that has no fast form answers as it is."""
    network = build(TrainConfig(depth=3, num_filters=2, num_colours=3)).eval()
    grey = torch.rand(1, 1, 16, 16)

    assert torch.equal(fast.answer(network, grey), network(grey))


SHORT_RUNS: list[dict[str, Any]] = [
    {"model": "unet"},
    {"model": "cnn", "kernel_size": 5, "label_smoothing": 0.1},
    {"model": "dilated_unet", "dilation": 2, "optimizer": "adamw", "weight_decay": 0.1},
    {"model": "regression_cnn", "kernel_size": 1},
]


def losses_of_steps(form: str, settings: dict[str, Any]) -> list[float]:
    network, grey, labels, config = make({**settings, "form": form}, torch.float64)
    optimizer = make_optimizer(network.train(), config)
    losses = []
    for _ in range(20):
        loss = loss_of(network, grey, labels, config)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("settings", SHORT_RUNS, ids=name_of)
def test_losses_of_twenty_steps(settings: dict[str, Any]) -> None:
    """With 64 bits, where rounding does not grow to anything, twenty steps of Adam have the same losses to ten digits."""
    assert losses_of_steps("fast", settings) == pytest.approx(losses_of_steps("reference", settings), rel=1e-10)


@pytest.mark.parametrize("settings", SHORT_RUNS, ids=name_of)
def test_losses_of_a_run(settings: dict[str, Any], config: TrainConfig, bundle: DataBundle) -> None:
    """A run of either form has the same losses but for rounding.

    That of a bias before BatchNorm, whose gradient is nothing but rounding, is seen by validation: Adam makes whole steps of it.
    """
    config = config.replace(**settings, num_filters=4, learning_rate=1e-3)
    data = bundle.for_run(config)

    found = train(config, data).history
    wanted = train(config.replace(form="reference"), data).history

    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-3)
        assert mine.val_loss == pytest.approx(theirs.val_loss, rel=2e-2)


def test_the_same_weights_either_way(config: TrainConfig) -> None:
    """A network has no other parameters for being computed in the fast form."""
    first, second = (build(config.replace(form=form)) for form in ("fast", "reference"))

    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
