"""`colournet activations`: the block outputs of runs, side by side for the same image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from colournet.activation_figures import Column, activations_figure, montage
from colournet.activations import block_outputs
from colournet.batches import as_tensor, grey
from colournet.cli import cli
from colournet.config import MODELS, TrainConfig
from colournet.errors import ConfigError
from colournet.models import build
from tests.colournet.test_describe import overflowing

BLOCKS = ["downconv1", "downconv2", "rfconv", "upconv1", "upconv2", "finalconv"]
IMAGE = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
QUICK = ("--dataset", "scenes", "--train-images", "12", "--num-filters", "2", "--num-colours", "4", "--epochs", "1")


def run(*arguments: object) -> Result:
    """Run a command in this process; an error comes through."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.parametrize("model", MODELS)
def test_block_outputs(model: str) -> None:
    """Every block's output is there, in order and size, and the last is the network's answer."""
    network = build(TrainConfig.from_mapping({"model": model, "num_filters": 4, "num_colours": 5}))

    outputs = block_outputs(network, IMAGE)

    c = 3 if model == "regression_cnn" else 5
    assert [(name, each.shape) for name, each in outputs.items()] == list(
        zip(BLOCKS, [(4, 16, 16), (8, 8, 8), (8, 8, 8), (4, 16, 16), (c, 32, 32), (c, 32, 32)], strict=True)
    )
    with torch.no_grad():
        answer = network(grey(as_tensor(IMAGE[None])))[0]
    np.testing.assert_array_equal(outputs["finalconv"], answer)
    assert all((outputs[name] >= 0).all() for name in BLOCKS[:-1])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_montage() -> None:
    """Maps lie in rows, with nothing between them and nothing where there is no map."""
    sheet = montage(np.stack([np.full((2, 2), value, dtype=np.float32) for value in (1, 2, 3)]), across=2)

    none = np.nan
    expected = [
        [none, none, none, none, none, none, none],
        [none, 1, 1, none, 2, 2, none],
        [none, 1, 1, none, 2, 2, none],
        [none, none, none, none, none, none, none],
        [none, 3, 3, none, none, none, none],
        [none, 3, 3, none, none, none, none],
        [none, none, none, none, none, none, none],
    ]
    np.testing.assert_array_equal(sheet, np.array(expected, dtype=np.float32))


def test_figure() -> None:
    """Each block has a title with its sizes and a bar with its scale, in every column, and no text leaves the figure."""
    maps = np.linspace(0, 2, 40 * 8 * 8, dtype=np.float32).reshape(40, 8, 8)
    maps[:3] = 0
    columns = [
        Column(
            name=name,
            prediction=IMAGE,
            blocks={"rfconv": maps, "finalconv": maps[:24] - 1},
            colours=np.linspace(0, 0.99, 72, dtype=np.float32).reshape(24, 3),
        )
        for name in ("cnn", "unet")
    ]

    figure = activations_figure(columns, grey=IMAGE, truth=IMAGE, title="test image 3")

    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    blocks = [
        "rfconv: 40 maps of 8 x 8, 3 of them 0 everywhere",
        "finalconv: 24 maps of 8 x 8, each in the colour it votes for",
    ]
    assert titles == blocks * 2
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["cnn", "unet"]
    bars = [axes.get_ylim() for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert bars == [(0, 2), (pytest.approx(-1), pytest.approx(1))] * 2
    assert not overflowing(figure)


def test_what_is_not_finite_can_be_drawn() -> None:
    """The activations of a run that diverged are drawn too."""
    blocks = {"finalconv": np.full((3, 4, 4), np.nan, dtype=np.float32)}

    activations_figure(
        [Column(name="cnn", prediction=IMAGE, blocks=blocks, colours=None)], grey=IMAGE, truth=IMAGE, title=""
    )


@pytest.mark.usefixtures("few_scenes")
def test_runs_side_by_side(tmp_path: Path) -> None:
    """One figure for each image, of all the runs; what cannot stand side by side, or is not there, is refused."""
    settings = {"cnn": (), "unet": ("--colour-space", "lab"), "frog": ("--category", "frog")}
    for name, extra in settings.items():
        model = name if name in MODELS else "cnn"
        run("train", *QUICK, "--model", model, *extra, "--out", tmp_path / name)
    both = (tmp_path / "cnn", tmp_path / "unet")

    one = run("activations", *both, "--index", "19", "--out", tmp_path / "one.png")
    two = run(
        "activations",
        tmp_path / "cnn",
        *("--index", "0", "--index", "11"),
        *("--split", "validation"),
        "--out",
        tmp_path / "two.png",
    )

    assert one.stdout == f"{tmp_path / 'one.png'}\n"
    assert two.stdout.split() == [str(tmp_path / "two-0.png"), str(tmp_path / "two-11.png")]
    with Image.open(tmp_path / "one.png") as wide, Image.open(tmp_path / "two-11.png") as narrow:
        assert wide.width > 1.8 * narrow.width
    with pytest.raises(ConfigError, match="numbered from 0 to 19"):
        run("activations", *both, "--index", "20", "--out", tmp_path / "one.png")
    with pytest.raises(ConfigError, match="category is 'horse' in the one, 'frog' in the other"):
        run("activations", tmp_path / "cnn", tmp_path / "frog", "--out", tmp_path / "one.png")
    with pytest.raises(ConfigError, match="named twice"):
        run("activations", tmp_path / "cnn", tmp_path / "cnn", "--out", tmp_path / "one.png")
