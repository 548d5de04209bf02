"""Configurations trained as one stack: each is what it would be alone."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from colournet import mid_course, models
from colournet.checkpoints import Model, load_model
from colournet.config import TrainConfig
from colournet.data import TrainingData, prepare
from colournet.errors import ConfigError
from colournet.evaluation import score_model
from colournet.fused import OnEpochs, train_fused
from colournet.metrics import EpochMetrics
from colournet.names import BEST_MODEL, LAST_CHECKPOINT
from colournet.stackable import OWN, shape
from colournet.stacks import Stack, StackedAdam
from colournet.training import TrainResult, train

CONFIG = TrainConfig(
    dataset="scenes", train_images=50, num_filters=3, batch_size=20, num_colours=8, epochs=3, device="cpu"
)
MEMBERS = [
    CONFIG,
    CONFIG.replace(seed=1, learning_rate=3e-3, epochs=5, schedule="one_cycle"),
    CONFIG.replace(seed=2, flip_horizontal=True, shift_vertical_pixels=3, weight_decay=1e-2),
    CONFIG.replace(seed=3, learning_rate=1e-4, flip_vertical=True, epochs=2, schedule="cosine"),
]
EXACT, CLOSE, ROUGH = 1e-9, 1e-6, 1e-3
"""In double precision sums differ in the last digits; where single precision has a part, steps make more of that."""


class Double(nn.Module):
    """A network in double precision, which answers colours, unlike logits, in single precision, as they are compared there."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.inner = network.double()

    def forward(self, grey: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
        answer: Tensor = self.inner(grey.double())
        return answer if answer.shape[1] > 3 else answer.float()


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> None:
    """All networks are in double precision."""

    def build(config: TrainConfig, *, generator: torch.Generator) -> nn.Module:
        return Double(models.build(config, generator=generator))

    monkeypatch.setattr(mid_course, "build", build)


@functools.cache
def data_of(config: TrainConfig) -> TrainingData:
    data = prepare(config).for_run(config)
    few = {name: getattr(data, name)[:30] for name in ("validation_images", "validation_labels")}
    return dataclasses.replace(data, **few)


def differing(configs: Sequence[TrainConfig], **changes: Any) -> list[TrainConfig]:
    return [config.replace(**changes) for config in configs]


def assert_equal(found: TrainResult, alone: TrainResult, *, within: float) -> None:
    """The same epochs but for what the clock decides, and the same weights.

    The gradient of a bias before a BatchNorm is nothing but noise, of which Adam makes steps; the running mean takes them back.
    """
    assert len(found.history) == len(alone.history)
    for ours, theirs in zip(found.history, alone.history, strict=True):
        for name in ("epoch", "train_loss", "val_loss", "val_mse"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=within), name
        assert ours.val_accuracy == pytest.approx(theirs.val_accuracy, abs=0 if within == EXACT else 0.001)
    assert found.model.config == alone.model.config.replace(form="reference")
    assert found.best.epoch == alone.best.epoch
    state = found.model.network.state_dict()
    for name, weight in alone.model.network.state_dict().items():
        assert state[name].shape == weight.shape
        if not name.endswith((".0.bias", ".running_mean")):
            assert torch.allclose(state[name].double(), weight.double(), rtol=within, atol=10 * within), name


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_each_member_is_as_if_alone(double: None, optimizer: str) -> None:
    """Over several epochs, with rates, augmentations, seeds, decays and lengths of their own, in double precision."""
    configs, data = differing(MEMBERS, optimizer=optimizer), data_of(CONFIG)

    found = train_fused(configs, data)

    assert [len(result.history) for result in found] == [3, 5, 3, 2]
    for result, config in zip(found, configs, strict=True):
        assert_equal(result, train(config, data), within=EXACT)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "cnn", "kernel_size": 5},
        {"model": "regression_cnn"},
        {"model": "regression_cnn", "colour_space": "lab"},
        {"colour_space": "lab"},
        {"model": "dilated_unet", "dilation": 2},
        {"label_smoothing": 0.1},
        {"down_sampling": "stride", "depth": 3},
        {"full_resolution_skip": True, "residual_blocks": 1},
    ],
    ids=str,
)
def test_every_network_can_be_stacked(double: None, changes: dict[str, Any]) -> None:
    """Whatever the network, its loss and its colour space; two epochs."""
    configs = differing(MEMBERS[:3], epochs=2, **changes)
    data = data_of(configs[0])

    for result, config in zip(train_fused(configs, data), configs, strict=True):
        assert_equal(result, train(config, data), within=CLOSE if config.num_outputs <= 3 else EXACT)


@pytest.mark.parametrize("changes", [{}, {"full_resolution_skip": True, "grey_table": True}], ids=str)
def test_in_single_precision_losses_are_close(changes: dict[str, Any]) -> None:
    """As networks are trained: losses agree to a thousandth after two epochs, a grey table that starts from pixels included."""
    configs = differing(MEMBERS[:3], epochs=2, learning_rate=1e-3, **changes)
    data = data_of(configs[0])

    for result, config in zip(train_fused(configs, data), configs, strict=True):
        for ours, theirs in zip(result.history, train(config, data).history, strict=True):
            assert ours.train_loss == pytest.approx(theirs.train_loss, rel=ROUGH)
            assert ours.val_loss == pytest.approx(theirs.val_loss, rel=ROUGH)


def test_a_stack_of_one(double: None) -> None:
    """A single configuration is a stack, too."""
    data = data_of(CONFIG)

    (result,) = train_fused([CONFIG], data)

    assert_equal(result, train(CONFIG, data), within=EXACT)


def stops_at(place: int, epoch: int) -> OnEpochs:
    return lambda told: [place] if place in told and told[place].epoch == epoch else []


def test_a_stopped_member_leaves_the_others_as_they_are(double: None) -> None:
    """One that is stopped has the epochs until then; the others go on, in their places, to what they are alone."""
    data = data_of(CONFIG)

    found = train_fused(MEMBERS, data, on_epochs=stops_at(1, 2))

    assert [len(result.history) for result in found] == [3, 2, 3, 2]
    for result, config in zip(found, MEMBERS, strict=True):
        if config is not MEMBERS[1]:
            assert_equal(result, train(config, data), within=EXACT)


def histories(results: Sequence[TrainResult]) -> list[list[Any]]:
    """What was measured, but for what the clock decides."""
    return [
        [dataclasses.replace(metrics, seconds=0.0, images_per_second=0.0) for metrics in result.history]
        for result in results
    ]


def test_members_are_resumed_to_the_same_bits(tmp_path: Path) -> None:
    """A stack that was stopped after two epochs goes on from its members' checkpoints as if it had not been."""
    data, folders = data_of(CONFIG), {place: tmp_path / str(place) for place in range(len(MEMBERS))}
    whole = train_fused(MEMBERS, data)

    train_fused(MEMBERS, data, on_epochs=lambda told: [p for p in told if told[p].epoch == 2], checkpoint_dirs=folders)
    checkpoints = {place: folder / LAST_CHECKPOINT for place, folder in folders.items()}
    resumed = train_fused(MEMBERS, data, resume_from=checkpoints, checkpoint_dirs=folders)

    assert histories(resumed) == histories(whole)
    for place, result in enumerate(whole):
        kept = load_model(folders[place] / BEST_MODEL)
        assert score_model(kept, data.validation_images).loss == pytest.approx(result.best.val_loss, rel=1e-5)


def test_members_of_different_ages_share_a_stack(double: None, tmp_path: Path) -> None:
    """One that has two epochs behind it, which it trained alone, and a fresh one: both are what they are alone."""
    data, old, fresh = data_of(CONFIG), MEMBERS[1], MEMBERS[2]
    train(
        old.replace(form="reference"),
        data,
        on_epoch=lambda m: "stop" if m.epoch == 2 else None,
        checkpoint_dir=tmp_path,
    )

    found = train_fused([old, fresh], data, resume_from={0: tmp_path / LAST_CHECKPOINT})

    assert_equal(found[0], train(old, data), within=CLOSE)  # the weights of a checkpoint are read in single precision
    assert_equal(found[1], train(fresh, data), within=EXACT)


def test_a_member_goes_on_alone(tmp_path: Path) -> None:
    """What a stack left of a member is a checkpoint like any other: `train` goes on with it."""
    data, config = data_of(CONFIG), MEMBERS[1].replace(form="reference")
    train_fused(
        [CONFIG.replace(form="reference"), config], data, on_epochs=stops_at(1, 2), checkpoint_dirs={1: tmp_path}
    )

    alone = train(config, data, resume_from=tmp_path / LAST_CHECKPOINT)

    for ours, theirs in zip(alone.history, train(config, data).history, strict=True):
        assert ours.val_loss == pytest.approx(theirs.val_loss, rel=ROUGH)


def test_a_member_that_is_done_is_left_as_it_is(tmp_path: Path) -> None:
    """A checkpoint of all its epochs leaves nothing to train; the others are trained."""
    data = data_of(CONFIG)
    (done,) = train_fused([CONFIG], data, checkpoint_dirs={0: tmp_path})

    found = train_fused(MEMBERS[:2], data, resume_from={0: tmp_path / LAST_CHECKPOINT})

    assert histories(found[:1]) == histories([done])
    assert len(found[1].history) == MEMBERS[1].epochs


def test_models_are_shown_as_they_are_after_each_epoch() -> None:
    """What is shown of a member scores what its epoch says."""
    data, seen = data_of(CONFIG), []

    def look(place: int, epoch: int, model: Model) -> None:
        seen.append((place, epoch, score_model(model, data.validation_images).loss))

    found = train_fused(MEMBERS[:2], data, on_model=look)

    assert len(seen) == sum(len(result.history) for result in found)
    for place, epoch, loss in seen:
        assert loss == pytest.approx(found[place].history[epoch - 1].val_loss, rel=1e-5)


def test_a_diverging_member_harms_no_other(double: None) -> None:
    """One whose loss is not finite leaves after that epoch without an error, and mixes with none."""
    data, wild = data_of(CONFIG), CONFIG.replace(seed=9, learning_rate=1e200)

    diverged, whole = train_fused([wild, MEMBERS[1]], data)

    assert not diverged.history[-1].is_finite
    assert all(metrics.is_finite for metrics in diverged.history[:-1])
    assert_equal(whole, train(MEMBERS[1], data), within=EXACT)


def test_every_epoch_of_every_member_is_told() -> None:
    """Members are told of by their places, epoch by epoch, with what their results hold."""
    told: list[tuple[int, EpochMetrics]] = []

    def note(epochs: Mapping[int, EpochMetrics]) -> Collection[int]:
        told.extend(epochs.items())
        return []

    found = train_fused(MEMBERS, data_of(CONFIG), on_epochs=note)

    assert [(place, metrics.epoch) for place, metrics in told] == [
        *[(place, 1) for place in range(4)],
        *[(place, 2) for place in range(4)],
        *[(place, 3) for place in range(3)],
        *[(1, epoch) for epoch in (4, 5)],
    ]
    for place, result in enumerate(found):
        assert list(result.history) == [metrics for member, metrics in told if member == place]
    assert all(math.isfinite(metrics.images_per_second) for _, metrics in told)


def test_the_same_stack_gives_the_same_bits() -> None:
    """Seeds decide everything."""
    first, second = (train_fused(MEMBERS[:2], data_of(CONFIG)) for _ in range(2))

    for one, other in zip(first, second, strict=True):
        assert [metrics.val_loss for metrics in one.history] == [metrics.val_loss for metrics in other.history]


class Counting(TorchDispatchMode):
    """Counts the operations that reach the device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations(members: int) -> tuple[int, int]:
    """How many a training step and a batch of validation take with so many members, gathering aside."""
    configs, data = [CONFIG.replace(seed=seed) for seed in range(members)], data_of(CONFIG)
    stack = Stack([models.build(config) for config in configs], CONFIG)
    optimizer = StackedAdam(stack.weights, configs)
    images, labels = torch.from_numpy(data.train_images[:20]), torch.from_numpy(data.train_labels[:20])
    batches = images.repeat(members, 1, 1, 1, 1), labels.repeat(members, 1, 1, 1)
    with Counting() as step:
        gradients = torch.autograd.grad(stack.losses(batches).sum(), stack.weights)
        optimizer.step(stack.weights, list(gradients), [config.learning_rate for config in configs])
    with Counting() as validation:
        stack.totals((images, labels), torch.from_numpy(data.palette))
    return step.count, validation.count


def test_more_members_are_no_more_operations() -> None:
    """That is what stacking is for: eight networks step, and validate, by as many operations as two."""
    assert operations(8) == operations(2)


@pytest.mark.parametrize(
    ("name", "value"), [("kernel_size", 5), ("batch_size", 10), ("num_colours", 9), ("optimizer", "adamw")]
)
def test_other_shapes_are_refused(name: str, value: Any) -> None:
    """What members must share is named with both values, and what they need not."""
    with pytest.raises(ConfigError, match=f"as one stack: {name} is") as refused:
        train_fused([CONFIG, CONFIG.replace(**{name: value})], data_of(CONFIG))

    assert "learning_rate" in str(refused.value.hint)
    with pytest.raises(ConfigError, match="nothing to train"):
        train_fused([], data_of(CONFIG))


def test_a_shape_is_what_members_share() -> None:
    """Configurations that differ only in what is a member's own have one shape; it can be looked up."""
    assert {shape(config) for config in MEMBERS} == {shape(CONFIG)}
    assert shape(CONFIG.replace(kernel_size=5)) != shape(CONFIG)
    assert all(hasattr(CONFIG, name) for name in OWN)
