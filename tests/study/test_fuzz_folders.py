"""Whatever is done to the files of a study, the doctor tells it, and its repairs lose nothing."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.doctor import mend
from study.errors import StudyError
from study.store import StudyFolder
from tests.study import made_up_workers
from tests.study.fuzzing import changed, changes, check, examine
from tests.study.helpers import make_folder

pytestmark = pytest.mark.usefixtures("quickly")


class Attack:
    """Unpickled freely, this would make a folder."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("attacked",)


@pytest.fixture(scope="module", params=["ended", "broken off"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study with all its files."""
    folder = make_folder(tmp_path_factory.mktemp("whole"))
    if request.param == "ended":
        made_up_workers.run(folder, trials=3)
    else:
        made_up_workers.die(folder, trials=3, events=12)
    return folder


PICKLE = pickle.dumps(Attack())
HARMS = ("delete", "truncate", "change", "make a folder", "fill with a pickle", "copy from another", "half-write")


def harm(folder: StudyFolder, data: st.DataObject) -> None:
    """Do something to one of a study's files."""
    paths = sorted(path for path in folder.layout.root.rglob("*") if path.is_file())
    path, what = data.draw(st.sampled_from(paths)), data.draw(st.sampled_from(HARMS))
    content = path.read_bytes()
    if what in ("delete", "make a folder"):
        path.unlink()
    if what == "make a folder":
        path.mkdir()
    elif what == "truncate":
        path.write_bytes(content[: int(data.draw(st.floats(0, 1)) * len(content))])
    elif what == "change":
        path.write_bytes(changed(content, data.draw(changes)))
    elif what == "fill with a pickle":
        path.write_bytes(PICKLE)
    elif what == "copy from another":
        path.write_bytes(data.draw(st.sampled_from(paths)).read_bytes() if path.exists() else b"")
    elif what == "half-write":
        path.with_name(path.name + ".part").write_bytes(content)


@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_folder_is_diagnosed_and_mended(
    whole: StudyFolder, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever is done to the files of a study, the doctor tells it in sentences and runs nothing; a repair loses no line of
    the record and no model that it names, and a second one finds nothing more to do."""
    root = tmp_path_factory.mktemp("folder") / whole.name
    folder = StudyFolder(Path(shutil.copytree(whole.layout.root, root)))
    for _ in range(data.draw(st.integers(1, 3))):
        harm(folder, data)
    try:
        before = examine(root)
    except StudyError as error:
        check(error)
        return
    lines, models = read_lines(folder), read_models(folder)
    mend(root.parent, root.name)

    after = mend(root.parent, root.name)

    assert after.repaired == ()
    assert {finding.kind for finding in after.findings} <= {*before, *examine(root)}
    assert read_lines(folder)[: len(lines)] == lines
    assert read_models(folder) == models
    assert not Path("attacked").exists()
    shutil.rmtree(root)


def read_lines(folder: StudyFolder) -> list[bytes]:
    """The whole lines of the record."""
    path = folder.layout.events
    return (
        [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")] if path.is_file() else []
    )


def read_models(folder: StudyFolder) -> dict[str, bytes]:
    """What stands where the models of completed trials are."""
    paths = [folder.layout.trial(number).model(1) for number in range(3)]
    return {str(path): path.read_bytes() for path in paths if path.is_file()}
