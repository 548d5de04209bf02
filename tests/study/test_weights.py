"""Weight files, looked at by hand: what the real ones say is read, and whatever is not one is refused in a sentence."""

from __future__ import annotations

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open

from colournet import checkpoints
from colournet.config import TrainConfig
from colournet.data import prepare
from colournet.errors import CheckpointError
from colournet.names import BEST_MODEL, LAST_CHECKPOINT
from colournet.training import train
from study.safetensors_header import read_metadata
from study.weights import describe_checkpoint, describe_model
from tests.study.made_up_workers import safetensors_bytes, write_weights

CONFIG = TrainConfig(
    dataset="scenes", train_images=20, num_filters=1, batch_size=20, num_colours=2, epochs=2, model="cnn"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a short training leaves."""
    folder = tmp_path_factory.mktemp("run")
    train(CONFIG, prepare(CONFIG).for_run(CONFIG), checkpoint_dir=folder)
    return folder


def header(**changes: Any) -> dict[str, Any]:
    """The header of a file of six bytes, after some changes."""
    tensors = {
        "a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
        "b": {"dtype": "F32", "shape": [1, 1], "data_offsets": [2, 6]},
    }
    return {**tensors, **changes}


def file_of(content: object, *, data: bytes = bytes(6)) -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_real_files_say_what_they_hold(run: Path) -> None:
    """Of what training leaves the config and every epoch are read as torch's side reads them."""
    config, history = checkpoints.read_run(run / LAST_CHECKPOINT)

    assert describe_model(run / BEST_MODEL).config == config == CONFIG
    found = describe_checkpoint(run / LAST_CHECKPOINT)
    assert found.config == config
    assert found.history == tuple(metrics.to_mapping() for metrics in history)
    assert len(found.history) == 2


def test_a_real_file_cut_anywhere_is_refused(run: Path, tmp_path: Path) -> None:
    """However many bytes are missing from the end of a model or a checkpoint, that is seen without its tensors."""
    path = tmp_path / "cut.safetensors"
    for name, describe in ((BEST_MODEL, describe_model), (LAST_CHECKPOINT, describe_checkpoint)):
        content = (run / name).read_bytes()
        for length in {*range(0, len(content), 97), *range(12), len(content) - 1}:
            path.write_bytes(content[:length])
            with pytest.raises(CheckpointError, match="truncated: "):
                describe(path)


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "too few for any header"),
    "another format": (b"PK\x03\x04" * 100, "its header would be too long"),
    "a header beyond the file": (struct.pack("<Q", 50) + b"{}", "ends within its header"),
    "a header that is not JSON": (file_of(b"{'a': 1}"), "is not JSON"),
    "a header that is no text": (file_of(b"\xff\xfe"), "is not JSON"),
    "a header nested deeply": (file_of(b"[" * 100_000), "is not JSON"),
    "a header that is no table": (file_of([]), "is no table"),
    "metadata that are no table": (file_of(header(__metadata__=[])), "its metadata are no texts"),
    "metadata that are no texts": (file_of(header(__metadata__={"colournet": 1})), "its metadata are no texts"),
    "a tensor that is no table": (file_of(header(a=1)), "tensor 'a' do not fit"),
    "an unknown type": (file_of(header(a={"dtype": "X1", "shape": [2], "data_offsets": [0, 2]})), "do not fit"),
    "a shape that is none": (file_of(header(a={"dtype": "U8", "shape": 2, "data_offsets": [0, 2]})), "do not fit"),
    "a negative side": (file_of(header(a={"dtype": "U8", "shape": [-2], "data_offsets": [0, 2]})), "do not fit"),
    "a side that is true": (file_of(header(a={"dtype": "U8", "shape": [2, True], "data_offsets": [0, 2]})), "not fit"),
    "three offsets": (file_of(header(a={"dtype": "U8", "shape": [2], "data_offsets": [0, 2, 3]})), "do not fit"),
    "a wrong size": (file_of(header(a={"dtype": "U8", "shape": [3], "data_offsets": [0, 2]})), "do not fit"),
    "an endless size": (
        file_of(header(a={"dtype": "U8", "shape": [2**62] * 50_000, "data_offsets": [0, 2]})),
        "do not fit",
    ),
    "a gap": (file_of(header(a={"dtype": "U8", "shape": [1], "data_offsets": [0, 1]})), "no tensor begins at byte 1"),
    "an overlap": (file_of(header(c={"dtype": "U8", "shape": [1], "data_offsets": [5, 6]})), "begins at byte 6"),
    "bytes too few": (file_of(header(), data=bytes(5)), "truncated: "),
    "bytes too many": (file_of(header(), data=bytes(7)), "damaged: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, case: str) -> None:
    """Whatever is not a whole file of this format is refused, with what is wrong."""
    content, message = REFUSED[case]
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=message) as caught:
        read_metadata(path)

    assert "\n" not in caught.value.message


def test_empty_tensors_and_files_without_any_are_read(tmp_path: Path) -> None:
    """A tensor without elements takes no place, and a file needs no tensor."""
    path = tmp_path / "a.safetensors"
    empty = {"dtype": "F32", "shape": [0, 5], "data_offsets": [6, 6]}
    for content in (file_of(header(empty=empty)), file_of({"__metadata__": {}}, data=b"")):
        path.write_bytes(content)
        assert read_metadata(path) == {}


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A missing file, and a folder in its place, are told as the system tells them."""
    with pytest.raises(CheckpointError, match="No such file"):
        read_metadata(tmp_path / "none")
    with pytest.raises(CheckpointError, match="Is a directory"):
        read_metadata(tmp_path)


DESCRIPTIONS: dict[str, tuple[object, str]] = {
    "no JSON": ("{", "is not JSON"),
    "nested deeply": ("[" * 100_000, "is not JSON"),
    "no table": ([], "holds 'no format'"),
    "another kind": ({"format": "colournet-model/1"}, "holds 'colournet-model/1', where 'colournet-checkpoint/1'"),
    "no config": ({"format": "colournet-checkpoint/1"}, "holds no config"),
    "a wrong config": ({"format": "colournet-checkpoint/1", "config": {"modle": 1}}, "unknown setting 'modle'"),
    "no history": ({"format": "colournet-checkpoint/1", "config": {}}, "its history cannot be read"),
    "a wrong history": ({"format": "colournet-checkpoint/1", "config": {}, "history": [1]}, "cannot be read"),
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_wrong_description_is_refused(tmp_path: Path, case: str) -> None:
    """A safetensors file that is no checkpoint of ours is refused, with what it is."""
    content, message = DESCRIPTIONS[case]
    path = tmp_path / "a.safetensors"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(safetensors_bytes({"colournet": text}))

    with pytest.raises(CheckpointError, match=message) as caught:
        describe_checkpoint(path)

    assert "\n" not in caught.value.message


def test_a_history_that_skips_an_epoch_is_refused(tmp_path: Path) -> None:
    """The epochs of a checkpoint are those from 1, without a gap."""
    names = ("train_loss", "val_loss", "val_accuracy", "val_mse", "seconds", "images_per_second")
    rows = [{"epoch": epoch, **dict.fromkeys(names, 1.0)} for epoch in (1, 3)]
    write_weights(tmp_path / "a.safetensors", CONFIG, rows)

    with pytest.raises(CheckpointError, match="skips an epoch"):
        describe_checkpoint(tmp_path / "a.safetensors")


WHOLE = safetensors_bytes({"colournet": "{}"})


@settings(max_examples=1500, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 30), st.integers(0, 255)), min_size=1, max_size=3))
def test_what_the_library_takes_we_take(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    """A file with changed bytes that safetensors itself opens is never called damaged."""
    content = bytearray(WHOLE)
    for place, value in changes:
        content[place] = value
    path = tmp_path_factory.getbasetemp() / "mutated.safetensors"
    path.write_bytes(content)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError):
        with contextlib.suppress(CheckpointError):
            read_metadata(path)
    else:
        assert read_metadata(path) == metadata
