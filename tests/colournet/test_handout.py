"""The course's files open as runs, and nothing else that calls itself such a file does harm."""

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from colournet import handout
from colournet.checkpoints import load_model
from colournet.cli import cli
from colournet.config import TrainConfig
from colournet.errors import CheckpointError, ConfigError, DataError, UserError
from colournet.handout import import_weights, read_palette, read_weights
from colournet.models import build
from colournet.runs import RunFolder

SMALL = {"num_filters": 2, "num_colours": 4, "protocol": "handout"}
COLOURS = np.linspace(0, 0.9, 12).reshape(4, 3)
# What Python 2 wrote after the header: an object array of a (2, 3) array of float64 and a number of float64.
PYTHON_2_PALETTE = (
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\nt"
    b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntbI00\n(l"
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\nI3\nt"
    b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n%b"
    b"tba"
    b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
    b"U\x08\x00\x00\x00\x00\x00\x00\xf0?tRatb."
)


class RunsCode:
    """A pickle of this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


@pytest.fixture
def palette_file(tmp_path: Path) -> Path:
    """A plain palette of four colours."""
    return save_array(tmp_path / "palette.npy", COLOURS)


def save_array(path: Path, array: np.ndarray) -> Path:
    np.save(path, array, allow_pickle=True)
    return path


def state_of(model: str, **settings: Any) -> dict[str, Tensor]:
    """The weights of a small network, without counters, as the course's PyTorch left them."""
    state = build(TrainConfig.from_mapping({"model": model, **SMALL, **settings})).state_dict()
    return {name: tensor for name, tensor in state.items() if not name.endswith(".num_batches_tracked")}


def save(path: Path, content: object, *, legacy: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def header_of(shape: str, descr: str) -> bytes:
    """The beginning of an .npy file that claims a shape and a dtype."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}"
    file = io.BytesIO()
    file.write(np.lib.format.magic(1, 0))
    padded = text.ljust(117) + "\n"
    file.write(len(padded).to_bytes(2, "little") + padded.encode())
    return file.getvalue()


# --- the network is told


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 5])
@pytest.mark.parametrize("model", ["regression_cnn", "cnn", "unet"])
def test_network(
    model: str, kernel_size: int, legacy: bool, tmp_path: Path, palette_file: Path, folder: RunFolder
) -> None:
    """Model, kernel, filters and colours are told by keys and shapes, and the run's model answers as the network does."""
    state = state_of(model, kernel_size=kernel_size)
    source = save(tmp_path / "any.pkl", state, legacy=legacy)

    imported = import_weights(source, folder, palette_file=palette_file)

    config = TrainConfig.from_mapping({"model": model, "kernel_size": kernel_size, **SMALL})
    found = load_model(folder.model)
    assert imported.config == found.config == TrainConfig.from_toml(folder.config) == config
    assert all(torch.equal(tensor, found.network.state_dict()[name]) for name, tensor in state.items())
    assert found.palette == pytest.approx(COLOURS)


@pytest.mark.parametrize(
    ("name", "asked", "model"),
    [
        ("unet_k3", None, "unet"),
        ("dunet_k3", None, "dilated_unet"),
        ("DilatedUNet", None, "dilated_unet"),
        ("dunet_k3", "unet", "unet"),
        ("unet_k3", "dilated_unet", "dilated_unet"),
    ],
)
def test_dilated_unet(
    name: str, asked: str | None, model: str, tmp_path: Path, palette_file: Path, folder: RunFolder
) -> None:
    """A dilated UNet looks like a UNet: the file's name tells it, unless the caller does."""
    source = save(tmp_path / f"{name}.pkl", state_of("unet"))

    imported = import_weights(source, folder, palette_file=palette_file, model=asked)

    assert imported.config.model == model
    assert imported.config.dilation == (2 if model == "dilated_unet" else 1)
    assert ("asked for" in imported.reason) == (asked is not None)


def test_model_that_cannot_be(tmp_path: Path, palette_file: Path, folder: RunFolder) -> None:
    """A model that the shapes contradict is refused, with those that are possible."""
    source = save(tmp_path / "cnn.pkl", state_of("cnn"))

    with pytest.raises(CheckpointError, match="no unet: its last filter sees 4 channels and answers 4") as caught:
        import_weights(source, folder, palette_file=palette_file, model="unet")

    assert caught.value.hint == "it may be: cnn"


def test_metrics_tell_the_origin(tmp_path: Path, palette_file: Path, folder: RunFolder) -> None:
    """The run says from which files it was imported, by name and digest, not by place."""
    source = save(tmp_path / "cnn.pkl", state_of("cnn"))

    import_weights(source, folder, palette_file=palette_file)

    origin = json.loads(folder.metrics.read_text())["imported"]
    assert (origin["weights"], origin["palette"]) == ("cnn.pkl", "palette.npy")
    assert str(tmp_path) not in folder.metrics.read_text()
    assert sorted(path.name for path in folder.root.iterdir()) == ["config.toml", "metrics.json", "model.safetensors"]


def test_regression_without_palette(
    tmp_path: Path, folder: RunFolder, fake_horses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A regression needs no palette: its colours are then fitted to the training images."""
    source = save(tmp_path / "regression.pkl", state_of("regression_cnn"))

    import_weights(source, folder, data_dir=fake_horses)

    model = load_model(folder.model)
    assert model.config.num_colours == 24
    assert len(np.unique(model.palette, axis=0)) == 24


@pytest.fixture
def fake_horses(tmp_path: Path) -> Path:
    """A small folder in CIFAR-10's layout."""
    from tests.colournet.fake_cifar import write_folder

    write_folder(tmp_path / "data", per_class=5, seed=0)
    return tmp_path / "data"


# --- the run serves other commands


def test_evaluate_an_import(tmp_path: Path, palette_file: Path, folder: RunFolder, fake_horses: Path) -> None:
    """What was imported on the command line is evaluated like any run; the choice of a model is told on stderr."""
    source = save(tmp_path / "dunet.pkl", state_of("unet"))
    arguments = ["import-handout", str(source), "--palette", str(palette_file), "--out", str(folder.root)]

    imported = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    scores = CliRunner().invoke(
        cli, ["evaluate", str(folder.root), "--data-dir", str(fake_horses), "--json"], catch_exceptions=False
    )

    assert imported.stdout == f"{folder.root}: dilated_unet, kernel size 3, 2 filters, 4 colours\n"
    assert "the file's name says that it is dilated" in imported.stderr
    assert json.loads(scores.stdout)["images"] == 5


def test_no_import_over_a_run(tmp_path: Path, palette_file: Path, folder: RunFolder) -> None:
    """A folder that holds a run is not imported into."""
    source = save(tmp_path / "cnn.pkl", state_of("cnn"))
    import_weights(source, folder, palette_file=palette_file)

    with pytest.raises(ConfigError, match="holds a run already"):
        import_weights(source, folder, palette_file=palette_file)


def test_no_training_over_an_import(tmp_path: Path, palette_file: Path, folder: RunFolder) -> None:
    """An imported network has no checkpoint, and to resume it must not train another one over it."""
    import_weights(save(tmp_path / "cnn.pkl", state_of("cnn")), folder, palette_file=palette_file)

    with pytest.raises(CheckpointError, match="holds a model but no checkpoint"):
        folder.check(resume=True)


# --- what is refused


def test_wrong_palette(tmp_path: Path, folder: RunFolder) -> None:
    """A palette of another number of colours is refused, and so is none; nothing is left behind."""
    source = save(tmp_path / "cnn.pkl", state_of("cnn"))
    other = save_array(tmp_path / "other.npy", COLOURS[:3])

    with pytest.raises(ConfigError, match=r"other.npy: has 3 colours, but the network answers 4"):
        import_weights(source, folder, palette_file=other)
    with pytest.raises(ConfigError, match="no palette says which") as caught:
        import_weights(source, folder)

    assert "--palette colour_kmeans4_cat7.npy" in str(caught.value.hint)
    assert not folder.root.exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"downconv1.0.weight": None}, "lacks the filters downconv1.0.weight"),
        ({"rfconv.1.running_var": None}, r"rfconv.1.running_var is absent, where unet has \(4,\)"),
        ({"rfconv.0.weight": torch.zeros(4, 4, 5, 5)}, r"rfconv.0.weight is \(4, 4, 5, 5\), where unet has"),
        ({"more.weight": torch.zeros(1)}, r"more.weight is \(1,\), where unet has absent"),
        ({"finalconv.weight": torch.zeros(4, 9, 3, 3)}, "its last filter sees 9 channels and answers 4"),
        ({"finalconv.weight": torch.zeros(1, 1, 3, 3)}, "num_colours must be a whole number from 2 to 65536, got 1"),
        ({"downconv1.0.weight": torch.zeros(2, 1, 4, 4)}, "kernel_size must be odd, got 4"),
        ({"downconv1.0.weight": torch.zeros(2000, 1, 3, 3)}, "num_filters must be a whole number from 1 to 1024"),
    ],
)
def test_other_networks(change: dict[str, Tensor | None], sentence: str, tmp_path: Path, folder: RunFolder) -> None:
    """A state dict of another network is refused by the first key or shape that differs."""
    state = {name: tensor for name, tensor in {**state_of("unet"), **change}.items() if tensor is not None}

    with pytest.raises(CheckpointError, match=f"any.pkl: of no network of the course: .*{sentence}"):
        import_weights(save(tmp_path / "any.pkl", state), folder)


@pytest.mark.parametrize(
    ("tensor", "sentence"),
    [
        (torch.zeros(1).expand(10**9), "claims a shape"),
        (torch.zeros(4).to_sparse(), "no plain tensor"),
        (torch.zeros(4, device="meta"), "no plain tensor"),
        (torch.zeros(4, dtype=torch.int64), "not floating-point"),
        (torch.zeros(4, dtype=torch.complex64), "not floating-point"),
        (torch.tensor([0.0, torch.nan]), "not finite"),
        (7, "no plain tensor"),
    ],
    ids=["expanded", "sparse", "meta", "whole", "complex", "nan", "number"],
)
def test_other_tensors(tensor: object, sentence: str, tmp_path: Path) -> None:
    """Only dense and finite floating-point tensors that the file fills are weights."""
    with pytest.raises(CheckpointError, match=f"any.pkl: 'rfconv.0.bias' .*{sentence}"):
        read_weights(save(tmp_path / "any.pkl", {"rfconv.0.bias": tensor}, legacy=False))


@pytest.mark.parametrize(
    "content", [[torch.zeros(3)], {1: torch.zeros(3)}, torch.zeros(3)], ids=["list", "key", "tensor"]
)
def test_no_state_dict(content: object, tmp_path: Path) -> None:
    """Weights come as a state dict: tensors by name."""
    with pytest.raises(CheckpointError, match="holds no state dict"):
        read_weights(save(tmp_path / "any.pkl", content))


@pytest.mark.parametrize("legacy", [True, False])
def test_weights_run_no_code(legacy: bool, tmp_path: Path) -> None:
    """A weight file that asks for a function is refused before the function is called."""
    source = save(tmp_path / "any.pkl", {"rfconv.0.bias": RunsCode(tmp_path / "ran")}, legacy=legacy)

    with pytest.raises(CheckpointError, match="damaged, or holds more than weights"):
        read_weights(source)

    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("legacy", [True, False])
def test_damaged_weights(legacy: bool, tmp_path: Path) -> None:
    """A file cut short or with changed bytes is refused in one sentence, or read; nothing else is raised."""
    whole = save(tmp_path / "whole.pkl", state_of("cnn"), legacy=legacy).read_bytes()
    generator = np.random.default_rng(0)
    damaged = tmp_path / "any.pkl"

    for number in range(150):
        content = bytearray(whole[: generator.integers(len(whole))] if number % 3 == 0 else whole)
        for place in generator.integers(max(len(content), 1), size=3 if content else 0):
            content[place] = generator.integers(256)
        damaged.write_bytes(content)
        with pytest.raises(UserError) as caught:  # what is still whole has no palette
            import_weights(damaged, RunFolder(tmp_path / "run"))
        assert "\n" not in caught.value.message


def test_missing_and_large_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file is told, and one much larger than any of the course's is not opened."""
    with pytest.raises(CheckpointError, match="there is no such file"):
        read_weights(tmp_path / "no.pkl")
    monkeypatch.setattr(handout, "_LARGEST_BYTES", 10)
    with pytest.raises(CheckpointError, match="too large"):
        read_weights(save(tmp_path / "any.pkl", {}))


# --- palettes


def test_python_2_palette(tmp_path: Path) -> None:
    """The course's format is read: an object array that Python 2 pickled, colours first."""
    numbers = np.array([[0, 0.25, 0.5], [0.5, 0.75, 0.125]]).tobytes()
    content = b"U" + bytes([len(numbers)]) + numbers
    path = tmp_path / "palette.npy"
    path.write_bytes(header_of("(2,)", "|O") + PYTHON_2_PALETTE % content)

    assert read_palette(path).tolist() == [[0, 0.25, 0.5], [0.5, 0.75, 0.125]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no header"),
        (b"\x93NUMPY\x09\x00" + bytes(200), "no header"),
        (header_of("(1000000000000, 3)", "<f8"), "not numbers of shape"),
        (header_of("(4,)", "<f8") + bytes(32), "not numbers of shape"),
        (header_of("(4, 3)", "<i8") + bytes(96), "not numbers of shape"),
        (header_of("(4, 3)", "<f8") + bytes(95), "damaged"),
        (header_of("(3,)", "|O") + PYTHON_2_PALETTE % b"S''\n", "damaged, or not a pickle"),
        (header_of("(2,)", "|O") + pickle.dumps([1, 2], protocol=2), "not colours and their distortion"),
        (header_of("(2,)", "|O") + b"cos\nsystem\n(S'true'\ntR.", "tries to run code: asks for os.system"),
    ],
    ids=["empty", "version", "huge", "flat", "whole", "short", "bad array", "list", "code"],
)
def test_other_palettes(content: bytes, sentence: str, tmp_path: Path) -> None:
    """What is no palette is refused in a sentence, before room is made for it and without running it."""
    path = tmp_path / "palette.npy"
    path.write_bytes(content)

    with pytest.raises(DataError, match=f"palette.npy: .*{sentence}"):
        read_palette(path)


@pytest.mark.parametrize(
    "colours",
    [COLOURS[:1], COLOURS - 0.1, COLOURS * 256, np.full((4, 3), np.nan), np.zeros((4, 4)), np.zeros((257, 3))],
    ids=["one", "negative", "8-bit", "nan", "four channels", "many"],
)
def test_palettes_out_of_range(colours: np.ndarray, tmp_path: Path) -> None:
    """A palette has 2 to 256 colours of three channels, each from 0 to below 1."""
    with pytest.raises(DataError, match="not a palette"):
        read_palette(save_array(tmp_path / "palette.npy", colours))


def test_missing_palette(tmp_path: Path) -> None:
    """A palette that is not there is told as such."""
    with pytest.raises(DataError, match="there is no such file"):
        read_palette(tmp_path / "no.npy")


# --- the course's own files


@pytest.mark.cifar
@pytest.mark.parametrize("name", ["cnn", "unet", "dunet", "regression_cnn"])
@pytest.mark.parametrize("filters", [16, 32])
def test_course_files_open(name: str, filters: int, handout_dir: Path, folder: RunFolder) -> None:
    """All weights of the course become runs, told by themselves."""
    palette_file = handout_dir / "colours" / "colour_kmeans24_cat7.npy"

    config = import_weights(
        handout_dir / "weights" / f"{name}_k3_f{filters}.pkl", folder, palette_file=palette_file
    ).config

    model = {"dunet": "dilated_unet"}.get(name, name)
    assert (config.model, config.kernel_size, config.num_filters, config.num_colours) == (model, 3, filters, 24)


@pytest.mark.cifar
@pytest.mark.parametrize("number", [16, 24, 32])
def test_course_palettes_open(number: int, handout_dir: Path) -> None:
    """All palettes of the course are read."""
    assert read_palette(handout_dir / "colours" / f"colour_kmeans{number}_cat7.npy").shape == (number, 3)


@pytest.mark.cifar
@pytest.mark.parametrize(
    ("name", "loss", "accuracy", "gain_db"), [("cnn", 1.597, 0.401, 4.5), ("unet", 1.384, 0.475, 2.8)]
)
def test_course_scores(
    name: str, loss: float, accuracy: float, gain_db: float, handout_dir: Path, cifar_dir: Path, folder: RunFolder
) -> None:
    """Imported and evaluated, the course's networks score what was measured of them; decoding well gains decibels."""
    palette_file = handout_dir / "colours" / "colour_kmeans24_cat7.npy"
    import_weights(handout_dir / "weights" / f"{name}_k3_f32.pkl", folder, palette_file=palette_file)

    arguments = ["evaluate", str(folder.root), "--data-dir", str(cifar_dir), "--json"]
    scores = json.loads(CliRunner().invoke(cli, arguments, catch_exceptions=False).stdout)

    assert scores["cross_entropy"] == pytest.approx(loss, abs=0.002)
    assert scores["decoding"]["mean_grey"]["psnr_db"] > scores["psnr_db"] + gain_db
    assert scores["accuracy"] == pytest.approx(accuracy, abs=0.001)
    assert scores["floors"]["grey_table"]["cross_entropy"] == pytest.approx(0.918, abs=0.002)
    assert scores["floors"]["grey_table"]["accuracy"] == pytest.approx(0.625, abs=0.001)
    assert scores["floors"]["grey_copy"]["mse"] == pytest.approx(0.0048, abs=0.00005)
