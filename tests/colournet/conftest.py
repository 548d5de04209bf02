"""Fixtures of colournet's tests: few and small scenes, prepared once, and the course's own files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float32
from torch import Tensor

from colournet import data
from colournet.classifier import Classifier
from colournet.classifier_config import ClassifierConfig
from colournet.classifier_training import Labelled, read_labelled, train_classifier
from colournet.config import TrainConfig
from colournet.data import DataBundle, TrainingData, prepare
from colournet.handout import read_palette
from colournet.palette_name import PaletteName

FEW_SCENES = {"train": 60, "test": 20}
_PALETTES = [PaletteName(4), PaletteName(8, "lab"), PaletteName(300)]


@pytest.fixture
def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set `scenes` has 60 images to train and validate with, and 20 to test."""
    monkeypatch.setattr(data, "_SCENES_COUNT", FEW_SCENES)


@pytest.fixture(scope="session")
def config() -> TrainConfig:
    """A run of a second or less."""
    return TrainConfig(
        dataset="scenes", train_images=20, num_filters=2, num_colours=8, epochs=3, batch_size=8, learning_rate=0.01
    )


@pytest.fixture(scope="session")
def bundle(config: TrainConfig) -> DataBundle:
    """What `prepare` makes of few scenes, with frogs and three more palettes, in read-only arrays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "_SCENES_COUNT", FEW_SCENES)
        made = prepare(config, extra_classes=["frog"], palettes=_PALETTES)
    for array in [*made.train_images.values(), made.validation_images, *made.palettes.values()]:
        array.setflags(write=False)
    for labels in [*made.train_labels.values(), made.validation_labels]:
        for array in labels.values():
            array.setflags(write=False)
    return made


@pytest.fixture(scope="session")
def training_data(config: TrainConfig, bundle: DataBundle) -> TrainingData:
    """What the run of `config` reads."""
    return bundle.for_run(config)


@pytest.fixture(scope="session")
def labelled_scenes() -> tuple[Labelled, Labelled]:
    """Few scenes of the ten classes, to train a classifier and to validate it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "_SCENES_COUNT", FEW_SCENES)
        return read_labelled(ClassifierConfig(dataset="scenes"))


@pytest.fixture(scope="session")
def trained_classifier(labelled_scenes: tuple[Labelled, Labelled]) -> Classifier:
    """A classifier of the scenes, after a few epochs."""
    return train_classifier(ClassifierConfig(dataset="scenes", epochs=4), *labelled_scenes)[0]


@pytest.fixture(scope="session")
def handout_dir(cifar_dir: Path) -> Path:
    """The folder of the course's own files; skips where it is absent."""
    if not (cifar_dir / "handout").is_dir():
        pytest.skip("needs the course's weights and palettes")
    return cifar_dir / "handout"


@pytest.fixture(scope="session")
def course_palette(handout_dir: Path) -> Float32[np.ndarray, "24 3"]:
    """The 24 colours of the course."""
    return read_palette(handout_dir / "colours" / "colour_kmeans24_cat7.npy")


@pytest.fixture(scope="session")
def course_weights(handout_dir: Path) -> dict[str, dict[str, Tensor]]:
    """The course's weights by file name, without `.pkl`."""
    paths = sorted((handout_dir / "weights").glob("*.pkl"))
    return {path.stem: torch.load(path, weights_only=True, map_location="cpu") for path in paths}
