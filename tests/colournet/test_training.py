"""Training goes on to the same bits, tells of every epoch once, and keeps the best."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from colournet import checkpoints, floors, training
from colournet.config import COLOUR_SPACES, TrainConfig
from colournet.data import DataBundle, TrainingData
from colournet.errors import CheckpointError, ConfigError, DivergedError
from colournet.evaluation import Scores
from colournet.metrics import EpochMetrics
from colournet.models import build
from colournet.names import BEST_MODEL, LAST_CHECKPOINT
from colournet.objective import Objective
from colournet.steps import batch_loss
from colournet.training import OnEpoch, train

MEASURED = ("epoch", "train_loss", "val_loss", "val_accuracy", "val_mse")
"""What the config decides of an epoch: all but how long it took."""


def measured(history: tuple[EpochMetrics, ...]) -> list[list[Any]]:
    return [[getattr(metrics, name) for name in MEASURED] for metrics in history]


def stop_after(epoch: int) -> OnEpoch:
    def on_epoch(metrics: EpochMetrics) -> Literal["stop"] | None:
        return "stop" if metrics.epoch == epoch else None

    return on_epoch


def tensors(path: Path) -> dict[str, bytes]:
    """Every tensor of a file, byte for byte."""
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in load_file(path).items()}


@pytest.fixture
def stopped(config: TrainConfig, training_data: TrainingData, tmp_path: Path) -> Path:
    """The checkpoint of a run that was stopped after its first epoch of three."""
    train(config, training_data, checkpoint_dir=tmp_path, on_epoch=stop_after(1))
    return tmp_path / LAST_CHECKPOINT


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize(
    "settings",
    [
        {
            "model": "unet",
            "num_filters": 3,
            "flip_horizontal": True,
            "flip_vertical": True,
            "shift_horizontal_pixels": 2,
            "shift_vertical_pixels": 1,
            "extra_classes": ("frog",),
        },
        {"model": "regression_cnn", "num_filters": 3},
        {"model": "cnn", "batch_size": 19},
        {"model": "dilated_unet", "dilation": 2, "batch_size": 1000, "num_colours": 4},
        {
            "down_sampling": "stride",
            "depth": 3,
            "full_resolution_skip": True,
            "residual_blocks": 1,
            "grey_table": True,
            "flip_horizontal": True,
            "optimizer": "adamw",
            "schedule": "one_cycle",
            "weight_decay": 0.1,
            "label_smoothing": 0.1,
        },
        {"model": "cnn", "grey_table": True, "schedule": "cosine", "weight_decay": 0.01},
        {"model": "regression_cnn", "colour_space": "lab", "flip_horizontal": True, "shift_vertical_pixels": 2},
        {"colour_space": "lab", "grey_table": True, "flip_vertical": True, "shift_horizontal_pixels": 1},
        {"model": "cnn", "num_colours": 300, "flip_vertical": True, "shift_horizontal_pixels": 1},
    ],
    ids=[
        "unet, augmented, with extra classes",
        "regression_cnn",
        "cnn, last batch of one",
        "dilated_unet, one batch",
        "every further choice",
        "cnn, grey table, cosine, decay",
        "regression of chroma",
        "unet, grey table of chroma",
        "cnn, labels of more than 8 bits",
    ],
)
def test_resumed_to_the_same_bits(
    settings: dict[str, Any], epoch: int, config: TrainConfig, bundle: DataBundle, tmp_path: Path
) -> None:
    """A run stopped after any epoch and resumed has the weights, optimizer state and metrics of one that was not."""
    config = config.replace(**settings)
    data = bundle.for_run(config)
    whole = train(config, data, checkpoint_dir=tmp_path / "whole")
    train(config, data, checkpoint_dir=tmp_path / "parts", on_epoch=stop_after(epoch))

    resumed = train(config, data, checkpoint_dir=tmp_path / "parts", resume_from=tmp_path / "parts" / LAST_CHECKPOINT)

    assert measured(resumed.history) == measured(whole.history)
    for name in (LAST_CHECKPOINT, BEST_MODEL):
        assert tensors(tmp_path / "parts" / name) == tensors(tmp_path / "whole" / name)


def test_repeated_to_the_same_bits(config: TrainConfig, training_data: TrainingData) -> None:
    """The same config and data give the same weights and metrics; another seed gives others."""
    first, second = train(config, training_data), train(config, training_data)
    other = train(config.replace(seed=1), training_data)

    assert measured(first.history) == measured(second.history)
    assert measured(first.history) != measured(other.history)


def test_the_assignments_bits(config: TrainConfig, bundle: DataBundle) -> None:
    """Naming the defaults of the further choices changes no bit of the assignment's training."""
    named = {
        "colour_space": "rgb",
        "down_sampling": "pool",
        "depth": 2,
        "full_resolution_skip": False,
        "residual_blocks": 0,
        "grey_table": False,
        "optimizer": "adam",
        "schedule": "constant",
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
    }
    data = bundle.for_run(config)

    assert measured(train(config, data).history) == measured(train(config.replace(**named), data).history)


@pytest.mark.parametrize("colour_space", COLOUR_SPACES)
def test_grey_table_begins_at_its_floor(colour_space: str, config: TrainConfig, bundle: DataBundle) -> None:
    """The first loss of a network with a grey table is that of the floor, and training goes below it."""
    data = bundle.for_run(config.replace(colour_space=colour_space))
    floor = floors.measure(data.train_images, data.train_images, data.palette)["grey_table"]["cross_entropy"]
    config = config.replace(grey_table=True, full_resolution_skip=True, num_filters=8, batch_size=1000, epochs=20)

    history = train(config.replace(colour_space=colour_space), data).history

    assert history[0].train_loss == pytest.approx(floor, abs=0.05)
    assert history[-1].train_loss < floor - 0.1


def test_a_model_brings_its_grey_table(config: TrainConfig, training_data: TrainingData, tmp_path: Path) -> None:
    """A model file needs nothing of the training data to answer as the network did that was trained."""
    config = config.replace(grey_table=True, epochs=1)
    trained = train(config, training_data, checkpoint_dir=tmp_path).model.network.eval()

    loaded = checkpoints.load_model(tmp_path / BEST_MODEL).network.eval()

    picture = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(loaded(picture), trained(picture))


def test_a_schedule_cannot_be_stretched(config: TrainConfig, training_data: TrainingData, tmp_path: Path) -> None:
    """Under a schedule the number of epochs decides every step, so a checkpoint does not go on for another number."""
    config = config.replace(schedule="cosine")
    train(config, training_data, checkpoint_dir=tmp_path, on_epoch=stop_after(1))

    with pytest.raises(CheckpointError, match="epochs is 3 there and 4 here"):
        train(config.replace(epochs=4), training_data, resume_from=tmp_path / LAST_CHECKPOINT)


@pytest.mark.parametrize("colour_space", COLOUR_SPACES)
@pytest.mark.parametrize("model", ["cnn", "regression_cnn"])
def test_it_learns(model: str, colour_space: str, config: TrainConfig, bundle: DataBundle) -> None:
    """The loss falls."""
    config = config.replace(model=model, colour_space=colour_space, epochs=6)

    result = train(config, bundle.for_run(config))

    assert result.history[-1].train_loss < result.history[0].train_loss


def test_tells_of_each_epoch_once(config: TrainConfig, training_data: TrainingData) -> None:
    """`on_epoch` hears of every epoch in order, exactly as the history has it."""
    told: list[EpochMetrics] = []

    result = train(config, training_data, on_epoch=told.append)

    assert [metrics.epoch for metrics in told] == [1, 2, 3]
    assert result.history == tuple(told)


def test_tells_a_resumed_run_of_new_epochs_only(
    stopped: Path, config: TrainConfig, training_data: TrainingData
) -> None:
    """Epochs that lie behind a checkpoint are not told again."""
    told: list[int] = []

    train(config, training_data, resume_from=stopped, on_epoch=lambda metrics: told.append(metrics.epoch))

    assert told == [2, 3]


def test_checkpoint_comes_before_the_telling(config: TrainConfig, training_data: TrainingData, tmp_path: Path) -> None:
    """Whoever is told of an epoch finds its checkpoint and a best model on disk."""
    behind: list[int] = []

    def on_epoch(metrics: EpochMetrics) -> None:
        behind.append(len(checkpoints.read_history(tmp_path / LAST_CHECKPOINT)))
        checkpoints.load_model(tmp_path / BEST_MODEL)

    train(config, training_data, checkpoint_dir=tmp_path, on_epoch=on_epoch)

    assert behind == [1, 2, 3]


def test_stop(config: TrainConfig, training_data: TrainingData) -> None:
    """The answer "stop" ends training after that epoch."""
    assert len(train(config, training_data, on_epoch=stop_after(2)).history) == 2


def test_without_checkpoints(
    config: TrainConfig, training_data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training that is given no folder writes nothing."""
    monkeypatch.chdir(tmp_path)

    train(config.replace(epochs=1), training_data)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("objective", "best"),
    [(Objective(), 2), (Objective("val_accuracy", "maximize"), 3), (Objective("val_mse", "minimize"), 1)],
    ids=lambda value: value.metric if isinstance(value, Objective) else "",
)
def test_best_epoch(
    objective: Objective,
    best: int,
    config: TrainConfig,
    training_data: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The best model file is of the objective's best epoch, and of equals the first."""
    answers = iter([Scores(loss=2.0, accuracy=0.1, mse=0.1), Scores(1.0, 0.2, 0.2), Scores(1.0, 0.3, 0.2)])
    monkeypatch.setattr(training, "score", lambda *_, **__: next(answers))
    after: dict[int, Tensor] = {}

    def on_epoch(metrics: EpochMetrics) -> None:
        after[metrics.epoch] = checkpoints.load_checkpoint(tmp_path / LAST_CHECKPOINT).weights["finalconv.weight"]

    result = train(config, training_data, checkpoint_dir=tmp_path, on_epoch=on_epoch, objective=objective)

    assert result.best.epoch == best
    kept = checkpoints.load_model(tmp_path / BEST_MODEL).network.state_dict()["finalconv.weight"]
    assert [torch.equal(kept, weights) for weights in after.values()] == [epoch == best for epoch in (1, 2, 3)]


def test_divergence(config: TrainConfig, training_data: TrainingData, tmp_path: Path) -> None:
    """A run that leaves the finite numbers tells of that epoch, keeps its checkpoint, and ends with a hint."""
    told: list[EpochMetrics] = []

    with pytest.raises(DivergedError, match="training diverged in epoch 1") as caught:
        train(config.replace(learning_rate=1e38), training_data, checkpoint_dir=tmp_path, on_epoch=told.append)

    assert [metrics.is_finite for metrics in told] == [False]
    assert not checkpoints.read_history(tmp_path / LAST_CHECKPOINT)[0].is_finite
    assert "learning_rate below 1e+38" in str(caught.value.hint)


def test_divergence_is_final(config: TrainConfig, training_data: TrainingData, tmp_path: Path) -> None:
    """A diverged run cannot be resumed into a result."""
    config = config.replace(learning_rate=1e38, epochs=1)
    with pytest.raises(DivergedError):
        train(config, training_data, checkpoint_dir=tmp_path)

    with pytest.raises(DivergedError, match="training diverged in epoch 1"):
        train(config, training_data, resume_from=tmp_path / LAST_CHECKPOINT)


def test_nan_in_the_weights(stopped: Path, config: TrainConfig, training_data: TrainingData) -> None:
    """A NaN anywhere ends a run in the epoch that meets it."""
    edit(stopped, lambda held: held["weights.finalconv.bias"].fill_(math.nan))

    with pytest.raises(DivergedError, match="epoch 2: train loss nan"):
        train(config, training_data, resume_from=stopped)


def test_resuming_for_more_epochs(stopped: Path, config: TrainConfig, training_data: TrainingData) -> None:
    """A resumed run may have more epochs than before, or as many as it has behind it; then it is finished at once."""
    assert len(train(config.replace(epochs=4), training_data, resume_from=stopped).history) == 4
    assert len(train(config.replace(epochs=1), training_data, resume_from=stopped).history) == 1


def test_resuming_for_fewer_epochs(config: TrainConfig, training_data: TrainingData, tmp_path: Path) -> None:
    """Weights after three epochs cannot be those after two."""
    train(config, training_data, checkpoint_dir=tmp_path)

    with pytest.raises(CheckpointError, match="has 3 epochs behind it, more than epochs = 2") as caught:
        train(config.replace(epochs=2), training_data, resume_from=tmp_path / LAST_CHECKPOINT)

    assert caught.value.hint == "resume with epochs = 3 or more"


def test_resuming_another_config(stopped: Path, config: TrainConfig, training_data: TrainingData) -> None:
    """A checkpoint of another config is refused, and every difference is named."""
    other = config.replace(learning_rate=0.5, train_images=5, epochs=9)

    with pytest.raises(CheckpointError) as caught:
        train(other, training_data, resume_from=stopped)

    assert caught.value.message == (
        f"{stopped}: belongs to another config: "
        "learning_rate is 0.01 there and 0.5 here, train_images is 20 there and 5 here"
    )


def test_resuming_on_another_device(stopped: Path, config: TrainConfig, training_data: TrainingData) -> None:
    """The name of the device may change, as where `auto` was is named now."""
    assert len(train(config.replace(device="cpu"), training_data, resume_from=stopped).history) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda held: held.pop("generator"),
        lambda held: held.update(generator=torch.zeros(3, dtype=torch.uint8)),
        lambda held: held.update(generator=torch.zeros(5056)),
        lambda held: held.pop("optimizer.0.step"),
        lambda held: held.pop("optimizer.3.exp_avg"),
        lambda held: held.update({"optimizer.0.exp_avg_sq": torch.zeros(7)}),
        lambda held: held.update({"optimizer.0.step": torch.zeros(2)}),
        lambda held: held.pop("weights.finalconv.bias"),
        lambda held: held.update({"weights.finalconv.bias": torch.zeros(1)}),
    ],
    ids=["no generator", "short", "floats", "no step", "no moment", "moment", "step", "no bias", "bias"],
)
def test_resuming_from_damage(
    damage: Callable[[dict[str, Tensor]], object],
    stopped: Path,
    config: TrainConfig,
    training_data: TrainingData,
) -> None:
    """A checkpoint that lacks a tensor, or has one that does not fit, is refused by its name."""
    edit(stopped, damage)

    with pytest.raises(CheckpointError, match=LAST_CHECKPOINT):
        train(config, training_data, resume_from=stopped)


def test_shared_data_is_left_alone(config: TrainConfig, bundle: DataBundle) -> None:
    """Training reads arrays that are shared and read-only, and changes none of their bytes."""
    config = config.replace(flip_horizontal=True, shift_vertical_pixels=3, train_images=None)
    data = bundle.for_run(config)
    before = {name: array.copy() for name, array in vars(data).items()}

    train(config, data)

    assert not any(array.flags.writeable for array in vars(data).values())
    assert all((array == before[name]).all() for name, array in vars(data).items())


def test_first_loss(config: TrainConfig, training_data: TrainingData) -> None:
    """With one batch an epoch, the first training loss is that of the initial network on all images."""
    config = config.replace(batch_size=100, epochs=1)
    network = build(config, generator=torch.Generator().manual_seed(config.seed)).train()
    images, labels = (np.array(array) for array in (training_data.train_images, training_data.train_labels))

    expected = batch_loss(network, (torch.from_numpy(images), torch.from_numpy(labels)), config)

    assert train(config, training_data).history[0].train_loss == pytest.approx(expected.item(), rel=1e-5)


def test_missing_gpu(config: TrainConfig, training_data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is not there is told with what to do."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(ConfigError, match="device = 'cuda:1', but this machine shows 1 GPUs") as caught:
        train(replace(config, device="cuda:1"), training_data)

    assert caught.value.hint == "use device = 'cpu' or 'auto'"


def test_thread_count_is_put_back(config: TrainConfig, training_data: TrainingData) -> None:
    """Training uses its own number of threads and then leaves the process as it was."""
    before = torch.get_num_threads()
    during: list[int] = []

    train(
        config.replace(num_threads=before + 1, epochs=1),
        training_data,
        on_epoch=lambda _: during.append(torch.get_num_threads()),
    )

    assert during == [before + 1]
    assert torch.get_num_threads() == before


def edit(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the tensors of a checkpoint and keep its description."""
    with safe_open(path, framework="pt") as file:
        description = file.metadata()
    held = {name: tensor.clone() for name, tensor in load_file(path).items()}
    change(held)
    save_file(held, path, metadata=description)
