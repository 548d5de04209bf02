"""What a classifier sees of pictures, with which photographs it compares them, and the command that shows it."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import Tensor, nn

from colournet import classifier as classifiers
from colournet.checkpoints import Model
from colournet.classifier import Classifier, build
from colournet.classifier_config import ClassifierConfig
from colournet.cli import cli
from colournet.config import TrainConfig
from colournet.data import read_images, read_splits
from colournet.errors import CheckpointError, ConfigError
from colournet.evaluation import colourize
from colournet.feature_scores import class_accuracy, feature_distances, kernel_distance
from colournet.perception import (
    Judge,
    evaluate_seen,
    how_to_train,
    open_judge,
    perceive,
)
from colournet.pictures import grey_copy
from colournet.progress import scores_table

PALETTE = np.array([[0, 0, 0], [64, 64, 64], [128, 128, 128], [0, 192, 0]], dtype=np.float32) / 256
CONFIG = TrainConfig(dataset="scenes", num_colours=4, num_filters=1)
MEASURES = ["accuracy", "feature_distance", "kid", "kid_standard_error"]
COLUMNS = ["truth", "grey_copy", "model", "model_grey_restored"]


class Constant(nn.Module):
    """Answers the same numbers for every pixel."""

    def __init__(self, *answer: float) -> None:
        super().__init__()
        self.answer = nn.Parameter(torch.tensor(answer))

    def forward(self, grey: Tensor) -> Tensor:
        count, _, height, width = grey.shape
        return self.answer[None, :, None, None].expand(count, -1, height, width)


def images(seed: int, *, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def test_columns() -> None:
    """The truth is at no distance, every measure is that of its own pictures, and batches make no difference."""
    network = build().eval()
    model = Model(Constant(0.0, 1.0, 0.0, 2.0), CONFIG, PALETTE)
    truth, photographs = images(0, count=130), images(1, count=110)
    judge = Judge(Classifier(network, ClassifierConfig(dataset="scenes")), photographs)

    found = perceive(judge, model, truth, category="dog")

    shown = {
        "truth": truth,
        "grey_copy": grey_copy(truth),
        "model": colourize(model, truth),
        "model_grey_restored": colourize(model, truth, method="mean", restore=True),
    }
    assert list(found) == list(shown) == COLUMNS
    assert found["truth"]["feature_distance"] == 0
    with torch.no_grad():
        true, near = (network.features(torch.tensor(each) / 256) for each in (truth, photographs))
        scale = near[-1].mean(dim=(2, 3)).square().mean().sqrt()
        for name, pictures in shown.items():
            features = network.features(torch.tensor(pictures) / 256)
            pooled = [each[-1].mean(dim=(2, 3)) / scale for each in (features, near)]
            expected = [
                class_accuracy(network(torch.tensor(pictures) / 256), "dog"),
                feature_distances(features, true).mean().item(),
                *kernel_distance(*pooled),
            ]
            assert list(found[name]) == MEASURES
            assert list(found[name].values()) == pytest.approx(expected, rel=1e-4, abs=1e-6), name


def test_regression() -> None:
    """A regression's pictures are its answer, and its answer with the grey of the image."""
    config = CONFIG.replace(model="regression_cnn")
    truth = np.repeat(images(0, count=20)[:, :1], 3, axis=1)
    judge = Judge(Classifier(build(), ClassifierConfig(dataset="scenes")), truth)

    found = perceive(judge, Model(Constant(0.25, 0.5, 0.25), config, PALETTE), truth, category="dog")

    assert found["grey_copy"] == found["truth"]
    assert 0 < found["model_grey_restored"]["feature_distance"] < found["model"]["feature_distance"]


@pytest.mark.parametrize(
    ("config", "network"),
    [
        (CONFIG, Constant(math.nan, 0.0, 0.0, 0.0)),
        (CONFIG.replace(model="regression_cnn"), Constant(math.nan, 0.0, 0.0)),
    ],
    ids=["classification", "regression"],
)
def test_broken_model(config: TrainConfig, network: nn.Module) -> None:
    """A model of NaN has no pictures: its measures are None, and the table is still written."""
    truth = images(0, count=5)
    judge = Judge(Classifier(build(), ClassifierConfig(dataset="scenes")), truth)

    scores = evaluate_seen(Model(network, config, PALETTE), truth, truth, judge=judge)

    assert list(scores["perception"]) == COLUMNS
    assert scores["perception"]["model"] == scores["perception"]["model_grey_restored"] == dict.fromkeys(MEASURES)
    assert scores["perception"]["grey_copy"]["feature_distance"] > 0
    json.dumps(scores, allow_nan=False)
    text = scores_table(scores, name=config.model, split="test")
    assert "What a classifier sees" in text
    assert "…" not in text  # no name is cut


def test_a_trained_classifier_misses_the_colours(trained_classifier: Classifier, few_scenes: None) -> None:
    """To a classifier of scenes their grey copies are much farther from other scenes than the truth is."""
    judge = Judge(trained_classifier, read_images(CONFIG, split="validation"))
    found = perceive(judge, None, read_images(CONFIG, split="test"), category="horse")

    truth, grey = found["truth"], found["grey_copy"]
    assert grey["kid"] - 2 * grey["kid_standard_error"] > truth["kid"] + 2 * truth["kid_standard_error"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an untrained classifier of scenes."""
    classifiers.save(tmp_path / classifiers.FILE, Classifier(build(), ClassifierConfig(dataset="scenes", data_seed=2)))
    return tmp_path


@pytest.mark.parametrize(
    ("split", "protocol", "is_held_out"),
    [
        ("test", "split", True),
        ("validation", "split", False),
        ("test", "handout", True),
        ("validation", "handout", True),
    ],
)
def test_photographs(split: str, protocol: str, is_held_out: bool, folder: Path, few_scenes: None) -> None:
    """What pictures are compared with are other images than theirs, and such as no classifier has seen, if there are any."""
    config = CONFIG.replace(data_seed=2, protocol=protocol)
    training, held_out = read_splits(CONFIG.replace(data_seed=2), classes=["horse"])["horse"]

    for path in (folder, folder / classifiers.FILE):
        judge = open_judge(path, config, split=split)
        assert judge.classifier.config.data_seed == 2
        assert (judge.photographs == (held_out if is_held_out else training)).all()


@pytest.mark.parametrize(
    ("settings", "sentence", "command"),
    [
        ({"dataset": "cifar10", "data_seed": 2}, "dataset = 'scenes', where the run has 'cifar10'", " --data-seed 2"),
        ({"data_seed": 0}, "data_seed = 2, where the run has 0", " --dataset scenes"),
    ],
    ids=["data set", "seed of the split"],
)
def test_classifier_of_other_images(settings: dict[str, Any], sentence: str, command: str, folder: Path) -> None:
    """A classifier of another data set, or that may have trained on what is measured, is refused with the one to train."""
    with pytest.raises(ConfigError, match=sentence) as caught:
        open_judge(folder, CONFIG.replace(**settings), split="test")

    assert str(caught.value.hint).endswith(f": colournet train-classifier{command}")


def test_how_to_train() -> None:
    """The command names what is not its default."""
    assert how_to_train(TrainConfig()) == "colournet train-classifier"
    assert how_to_train(CONFIG.replace(data_seed=9)) == "colournet train-classifier --dataset scenes --data-seed 9"


def test_no_classifier(tmp_path: Path) -> None:
    """A folder without a classifier is told as such."""
    with pytest.raises(CheckpointError, match=r"classifier\.safetensors: there is no such file"):
        open_judge(tmp_path, CONFIG, split="test")


@pytest.mark.usefixtures("few_scenes")
def test_command(trained_classifier: Classifier, tmp_path: Path) -> None:
    """`evaluate --classifier` adds a table, and `perception` to the JSON; without it a line says how to get one."""
    (tmp_path / "seen").mkdir()
    classifiers.save(tmp_path / "seen" / classifiers.FILE, trained_classifier)
    run(
        "train", "--dataset", "scenes", "--num-filters", 2, "--num-colours", 4, "--epochs", 1, "--out", tmp_path / "run"
    )

    with_one = run("evaluate", tmp_path / "run", "--classifier", tmp_path / "seen")
    without = run("evaluate", tmp_path / "run")
    as_json, plain = (
        json.loads(run("evaluate", tmp_path / "run", "--json", *more).stdout, parse_constant=pytest.fail)
        for more in (("--classifier", tmp_path / "seen"), ())
    )

    assert "What a classifier sees" in with_one.stdout
    assert with_one.stderr == ""
    assert "What a classifier sees" not in without.stdout
    assert "colournet train-classifier --dataset scenes" in without.stderr
    assert list(as_json["perception"]) == COLUMNS
    assert as_json == {**plain, "perception": as_json["perception"]}


def test_training_knows_no_classifier() -> None:
    """What trains and studies colourizers loads nothing of the network that measures them."""
    code = (
        "import sys, colournet.training, colournet.runs, study.launch.worker, study.reproduce\n"
        "print([name for name in sys.modules if 'classifier' in name or 'perception' in name])\n"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)

    assert result.stdout == "[]\n"
