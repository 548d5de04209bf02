"""The classifier's network and its file, which comes back as it was or is refused in a sentence."""

import contextlib
import json
import os
import pickle
import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from colournet import checkpoints, classifier, tensor_files
from colournet.classifier import Classifier, build, pool
from colournet.classifier_config import ClassifierConfig
from colournet.config import CLASSES, TrainConfig, field_docs
from colournet.errors import CheckpointError, ConfigError
from colournet.models import build as build_colourizer

CONFIG = ClassifierConfig(dataset="scenes", epochs=3, seed=5, data_seed=7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of an untrained classifier."""
    file = tmp_path / classifier.FILE
    classifier.save(file, Classifier(build(), CONFIG))
    return file


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of such a file."""
    file = tmp_path_factory.mktemp("classifier") / classifier.FILE
    classifier.save(file, Classifier(build(), CONFIG))
    return file.read_bytes()


def colours(*, count: int = 2, side: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("side", [32, 8])
def test_features(side: int) -> None:
    """Each stage has twice the channels at half the side, from the image's own, and nothing below zero."""
    features = build().eval().features(colours(side=side))

    assert [tuple(each.shape) for each in features] == [(2, 16 * 2**at, side >> at, side >> at) for at in range(4)]
    assert all(each.min() >= 0 for each in features)


def test_it_decides_by_its_pooled_features() -> None:
    """The logits of the ten classes are those of the last stage's mean."""
    network = build().eval()

    logits = network(colours())

    assert logits.shape == (2, len(CLASSES))
    assert torch.equal(logits, network.decide(pool(network.features(colours()))))


def test_weights_are_the_generators() -> None:
    """The same seed makes the same network, another seed another."""
    first, again, other = (build(generator=torch.Generator().manual_seed(seed))(colours()) for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_round_trip(path: Path) -> None:
    """A classifier comes back with its config and its answers, ready to look."""
    found = classifier.load(path)

    assert found.config == CONFIG
    assert not found.network.training
    assert torch.equal(found.network(colours()), build().eval()(colours()))


def test_equal_classifiers_are_equal_files(path: Path, content: bytes) -> None:
    """The same classifier makes the same bytes."""
    assert path.read_bytes() == content


@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_truncated(data: st.DataObject, content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file cut short anywhere is refused."""
    file = tmp_path_factory.getbasetemp() / "truncated.safetensors"
    file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])

    with pytest.raises(CheckpointError):
        classifier.load(file)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_mutated(data: st.DataObject, content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file with changed bytes is refused or read, where the change left it valid; nothing else happens."""
    header_bytes = 8 + struct.unpack("<Q", content[:8])[0]
    changed = bytearray(content)
    places = st.tuples(st.integers(0, header_bytes - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, min_size=1, max_size=4)):
        changed[place] = value
    file = tmp_path_factory.getbasetemp() / "mutated.safetensors"
    file.write_bytes(changed)

    with contextlib.suppress(CheckpointError):
        assert isinstance(classifier.load(file), Classifier)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_loading_runs_no_code(tmp_path: Path) -> None:
    """A pickle under the name of a classifier is refused, and what it would do is not done."""
    file = tmp_path / classifier.FILE
    file.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))

    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        classifier.load(file)

    assert not (tmp_path / "sprung").exists()


def test_missing(tmp_path: Path) -> None:
    """A file that is not there is told with the command that makes one."""
    with pytest.raises(CheckpointError, match="there is no such file") as caught:
        classifier.load(tmp_path / classifier.FILE)

    assert "train-classifier" in str(caught.value.hint)


def test_a_colourizer_is_no_classifier(path: Path, tmp_path: Path) -> None:
    """A model that colours is refused as a classifier, and the other way round."""
    config, file = TrainConfig(num_filters=1, num_colours=2), tmp_path / "model.safetensors"
    palette = torch.zeros(2, 3).numpy()
    checkpoints.save_model(file, checkpoints.Model(build_colourizer(config), config, palette))

    with pytest.raises(CheckpointError, match="holds colournet-model/1, where colournet-classifier/1 is needed"):
        classifier.load(file)
    with pytest.raises(CheckpointError, match="holds colournet-classifier/1, where colournet-model/1 is needed"):
        checkpoints.load_model(path)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (None, "holds no config"),
        ([], "holds no config"),
        ({"epoch": 3}, "its config: unknown setting 'epoch'"),
        ({"epochs": "3"}, "its config: epochs must be a whole number"),
        ({"dataset": "imagenet"}, "its config: dataset: there is no 'imagenet'"),
    ],
    ids=str,
)
def test_bad_config(values: Any, sentence: str, path: Path) -> None:
    """A classifier whose config is none is refused."""
    tensor_files.save(path, build().state_dict(), {"format": classifier.FORMAT, "config": values})

    with pytest.raises(CheckpointError, match=sentence):
        classifier.load(path)


def test_weights_of_another_network(path: Path) -> None:
    """Weights that do not fit are refused."""
    description = {"format": classifier.FORMAT, "config": CONFIG.to_mapping()}
    save_file({"answer.weight": torch.zeros(9, 128)}, path, metadata={"colournet": json.dumps(description)})

    with pytest.raises(CheckpointError, match="its weights do not fit the network"):
        classifier.load(path)


@pytest.mark.parametrize(
    "values", [{"dataset": "imagenet"}, {"epochs": 0}, {"seed": -1}, {"device": "tpu"}, {"num_threads": 0}], ids=str
)
def test_wrong_settings(values: dict[str, Any]) -> None:
    """A setting out of range is refused when the config is made."""
    with pytest.raises(ConfigError, match=next(iter(values))):
        ClassifierConfig(**values)


def test_config_as_toml() -> None:
    """The text of the settings holds all of them, and each is documented."""
    values = tomllib.loads(CONFIG.to_toml())

    assert ClassifierConfig.from_mapping(values) == CONFIG
    assert values.keys() == field_docs(ClassifierConfig).keys()


def test_recipe() -> None:
    """Whatever a colourizer's training would share is that of the classifier's settings."""
    recipe = CONFIG.recipe.to_mapping()

    assert CONFIG.to_mapping().items() <= recipe.items()
    assert recipe["protocol"] == "split"
