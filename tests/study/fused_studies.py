"""Studies whose trials are trained as stacks, driven without Ray."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from colournet.data import DataBundle
from study.launch import worker
from study.launch.driver import Driver
from study.launch.messages import Task
from study.records import parse
from study.store import StudyFolder
from tests.study.helpers import SPACE
from tests.study.made_up_workers import make_driver, telling

ONE_SHAPE = SPACE.replace('choices = ["cnn", "unet"]', 'choices = ["cnn"]')


@contextmanager
def driving(folder: StudyFolder, *, trials: int, kind: str = "launched", **options: Any) -> Iterator[Driver]:
    with folder.write() as writer:
        driver = make_driver(folder, writer, trials=trials, kind=kind, is_fusing=True, **options)
        driver.make_good()
        yield driver
        driver.close()


def events(folder: StudyFolder, kind: str) -> list[Any]:
    found = [parse(line) for line in folder.layout.events.read_bytes().splitlines()]
    return [event for event in found if event["event"] == kind]


def numbers(tasks: list[Task]) -> list[int]:
    return [task.number for task in tasks]


def run(driver: Driver, tasks: list[Task], bundle: DataBundle) -> None:
    """Train trials as a worker does, to their end."""
    with contextlib.suppress(SystemExit):
        worker.run(tasks, bundle, telling(driver, tasks))
