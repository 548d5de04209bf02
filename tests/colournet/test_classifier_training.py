"""Training the classifier: what it sees and what it must not, its scores, its folder, and its command."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import Tensor, nn

from colournet import classifier
from colournet.classifier_config import ClassifierConfig
from colournet.classifier_runs import ClassifierFolder, train_classifier_run
from colournet.classifier_training import Labelled, read_labelled, score, train_classifier
from colournet.cli import cli
from colournet.config import CLASSES, TrainConfig
from colournet.data import prepare, read_test_images
from colournet.errors import ConfigError, DivergedError

pytestmark = pytest.mark.usefixtures("few_scenes")

CPU = torch.device("cpu")
CONFIG = ClassifierConfig(dataset="scenes", epochs=2)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def pixels(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_it_sees_what_colourizers_train_on(labelled_scenes: tuple[Labelled, Labelled]) -> None:
    """Of each class it trains on the images that a colourizer of that class trains on, and on no other."""
    training, validation = labelled_scenes

    assert (len(training.images), len(validation.images)) == (480, 120)
    for index, name in enumerate(CLASSES):
        config = TrainConfig(dataset="scenes", category=name, num_colours=2)
        seen, held_out = (pixels(each.images[each.classes == index]) for each in labelled_scenes)
        prepared = prepare(config)
        assert seen == pixels(prepared.train_images[name])
        assert held_out == pixels(prepared.validation_images)
        assert not seen & pixels(read_test_images(config))


def test_pixels_carry_the_class(labelled_scenes: tuple[Labelled, Labelled]) -> None:
    """However a batch is moved about, every pixel of an image says its class."""
    training, _ = labelled_scenes

    batches = list(training.on(CPU).shuffled(CONFIG.recipe, generator=torch.Generator().manual_seed(0)))

    spread = torch.cat([labels for _, labels in batches])
    assert spread.shape == (480, 32, 32)
    assert (spread == spread[:, :1, :1]).all()
    assert torch.bincount(spread[:, 0, 0]).tolist() == [48] * 10


def test_it_learns(labelled_scenes: tuple[Labelled, Labelled]) -> None:
    """In a few epochs it tells scenes apart far better than one in ten."""
    found, history = train_classifier(ClassifierConfig(dataset="scenes", epochs=4), *labelled_scenes)

    loss, accuracy = score(found.network, labelled_scenes[1].on(CPU))
    assert accuracy > 0.25
    assert (loss, accuracy) == (history[-1].val_loss, history[-1].val_accuracy)
    assert [each.epoch for each in history] == [1, 2, 3, 4]


def test_same_bits(labelled_scenes: tuple[Labelled, Labelled]) -> None:
    """The same settings make the same weights, another seed others."""
    config = ClassifierConfig(dataset="scenes", epochs=1)
    networks = [
        train_classifier(ClassifierConfig(**{**config.to_mapping(), "seed": seed}), *labelled_scenes)[0].network
        for seed in (0, 0, 1)
    ]

    first, again, other = (network.state_dict() for network in networks)
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert not torch.equal(first["answer.weight"], other["answer.weight"])


@pytest.mark.cifar
def test_photographs(cifar_dir: Path) -> None:
    """Four fifths of each class of CIFAR-10 train; a few of them, shown once, are enough to be right more than one in ten."""
    training, validation = read_labelled(ClassifierConfig(), data_dir=cifar_dir)
    few = Labelled(training.images[::20], training.classes[::20])
    fewer = Labelled(validation.images[::20], validation.classes[::20])

    _, history = train_classifier(ClassifierConfig(epochs=1), few, fewer)

    assert np.bincount(training.classes).tolist() == [4000] * 10
    assert np.bincount(validation.classes).tolist() == [1000] * 10
    assert history[-1].val_accuracy > 0.15


class ByRed(nn.Module):
    """Takes images for class 0 with odds of 9 to 1 if they are red, for class 1 likewise if not."""

    def forward(self, rgb: Tensor) -> Tensor:
        is_red = rgb[:, 0].mean(dim=(1, 2)) > 0.5
        odds = math.log(9)
        return torch.stack([is_red * odds, ~is_red * odds], dim=1)


def test_score_by_hand() -> None:
    """Three of four are right with a probability of 0.9; the fourth has 0.1."""
    images = np.zeros((4, 3, 8, 8), dtype=np.uint8)
    images[:2, 0] = 255
    labelled = Labelled(images, np.array([0, 0, 1, 0], dtype=np.uint8))

    loss, accuracy = score(ByRed(), labelled.on(CPU))

    assert accuracy == 0.75
    assert loss == pytest.approx(-(3 * math.log(0.9) + math.log(0.1)) / 4)


def test_diverged(labelled_scenes: tuple[Labelled, Labelled], monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that is not finite ends the training, after its epoch was told."""
    broken = CONFIG.recipe.replace(learning_rate=1e38)
    monkeypatch.setattr(ClassifierConfig, "recipe", broken)
    told = []

    with pytest.raises(DivergedError, match="training diverged in epoch 1"):
        train_classifier(CONFIG, *labelled_scenes, on_epoch=told.append)

    assert len(told) == 1


def test_threads_are_put_back(labelled_scenes: tuple[Labelled, Labelled]) -> None:
    """Training uses its own number of threads and then leaves the process as it was."""
    before = torch.get_num_threads()
    during: list[int] = []
    few = Labelled(labelled_scenes[0].images[:8], labelled_scenes[0].classes[:8])

    train_classifier(
        ClassifierConfig(dataset="scenes", epochs=1, num_threads=before + 1),
        few,
        few,
        on_epoch=lambda _: during.append(torch.get_num_threads()),
    )

    assert during == [before + 1]
    assert torch.get_num_threads() == before


def test_folder(labelled_scenes: tuple[Labelled, Labelled], tmp_path: Path) -> None:
    """A training leaves four files, whose numbers agree."""
    folder = ClassifierFolder(tmp_path / "new" / "classifier")

    last = train_classifier_run(CONFIG, *labelled_scenes, folder)

    assert sorted(path.name for path in folder.root.iterdir()) == [
        *("classifier.safetensors", "classifier.toml", "history.csv", "metrics.json")
    ]
    with folder.history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    summary = json.loads(folder.metrics.read_text())
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[-1]["val_accuracy"]) == summary["last"]["val_accuracy"] == last.val_accuracy
    assert (summary["train_images"], summary["validation_images"]) == (480, 120)
    assert folder.config.read_text() == CONFIG.to_toml()
    assert classifier.load(folder.weights).config == CONFIG


@pytest.mark.parametrize("name", ["classifier.safetensors", "config.toml"])
def test_taken(name: str, tmp_path: Path) -> None:
    """A folder that holds a classifier, or a run, is not written into."""
    (tmp_path / name).touch()

    with pytest.raises(ConfigError, match=f"holds {name} already"):
        run("train-classifier", "--dataset", "scenes", "--epochs", 1, "--out", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_no_folder(labelled_scenes: tuple[Labelled, Labelled], tmp_path: Path) -> None:
    """Where no folder can be made, a sentence says so."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="cannot be made a folder"):
        train_classifier_run(CONFIG, *labelled_scenes, ClassifierFolder(tmp_path / "file" / "classifier"))


def test_command(tmp_path: Path) -> None:
    """The command leaves the folder, whatever the options say, and one line on stdout."""
    out = tmp_path / "classifier"

    result = run("train-classifier", "--dataset", "scenes", "--epochs", 1, "--seed", 3, "--data-seed", 4, "--out", out)

    assert result.stdout.startswith(f"{out}: ")
    assert result.stdout.endswith("% of 120 validation images told right after epoch 1\n")
    found = classifier.load(ClassifierFolder(out).weights)
    assert found.config == ClassifierConfig(dataset="scenes", epochs=1, seed=3, data_seed=4)
