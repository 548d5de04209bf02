"""Confirmations that run: with made-up workers, and on a real Ray from the plan to the verdict."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from colournet import data, floors
from study.analysis.judgement import Judgement
from study.candidates import Confirmation
from study.errors import LaunchError, StudyError
from study.launch import preparation
from study.launch.cluster import Resources
from study.launch.confirmation import confirm
from study.launch.driver import Driver
from study.launch.planned import Planned
from study.launch.session import launch, resume
from study.limits import Budget
from study.records import parse
from study.space import Space
from study.store import StudyFolder
from tests.conftest import Start
from tests.study.confirming import make_confirmation, make_search, search
from tests.study.helpers import SPACE, epoch, started
from tests.study.helpers import session as session_fields

NOWHERE = Resources(address="127.0.0.1:1")
TEST = {"test_loss": 0.9, "test_accuracy": 0.5, "test_mse": 0.01}


def read_events(folder: StudyFolder) -> list[Any]:
    return [parse(line) for line in folder.layout.events.read_bytes().splitlines()]


@contextmanager
def driving(folder: StudyFolder, kind: str) -> Iterator[Driver]:
    runs = Confirmation.of(folder).runs
    with folder.write() as writer:
        writer.append(kind, **session_fields(len(runs)))
        yield Driver(folder, writer, Planned(runs, asked=len(writer.record.trials)), trials=len(runs))


def work(driver: Driver, folder: StudyFolder, number: int, attempt: int = 1) -> None:
    """Train a made-up run to its end, leaving the files that a worker leaves."""
    layout = folder.layout.trial(number)
    layout.attempt(attempt).mkdir(parents=True, exist_ok=True)
    for path in (layout.model(attempt), layout.config, layout.samples):
        path.touch()
    driver.receive(number, {"event": "started", **started(attempt), "history": []})
    for index in range(1, 5):
        driver.receive(number, {"event": "epoch", **epoch(index, 1.0 / index, attempt=attempt)})
    driver.receive(number, {"event": "finished", "attempt": attempt, **TEST})


def test_an_interrupted_confirmation_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    """Its runs are handed out in the order of the plan, each once to its end, over two drivers as over one."""
    folder = make_confirmation(make_search(tmp_path), top=2, seeds=2)
    with driving(folder, "launched") as driver:
        for _ in range(2):
            task = driver.next_task()
            assert task is not None
            work(driver, folder, task.number)
        cut = driver.next_task()
        assert cut is not None
        driver.ending.stop("interrupted")
        assert driver.close() == "interrupted"

    with driving(folder, "resumed") as driver:
        tasks = []
        for task in iter(driver.next_task, None):
            tasks.append(task)
            work(driver, folder, task.number, attempt=2)
        assert driver.close() == "finished"

    assert tasks[0] == cut
    assert [task.number for task in tasks] == [2, 3, 4, 5]
    record = folder.read()
    assert record.count("completed") == 6
    assert all(trial.test == TEST for trial in record.trials.values())


def test_every_run_is_trained_to_its_end_and_tested(tmp_path: Path) -> None:
    """Tasks carry the plan's configuration and seed, and ask for test scores; the worst value prunes none."""
    folder = make_confirmation(make_search(tmp_path), top=1, seeds=2)
    runs = Confirmation.of(folder).runs
    with driving(folder, "launched") as driver:
        task = driver.next_task()
        assert task is not None
        assert task.is_tested
        assert task.config["seed"] == runs[0].seed
        driver.receive(0, {"event": "started", **started(), "history": []})
        assert driver.receive(0, {"event": "epoch", **epoch(1, 99.0)}) == "continue"
        driver.next_task()

    asked = [event for event in read_events(folder) if event["event"] == "asked"]
    assert [(event["params"], event["seed"]) for event in asked] == [
        (dict(run.candidate.params), run.seed) for run in runs[:2]
    ]


def real_search(results: Path, text: str = SPACE) -> StudyFolder:
    """A study of made-up trials over real data: what is confirmed of it is really trained."""
    space = Space.parse(text)
    bundle = preparation.prepare_bundle(space, None)
    manifest = preparation.make_manifest(space, bundle, trials=3)
    folder = StudyFolder.create(results, "little", space_text=text, manifest=manifest)
    search(folder)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return real_search(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def confirmed(study: StudyFolder, ray_address: str) -> StudyFolder:
    """The best trial and the default with three seeds, really trained."""
    return confirm(study, top=1, seeds=3, resources=Resources(address=ray_address))


def test_a_confirmation_ends_whole(study: StudyFolder, confirmed: StudyFolder) -> None:
    """Every candidate is trained with the same fresh seeds to its own end, scored on test images, and judged."""
    record = confirmed.read()
    seeds: dict[str, set[int]] = {name: set() for name in ("trial 1", "default")}
    for run in Confirmation.of(confirmed).runs:
        trial = record.trial(run.number)
        assert trial.last_epoch == confirmed.space.config(trial.params).epochs
        assert all(0 < score < 10 for score in trial.test.values() if score is not None)
        assert len(trial.test) == 3
        seeds[run.candidate.name].add(trial.seed)

    assert seeds["trial 1"] == seeds["default"]
    assert len(seeds["default"]) == 3
    assert not seeds["default"] & {trial.seed for trial in study.read().trials.values()}
    assert confirmed.state(record) == "finished"
    assert Judgement.read(confirmed).verdict.outcome != "undecided"


def test_the_floors_are_those_of_the_test_images(confirmed: StudyFolder) -> None:
    """The manifest keeps what needs no network: the grey table is fitted on training pixels and scored on test images."""
    space = confirmed.space
    bundle = preparation.prepare_bundle(space, None)
    config = space.config({})
    images = data.read_test_images(config)

    assert confirmed.manifest["data"]["test_images"] == len(images)
    assert confirmed.manifest["test_floors"]["8"] == floors.measure(
        bundle.train_images["horse"], images, bundle.palettes[config.palette_name]
    )
    assert confirmed.layout.space.read_bytes() == space.text.encode()


def test_what_is_confirmed_is_left_as_it_is(study: StudyFolder, confirmed: StudyFolder) -> None:
    """Asked again, a confirmation that is done answers at once, wherever Ray is; the search's record is never touched."""
    before, of_study = confirmed.layout.events.read_bytes(), study.layout.events.read_bytes()

    again = confirm(study, top=1, seeds=3, resources=NOWHERE)

    assert again.layout == confirmed.layout
    assert confirmed.layout.events.read_bytes() == before
    assert study.layout.events.read_bytes() == of_study


def test_a_budget_ends_it_and_the_rest_comes_to_the_same_bits(
    study: StudyFolder, confirmed: StudyFolder, ray_address: str
) -> None:
    """Cut short within a run and taken up again, each run has the numbers of one that was never cut short."""
    resources = Resources(address=ray_address)
    cut = confirm(study, top=1, seeds=2, resources=resources, budget=Budget(epochs=5))
    assert cut.state(cut.read()) == "interrupted"
    assert 0 < cut.read().trained <= 5
    with pytest.raises(StudyError, match="epochs were trained already"):
        confirm(study, top=1, seeds=2, resources=resources, budget=Budget(epochs=cut.read().trained))

    record = confirm(study, top=1, seeds=2, resources=resources).read()

    whole = confirmed.read()
    assert record.count("completed") == 4
    assert max(trial.attempt for trial in record.trials.values()) > 1
    for number, trial in record.trials.items():
        assert (trial.value, trial.test) == (whole.trial(number).value, whole.trial(number).test)


def test_a_confirmation_is_not_resumed_as_a_study(confirmed: StudyFolder) -> None:
    """Its runs were decided when it began; the error says what goes on with it."""
    with pytest.raises(StudyError, match="is a confirmation") as caught:
        resume(confirmed, trials=9)

    assert caught.value.hint == "study confirm little --top 1 --seeds 3 goes on with it"


def test_other_test_images_are_refused(tmp_path: Path, confirmed: StudyFolder) -> None:
    """A confirmation whose test images have changed does not go on: its scores could not be compared."""
    copy = tmp_path / "little"
    shutil.copytree(confirmed.layout.root.parents[1], copy)
    folder = StudyFolder.open(tmp_path, "little")
    (root,) = [root for root in folder.confirmations if root.name == "top1-seeds3"]
    lines = (root / "events.jsonl").read_bytes().splitlines(keepends=True)
    (root / "events.jsonl").write_bytes(b"".join(lines[:-3]))
    manifest = json.loads((root / "study.json").read_text())
    manifest["data"]["test_fingerprint"] = "0"
    (root / "study.json").write_text(json.dumps(manifest))

    with pytest.raises(StudyError, match="the test images are not those"):
        confirm(folder, top=1, seeds=3, resources=NOWHERE)


def test_a_search_never_reads_test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Launching reads training images alone, confirming reads the test images; without Ray neither leaves anything."""
    splits: list[str] = []
    read = data._read

    def spy(*arguments: Any, split: str, **named: Any) -> Any:
        splits.append(split)
        return read(*arguments, split=split, **named)

    monkeypatch.setattr(data, "_read", spy)
    with pytest.raises(LaunchError, match="cannot connect"):
        launch(Space.parse(SPACE), tmp_path / "launched", resources=NOWHERE)
    assert set(splits) == {"train"}

    folder = real_search(tmp_path / "results")
    with pytest.raises(LaunchError, match="cannot connect"):
        confirm(folder, top=1, seeds=3, resources=NOWHERE)
    assert set(splits) == {"train", "test"}
    assert not folder.layout.confirmations.exists()


@pytest.mark.slow
def test_a_signal_leaves_a_confirmation_that_goes_on(tmp_path: Path, study_command: Start) -> None:
    """Ctrl-C ends with 130 and says what goes on with it; typed again it ends with the verdict, in words and in files."""
    text = SPACE.replace("low = 2\nhigh = 4", "low = 30\nhigh = 40")
    folder = StudyFolder.create(
        tmp_path / "results",
        "little",
        space_text=text,
        manifest=preparation.make_manifest(
            Space.parse(text), preparation.prepare_bundle(Space.parse(text), None), trials=3
        ),
    )
    search(folder, epochs=40)
    command = ("confirm", "little", "--top", "1", "--seeds", "3")
    process = study_command(*command)
    wait_for_epochs(folder, 3, process)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "error: little, top1-seeds3: interrupted" in err
    assert "study confirm little --top 1 --seeds 3 goes on with it" in err
    again = study_command(*command)
    out, err = again.communicate(timeout=240)
    assert again.returncode == 0, err
    assert "little: the best 1 of 3 completed trials and the default" in out
    (root,) = folder.confirmations
    assert json.loads((root / "verdict.json").read_text())["runs"] == {"planned": 6, "ended": 6}
    assert (root / "figures" / "confirmation.png").stat().st_size > 0


def wait_for_epochs(folder: StudyFolder, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(StudyFolder(root).read().trained >= count for root in folder.confirmations):
            return
        if process.poll() is not None:
            raise AssertionError(f"the driver ended: {process.communicate()}")
        time.sleep(0.05)
    raise AssertionError("the confirmation did not come so far in two minutes")
