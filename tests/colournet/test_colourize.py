"""Photos of any size are coloured in bounded memory, and no input is harmed."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from torch import Tensor, nn

from colournet import checkpoints, evaluation
from colournet.checkpoints import Model
from colournet.cli import cli
from colournet.colourize import SCALES, colourize_files, painter, plan, predict_chroma
from colournet.config import COLOUR_SPACES, TrainConfig
from colournet.decoding import METHODS
from colournet.errors import CheckpointError, ConfigError, DataError
from colournet.models import build
from colournet.photos import Photo, read_photo

PALETTE = np.array([[0, 0, 0], [64, 64, 64], [128, 64, 32], [0, 192, 0]], dtype=np.float32) / 256
CONFIG = TrainConfig(num_colours=4, num_filters=2)


class Green(nn.Module):
    """Answers the same colour everywhere, and remembers what it was shown."""

    def __init__(self, *answer: float) -> None:
        super().__init__()
        self.answer = nn.Parameter(torch.tensor(answer or (0.1, 0.4, 0.1)), requires_grad=False)
        self.shown: list[Tensor] = []

    def forward(self, grey: Tensor) -> Tensor:
        """Spread the answer over the picture."""
        self.shown.append(grey)
        return self.answer[None, :, None, None].expand(len(grey), -1, *grey.shape[2:])


@pytest.fixture
def green() -> Model:
    return Model(Green(), CONFIG.replace(model="regression_cnn"), PALETTE)


@pytest.fixture
def network() -> Model:
    return Model(build(CONFIG), CONFIG, PALETTE)


def grey_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65_281, (height, width), dtype=np.uint16)


def save(path: Path, height: int = 8, width: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


# --- colours


@pytest.mark.parametrize("colour_space", COLOUR_SPACES)
def test_small_pictures_are_coloured_as_in_training(colour_space: str) -> None:
    """A picture of 32 pixels at its own size is coloured as `evaluate` colours it."""
    config = CONFIG.replace(colour_space=colour_space)
    network = Model(build(config), config, PALETTE if colour_space == "rgb" else 100 * PALETTE[:, 1:])
    images = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    grey = ((images[0].sum(axis=0, dtype=np.uint32) * 256 + 1) // 3).astype(np.uint16)

    coloured = painter(Photo(grey, None), predict_chroma(network, grey, scales=[32]))(0, 32)

    expected = evaluation.colourize(network, images, method="mean", restore=True)[0].transpose(1, 2, 0)
    assert np.abs(coloured.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 3), (31, 33), (100, 37), (480, 640)])
def test_any_size(size: tuple[int, int], network: Model) -> None:
    """The colouring is as large as the photo, whatever its size and aspect."""
    photo = Photo(grey_of(*size), None)

    coloured = painter(photo, predict_chroma(network, photo.grey))(0, size[0])

    assert coloured.shape == (*size, 3)


def test_scales(green: Model) -> None:
    """The network is shown the photo with a shorter side of 32, 48 and 64, padded to what it can halve."""
    predict_chroma(green, grey_of(200, 300))

    shown = [tuple(grey.shape[2:]) for grey in green.network.shown]
    assert shown == [(32, 48), (48, 80), (64, 96)]


@pytest.mark.parametrize("size", [(5, 100_000), (100_000, 5)])
def test_long_strips_are_shown_small(size: tuple[int, int], green: Model) -> None:
    """However long a photo is, the network is not shown more than 1,024 pixels of length."""
    predict_chroma(green, grey_of(*size))

    assert max(grey.shape[2:].numel() for grey in green.network.shown) <= 1024 * 16


def test_grey_is_kept(green: Model) -> None:
    """The colour is the network's, the brightness the photo's, to the last 8 bits."""
    photo = Photo(np.full((40, 50), 128 * 256 + 128, dtype=np.uint16), None)

    coloured = painter(photo, predict_chroma(green, photo.grey))(0, 40).astype(int)

    assert coloured.mean() == pytest.approx(128.5, abs=0.5)
    assert (coloured[..., 1] - coloured[..., 0] == 77).all()  # 0.3 of 256


def test_bright_stays_bright(network: Model) -> None:
    """What the network is shown is the photo's brightness at every size: a large reduced photo is no darker."""
    model = Model(Green(), CONFIG.replace(model="regression_cnn"), PALETTE)

    predict_chroma(model, np.full((1001, 1203), 50_000, dtype=np.uint16))

    for grey in model.network.shown:
        assert torch.allclose(grey, torch.tensor(50_000 / 65_536), atol=1e-5)


def test_strips_fit_together(network: Model) -> None:
    """Painted in strips or at once, the photo is the same."""
    photo = Photo(grey_of(203, 150), None)
    paint = painter(photo, predict_chroma(network, photo.grey))

    strips = np.concatenate([paint(top, min(top + 7, 203)) for top in range(0, 203, 7)])

    assert np.abs(strips.astype(int) - paint(0, 203)).max() <= 1


def test_memory(network: Model) -> None:
    """Beyond the photo itself, colouring 8 megapixels strip by strip takes a fraction of a full-size colour picture."""
    photo = Photo(grey_of(2000, 4000), None)
    tracemalloc.start()
    try:
        paint = painter(photo, predict_chroma(network, photo.grey))
        for top in range(0, 2000, 100):
            paint(top, top + 100)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 3 * photo.grey.size


def test_broken_model() -> None:
    """A model of NaN is no photo's fault."""
    model = Model(Green(math.nan, 0.0, 0.0), CONFIG.replace(model="regression_cnn"), PALETTE)

    with pytest.raises(CheckpointError, match="not made of finite numbers"):
        predict_chroma(model, grey_of(8, 8))


# --- files


def test_files(tmp_path: Path, green: Model) -> None:
    """A photo with alpha becomes a PNG with that alpha; 16-bit grey becomes 8-bit colour."""
    rgba = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.webp", lossless=True, exact=True)
    Image.fromarray(np.full((6, 5), 30_000, dtype=np.uint16)).save(tmp_path / "b.png")

    outcomes = colourize_files(green, plan([tmp_path], tmp_path / "out"))

    assert [outcome.error for outcome in outcomes] == [None, None]
    with (
        Image.open(tmp_path / "out" / "a-colour.png") as first,
        Image.open(tmp_path / "out" / "b-colour.png") as second,
    ):
        assert (np.asarray(first)[..., 3] == rgba[..., 3]).all()
        assert (second.mode, second.size) == ("RGB", (5, 6))
        assert np.asarray(second).mean() == pytest.approx(30_000 / 256, abs=0.5)


def test_grey_survives(tmp_path: Path, network: Model) -> None:
    """What was coloured has the grey of its original, where no colour was clipped."""
    pixels = np.random.default_rng(0).integers(100, 150, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    colourize_files(network, plan([tmp_path / "a.png"], tmp_path))

    before, after = read_photo(tmp_path / "a.png"), read_photo(tmp_path / "a-colour.png")
    assert np.abs(before.grey.astype(int) - after.grey).max() <= 256


def test_plan(tmp_path: Path) -> None:
    """A folder stands for its pictures; equal names are numbered, and a picture named twice is coloured once."""
    first, second = save(tmp_path / "in" / "x.png"), save(tmp_path / "in" / "x.JPG")
    third = save(tmp_path / "x.png")
    (tmp_path / "in" / "notes.txt").write_text("")

    jobs = plan([tmp_path / "in", third, tmp_path / "in" / "x.png"], tmp_path / "out")

    assert [job.source for job in jobs] == [second, first, third]
    assert [job.target.name for job in jobs] == ["x-colour.png", "x-colour-2.png", "x-colour-3.png"]


def test_no_input_is_overwritten(tmp_path: Path, green: Model) -> None:
    """A target that is an input gets another name, also where the output folder is a link to the input's."""
    source, other = save(tmp_path / "in" / "x.png"), save(tmp_path / "in" / "x-colour.png")
    (tmp_path / "out").symlink_to(tmp_path / "in")
    before = [source.read_bytes(), other.read_bytes()]

    jobs = plan([source, other], tmp_path / "out")
    colourize_files(green, jobs)

    assert [job.target.name for job in jobs] == ["x-colour-2.png", "x-colour-colour.png"]
    assert [source.read_bytes(), other.read_bytes()] == before


def test_empty_folder(tmp_path: Path) -> None:
    """A folder without pictures is told, with what is looked for; so is an output that is a file."""
    with pytest.raises(ConfigError, match="holds no picture"):
        plan([tmp_path], tmp_path / "out")
    with pytest.raises(ConfigError, match="not a folder"):
        plan([tmp_path], save(tmp_path / "a.png"))


def test_command(tmp_path: Path, network: Model) -> None:
    """`colourize` prints what it wrote; a broken image is named and skipped, and the exit code says so."""
    checkpoints.save_model(tmp_path / "model.safetensors", network)
    save(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.jpg").write_text("no picture")

    result = run("colourize", tmp_path, tmp_path / "in", tmp_path / "no.png", "--out", tmp_path / "out")

    assert result.stdout == f"{tmp_path / 'out' / 'good-colour.png'}\n"
    assert f"skipped: {tmp_path / 'in' / 'bad.jpg'}: not a PNG" in result.stderr
    assert f"skipped: {tmp_path / 'no.png'}: there is no such file" in result.stderr
    assert isinstance(result.exception, DataError)
    assert result.exception.exit_code == 1
    assert result.exception.message == "2 of 3 images could not be coloured"


@pytest.mark.parametrize("method", METHODS)
def test_methods(method: str, tmp_path: Path, network: Model) -> None:
    """Every decoding colours photos, and all is well where all is well."""
    checkpoints.save_model(tmp_path / "model.safetensors", network)
    photo = save(tmp_path / "photo.png", 40, 30)

    result = run("colourize", tmp_path / "model.safetensors", photo, "--out", tmp_path, "--method", method)

    assert (result.exit_code, result.stderr) == (0, "")
    assert (tmp_path / "photo-colour.png").exists()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_scales_are_near_what_was_learned() -> None:
    """The subject is shown at one to two times the size of a training image."""
    assert (min(SCALES), max(SCALES)) == (32, 64)
