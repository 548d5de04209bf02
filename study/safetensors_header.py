"""What a safetensors file says of itself, read by hand: without torch, and with nothing of it run.

Eight bytes, the length of the header, little-endian; the header, a JSON object that names the type, shape and place of
each tensor; then the tensors, one behind the other, to the end of the file. Standard library only. Reference:
https://github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
import os
import reprlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from colournet.errors import CheckpointError

_MOST_HEADER_BYTES = 100_000_000  # as the library has it
_METADATA = "__metadata__"
_BYTES: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}


def read_metadata(path: Path) -> Mapping[str, str]:
    """The texts that a file carries beside its tensors.

    Raises `CheckpointError`, which does not repeat the path, if there is no such file, if it is of another format, or if its
    tensors do not fill it to its last byte.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return _checked(_read_header(file, size), size)
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror}") from error


def _read_header(file: BinaryIO, size: int) -> tuple[Mapping[str, Any], int]:
    """The header and its length."""
    if size < 8:
        raise CheckpointError(f"truncated: has {size} bytes, too few for any header")
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _MOST_HEADER_BYTES:
        raise CheckpointError("not a safetensors file: its header would be too long")
    if 8 + length > size:
        raise CheckpointError(f"truncated: ends within its header, after {size} bytes")
    try:
        header = json.loads(file.read(length).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError("not a safetensors file: its header is not JSON") from error
    if not isinstance(header, dict):
        raise CheckpointError("not a safetensors file: its header is no table")
    return header, length


def _checked(header_and_length: tuple[Mapping[str, Any], int], size: int) -> Mapping[str, str]:
    header, length = header_and_length
    metadata = header.get(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise CheckpointError("not a safetensors file: its metadata are no texts")
    places = sorted(_place(name, entry, most=size) for name, entry in header.items() if name != _METADATA)
    end = 0
    for begin, next_begin in places:
        if begin != end:
            raise CheckpointError(f"damaged: no tensor begins at byte {end} of its data")
        end = next_begin
    if 8 + length + end != size:
        what = "truncated" if 8 + length + end > size else "damaged"
        raise CheckpointError(f"{what}: has {size} bytes, its tensors need {8 + length + end}")
    return metadata


def _place(name: str, entry: Any, *, most: int) -> tuple[int, int]:
    """First byte of a tensor and the first behind it, checked against its type and shape."""
    try:
        item, shape, (begin, end) = _BYTES[entry["dtype"]], entry["shape"], entry["data_offsets"]
        is_right = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
    except (LookupError, TypeError, ValueError):
        is_right = False
    if not is_right or end - begin != _size(item, shape, most=most):
        raise CheckpointError(f"damaged: type, shape and place of its tensor {reprlib.repr(name)} do not fit")
    return begin, end


def _size(item: int, shape: list[int], *, most: int) -> int:
    """Bytes of a tensor; of one larger than `most`, some number above that."""
    size = 0 if 0 in shape else item
    for side in shape:
        if size > most:
            break
        size *= side
    return size
