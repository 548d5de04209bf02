"""Files of weights come back as they were, and a bad one is told in a sentence, whatever is wrong with it."""

import contextlib
import errno
import json
import math
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from colournet import checkpoints, tensor_files
from colournet.checkpoints import Checkpoint, Model
from colournet.config import COLOUR_SPACES, TrainConfig
from colournet.data import TrainingData
from colournet.errors import CheckpointError
from colournet.metrics import EpochMetrics
from colournet.models import build
from colournet.names import BEST_MODEL, LAST_CHECKPOINT
from colournet.training import train

CONFIG = TrainConfig(num_filters=1, num_colours=2, extra_classes=("dog",))
PALETTE = np.array([[0, 0, 0], [0.5, 0.25, 0.125]], dtype=np.float32)


def epoch(number: int, **changes: float) -> EpochMetrics:
    values = {
        "train_loss": 0.5,
        "val_loss": 0.25,
        "val_accuracy": 1.0,
        "val_mse": 0.1,
        "seconds": 2.0,
        "images_per_second": 3.5,
    }
    return EpochMetrics(epoch=number, **{**values, **changes})


@pytest.fixture(scope="module")
def run(config: TrainConfig, training_data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoint and the best model of a short run."""
    folder = tmp_path_factory.mktemp("run")
    train(config.replace(epochs=1), training_data, checkpoint_dir=folder)
    return folder


@pytest.fixture(scope="module", params=["model", "checkpoint"])
def kind(request: pytest.FixtureRequest, run: Path) -> tuple[bytes, Callable[[Path], object]]:
    """The bytes of a valid file, and what loads it: once for each kind of file."""
    if request.param == "model":
        return (run / BEST_MODEL).read_bytes(), checkpoints.load_model
    return (run / LAST_CHECKPOINT).read_bytes(), checkpoints.load_checkpoint


def rewrite(path: Path, **changes: Any) -> None:
    """Change the description of a file and keep its tensors."""
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["colournet"])
    save_file(load_file(path), path, metadata={"colournet": json.dumps({**description, **changes})})


@pytest.mark.parametrize("colour_space", COLOUR_SPACES)
@pytest.mark.parametrize("model_name", ["unet", "regression_cnn"])
def test_model_round_trip(model_name: str, colour_space: str, tmp_path: Path) -> None:
    """A model comes back with its weights, config and palette."""
    config = CONFIG.replace(model=model_name, colour_space=colour_space)
    palette = PALETTE if colour_space == "rgb" else PALETTE[:, 1:]
    network = build(config, generator=torch.Generator().manual_seed(7))
    path = tmp_path / "model.safetensors"

    checkpoints.save_model(path, Model(network, config, palette))
    model = checkpoints.load_model(path)

    assert model.config == config
    assert (model.palette == palette).all()
    weights = network.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.network.state_dict().items())


def test_read_only_palette(tmp_path: Path) -> None:
    """A palette in shared memory, which is read-only, is saved without a warning."""
    palette = PALETTE.copy()
    palette.setflags(write=False)

    checkpoints.save_model(tmp_path / "model.safetensors", Model(build(CONFIG), CONFIG, palette))

    assert (checkpoints.load_model(tmp_path / "model.safetensors").palette == PALETTE).all()


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    """A checkpoint comes back with every tensor and every epoch; losses that are not finite come back as NaN."""
    checkpoint = Checkpoint(
        config=CONFIG,
        history=(epoch(1), epoch(2, val_loss=math.inf, train_loss=math.nan)),
        weights=build(CONFIG).state_dict(),
        optimizer={"0.exp_avg": torch.rand(3)},
        generator=torch.Generator().manual_seed(4).get_state(),
    )
    path = tmp_path / "last.safetensors"

    checkpoints.save_checkpoint(path, checkpoint)
    again = checkpoints.load_checkpoint(path)

    assert again.config == CONFIG
    assert again.history[0] == epoch(1)
    assert math.isnan(again.history[1].val_loss)
    assert math.isnan(again.history[1].train_loss)
    assert torch.equal(again.generator, checkpoint.generator)
    assert torch.equal(again.optimizer["0.exp_avg"], checkpoint.optimizer["0.exp_avg"])
    assert again.weights.keys() == checkpoint.weights.keys()


def test_history_alone(run: Path) -> None:
    """The history and the config are read without the tensors."""
    checkpoint = checkpoints.load_checkpoint(run / LAST_CHECKPOINT)

    assert checkpoints.read_history(run / LAST_CHECKPOINT) == checkpoint.history
    assert checkpoints.read_run(run / LAST_CHECKPOINT) == (checkpoint.config, checkpoint.history)


def test_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that is broken off leaves the file before it."""
    path = tmp_path / "model.safetensors"
    checkpoints.save_model(path, Model(build(CONFIG), CONFIG, PALETTE))
    before = path.read_bytes()

    def break_off(_tensors: object, scratch: Path, **_: object) -> None:
        scratch.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tensor_files, "save_file", break_off)
    with pytest.raises(OSError, match="no space"):
        checkpoints.save_model(path, Model(build(CONFIG), CONFIG, PALETTE + 0.1))

    assert path.read_bytes() == before


def test_a_full_disk_is_an_oserror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What safetensors tells in words comes with its number, so that a full disk can be told from a bug."""

    def refuse(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensor_files, "save_file", refuse)
    with pytest.raises(OSError, match="No space left") as caught:
        checkpoints.save_model(tmp_path / "model.safetensors", Model(build(CONFIG), CONFIG, PALETTE))

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "model.safetensors"))


def test_an_error_that_is_not_the_systems_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other error of safetensors is not taken for the disk's."""

    def refuse(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: unknown dtype")

    monkeypatch.setattr(tensor_files, "save_file", refuse)
    with pytest.raises(SafetensorError, match="unknown dtype"):
        checkpoints.save_model(tmp_path / "model.safetensors", Model(build(CONFIG), CONFIG, PALETTE))


def test_a_full_disk_keeps_the_file_before(small_disk: Path) -> None:
    """On a disk that is really full a save fails with its number; the file before it stays and nothing is left beside it."""
    path = small_disk / "model.safetensors"
    checkpoints.save_model(path, Model(build(CONFIG), CONFIG, PALETTE))
    before = path.read_bytes()

    with pytest.raises(OSError, match="No space left") as caught:
        checkpoints.save_model(path, Model(build(CONFIG.replace(num_filters=64)), CONFIG, PALETTE))

    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert list(small_disk.iterdir()) == [path]


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_truncated(
    data: st.DataObject, kind: tuple[bytes, Callable[[Path], object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file cut short anywhere is refused."""
    content, load = kind
    path = tmp_path_factory.getbasetemp() / "truncated.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])

    with pytest.raises(CheckpointError):
        load(path)


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_mutated(
    data: st.DataObject, kind: tuple[bytes, Callable[[Path], object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file with changed bytes is refused or read, where the change left it valid; nothing else happens."""
    content, load = kind
    header_bytes = 8 + struct.unpack("<Q", content[:8])[0]
    changed = bytearray(content)
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, header_bytes - 1), st.integers(0, 255)), min_size=1, max_size=4)
    ):
        changed[place] = value
    path = tmp_path_factory.getbasetemp() / "mutated.safetensors"
    path.write_bytes(changed)

    with contextlib.suppress(CheckpointError):
        assert isinstance(load(path), Model | Checkpoint)


@given(content=st.binary(max_size=200))
@settings(deadline=None, max_examples=50)
def test_foreign(
    content: bytes, kind: tuple[bytes, Callable[[Path], object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file of another format is refused."""
    path = tmp_path_factory.getbasetemp() / "foreign.safetensors"
    path.write_bytes(content)

    with pytest.raises(CheckpointError):
        kind[1](path)


@pytest.mark.parametrize("load", [checkpoints.load_model, checkpoints.load_checkpoint, checkpoints.read_history])
def test_missing(load: Callable[[Path], object], tmp_path: Path) -> None:
    """A file that is not there is told as such, and so is a folder."""
    with pytest.raises(CheckpointError, match="there is no such file"):
        load(tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="there is no such file"):
        load(tmp_path)


def test_of_the_other_kind(run: Path) -> None:
    """A model is no checkpoint and a checkpoint no model."""
    with pytest.raises(CheckpointError, match="holds colournet-checkpoint/1, where colournet-model/1 is needed"):
        checkpoints.load_model(run / LAST_CHECKPOINT)
    with pytest.raises(CheckpointError, match="holds colournet-model/1, where colournet-checkpoint/1 is needed"):
        checkpoints.load_checkpoint(run / BEST_MODEL)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("load", [checkpoints.load_model, checkpoints.load_checkpoint])
def test_loading_runs_no_code(load: Callable[[Path], object], tmp_path: Path) -> None:
    """A pickle under the name of a model is refused, and what it would do is not done."""
    path = tmp_path / "model.safetensors"
    for content in (pickle.dumps(Trap(tmp_path / "sprung")), b""):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="not a readable safetensors file"):
            load(path)
    torch.save(Trap(tmp_path / "sprung"), path)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load(path)

    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "values",
    [None, 3, [], "model", {"model": 3}, {"modle": "cnn"}, {"seed": math.nan}, {"learning_rate": 10**400}],
    ids=["null", "number", "array", "text", "type", "name", "NaN", "overflow"],
)
def test_bad_config(values: Any, tmp_path: Path) -> None:
    """A model whose config is none is refused."""
    path = tmp_path / "model.safetensors"
    checkpoints.save_model(path, Model(build(CONFIG), CONFIG, PALETTE))
    rewrite(path, config=values)

    with pytest.raises(CheckpointError, match="config"):
        checkpoints.load_model(path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 100_000, "1" + "0" * 5000],
    ids=["empty", "cut", "array", "null", "deep", "long"],
)
def test_bad_description(text: str, tmp_path: Path) -> None:
    """A file whose description is none is refused."""
    path = tmp_path / "model.safetensors"
    save_file({"palette": torch.tensor(PALETTE)}, path, metadata={"colournet": text})

    with pytest.raises(CheckpointError, match=r"not a readable safetensors file|holds no format"):
        checkpoints.load_model(path)


def test_equal_models_are_equal_files(tmp_path: Path) -> None:
    """The same model makes the same bytes, so that files can be compared by their sums."""
    for name in "abcdef":
        checkpoints.save_model(tmp_path / name, Model(build(CONFIG), CONFIG, PALETTE))

    assert len({(tmp_path / name).read_bytes() for name in "abcdef"}) == 1


GOOD = epoch(1).to_mapping()


@pytest.mark.parametrize(
    "rows",
    [
        None,
        {"epoch": 1},
        [1],
        [{}],
        [[]],
        [{**GOOD, "val_loss": "0.5"}],
        [{**GOOD, "val_loss": True}],
        [{**GOOD, "val_loss": 10**400}],
        [{**GOOD, "epoch": None}],
        [{**GOOD, "epoch": 1.0}],
        [{**GOOD, "epoch": 2}],
        [GOOD, GOOD],
    ],
    ids=str,
)
def test_bad_history(rows: Any, run: Path, tmp_path: Path) -> None:
    """A history with something other than numbers, or with a gap, is refused."""
    path = tmp_path / LAST_CHECKPOINT
    path.write_bytes((run / LAST_CHECKPOINT).read_bytes())
    rewrite(path, history=rows)

    with pytest.raises(CheckpointError, match="its history"):
        checkpoints.read_history(path)


def test_weights_of_another_network(tmp_path: Path) -> None:
    """Weights that do not fit the model's own config are refused by name."""
    path = tmp_path / "model.safetensors"
    checkpoints.save_model(path, Model(build(CONFIG), CONFIG, PALETTE))
    rewrite(path, config=CONFIG.replace(num_filters=2).to_mapping())

    with pytest.raises(CheckpointError, match="its weights do not fit the network"):
        checkpoints.load_model(path)


def test_palette_of_another_size(tmp_path: Path) -> None:
    """A palette must have as many colours, and of the space, as the config says."""
    path = tmp_path / "model.safetensors"

    for config, shape, words in [
        (CONFIG, (3, 3), "2 colours"),
        (CONFIG, (2, 2), "2 colours"),
        (CONFIG.replace(colour_space="lab"), (2, 3), "2 chromas"),
    ]:
        checkpoints.save_model(path, Model(build(config), config, np.zeros(shape, dtype=np.float32)))

        with pytest.raises(CheckpointError, match=f"holds no palette of {words}"):
            checkpoints.load_model(path)


def test_a_model_that_knows_no_colour_spaces(tmp_path: Path) -> None:
    """A model from before there was a choice of colour space is one of RGB."""
    path = tmp_path / "model.safetensors"
    checkpoints.save_model(path, Model(build(CONFIG), CONFIG, PALETTE))
    rewrite(path, config={name: value for name, value in CONFIG.to_mapping().items() if name != "colour_space"})

    assert checkpoints.load_model(path).config == CONFIG
