"""What fits on a cluster's nodes, and what is done when they come and go."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from study.cli import cli
from study.errors import InterruptedStudyError, LaunchError, StudyError
from study.launch import cluster, watching
from study.launch.cluster import Cluster
from study.launch.driver import Driver
from study.launch.resources import Node, Resources, no_room, room
from study.launch.watching import Watching
from tests.study import made_up_workers
from tests.study.helpers import SPACE, make_folder, session


def node(name: str = "a", labels: dict[str, str] | None = None, **resources: float) -> Node:
    return Node(id=name, name=name, resources={"CPU": 4.0, **resources}, labels=labels or {})


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Resources(), 4 + 2),
        (Resources(cpus_per_trial=1.5), 2 + 1),
        (Resources(gpus_per_trial=1), 2),
        (Resources(gpus_per_trial=0.5), 4),
        (Resources(gpus_per_trial=0.6), 2),
        (Resources(cpus_per_trial=0.1, gpus_per_trial=0.1), 20),
        (Resources(memory_per_trial=3_000), 3 + 1),
        (Resources(custom={"licence": 2.0}), 1),
        (Resources(labels={"zone": "x"}), 4),
        (Resources(labels={"zone": "!x"}), 2),
        (Resources(labels={"zone": "in(x, y)"}), 6),
        (Resources(labels={"zone": "!in(x, y)"}), 0),
        (Resources(labels={"zone": "x", "disk": "ssd"}), 0),
    ],
    ids=str,
)
def test_trials_fit_on_one_node_each(wanted: Resources, fits: int) -> None:
    """Every kind of resource limits how many trials fit; a part of a GPU is a part of one GPU."""
    nodes = [
        node("a", {"zone": "x"}, CPU=4, GPU=2, memory=10_000, licence=3),
        node("b", {"zone": "y"}, CPU=2, memory=5_000),
    ]

    assert room(nodes, wanted) == fits


def test_what_does_not_fit_is_told() -> None:
    """The message names what a trial asks for and the most that a node has, or the labels that there are."""
    nodes = [node("a", {"zone": "x"}, CPU=4), node("b", {"zone": "y"}, CPU=2, memory=8e9)]

    told = no_room(nodes, Resources(gpus_per_trial=1, memory_per_trial=16 * 10**9))
    assert told.message == (
        "no trial fits: each asks for 1 CPU and 1 GPU and 16 GB of memory, no node has more than 4 CPU, 0 GPU, 8 GB of memory"
    )
    assert "--memory-per-trial" in str(told.hint)
    told = no_room(nodes, Resources(labels={"zone": "z"}))
    assert told.message == "no trial fits: no node is labelled zone=z"
    assert "zone=x, zone=y" in str(told.hint)
    assert "no trial fits" in no_room([], Resources()).message


@pytest.mark.parametrize(
    "wrong",
    [{"cpus_per_trial": 0}, {"gpus_per_trial": 1.5}, {"custom": {"GPU": 1.0}}, {"custom": {"memory": 1.0}}],
    ids=str,
)
def test_requests_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    """A trial that takes nothing, one and a half GPUs, or what has an option of its own, is refused with a hint."""
    with pytest.raises(LaunchError) as refused:
        Resources(**wrong)
    assert refused.value.hint


@pytest.mark.parametrize("option", [("--resource", "licence"), ("--resource", "licence=none"), ("--label", "=x")])
def test_pairs_that_are_none_are_wrong_usage(tmp_path: Path, option: tuple[str, str]) -> None:
    """What is no NAME=AMOUNT, or no KEY=VALUE, is wrong usage."""
    (tmp_path / "space.toml").write_text(SPACE)

    assert CliRunner().invoke(cli, ["launch", str(tmp_path / "space.toml"), *option]).exit_code == 2


def test_the_first_node_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that scales itself and has no node yet is asked for one, and looked at again until it is there."""
    looks = iter([[], [], [node()]])
    demanded: list[int] = []
    monkeypatch.setattr(cluster, "_nodes", lambda: next(looks))
    monkeypatch.setattr(cluster, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(Cluster, "demand", lambda self, trials: demanded.append(trials))

    found = Cluster(Resources(address="here:1", wait_seconds=60))
    found.wait_for_room(lambda: None)

    assert found.capacity == 4
    assert demanded == [1, 1]


def test_waiting_for_a_node_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the wait at the next look, however long the user was ready to wait."""
    stops = iter([None, InterruptedStudyError("stopped")])
    monkeypatch.setattr(cluster, "_nodes", list)
    monkeypatch.setattr(cluster, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(Cluster, "demand", lambda *_: None)

    def check() -> None:
        error = next(stops)
        if error is not None:
            raise error

    with pytest.raises(InterruptedStudyError):
        Cluster(Resources(address="here:1", wait_seconds=3600)).wait_for_room(check)


def test_a_process_that_has_left_a_lost_cluster_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who still waits inside Ray for a head that is gone is ended by force."""
    monkeypatch.setattr(cluster, "_nodes", list)
    monkeypatch.setattr(cluster, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "_SILENCE_SECONDS", -1.0)
    monkeypatch.setattr(cluster, "_ABANDON_SECONDS", -1.0)
    lost, left, abandoned = Cluster(Resources(address="here:1")), threading.Event(), list[StudyError]()

    def abandon(error: StudyError) -> None:
        abandoned.append(error)
        left.set()

    lost.end()
    lost.guard(abandon, left)
    lost.guard(abandon, left)

    assert [error.message for error in abandoned] == [lost.lost.message]


class MadeUpCluster:
    """A cluster that is what a test says."""

    is_shared = True
    is_lost = False
    lost = LaunchError("the head is lost")

    def __init__(self, **places: int) -> None:
        self.places = places
        self.demanded: list[int] = []
        self.looks = 0

    def look(self) -> None:
        self.looks += 1

    def demand(self, trials: int) -> None:
        self.demanded.append(trials)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in a list of one."""
    now = [0.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    return now


def test_nodes_that_come_and_go_are_noted(tmp_path: Path, clock: list[float]) -> None:
    """The record tells of each change once, also of two in one look, and an autoscaler of what is left to do."""
    folder, cluster, shown = make_folder(tmp_path), MadeUpCluster(a=2), list[Driver]()
    with folder.write() as writer:
        driver = made_up_workers.make_driver(folder, writer, trials=4, kind="launched")
        watch = Watching(driver, cluster, show=shown.append)
        for places in ({"a": 2}, {"a": 2, "b": 1}, {"a": 2, "b": 1}, {"b": 1}, {"c": 1}):
            cluster.places = places
            clock[0] += 2
            watch.look()
            watch.look()

    assert [note for note in folder.read().notes if "cluster" in note] == [
        "joined the cluster: b; 3 trials fit at once, 2 did",
        "left the cluster: a; 1 trials fit at once, 3 did",
        "left the cluster: b; 0 trials fit at once, 1 did",
        "joined the cluster: c; 1 trials fit at once, 0 did",
    ]
    assert cluster.demanded == [4]
    assert len(shown) == 5


def test_of_many_nodes_a_few_are_named(tmp_path: Path, clock: list[float]) -> None:
    """A cluster that grows by hundreds does not fill the log with their names."""
    folder, cluster = make_folder(tmp_path), MadeUpCluster(a=1)
    with folder.write() as writer:
        watch = Watching(
            made_up_workers.make_driver(folder, writer, trials=4, kind="launched"), cluster, show=lambda _: None
        )
        cluster.places = {f"node-{number:03d}": 2 for number in range(100)} | {"a": 1}
        clock[0] += 2
        watch.look()

    (note,) = [note for note in folder.read().notes if "cluster" in note]
    assert note == "joined the cluster: node-000, node-001, node-002 and 97 more; 201 trials fit at once, 1 did"


def test_what_went_with_the_last_trials_is_told(tmp_path: Path, clock: list[float]) -> None:
    """A study that ends within a second of a loss looks once more; one whose head is silent does not ask it again."""
    folder, cluster = make_folder(tmp_path), MadeUpCluster(a=1, b=1)
    with folder.write() as writer:
        watch = Watching(
            made_up_workers.make_driver(folder, writer, trials=4, kind="launched"), cluster, show=lambda _: None
        )
        watch.look()
        cluster.places = {"b": 1}
        watch.look()
        assert "left the cluster: a; 1 trials fit at once, 2 did" not in folder.read().notes
        watch.finish()
        cluster.is_lost = True
        watch.finish()

    assert "left the cluster: a; 1 trials fit at once, 2 did" in folder.read().notes
    assert cluster.looks == 1


def test_a_cluster_without_room_is_waited_for_and_given_up(tmp_path: Path, clock: list[float]) -> None:
    """A study whose last node went waits for another, but not for ever."""
    folder, cluster = make_folder(tmp_path), MadeUpCluster(a=1)
    with folder.write() as writer:
        driver = made_up_workers.make_driver(folder, writer, trials=4, kind="launched")
        watch = Watching(driver, cluster, show=lambda _: None)
        for second, capacity in ((1, 0), (110, 0), (115, 1), (120, 0), (200, 0)):
            clock[0], cluster.places = second, {"a": 1} if capacity else {}
            watch.look()
        assert driver.ending.reason is None
        clock[0] = 300
        watch.look()

    assert "no node that a trial fits on" in str(driver.ending.error)


def test_a_silent_head_ends_a_study(tmp_path: Path, clock: list[float]) -> None:
    """A cluster whose head is lost is given up with its own error."""
    folder, cluster = make_folder(tmp_path), MadeUpCluster(a=1)
    with folder.write() as writer:
        writer.append("launched", **session())
        driver = made_up_workers.make_driver(folder, writer, trials=4, kind="resumed")
        cluster.is_lost = True
        Watching(driver, cluster, show=lambda _: None).look()

    assert driver.ending.error is cluster.lost
