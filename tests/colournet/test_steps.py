"""Steps wait for nothing but the end of their epoch, read no data twice, and are the same when they are replayed."""

import gc
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from colournet.batches import ImageSet
from colournet.config import TrainConfig
from colournet.data import DataBundle, TrainingData
from colournet.evaluation import score
from colournet.graphs import Replayed, Work, unchanged
from colournet.models import build
from colournet.optimization import Optimizer, make_optimizer
from colournet.steps import Trainer

CPU = torch.device("cpu")
AUGMENTED = {"flip_horizontal": True, "flip_vertical": True, "shift_vertical_pixels": 2, "schedule": "one_cycle"}
_READ = ("tolist", "cpu", "numpy")
"""What brings numbers to Python as a whole; one alone comes by `aten::_local_scalar_dense`, whoever asks for it."""


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the names of all operations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.name().partition(".")[0])
        return func(*args, **(kwargs or {}))


class Reads(TorchFunctionMode):
    """Counts the calls for whose result Python waits."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += getattr(func, "__name__", "") in _READ
        return func(*args, **(kwargs or {}))


def waits(work: Callable[[], object]) -> int:
    """How often Python waits for a number while something is done."""
    with Reads() as reads, Operations() as operations:
        work()
    return reads.count + operations.names.count("aten::_local_scalar_dense")


def trained(config: TrainConfig, data: TrainingData) -> tuple[nn.Module, Optimizer, Trainer]:
    network = build(config, generator=torch.Generator().manual_seed(1))
    optimizer = make_optimizer(network, config)
    return (
        network,
        optimizer,
        Trainer(network, optimizer, ImageSet.on(CPU, data.train_images, data.train_labels), config),
    )


@pytest.mark.parametrize("batch_size", [3, 8, 100])
@pytest.mark.parametrize("form", ["fast", "reference"])
@pytest.mark.parametrize(
    "settings", [{}, AUGMENTED, {"model": "regression_cnn"}], ids=["plain", "augmented", "squared"]
)
def test_one_wait_an_epoch(
    batch_size: int, form: str, settings: dict[str, Any], config: TrainConfig, bundle: DataBundle
) -> None:
    """However many steps an epoch has, Python waits for a number once."""
    config = config.replace(batch_size=batch_size, form=form, **settings)
    _, _, trainer = trained(config, bundle.for_run(config))

    assert waits(lambda: trainer.epoch(behind=0, generator=torch.Generator().manual_seed(0))) == 1


def test_one_wait_a_validation(config: TrainConfig, training_data: TrainingData) -> None:
    """The three scores are read together, at the end, however many images there are."""
    network, _, _ = trained(config, training_data)
    counts = []
    for times in (1, 30):
        images = torch.from_numpy(training_data.validation_images.copy()).repeat(times, 1, 1, 1)
        labels = torch.from_numpy(training_data.validation_labels.copy()).repeat(times, 1, 1)
        seen, table = ImageSet(images, labels), torch.tensor(training_data.palette)
        counts.append(waits(partial(score, network, seen, table, regression=False)))

    assert counts == [1, 1]


@pytest.mark.parametrize(
    "wait",
    [Tensor.item, Tensor.tolist, Tensor.cpu, Tensor.numpy, float, int, bool],
    ids=lambda wait: str(wait.__name__),
)
def test_waits_are_seen(wait: Callable[[Tensor], object]) -> None:
    """Whatever makes a number of a tensor is counted once."""
    assert waits(lambda: wait(torch.ones(()))) == 1


@pytest.mark.parametrize("count", [6, 40])
def test_one_transfer_an_epoch(count: int) -> None:
    """What is drawn for an epoch, order, rows and columns, is brought to the images' device at once, however many batches."""
    config = TrainConfig(batch_size=2, flip_horizontal=True, shift_vertical_pixels=1)
    images = ImageSet(
        torch.empty(count, 3, 8, 8, dtype=torch.uint8, device="meta"),
        torch.empty(count, 8, 8, dtype=torch.uint8, device="meta"),
    )
    with Operations() as operations:
        batches = list(images.shuffled(config, generator=torch.Generator().manual_seed(0)))

    assert len(batches) == count // 2
    assert operations.names.count("aten::_to_copy") == 3


def test_no_trial_reads_the_data_anew(config: TrainConfig, training_data: TrainingData) -> None:
    """Trainers of one process share the images and labels that were prepared, and copy neither."""
    for settings in ({}, {"form": "reference"}):
        _, _, trainer = trained(config.replace(**settings), training_data)

        assert trainer.images.images.data_ptr() == training_data.train_images.ctypes.data
        assert trainer.images.labels.data_ptr() == training_data.train_labels.ctypes.data


def test_a_trainer_is_gone_with_its_last_user(config: TrainConfig, training_data: TrainingData) -> None:
    """Nothing of a trial waits for the garbage collector, which might come late."""
    gc.disable()
    try:
        _, _, trainer = trained(config, training_data)
        trainer.epoch(behind=0, generator=torch.Generator().manual_seed(0))
        total = weakref.ref(trainer.step)
        del trainer
        assert total() is None
    finally:
        gc.enable()


def recorded(work: Work, *, network: nn.Module, optimizer: Optimizer, others: list[Tensor]) -> Work:
    """What recording does, but for the recording: some rounds that are undone, and work that can be repeated."""
    with unchanged(network, optimizer, others):
        for _ in range(3):
            work()
    return work


@pytest.mark.parametrize("behind", [0, 1], ids=["fresh", "with an epoch behind"])
@pytest.mark.parametrize("settings", [{}, AUGMENTED, {"optimizer": "adamw", "weight_decay": 0.1}], ids=str)
def test_replayed_steps_are_the_same(
    settings: dict[str, Any], behind: int, config: TrainConfig, bundle: DataBundle
) -> None:
    """Steps that read their batch from buffers, recorded after rounds that are undone, give the same loss and weights to the bit.

    Twenty images in batches of eight leave a smaller batch, which is not replayed.
    """
    config = config.replace(**settings)
    data = bundle.for_run(config)
    networks, losses = [], []
    for is_replayed in (False, True):
        network, optimizer, trainer = trained(config, data)
        generator = torch.Generator().manual_seed(0)
        for number in range(behind):
            trainer.epoch(behind=number, generator=generator)
        if is_replayed:
            others = [trainer.step.total]
            trainer.take = Replayed(
                trainer.step,
                record=lambda work, n=network, o=optimizer, t=others: recorded(work, network=n, optimizer=o, others=t),
            )
        losses.append([trainer.epoch(behind=behind + more, generator=generator) for more in (0, 1)])
        networks.append(network.state_dict())

    assert losses[0] == losses[1]
    torch.testing.assert_close(networks[0], networks[1], rtol=0, atol=0)


def test_a_step_is_recorded_once(config: TrainConfig, training_data: TrainingData) -> None:
    """Two epochs of three batches, the last of them smaller, are one recording, four replays, and two steps as they are."""
    _, _, trainer = trained(config, training_data)
    told: list[str] = []

    def record(work: Work) -> Work:
        told.append("recorded")

        def replay() -> None:
            told.append("replayed")
            work()

        return replay

    def step(picks: Any) -> None:
        told.append(f"{len(picks.chosen)} images")

    trainer.take = Replayed(step, record=record)
    for behind in (0, 1):
        trainer.epoch(behind=behind, generator=torch.Generator().manual_seed(behind))

    full = ["replayed", "8 images"]
    assert told == ["recorded", *full, *full, "4 images", *full, *full, "4 images"]


@pytest.mark.parametrize("settings", [{}, {"form": "reference"}, {"model": "regression_cnn"}, {"depth": 3}], ids=str)
def test_coarse_products_train_as_well(settings: dict[str, Any], config: TrainConfig, bundle: DataBundle) -> None:
    """With bf16 weights, statistics and losses stay float32, and an epoch's loss is that of float32 within a hundredth."""
    config = config.replace(num_filters=4, learning_rate=1e-3, **settings)
    losses = []
    for precision in ("float32", "bf16"):
        network, _, trainer = trained(config.replace(precision=precision), bundle.for_run(config))
        generator = torch.Generator().manual_seed(0)
        losses.append([trainer.epoch(behind=behind, generator=generator) for behind in (0, 1)])
        assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32, torch.int64}

    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
