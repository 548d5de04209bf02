"""Files of tensors with a description, in safetensors: written whole, and loading one runs no code."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from colournet import files
from colournet.errors import CheckpointError
from colournet.names import METADATA_ENTRY

_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # how safetensors tells, in words only, what the system said


def save(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write a file, whole or not at all; its description is JSON-ready and says its `format`.

    Raises OSError with its number where the disk is full or refuses.
    """
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry of metadata: safetensors writes several in a random order, and equal files should be equal bytes.
    metadata = {METADATA_ENTRY: json.dumps(description, allow_nan=False)}
    with files.replacing(path) as part:
        try:
            save_file(held, part, metadata=metadata)
        except SafetensorError as error:
            said = _OS_ERROR.search(str(error))
            if said is None:
                raise
            raise OSError(int(said[1]), os.strerror(int(said[1])), str(path)) from error


def load(path: Path, expected: str, *, hint: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors of a file and its description. Raises as `read_description`."""
    description = read_description(path, expected, hint=hint)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, description  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error


def read_description(path: Path, expected: str, *, hint: str) -> dict[str, Any]:
    """Read a description without the tensors.

    Raises `CheckpointError` if the file is missing, with `hint` on where to get one, damaged, or not of the expected format.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file", hint=hint)
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {}).get(METADATA_ENTRY, "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error
    found = description.get("format") if isinstance(description, dict) else None
    if found != expected:
        raise CheckpointError(f"{path}: holds {found or 'no format'}, where {expected} is needed")
    return dict(description)


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], *, source: Path | str) -> None:
    """Put weights into a network. Raises `CheckpointError` naming `source` if names or shapes differ."""
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{source}: its weights do not fit the network: {reason}") from error
