"""`colournet describe`: tables of networks and filters, and drawings of them."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from colournet import diagrams
from colournet.cli import cli
from colournet.config import MODELS, TrainConfig
from colournet.errors import CheckpointError, ConfigError
from colournet.layers import describe
from colournet.tables import network_text, parse_filters


def run(*arguments: object) -> Result:
    """Run a command in this process; an error comes through."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]


def test_a_table() -> None:
    """The default network is described in plain text, a layer a line, with its totals."""
    lines = run("describe").stdout.splitlines()

    assert lines[0] == "unet: kernel 3, 32 filters, 24 colours"
    (rfconv,) = [line.split() for line in lines if line.split()[:1] == ["rfconv"]]
    assert rfconv[-9:] == ["64", "8", "x", "8", "36,864", "2,359,296", "18", "x", "18"]
    assert "111,672 weights (112,344 with biases and BatchNorm)" in lines[-2]
    assert lines[-1] == "An output pixel can depend on 34 x 34 input pixels."


def test_markdown() -> None:
    """The same as a Markdown table: every row has as many cells as the heading."""
    lines = run("describe", "--model", "dilated_unet", "--format", "markdown").stdout.splitlines()

    table = [cells(line) for line in lines if line.startswith("|")]
    assert table[0][0] == "layer"
    assert {len(row) for row in table} == {8}
    assert table[4][:4] == ["rfconv", "64 of downconv2", "3 x 3, dilation 2", "64"]


def test_filters_of_section_d() -> None:
    """The comparison of section D is computed."""
    lines = run("describe", "--filters", "--format", "markdown").stdout.splitlines()

    assert [cells(line) for line in lines[2:]] == [
        ["3 x 3", "9", "3 x 3"],
        ["5 x 5", "25", "5 x 5"],
        ["3 x 3, dilation 2", "9", "5 x 5"],
    ]


def test_other_filters() -> None:
    """Any filters that a network may have can be compared."""
    lines = run("describe", "--filters", "7:3").stdout.splitlines()

    assert lines[-1].split() == ["7", "x", "7,", "dilation", "3", "49", "19", "x", "19"]


@pytest.mark.parametrize(
    ("text", "reason"), [("3,x", "'x' is no filter"), ("4", "must be odd"), ("3:99", "from 1 to 16")]
)
def test_no_filters(text: str, reason: str) -> None:
    """What is no filter is told as such."""
    with pytest.raises(ConfigError, match=reason):
        run("describe", "--filters", text)


@pytest.mark.usefixtures("few_scenes")
def test_a_run(tmp_path: Path) -> None:
    """A run is described by its own settings; options override them."""
    settings = (
        "--dataset",
        "scenes",
        "--train-images",
        "12",
        "--num-filters",
        "2",
        "--num-colours",
        "4",
        "--epochs",
        "1",
    )
    run("train", *settings, "--model", "cnn", "--out", tmp_path / "run")

    assert run("describe", tmp_path / "run").stdout.startswith("cnn: kernel 3, 2 filters, 4 colours\n")
    assert run("describe", tmp_path / "run", "--kernel-size", "5").stdout.startswith("cnn: kernel 5, 2 filters, 4")


def test_no_run(tmp_path: Path) -> None:
    """A folder without a model is told as such."""
    with pytest.raises(CheckpointError, match="there is no such file"):
        run("describe", tmp_path)


def test_a_run_and_a_config(tmp_path: Path) -> None:
    """A run has a config already."""
    assert run("describe", tmp_path, "--config", tmp_path / "config.toml").exit_code == 2


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (("regression_cnn",), "chroma (a, b)"),
        (("unet",), "24 chromas"),
        (("cnn", "--num-colours", "300"), "300 chromas"),
    ],
)
def test_what_is_answered(options: tuple[str, ...], answer: str) -> None:
    """The title says what a network of chroma answers."""
    told = run("describe", "--colour-space", "lab", "--model", *options).stdout

    assert told.startswith(f"{options[0]}: kernel 3, 32 filters, {answer}\n")


@pytest.mark.parametrize("form", ["text", "markdown"])
@pytest.mark.parametrize("model", MODELS)
def test_every_network_has_a_table(model: str, form: str) -> None:
    """Every network can be described in either form."""
    config = TrainConfig.from_mapping({"model": model})

    assert "finalconv" in network_text(config, describe(config), form=form)


def overflowing(figure: Figure) -> list[str]:
    """The texts that leave the picture: titles, labels, legends (not ticks: matplotlib makes some that it never draws)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    hidden = {
        text
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for text in axis.findobj(Text)
        if text is not axis.label or not axes.axison
    }
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text() and text not in hidden]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    return [name for name, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]


@pytest.mark.parametrize("model", MODELS)
def test_drawing_a_network(model: str) -> None:
    """A drawing names every layer, has an arc for each skip connection, and no text leaves it."""
    description = describe(TrainConfig.from_mapping({"model": model, "kernel_size": 15, "num_filters": 1024}))

    figure = diagrams.network_figure(description, title=model)

    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {layer.name for layer in description.layers} <= set(texts)
    assert texts.count("skip") == (3 if "unet" in model else 0)
    assert not overflowing(figure)


def test_drawing_filters() -> None:
    """Each filter is drawn under its name."""
    figure = diagrams.filters_figure(parse_filters("3,5,3:2"))

    assert [axes.get_title().splitlines()[0] for axes in figure.axes] == ["3 x 3", "5 x 5", "3 x 3, dilation 2"]
    assert not overflowing(figure)


@pytest.mark.parametrize("filters", [(), ("--filters",)])
def test_figure(tmp_path: Path, filters: tuple[str, ...]) -> None:
    """--figure leaves a PNG, in a folder that is made for it."""
    run("describe", "--figure", tmp_path / "new" / "network.png", *filters)

    with Image.open(tmp_path / "new" / "network.png") as picture:
        assert picture.format == "PNG"


def test_another_kind_of_figure(tmp_path: Path) -> None:
    """A name that says another format than PNG is refused with the name to give."""
    with pytest.raises(ConfigError, match="figures are written as PNG") as caught:
        run("describe", "--figure", tmp_path / "network.pdf")

    assert "network.png" in str(caught.value.hint)


def test_a_figure_that_cannot_be_written(tmp_path: Path) -> None:
    """Where no folder can be made, the error says so."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="cannot be written"):
        run("describe", "--figure", tmp_path / "file" / "network.png")
