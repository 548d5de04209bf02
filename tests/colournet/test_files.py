"""Whole files: there or not there, on the disk, and nothing left beside them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from colournet import files


def test_what_was_written_takes_the_place(tmp_path: Path) -> None:
    """A file is replaced by what the block wrote, and its scratch is gone."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    files.write_text(path, "new")

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    """Whatever ends the block, the old file stays and no scratch is left."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def break_off() -> None:
        with files.replacing(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        break_off()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_wrote_nothing_is_told(tmp_path: Path) -> None:
    """A block that left no file is an error, not an empty file."""
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "a.txt"):
        pass

    assert list(tmp_path.iterdir()) == []


def test_the_content_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scratch is flushed to the disk before it is renamed: a power loss shows the old file or the new one."""
    calls: list[str] = []
    sync, replace = os.fsync, os.replace

    def noting(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def noted(*arguments: object) -> None:
            calls.append(name)
            call(*arguments)

        return noted

    monkeypatch.setattr(os, "fsync", noting("fsync", sync))
    monkeypatch.setattr(os, "replace", noting("replace", replace))
    files.write_text(tmp_path / "a.txt", "new")

    assert calls == ["fsync", "replace"]


def test_a_disk_that_refuses_the_content_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is found to be full only when the content is flushed leaves the old file, and no scratch."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(path, "new")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
