"""A run folder holds all that a run leaves, and can be taken up in every state."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from colournet import checkpoints, runs
from colournet.config import COLOUR_SPACES, TrainConfig
from colournet.data import DataBundle, TrainingData
from colournet.errors import CheckpointError, ConfigError, DivergedError
from colournet.metrics import EpochMetrics
from colournet.objective import Objective
from colournet.runs import RunFolder, train_run

FILES = ["checkpoints", "config.toml", "curves.png", "history.csv", "metrics.json", "model.safetensors", "samples.png"]


class Killed(BaseException):
    """Stands for the end of the process."""


def kill(_: EpochMetrics) -> None:
    raise Killed


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def snapshot(folder: RunFolder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}


def weights(path: Path) -> dict[str, list[float]]:
    return {name: tensor.flatten().tolist() for name, tensor in load_file(path).items()}


@pytest.mark.parametrize("colour_space", COLOUR_SPACES)
@pytest.mark.parametrize("model", ["unet", "regression_cnn"])
def test_files(model: str, colour_space: str, config: TrainConfig, bundle: DataBundle, folder: RunFolder) -> None:
    """A run leaves six files and its checkpoints, and nothing half-written."""
    config = config.replace(model=model, colour_space=colour_space)

    result = train_run(config, bundle.for_run(config), folder)

    assert sorted(path.name for path in folder.root.iterdir()) == FILES
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["best.safetensors", "last.safetensors"]
    assert TrainConfig.from_toml(folder.config) == config
    assert json.loads(folder.metrics.read_text()) == {"epochs_trained": 3, "best": result.best.to_mapping()}
    assert checkpoints.load_model(folder.model).config == config


def test_history(config: TrainConfig, training_data: TrainingData, folder: RunFolder) -> None:
    """The history has a row for each epoch, and its numbers lose nothing."""
    result = train_run(config, training_data, folder)

    with folder.history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "epoch",
        "train_loss",
        "val_loss",
        "val_accuracy",
        "val_mse",
        "seconds",
        "images_per_second",
    ]
    assert [{name: float(text) for name, text in row.items()} for row in rows] == [
        metrics.to_mapping() for metrics in result.history
    ]


def test_pictures(config: TrainConfig, training_data: TrainingData, folder: RunFolder) -> None:
    """The samples show ten columns of three rows, and both pictures open."""
    train_run(config.replace(epochs=1), training_data, folder)

    with Image.open(folder.samples) as samples, Image.open(folder.curves) as curves:
        assert samples.size == (112 + 10 * 100, 4 + 3 * 100)
        assert curves.size[0] > curves.size[1] > 100


def test_taken(config: TrainConfig, training_data: TrainingData, folder: RunFolder) -> None:
    """A folder with a run is not overwritten."""
    train_run(config.replace(epochs=1), training_data, folder)
    before = snapshot(folder)

    with pytest.raises(ConfigError, match="holds a run already"):
        train_run(config, training_data, folder)

    assert snapshot(folder) == before


def test_nothing_to_resume(config: TrainConfig, training_data: TrainingData, folder: RunFolder) -> None:
    """Where there is no run there is nothing to resume, and nothing is left that looks like one."""
    with pytest.raises(CheckpointError, match="holds no run to resume"):
        train_run(config, training_data, folder, resume=True)

    assert not folder.root.exists()


def test_no_folder(config: TrainConfig, training_data: TrainingData, tmp_path: Path) -> None:
    """Where no folder can be made, a sentence says so."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be made a folder"):
        train_run(config, training_data, RunFolder(tmp_path / "file" / "run"))


def test_resume_after_a_kill_before_the_first_epoch(
    config: TrainConfig, training_data: TrainingData, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run killed before it had a checkpoint is resumed from the start."""
    with monkeypatch.context() as patch:
        patch.setattr(runs, "train", lambda *_, **__: kill(None))
        with pytest.raises(Killed):
            train_run(config, training_data, folder)

    result = train_run(config, training_data, folder, resume=True)

    assert len(result.history) == 3
    assert folder.model.exists()


def test_resume_after_a_kill(
    config: TrainConfig, training_data: TrainingData, folder: RunFolder, tmp_path: Path
) -> None:
    """A run killed between two epochs and resumed leaves the model of a run that was not."""
    whole = RunFolder(tmp_path / "whole")
    train_run(config, training_data, whole)
    with pytest.raises(Killed):
        train_run(config, training_data, folder, on_epoch=kill)

    result = train_run(config, training_data, folder, resume=True)

    assert [metrics.epoch for metrics in result.history] == [1, 2, 3]
    assert folder.model.read_bytes() == whole.model.read_bytes()
    assert sorted(path.name for path in folder.root.iterdir()) == FILES


def test_resume_of_a_finished_run(config: TrainConfig, training_data: TrainingData, folder: RunFolder) -> None:
    """A finished run resumed for as many epochs stays as it is."""
    train_run(config, training_data, folder)
    before = snapshot(folder)

    result = train_run(config, training_data, folder, resume=True)

    assert len(result.history) == 3
    assert snapshot(folder) == before


def test_resume_for_more_epochs(
    config: TrainConfig, training_data: TrainingData, folder: RunFolder, tmp_path: Path
) -> None:
    """A finished run resumed for more epochs is the run that had them from the start."""
    whole = RunFolder(tmp_path / "whole")
    train_run(config, training_data, whole)
    train_run(config.replace(epochs=1), training_data, folder)

    train_run(config, training_data, folder, resume=True)

    assert weights(folder.model) == weights(whole.model)
    assert weights(folder.last_checkpoint) == weights(whole.last_checkpoint)
    assert folder.config.read_bytes() == whole.config.read_bytes()


def test_best_model_outlives_worse_epochs(
    config: TrainConfig, training_data: TrainingData, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed run whose later epochs are no better keeps its earlier best model."""
    monkeypatch.setattr(Objective, "is_better", lambda *_: False)  # so that the first epoch stays the best
    train_run(config.replace(epochs=1), training_data, folder)
    before = checkpoints.load_model(folder.model).network.state_dict()

    result = train_run(config, training_data, folder, resume=True)

    after = checkpoints.load_model(folder.model).network.state_dict()
    assert result.best.epoch == 1
    assert all((tensor == before[name]).all() for name, tensor in after.items())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"seed": 9}, "seed is 0 there and 9 here"), ({"epochs": 2}, "has 3 epochs behind it, more than epochs = 2")],
)
def test_resume_of_another_run(
    settings: dict[str, int], sentence: str, config: TrainConfig, training_data: TrainingData, folder: RunFolder
) -> None:
    """A run is not resumed as another one, and the attempt changes no file."""
    train_run(config, training_data, folder)
    before = snapshot(folder)

    with pytest.raises(CheckpointError, match=sentence):
        train_run(config.replace(**settings), training_data, folder, resume=True)

    assert snapshot(folder) == before


def test_resume_of_a_diverged_run(config: TrainConfig, training_data: TrainingData, folder: RunFolder) -> None:
    """A diverged run stays diverged."""
    config = config.replace(learning_rate=1e38, epochs=1)
    with pytest.raises(DivergedError):
        train_run(config, training_data, folder)

    with pytest.raises(DivergedError):
        train_run(config, training_data, folder, resume=True)


def test_stopped_run(config: TrainConfig, training_data: TrainingData, folder: RunFolder) -> None:
    """A run that is stopped early is a whole run of fewer epochs."""
    train_run(config, training_data, folder, on_epoch=lambda metrics: "stop")

    assert json.loads(folder.metrics.read_text())["epochs_trained"] == 1
    assert sorted(path.name for path in folder.root.iterdir()) == FILES


def test_samples_of_shared_images(config: TrainConfig, bundle: DataBundle, folder: RunFolder, tmp_path: Path) -> None:
    """Samples are drawn from read-only images without a warning, also where there are fewer than ten."""
    train_run(config.replace(epochs=1), bundle.for_run(config), folder)

    runs.save_samples(tmp_path / "samples.png", checkpoints.load_model(folder.model), bundle.validation_images[:2])

    with Image.open(tmp_path / "samples.png") as samples:
        assert samples.size == (112 + 2 * 100, 4 + 3 * 100)
