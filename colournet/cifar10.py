"""CIFAR-10 from its official Python files: found or downloaded, and read without trusting them.

The files are pickles, and a pickle may run any code. `load_pickle` makes nothing but plain values and numpy arrays.
Source of the data: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from __future__ import annotations

import math
import os
import pickle
import pickletools
import re
import shutil
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from jaxtyping import Int64, UInt8

from colournet.config import CLASSES
from colournet.download import fetch, has_md5, locked
from colournet.errors import ConfigError, DataError, did_you_mean

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
SPLITS = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}

_BATCHES = (*SPLITS["train"], *SPLITS["test"])
_MEMBERS = (*_BATCHES, "batches.meta")
_COPY_HINT = f"get the official archive again from {URL}"

_LARGEST_BYTES = 200_000_000  # an official batch has 31 million
_LARGEST_MEMO = 1_000_000  # an official batch has 20 thousand entries
_DTYPE = re.compile(r"[biufO]\d{1,2}")
_MALFORMED = (pickle.UnpicklingError, struct.error, EOFError, LookupError, AttributeError, TypeError, ValueError)
_DAMAGE = (*_MALFORMED, ArithmeticError, ImportError, MemoryError, RecursionError, DeprecationWarning)  # a bad escape


def locate(data_dir: Path | None, *, progress: bool = True) -> Path:
    """The folder that holds `data_batch_1` to `data_batch_5` and `test_batch`.

    `data_dir`, or else the environment variable COLOURNET_DATA, names that folder, its parent, or a folder with the
    official archive, which is then unpacked into the cache. Where neither is given the archive is downloaded into the
    cache once: `$COLOURNET_CACHE`, else `$XDG_CACHE_HOME/colournet`, else `~/.cache/colournet`. Raises `DataError` if
    nothing is at the named place (never downloading instead), the archive is not the official one, the download fails,
    or the cache cannot be written.
    """
    named = data_dir or _folder_from_environment("COLOURNET_DATA")
    try:
        return _cached(None, progress=progress) if named is None else _locate_named(named, progress=progress)
    except OSError as error:
        raise DataError(
            f"{error.filename or named or _cache()}: cannot be read or written: {error.strerror or error}",
            hint="set COLOURNET_DATA to a folder with CIFAR-10, or COLOURNET_CACHE to one with 400 MB of room",
        ) from error


def find(data_dir: Path | None) -> Path | None:
    """The folder that `locate` would answer at once, None where it would have to unpack, to download, or to refuse."""
    named = data_dir or _folder_from_environment("COLOURNET_DATA")
    places = [_cache() / FOLDER] if named is None else [named, named / FOLDER]
    return next((folder for folder in places if all((folder / name).is_file() for name in _BATCHES)), None)


def is_named() -> bool:
    """Whether the environment names a place of the data, so that none are downloaded."""
    return _folder_from_environment("COLOURNET_DATA") is not None


def read(
    folder: Path, *, split: Literal["train", "test"], classes: Sequence[str]
) -> dict[str, UInt8[np.ndarray, "_ 3 32 32"]]:
    """The RGB images of each class, 0 to 255, in the order of the official files and contiguous in memory.

    Raises `DataError` if a file is missing, damaged, or not a CIFAR-10 batch, `ConfigError` for an unknown class.
    """
    for name in classes:
        if name not in CLASSES:
            raise ConfigError(f"there is no class {name!r}", hint=did_you_mean(name, CLASSES))
    parts: dict[str, list[UInt8[np.ndarray, "_ 3072"]]] = {name: [] for name in classes}
    for batch in SPLITS[split]:
        data, labels = _read_batch(folder / batch)
        for name, part in parts.items():
            part.append(data[labels == CLASSES.index(name)])
    return {name: np.concatenate(part).reshape(-1, 3, 32, 32) for name, part in parts.items()}


def load_pickle(path: Path, *, offset: int = 0, encoding: str = "bytes") -> object:
    """Unpickle what starts at byte `offset` of a file, making nothing but plain values and numpy arrays.

    `encoding` is what becomes of the strings of Python 2: `bytes`, `latin1`, ... Arrays are of a subclass, which
    `np.asarray` turns into plain ones. Raises `DataError` if the file is missing, larger than 200 MB, damaged, not a
    pickle, or asks for anything else.
    """
    hint = "copy or download the file again"
    try:
        if not path.is_file():
            raise DataError(f"{path}: there is no such file", hint=hint)
        if path.stat().st_size > _LARGEST_BYTES:
            raise DataError(f"{path}: too large, more than {_LARGEST_BYTES // 10**6} MB", hint=hint)
        with path.open("rb") as stream:
            stream.seek(offset)
            _check_memo(stream)
            stream.seek(offset)
            return RestrictedUnpickler(stream, path=path, encoding=encoding).load()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise DataError(f"{path}: damaged, or not a pickle: {str(error) or type(error).__name__}", hint=hint) from error


class RestrictedUnpickler(pickle.Unpickler):
    """Knows five names of numpy and Python and raises `DataError` for any other, before anything is called.

    Even these stand for checked substitutes: numpy's own `__setstate__` believes what a file says of a dtype, and a
    forged one (objects declared to be numbers) makes an array of wild pointers.
    """

    def __init__(self, stream: BinaryIO, *, path: Path, encoding: str) -> None:
        super().__init__(stream, encoding=encoding)
        self._path = path

    def find_class(self, module: str, name: str, /) -> Any:
        """The substitute for a name that arrays need. Raises `DataError` for any other."""
        known = _KNOWN.get((module.replace("numpy._core.", "numpy.core."), name))
        if known is None:
            raise DataError(
                f"{self._path}: tries to run code: asks for {module}.{name}",
                hint="do not use this file; data has no need of that",
            )
        return known


class _Array(np.ndarray[Any, Any]):
    """An array that takes its state from a pickle only where shape, dtype and bytes agree."""

    def __new__(cls, *_ignored: object) -> _Array:
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, is_fortran, content = state
        kind = dtype.to_numpy()
        content = _raw(content)
        if not isinstance(content, list if kind.hasobject else bytes):
            raise pickle.UnpicklingError("array content of the wrong type")
        item_bytes = 1 if kind.hasobject else kind.itemsize
        if min(shape, default=0) < 0 or math.prod(shape) * item_bytes != len(content):
            raise pickle.UnpicklingError(f"array of shape {shape} with content for another")
        checked: Any = (1, shape, kind, bool(is_fortran), content)
        super().__setstate__(checked)


class _DType:
    """A dtype by its code (`u1`, `f8`, `O8`) and byte order; of the rest of its state nothing is believed."""

    def __init__(self, code: object, *_ignored: object) -> None:
        self._code = str(_raw(code), "ascii")
        self._byte_order = "|"
        if not _DTYPE.fullmatch(self._code):
            raise pickle.UnpicklingError(f"arrays of dtype {self._code!r} are not read")

    def __setstate__(self, state: Any) -> None:
        self._byte_order = str(_raw(state[1]), "ascii")
        if any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("arrays of records are not read")

    def to_numpy(self) -> np.dtype[Any]:
        order: Any = self._byte_order  # numpy knows which there are
        return np.dtype(self._code).newbyteorder(order)


class _Function:
    """A function that a pickle can call but not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("tries to change a function")


def _scalar(dtype: Any, content: Any) -> Any:
    return np.frombuffer(_raw(content), dtype.to_numpy(), count=1)[0]  # refuses objects and too few bytes


def _encode(text: Any, encoding: Any) -> Any:
    """The bytes that Python 3 writes into old protocols as text in Latin-1."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes as text in {encoding!r}")
    return text.encode("latin1")


def _raw(value: Any) -> Any:
    """A string of Python 2 as bytes, whatever `encoding` made of it; anything else as it is."""
    return value.encode("latin1") if isinstance(value, str) else value


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _Function(_scalar),
    ("_codecs", "encode"): _Function(_encode),
}


def _check_memo(stream: BinaryIO) -> None:
    """Refuse a memo entry of a huge number: the unpickler would make room for all entries below it, up to 64 GB."""
    for opcode, number, _ in pickletools.genops(stream):
        if opcode.name in ("PUT", "LONG_BINPUT") and isinstance(number, int) and number > _LARGEST_MEMO:
            raise pickle.UnpicklingError(f"memo entry {number}")


def _read_batch(path: Path) -> tuple[UInt8[np.ndarray, "n 3072"], Int64[np.ndarray, " n"]]:
    """Images, one a row (1024 red, 1024 green, 1024 blue), and labels 0 to 9. Raises `DataError` if it holds none."""
    batch = load_pickle(path)
    if not isinstance(batch, dict):
        raise _not_a_batch(path, "it is no dictionary")
    data, labels = (batch.get(key.encode(), batch.get(key)) for key in ("data", "labels"))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise _not_a_batch(path, "its data are not rows of 3072 bytes")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label <= 9 for label in labels):
        raise _not_a_batch(path, "its labels are not a list of numbers from 0 to 9")
    if len(labels) != len(data):
        raise _not_a_batch(path, f"it has {len(data)} images and {len(labels)} labels")
    return np.ascontiguousarray(data), np.array(labels, np.int64)


def _not_a_batch(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: not a CIFAR-10 batch: {reason}", hint=_COPY_HINT)


def _locate_named(named: Path, *, progress: bool) -> Path:
    for folder in (named, named / FOLDER):
        if any((folder / name).is_file() for name in _BATCHES):
            return folder
    if (named / ARCHIVE).is_file():
        return _cached(named / ARCHIVE, progress=progress)
    raise DataError(
        f"{named}: there is no CIFAR-10",
        hint=f"name the folder that holds {FOLDER} or {ARCHIVE}, or name none to have it downloaded",
    )


def _cached(archive: Path | None, *, progress: bool) -> Path:
    """The folder in the cache, unpacked from `archive`, or from a download where that is None, if it is not there."""
    folder = _cache() / FOLDER
    if _is_complete(folder):
        return folder
    with locked(_cache() / "lock"):
        if _is_complete(folder):  # made by the process that held the lock
            return folder
        if archive is None:
            archive = _cache() / ARCHIVE
            fetch(URL, archive, md5=MD5, progress=progress)
        elif not has_md5(archive, MD5):
            raise DataError(f"{archive}: not the official archive: its MD5 is not {MD5}", hint=_COPY_HINT)
        _unpack(archive, folder)
    return folder


def _is_complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _MEMBERS)


def _unpack(archive: Path, folder: Path) -> None:
    """Put the seven known files of the archive, and nothing else of it, into `folder`: all of them or none."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unpacking-") as scratch:
        new = Path(scratch) / FOLDER
        new.mkdir()
        try:
            _copy_members(archive, new)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DataError(f"{archive}: damaged, or not an archive: {error}", hint=_COPY_HINT) from error
        if not _is_complete(new):
            raise DataError(f"{archive}: lacks some of {', '.join(_MEMBERS)}", hint=_COPY_HINT)
        shutil.rmtree(folder, ignore_errors=True)
        new.replace(folder)


def _copy_members(archive: Path, folder: Path) -> None:
    wanted = {f"{FOLDER}/{name}": name for name in _MEMBERS}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            source = tar.extractfile(member) if member.isreg() and member.name in wanted else None
            if source is not None:
                with source, (folder / wanted[member.name]).open("wb") as target:
                    shutil.copyfileobj(source, target)


def _cache() -> Path:
    own = _folder_from_environment("COLOURNET_CACHE")
    return own or (_folder_from_environment("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "colournet"


def _folder_from_environment(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value).expanduser() if value else None
