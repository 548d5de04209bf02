"""Studies that the tests of doctor and repairs harm, and places for locks."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.doctor import mend
from study.space import Space
from study.store import StudyFolder
from tests.study import made_up_workers
from tests.study.browser import find_chromium
from tests.study.helpers import make_folder


@pytest.fixture(autouse=True)
def no_local_ray_is_left() -> Iterator[None]:
    """One that a test has this process start, and give up, would be in the way of the clusters of the tests after it."""
    yield
    assert "local Ray" not in {thread.name for thread in threading.enumerate()}


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study of four trials that ended, of which only the models are left."""
    results = tmp_path_factory.mktemp("finished")
    folder = make_folder(results)
    made_up_workers.run(folder, trials=4)
    mend(results, "little")
    return folder


@pytest.fixture(scope="module")
def broken_off_once(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study whose driver died while two trials were under way."""
    folder = make_folder(tmp_path_factory.mktemp("broken-off"))
    made_up_workers.die(folder, trials=4, events=8)
    return folder


@pytest.fixture
def finished(tmp_path: Path, finished_once: StudyFolder) -> StudyFolder:
    return StudyFolder(Path(shutil.copytree(finished_once.layout.root, tmp_path / "little")))


@pytest.fixture
def broken_off(tmp_path: Path, broken_off_once: StudyFolder) -> StudyFolder:
    return StudyFolder(Path(shutil.copytree(broken_off_once.layout.root, tmp_path / "little")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "little"
    folder.mkdir()
    return folder / "driver.lock"


@pytest.fixture(params=["hard links", "no hard links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the file system has hard links."""
    if request.param == "no hard links":

        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


@pytest.fixture(scope="module")
def quickly() -> Iterator[None]:
    """The search space of a study is parsed once, not thousands of times, and no disk is waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Space, "parse", functools.cache(Space.parse))
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def browser() -> str:
    """Chromium's command; skips where there is none."""
    return find_chromium() or pytest.skip("needs Chromium: apt-get install chromium")
