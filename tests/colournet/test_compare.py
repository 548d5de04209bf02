"""`colournet compare`: several runs in one table and in one figure, or a reason why not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from colournet.checkpoints import Model, load_model, save_model
from colournet.cli import cli
from colournet.comparison import differences, read_history
from colournet.comparison_figures import Curve, curves_figure, samples_figure
from colournet.config import TrainConfig
from colournet.errors import CheckpointError, ConfigError
from colournet.metrics import EpochMetrics
from colournet.runs import RunFolder
from colournet.together import open_runs
from tests.colournet.test_describe import overflowing

pytestmark = pytest.mark.usefixtures("few_scenes")

QUICK = ("--dataset", "scenes", "--train-images", "12", "--num-filters", "2", "--num-colours", "4", "--epochs", "2")
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)

Train = Callable[..., Path]


def run(*arguments: object) -> Result:
    """Run a command in this process; an error comes through."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Trains a short run in a folder of this name."""

    def start(name: str, *options: object) -> Path:
        run("train", *QUICK, *options, "--out", tmp_path / name)
        return tmp_path / name

    return start


def row(result: Result, name: str) -> list[str]:
    """The cells of a row of the table."""
    (line,) = [line.strip() for line in result.stdout.splitlines() if line.strip().startswith(name)]
    return line.removeprefix(name).split()


def test_runs_in_one_table_and_figure(train: Train, tmp_path: Path) -> None:
    """The table shows in what the runs differ and how they scored; curves and samples are pictures."""
    runs = [train("regression", "--model", "regression_cnn"), train("cnn", "--model", "cnn"), train("unet")]

    result = run("compare", *runs, "--curves", tmp_path / "curves.png", "--samples", tmp_path / "samples.png")

    assert row(result, "model") == ["regression_cnn", "cnn", "unet"]
    assert "num_filters" not in result.stdout
    assert row(result, "validation cross-entropy")[0] == "-"
    assert len(row(result, "validation MSE")) == 3
    assert result.stderr == ""
    for name in ("curves.png", "samples.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"


def test_other_images(train: Train) -> None:
    """Runs that colour different images are refused."""
    with pytest.raises(ConfigError, match="category is 'horse' in the one, 'frog' in the other"):
        run("compare", train("unet"), train("frog", "--category", "frog"))


def test_other_palettes(train: Train, tmp_path: Path) -> None:
    """Palettes of different sizes are noted, and curves over them refused."""
    runs = [train("four"), train("eight", "--num-colours", "8")]

    result = run("compare", *runs, "--samples", tmp_path / "samples.png")

    assert "note: cross-entropy and accuracy are counted in palettes of different sizes" in result.stderr
    assert row(result, "num_colours") == ["4", "8"]
    with pytest.raises(ConfigError, match="num_colours is 4 in four and 8 in eight"):
        run("compare", *runs, "--curves", tmp_path / "curves.png")


def test_other_colour_spaces(train: Train, tmp_path: Path) -> None:
    """Runs in RGB and in chroma are noted, curves over them refused; those of one space are drawn."""
    rgb = train("rgb", "--model", "regression_cnn")
    lab = train("lab", "--model", "regression_cnn", "--colour-space", "lab")
    classes = train("classes", "--colour-space", "lab")

    result = run("compare", rgb, lab, "--samples", tmp_path / "samples.png")

    assert "note: losses and accuracy are of different colour spaces" in result.stderr
    assert row(result, "colour_space") == ["rgb", "lab"]
    with pytest.raises(ConfigError, match="colour_space is rgb in rgb and lab in lab") as caught:
        run("compare", rgb, lab, "--curves", tmp_path / "curves.png")
    assert "compare by MSE" in str(caught.value.hint)
    assert run("compare", lab, classes, "--curves", tmp_path / "curves.png").stderr == ""


def test_other_colours(train: Train) -> None:
    """Palettes of one size with other colours in it are noted."""
    first = train("first")
    second = shutil.copytree(first, first.with_name("second"))
    model = load_model(RunFolder(second).model)
    save_model(RunFolder(second).model, Model(model.network, model.config, model.palette[::-1].copy()))

    assert "not the same colours" in run("compare", first, second).stderr


def test_other_validation_images(train: Train, tmp_path: Path) -> None:
    """Runs that share only their test images can be shown on those."""
    runs = [train("split"), train("handout", "--protocol", "handout")]
    samples = ("--samples", tmp_path / "samples.png")

    assert (
        "note: validation figures are of different images" in run("compare", *runs, *samples, "--split", "test").stderr
    )
    with pytest.raises(ConfigError, match="different validation images: protocol") as caught:
        run("compare", *runs, *samples)
    assert "--split test" in str(caught.value.hint)


def test_a_network_without_history(train: Train, tmp_path: Path) -> None:
    """A network that was not trained here has no scores, and no curves."""
    trained = train("unet")
    imported = tmp_path / "imported"
    imported.mkdir()
    shutil.copy(RunFolder(trained).model, RunFolder(imported).model)

    assert row(run("compare", trained, imported), "best epoch")[1] == "-"
    with pytest.raises(CheckpointError, match=r"history\.csv: cannot be read") as caught:
        run("compare", trained, imported, "--curves", tmp_path / "curves.png")
    assert "imported" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["epoch,train_loss\n1,0.5\n", "epoch\nmany\n", "epoch,val_loss\n1,2,3\n"])
def test_a_damaged_history(train: Train, text: str) -> None:
    """A history that is none is told as such."""
    (opened,) = open_runs([train("unet")])
    opened.folder.history.write_text(text)

    with pytest.raises(CheckpointError, match="not a history of epochs"):
        read_history(opened)


def test_history(train: Train) -> None:
    """The epochs are read as training told them."""
    (opened,) = open_runs([train("unet")])

    history = read_history(opened)

    assert [metrics.epoch for metrics in history] == [1, 2]
    assert history[0].val_loss > 0


def test_runs_of_one_name(train: Train, tmp_path: Path) -> None:
    """Runs whose folders are called alike are called by their paths."""
    runs = open_runs([train("one/unet"), train("two/unet"), train("cnn")])

    assert [opened.name for opened in runs] == [str(tmp_path / "one/unet"), str(tmp_path / "two/unet"), "cnn"]


def test_differences() -> None:
    """Only settings that differ are listed, and not where a run computed."""
    configs = [TrainConfig(device="cpu"), TrainConfig(num_filters=8, extra_classes=("cat",), train_images=5)]

    assert differences(configs) == {"num_filters": [32, 8], "extra_classes": [[], ["cat"]], "train_images": [None, 5]}


def make_curve(name: str, *, is_regression: bool = False, colour_space: str = "rgb") -> Curve:
    epochs = [
        EpochMetrics(
            epoch=epoch,
            train_loss=1 / epoch,
            val_loss=2 / epoch,
            val_accuracy=epoch / 10,
            val_mse=0.1 / epoch,
            seconds=1,
            images_per_second=1,
        )
        for epoch in (1, 2, 3)
    ]
    return Curve(name=name, history=epochs, is_regression=is_regression, colour_space=colour_space)


def test_drawn_curves() -> None:
    """Cross-entropy is drawn for classifiers alone; a regression's training loss stands with the squared errors."""
    figure = curves_figure([make_curve("regression", is_regression=True), make_curve("a unet of a long name" * 2)])

    loss, accuracy, error = figure.axes
    assert [len(axes.lines) for axes in (loss, accuracy, error)] == [2, 2, 3]
    assert [list(line.get_ydata()) for line in loss.lines] == [[1, 1 / 2, 1 / 3], [2, 1, 2 / 3]]
    assert not overflowing(figure)


def test_regressions_alone() -> None:
    """Where every run is a regression there is no panel for cross-entropy."""
    figure = curves_figure([make_curve("one", is_regression=True), make_curve("two", is_regression=True)])

    assert [axes.get_title() for axes in figure.axes] == ["Validation accuracy", "Squared error of the colours"]


def test_regressions_of_chroma() -> None:
    """The loss of a regression of chroma has a panel of its own, apart from squared errors in RGB."""
    figure = curves_figure(
        [make_curve("rgb", is_regression=True), make_curve("lab", is_regression=True, colour_space="lab")]
    )

    titles = ["Squared error of chroma", "Validation accuracy", "Squared error of the colours"]
    assert [axes.get_title() for axes in figure.axes] == titles
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 3]


@pytest.mark.parametrize("count", [1, 3])
def test_drawn_samples(count: int) -> None:
    """Every row is named, long names too, and no text leaves the figure."""
    rows = {"truth": IMAGES[:count], "a run whose name is rather long (dilated_unet)": IMAGES[:count]}

    figure = samples_figure(rows, title="validation images of scenes, automobile")

    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == list(rows)
    assert not overflowing(figure)
