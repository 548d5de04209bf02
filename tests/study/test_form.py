"""Whatever form a trial was trained in, fast or layer by layer, the record says so, and it is trained again in that one."""

from pathlib import Path
from typing import Any

import pytest

from colournet import data
from colournet.data import prepare
from colournet.training import train
from study.launch.preparation import make_manifest
from study.reproduce import reproduce
from study.store import StudyFolder
from tests.study.helpers import PARAMS, SPACE, make_folder, make_space, session, started
from tests.study.test_driver import driving, events, stop


def trained(results: Path, form: str, told: dict[str, str]) -> StudyFolder:
    """A study of one trial, trained in a form, whose record says of it what is told."""
    space = make_space()
    config = space.config(PARAMS, seed=7, form=form)
    bundle = prepare(config)
    folder = StudyFolder.create(results, "little", space_text=SPACE, manifest=make_manifest(space, bundle, trials=1))
    with folder.write() as writer:
        writer.append("launched", **session(1))
        writer.append("asked", 0, params=PARAMS, seed=7, **told)
        writer.append("started", 0, **started(1))
        for metrics in train(config, bundle.for_run(config)).history:
            writer.append("epoch", 0, attempt=1, **metrics.to_mapping())
    return folder


@pytest.mark.parametrize(
    ("form", "told"), [("reference", {}), ("reference", {"form": "reference"}), ("fast", {"form": "fast"})]
)
def test_reproduced_to_the_bit(
    form: str, told: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that names no form is of the layers as they stand; each form is reproduced to the last bit."""
    monkeypatch.setattr(data, "_SCENES_COUNT", {"train": 60, "test": 20})
    folder = trained(tmp_path, form, told)

    assert reproduce(folder, 0, tolerance=0.02).outcome == "identical"


@pytest.mark.parametrize(
    ("fixed", "form"),
    [("", "fast"), ('form = "reference"\n', "reference"), ("grey_table = true\n", "reference")],
    ids=["by default", "as the space has it", "where there is no other"],
)
def test_new_trials_say_their_form(tmp_path: Path, fixed: str, form: str) -> None:
    """A trial that is asked now is trained, and recorded, in the fast form where there is one and the space names none."""
    folder = make_folder(tmp_path, space_text=SPACE.replace("[fixed]\n", f"[fixed]\n{fixed}"))
    with driving(folder) as driver:
        task = driver.next_task()
        stop(driver, "interrupted")

    assert task is not None
    assert task.config["form"] == form
    assert [event["form"] for event in events(folder) if event["event"] == "asked"] == [form]


def test_an_old_trial_goes_on_as_it_began(tmp_path: Path) -> None:
    """A trial that was interrupted before records named forms is resumed layer by layer; a new one beside it is fast."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session(2))
        writer.append("asked", 0, params=PARAMS, seed=7)
    tasks: list[Any] = []
    with driving(folder, trials=2, kind="resumed") as driver:
        tasks += [driver.next_task(), driver.next_task()]
        stop(driver, "interrupted")

    assert [(task.number, task.config["form"]) for task in tasks] == [(0, "reference"), (1, "fast")]
