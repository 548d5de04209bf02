"""Whether every node can write the place of the checkpoints and read it back: small files, told apart by who wrote them.

Standard library only; what is called on nodes answers in words, None for nothing to tell.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from study.launch.storage import Storage, StorageError, below

_DRIVER = "driver"


def name_of(number: int) -> str:
    """The marker of a node."""
    return f"node-{number}"


def folder(uri: str) -> str:
    """A folder for the markers of one check."""
    return below(uri, f".study-check-{secrets.token_hex(8)}")


def begin(uri: str) -> None:
    """Write the driver's marker. Raises `StorageError` if that cannot be, or the folder that is to be shared is not there."""
    shared = Path(unquote(urlsplit(uri).path)).parent
    if urlsplit(uri).scheme == "file" and not shared.is_dir():
        raise StorageError(f"{shared}: there is no such folder")
    Storage(uri).write(_DRIVER, _DRIVER.encode())


def write(number: int, uri: str) -> str | None:
    """On a node: look for the driver's marker, and leave one of its own."""
    try:
        storage = Storage(uri)
        if _DRIVER not in storage.list():
            return "does not see what the driver wrote there"
        storage.write(name_of(number), name_of(number).encode())
    except StorageError as error:
        return str(error)
    return None


def read(_: int, uri: str, names: Sequence[str]) -> str | None:
    """On the driver or a node: read the markers of others."""
    try:
        storage = Storage(uri)
        unread = [name for name in names if storage.read(name) != name.encode()]
    except StorageError as error:
        return str(error)
    return f"reads something else than was written: {', '.join(unread)}" if unread else None


def end(uri: str) -> None:
    """Delete all markers."""
    Storage(uri).delete()
