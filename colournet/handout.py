"""The course's own files: weights (`*.pkl`) and palettes (`colour_kmeans*.npy`), read without trusting them.

Both are pickles, of which only tensors and arrays are read. The weights know neither their network nor their palette:
the network is told by keys and shapes, the palette is named beside them, and both become a run folder like any other.
The course's dilated networks have the keys and shapes of its UNet, so that only their file names tell. They were trained
with a filter of repeated, not spread, taps; a true dilation makes of them what they were not trained for.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from colournet import files
from colournet.checkpoints import Model, save_model
from colournet.cifar10 import load_pickle
from colournet.config import TrainConfig
from colournet.data import prepare
from colournet.errors import CheckpointError, ConfigError, DataError
from colournet.models import build
from colournet.runs import RunFolder
from colournet.tensor_files import load_weights

_LARGEST_BYTES = 200_000_000  # the course's have 0.5 million
_MOST_COLOURS = 256
_COUNTER = ".num_batches_tracked"
_DAMAGE = (
    *(pickle.UnpicklingError, struct.error, EOFError, LookupError, AttributeError, TypeError, ValueError, MemoryError),
    *(ArithmeticError, AssertionError, ImportError, OSError, RecursionError, RuntimeError, Warning),
)
_DILATED_NAME = re.compile(r"dunet|dilated", re.IGNORECASE)


@dataclass(frozen=True)
class Imported:
    """What became of a file of weights."""

    config: TrainConfig
    reason: str
    """One sentence: by what the network was told."""


def import_weights(
    source: Path,
    folder: RunFolder,
    *,
    palette_file: Path | None = None,
    model: str | None = None,
    data_dir: Path | None = None,
) -> Imported:
    """Make a run folder, `protocol = "handout"`, of one of the course's weight files.

    A regression needs no `palette_file`: its accuracy is then measured in colours fitted to the training images, which
    are read from `data_dir`. `model` says what shapes cannot. Raises `CheckpointError` for weights that are damaged or
    of no network of the course, `DataError` for such a palette, `ConfigError` for one of another number of colours, or
    where one is missing, or where `folder` holds a run.
    """
    folder.check(resume=False)
    weights = read_weights(source)
    config, reason = _tell_network(weights, source, model=model)
    if palette_file is not None:
        palette = read_palette(palette_file)
        config = _with_palette(config, palette, palette_file)
    elif config.is_regression:
        palette = prepare(config, data_dir=data_dir).palettes[config.palette_name]
    else:
        raise ConfigError(
            f"{source}: its network answers {config.num_colours} colours, and no palette says which",
            hint=f"add --palette colour_kmeans{config.num_colours}_cat7.npy, the course's file of these colours",
        )
    network = build(config)
    counters = {name: torch.zeros((), dtype=torch.int64) for name in network.state_dict() if name.endswith(_COUNTER)}
    load_weights(network, {**counters, **weights}, source=source)
    folder.make(to_train=False)
    save_model(folder.model, Model(network, config, palette))
    origin = {
        "weights": source.name,
        "weights_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "palette": palette_file.name if palette_file else None,
        "model_told_by": reason,
    }
    files.write_text(folder.metrics, json.dumps({"imported": origin}, indent=2) + "\n")
    files.write_text(folder.config, config.to_toml())  # the last, since it is what makes the folder a run
    return Imported(config, reason)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file by name, as float32 on the CPU.

    Raises `CheckpointError` if it is missing, too large, damaged, asks for code, or holds anything but finite tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    if path.stat().st_size > _LARGEST_BYTES:
        raise CheckpointError(f"{path}: too large for weights of the course, more than {_LARGEST_BYTES // 10**6} MB")
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path}: damaged, or holds more than weights: {_first_sentence(error)}",
            hint="name a state dict that torch.save wrote, such as the course's cnn_k3_f32.pkl; copy it again if it is one",
        ) from error
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise CheckpointError(f"{path}: holds no state dict but a {type(found).__name__}")
    for name, tensor in found.items():
        _check_tensor(path, name, tensor)
    return {name: tensor if name.endswith(_COUNTER) else tensor.to(torch.float32) for name, tensor in found.items()}


def read_palette(path: Path) -> Float32[np.ndarray, "k 3"]:
    """The colours of a palette file, RGB in [0, 1), in the order of the network's answers.

    Reads what Python 2 wrote, an object array of colours and their k-means distortion, and a plain (k, 3) array. Raises
    `DataError` if the file is missing, damaged, asks for code, or holds no palette of 2 to 256 colours.
    """
    shape, dtype, offset = _read_header(path)
    if dtype.hasobject:
        content = load_pickle(path, offset=offset, encoding="latin1")
        if shape != (2,) or not isinstance(content, np.ndarray) or content.shape != shape:
            raise _not_a_palette(path, f"its header says {dtype} of shape {shape}, not colours and their distortion")
        found: object = content[0]
    elif dtype.kind != "f" or len(shape) != 2 or shape[1] != 3 or not 0 < shape[0] <= _MOST_COLOURS:
        raise _not_a_palette(path, f"its header says {dtype} of shape {shape}, not numbers of shape (colours, 3)")
    else:
        found = _read_plain(path)
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or found.ndim != 2 or found.shape[1] != 3:
        raise _not_a_palette(path, "its first entry is no array of shape (colours, 3)")
    if not 2 <= len(found) <= _MOST_COLOURS:
        raise _not_a_palette(path, f"it has {len(found)} colours, where 2 to {_MOST_COLOURS} are possible")
    colours = np.ascontiguousarray(np.asarray(found), dtype=np.float32)
    if not ((colours >= 0) & (colours < 1)).all():
        raise _not_a_palette(path, "its colours are not all from 0 to below 1")
    return colours


def _read_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, dtype, and the byte at which the content of an .npy file starts."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _fortran, dtype = readers[version](file)
            return shape, dtype, file.tell()
    except _DAMAGE as error:
        raise _not_a_palette(path, "it has no header of an .npy file") from error


def _read_plain(path: Path) -> object:
    try:
        return np.load(path, allow_pickle=False)
    except _DAMAGE as error:
        raise _not_a_palette(path, f"its content is damaged: {_first_sentence(error)}") from error


def _not_a_palette(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path}: not a palette: {reason}", hint="the course's are called colour_kmeans24_cat7.npy and alike"
    )


def _check_tensor(path: Path, name: str, tensor: object) -> None:
    """Refuse what is no tensor, and a tensor whose shape claims more than the file holds."""
    if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise CheckpointError(f"{path}: {name!r} is no plain tensor")
    if not tensor.is_floating_point() and not name.endswith(_COUNTER):
        raise CheckpointError(f"{path}: {name!r} holds {tensor.dtype}, not floating-point numbers")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise CheckpointError(f"{path}: {name!r} claims a shape, {tuple(tensor.shape)}, that its content does not fill")
    if not torch.isfinite(tensor).all():
        raise CheckpointError(f"{path}: {name!r} holds numbers that are not finite")


def _tell_network(weights: Mapping[str, Tensor], path: Path, *, model: str | None) -> tuple[TrainConfig, str]:
    """The config of the network that has these keys and shapes, and the sentence that says why."""
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items() if not name.endswith(_COUNTER)}
    first, last = shapes.get("downconv1.0.weight", ()), shapes.get("finalconv.weight", ())
    if len(first) != 4 or len(last) != 4:
        raise _unknown_network(path, "it lacks the filters downconv1.0.weight or finalconv.weight")
    outputs, inputs = last[:2]
    told, reason = _tell_model(outputs, inputs, path, model=model)
    colours = {} if told == "regression_cnn" else {"num_colours": outputs}
    values = {"model": told, "kernel_size": first[2], "num_filters": first[0], **colours}
    try:
        config = TrainConfig.from_mapping({**values, "protocol": "handout", "dataset": "cifar10", "category": "horse"})
    except ConfigError as error:
        raise _unknown_network(path, error.message) from error
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in build(config).state_dict().items()}
    for name in sorted(shapes.keys() | {name for name in expected if not name.endswith(_COUNTER)}):
        if shapes.get(name) != expected.get(name):
            found, right = (f"{shape}" if shape else "absent" for shape in (shapes.get(name), expected.get(name)))
            raise _unknown_network(path, f"{name} is {found}, where {told} has {right}")
    return config, reason


def _tell_model(outputs: int, inputs: int, path: Path, *, model: str | None) -> tuple[str, str]:
    """The model whose last filter goes from `inputs` to `outputs` channels, and why; `model` chooses among equals."""
    sees = f"its last filter sees {inputs} channels and answers {outputs}"
    if inputs == outputs:
        possible = ["regression_cnn", "cnn"] if outputs == 3 else ["cnn"]
    elif inputs == outputs + 1:
        possible = ["unet", "dilated_unet"]
    else:
        raise _unknown_network(path, sees)
    if model is not None:
        if model not in possible:
            raise CheckpointError(f"{path}: no {model}: {sees}", hint=f"it may be: {', '.join(possible)}")
        return model, f"{sees}, and {model} was asked for"
    if "dilated_unet" in possible and _DILATED_NAME.search(path.stem):
        return "dilated_unet", f"{sees}, like a unet's, and the file's name says that it is dilated"
    return possible[0], sees


def _unknown_network(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: of no network of the course: {reason}",
        hint="known are the state dicts of regression_cnn, cnn, unet and dilated_unet",
    )


def _with_palette(config: TrainConfig, palette: Float32[np.ndarray, "k 3"], path: Path) -> TrainConfig:
    if config.is_regression:
        return config.replace(num_colours=len(palette))
    if len(palette) != config.num_colours:
        raise ConfigError(
            f"{path}: has {len(palette)} colours, but the network answers {config.num_colours}",
            hint="give the palette that the network was trained with",
        )
    return config


def _first_sentence(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return re.split(r"\.\s|\n", text, maxsplit=1)[0]
