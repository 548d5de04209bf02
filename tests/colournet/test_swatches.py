"""A palette from the command line: its file, its picture, and its errors."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from colournet import scenes, swatches
from colournet.cli import cli
from colournet.config import COLOUR_SPACES, TrainConfig
from colournet.data import prepare
from colournet.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("few_scenes")


def run(*arguments: object) -> str:
    """Run `colournet palette` on scenes in this process; answer its stdout."""
    words = ["palette", "--dataset", "scenes", *map(str, arguments)]
    return CliRunner().invoke(cli, words, catch_exceptions=False).stdout


def fitted(
    *, space: str = "rgb", num_colours: int = 5, categories: tuple[str, ...] = ("horse",)
) -> swatches.FittedPalette:
    return swatches.fit(dataset="scenes", categories=categories, num_colours=num_colours, space=space, data_seed=0)


@pytest.mark.parametrize(("space", "dimensions"), [("rgb", 3), ("lab", 2)])
def test_command(space: str, dimensions: int, tmp_path: Path) -> None:
    """The command leaves the colours with where they come from, and a picture, and says so in one line."""
    out = tmp_path / "deep" / "frogs.json"

    line = run("--category", "frog,horse", "--num-colours", 7, "--space", space, "--out", out)

    values = json.loads(out.read_text())
    assert (values["format"], values["space"], values["k"]) == (1, space, 7)
    assert np.array(values["colours"]).shape == (7, dimensions)
    assert sum(values["shares"]) == pytest.approx(1, abs=1e-5)
    assert values["provenance"]["categories"] == ["frog", "horse"]
    assert values["provenance"]["images"] == 96
    assert line.startswith(f"{out}: 7 ")
    assert line.endswith(f"picture {out.with_suffix('.png')}\n")
    assert sorted(path.name for path in out.parent.iterdir()) == ["frogs.json", "frogs.png"]


def test_it_is_the_palette_that_trains() -> None:
    """For one category the palette is that of a run with the same seed, in either colour space."""
    for space in COLOUR_SPACES:
        config = TrainConfig(dataset="scenes", num_colours=5, colour_space=space)

        assert (fitted(space=space).colours == prepare(config).palettes[config.palette_name]).all()


def test_repeatable() -> None:
    """The same settings give the same file, in whatever order categories are named."""
    texts = {
        fitted(space="lab", categories=names).to_json() for names in [("frog", "cat"), ("cat", "frog"), ("cat", "frog")]
    }

    assert len(texts) == 1


def test_file_holds_the_colours() -> None:
    """The numbers of the file are those of the palette, one colour a line."""
    palette = fitted()

    text = palette.to_json()

    assert (np.array(json.loads(text)["colours"], dtype=np.float32) == palette.colours).all()
    assert len(text.splitlines()) < 40


def test_picture(tmp_path: Path) -> None:
    """The picture shows each colour."""
    palette = fitted(
        num_colours=70, categories=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse")
    )

    picture = swatches.save(palette, tmp_path / "many.json")

    with Image.open(picture) as image:
        shown = {colour for _, colour in image.convert("RGB").getcolors(maxcolors=100_000) or []}
    assert {tuple(band[0]) for band in swatches.bands(palette).tolist()} <= shown


def test_bands_of_chroma() -> None:
    """A chroma is shown from light to dark, a colour once."""
    assert swatches.bands(fitted()).shape == (5, 1, 3)

    bands = swatches.bands(fitted(space="lab")).astype(int)

    assert bands.shape == (5, 3, 3)
    assert (np.diff(bands.sum(axis=2), axis=1) < 0).all()


def test_errors(tmp_path: Path) -> None:
    """What does not exist is told by its name, before anything is fitted or written."""
    with pytest.raises(ConfigError, match="category: there is no 'dear'") as caught:
        run("--category", "horse,dear", "--out", tmp_path / "p.json")
    assert caught.value.hint == "did you mean 'deer'?"
    with pytest.raises(ConfigError, match=r"p\.png: a palette file ends in \.json"):
        run("--out", tmp_path / "p.png")
    with pytest.raises(ConfigError, match="at least one category"):
        run("--category", ",", "--out", tmp_path / "p.json")
    with pytest.raises(ConfigError, match="num_colours must be a whole number from 2 to 65536, got 1"):
        run("--num-colours", 1, "--out", tmp_path / "p.json")
    with pytest.raises(ConfigError, match="colour_space: there is no 'hsv'"):
        fitted(space="hsv")
    assert not list(tmp_path.iterdir())


def test_too_few_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grey images hold no 5 chromas."""
    monkeypatch.setattr(scenes, "draw", lambda *_args, **_options: np.full((10, 3, 8, 8), 7, dtype=np.uint8))

    with pytest.raises(DataError, match="no palette of 5 chromas: 512 pixels of the images hold 1"):
        fitted(space="lab")


def test_unwritable(tmp_path: Path) -> None:
    """Where a file is in the way, the error says which."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be written"):
        swatches.save(fitted(), tmp_path / "file" / "p.json")
