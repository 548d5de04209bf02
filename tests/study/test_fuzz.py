"""Whatever is written into a study's files by hand or by accident ends in a sentence, never in a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colournet.errors import UserError
from study.cost import estimate
from study.space import Space
from study.store import StudyFolder
from study.summary import list_json, study_json, study_list, study_text, trial_json, trial_text
from tests.study.fuzzing import changed, changes, check, examine
from tests.study.helpers import PARAMS, SPACE, epoch, make_folder, session, started

pytestmark = pytest.mark.usefixtures("quickly")

TOML = [
    *("0", "-1", "3", "true", "[]", "{}", "[[]]", "inf", "nan", "1e400", "5e-324", "1979-05-27", "[1, 1]", "[true]"),
    *('"cnn"', '"choice"', '"int"', '"float"', '"tpe"', '"val_mse"', '"\\u0000"', '["cat", "dog"]', '["cat", ["dog"]]'),
    *(
        "{ kind = [] }",
        '{ kind = "hyperband", min_epochs = 9 }',
        "{ model = [] }",
        "{ epochs = [3] }",
        "{ x = { y = 1 } }",
    ),
    *("9" * 400, "9" * 5000, "0x" + "f" * 5000, "[" * 2000 + "]" * 2000, "9223372036854775807"),
]
KEYS = [
    *("name", "question", "objective", "trials", "seed", "sampler", "pruner", "fixed", "search", "kind", "choices"),
    *(
        "low",
        "high",
        "step",
        "log",
        "when",
        "epochs",
        "extra_classes",
        "[search.dilation]",
        "enqueue",
        "[[enqueue]]",
        "[search.num_colours]",
        '""',
    ),
]
LINES = SPACE.splitlines()


edits = st.lists(
    st.tuples(
        st.sampled_from(["replace the value", "insert", "delete", "swap", "any text"]),
        st.integers(0, len(LINES) - 1),
        st.sampled_from(KEYS),
        st.sampled_from(TOML) | st.text(max_size=8),
    ),
    min_size=1,
    max_size=4,
)


def edited(changes: list[tuple[str, int, str, str]]) -> str:
    """The little space after some changes, each to a line."""
    lines = list(LINES)
    for kind, number, key, value in changes:
        number = min(number, len(lines) - 1)
        if kind == "replace the value":
            lines[number] = f"{lines[number].partition('=')[0]}= {value}"
        elif kind == "insert":
            lines.insert(number, key if key.startswith("[") else f"{key} = {value}")
        elif kind == "delete" and len(lines) > 1:
            del lines[number]
        elif kind == "swap":
            lines[0], lines[number] = lines[number], lines[0]
        else:
            lines[number] += value
    return "\n".join(lines)


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(edits)
def test_any_space_is_read_or_refused(changes: list[tuple[str, int, str, str]]) -> None:
    """A search space with random faults is refused in one sentence, or can be described, sampled and costed."""
    try:
        space = Space.parse(edited(changes))
    except UserError as error:
        check(error)
        return
    assert [parameter.describe() for parameter in space.search.values()]
    assert estimate(space).epochs > 0


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TIME = {"time": "2026-01-01T00:00:00.000Z"}
EVENTS: list[dict[str, Any]] = [
    {"event": "launched", **TIME, **session()},
    {"event": "asked", **TIME, "trial": 0, "params": PARAMS, "seed": 1},
    {"event": "started", **TIME, "trial": 0, **started()},
    {"event": "epoch", **TIME, "trial": 0, **epoch(1, 2.0)},
    {"event": "epoch", **TIME, "trial": 0, **epoch(2, 1.0)},
    {"event": "completed", **TIME, "trial": 0, "attempt": 1, "value": 1.0, "epoch": 2, "checkpoint": "x"},
    {"event": "asked", **TIME, "trial": 1, "params": PARAMS, "seed": 2},
    {"event": "started", **TIME, "trial": 1, **started()},
    {"event": "failed", **TIME, "trial": 1, "attempt": 1, "reason": "error", "message": "no"},
    {"event": "note", **TIME, "text": "x"},
    {"event": "ended", **TIME, "reason": "finished"},
]
FIELDS = sorted({name for event in EVENTS for name in event})


def tell(folder: Path) -> None:
    """All that list, show and doctor say of a study, where it can be read; a refusal must be one sentence."""
    study_list(list_json([folder]))
    examine(folder)
    try:
        study = StudyFolder(folder)
        record = study.read()
        json.dumps([study_json(study, record), *map(trial_json, record.trials.values())])
        assert study_text(study, record)
        assert all(trial_text(study, trial) for trial in record.trials.values())
    except UserError as error:
        check(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return make_folder(tmp_path_factory.mktemp("fuzz"))


@settings(max_examples=1000, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(EVENTS) - 1), st.sampled_from(FIELDS), anything, st.sampled_from(EVENTS), st.booleans())
def test_any_record_is_told_or_refused(
    folder: StudyFolder, number: int, name: str, value: Any, other: dict[str, Any], is_moved: bool
) -> None:
    """A record with a random value, or with an event out of turn, is told by list and show, or refused."""
    events = [dict(event) for event in EVENTS]
    if is_moved:
        events.insert(number, other)
    elif name in events[number] or value:
        events[number][name] = value
    folder.layout.events.write_text("".join(json.dumps(event) + "\n" for event in events))

    tell(folder.layout.root)


@settings(max_examples=500, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), anything)
def test_any_manifest_is_told_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, value: Any
) -> None:
    """A manifest with a random value anywhere in it is told by list and show, or refused."""
    folder = make_folder(tmp_path_factory.mktemp("fuzz"))
    manifest = json.loads(folder.layout.manifest.read_text())
    manifest["floors"] = {"8": {"grey_table": {"cross_entropy": 2.0, "accuracy": 0.5, "mse": 0.01}}}
    inside = manifest
    while isinstance(inside, dict) and inside:
        table, key = inside, data.draw(st.sampled_from([*sorted(inside), "other"]))
        inside = inside.get(key) if data.draw(st.booleans()) else None
    table[key] = value
    folder.layout.manifest.write_text(json.dumps(manifest))

    tell(folder.layout.root)


LOCK = ("host", "pid", "started", "machine")


@settings(max_examples=800, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes)
def test_any_bytes_of_a_record_are_told_or_refused(folder: StudyFolder, pieces: list[tuple[float, bytes, int]]) -> None:
    """A record with bytes changed, lost or put in anywhere is told by list, show and doctor and written on, or refused."""
    whole = "".join(json.dumps(event) + "\n" for event in EVENTS).encode()
    folder.layout.events.write_bytes(changed(whole, pieces))

    tell(folder.layout.root)
    try:
        with folder.write() as writer:
            writer.append("note", text="still here")
    except UserError as error:
        check(error)
    else:
        assert folder.read().notes[-1] == "still here"


@settings(max_examples=500, derandomize=True, deadline=None)
@given(
    st.binary(max_size=80) | st.dictionaries(st.sampled_from(LOCK), anything | st.integers(-5, 2**33)).map(json.dumps)
)
def test_any_lock_is_somebodys_or_nobodys(folder: StudyFolder, content: bytes | str) -> None:
    """Whatever stands in a lock file, there is an answer to who holds it."""
    folder.layout.lock.write_bytes(content if isinstance(content, bytes) else content.encode())

    owner = folder.driver

    assert owner is None or str(owner).startswith("process ")
    folder.layout.lock.unlink()
