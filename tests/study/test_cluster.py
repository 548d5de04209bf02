"""Studies on real clusters of several nodes: checked beforehand, with nodes lost and added, and a head that dies."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study.doctor import diagnose
from study.launch.storage import Storage
from study.records import StudyRecord, parse
from study.store import StudyFolder
from tests.conftest import Start, running_study
from tests.study.helpers import SPACE
from tests.study.servers import CREDENTIALS, credentials, free_port, s3_server

ROOT = Path(__file__).parents[2]
SOON = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 400}
"""Ray's head asks its nodes seven times as often, so that a dead one is known as such in two seconds, not in twelve."""
SMALL = {"object_store_memory": 80 * 2**20}
RANDOM = SPACE.replace('pruner = { kind = "none" }', 'pruner = { kind = "none" }\nsampler = { kind = "random" }')
SLOW = RANDOM.replace("train_images = 40", "train_images = 200").replace("low = 2\nhigh = 4", "low = 20\nhigh = 24")
LOOK_AT_DATA = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from study.launch.preparation import prepare_bundle
from study.space import Space
from tests.study.helpers import SPACE

ray.init(address=sys.argv[1], log_to_driver=False)

@ray.remote(num_cpus=1)
def look(bundle):
    arrays = [bundle.validation_images, *bundle.train_images.values(), *bundle.validation_labels.values()]
    return ray.get_runtime_context().get_node_id(), [(a.flags.writeable, a.flags.owndata) for a in arrays]

where, found = ray.get(look.remote(ray.put(prepare_bundle(Space.parse(SPACE), None))))
assert where != ray.get_runtime_context().get_node_id()
assert len(found) == 3 and set(found) == {(False, False)}, found
"""
OTHER_OPTUNA = "Metadata-Version: 2.1\nName: optuna\nVersion: 4.0.0\n"


class Nodes:
    """A head without CPUs, to which the driver belongs, and nodes that a test adds and kills."""

    def __init__(self, temp_dir: Path) -> None:
        from ray.cluster_utils import Cluster

        self.metrics_port = free_port()
        head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": str(temp_dir), **SMALL}
        head |= {"metrics_export_port": self.metrics_port, "_system_config": SOON}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address: str = self._cluster.address
        self.host = self.address.partition(":")[0]

    def add(self, *, environment: dict[str, str] | None = None, **resources: Any) -> Any:
        """A node of one CPU, or as told, which has the credentials of the S3 in its environment."""
        told = {"num_cpus": 1, **resources, **SMALL, "env_vars": {**CREDENTIALS, **(environment or {})}}
        return self._cluster.add_node(**told)

    def kill(self, node: Any) -> None:
        """As a machine that loses its power."""
        self._cluster.remove_node(node, allow_graceful=False)

    def kill_head(self) -> None:
        self.kill(self._cluster.head_node)

    def end(self) -> None:
        for node in self._cluster.list_all_nodes():
            node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """The head, shared by the tests of this module; each adds the nodes that it needs."""
    cluster = Nodes(tmp_path_factory.mktemp("c"))
    yield cluster
    cluster.end()


def events_of(folder: StudyFolder) -> list[Any]:
    return [parse(line) for line in folder.layout.events.read_bytes().splitlines()]


def has_three_trials_under_way(record: StudyRecord) -> bool:
    return sum(len(trial.epochs) > 1 for trial in record.trials.values()) >= 3


def wait_until(
    results: Path, condition: Callable[[StudyRecord], bool], process: subprocess.Popen[str], *, name: str = "little"
) -> StudyFolder:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if (results / name).is_dir():
            folder = StudyFolder.open(results, name)
            if condition(folder.read()):
                return folder
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("the study did not come so far")


def run(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, (out, err)
    return out, err


def comparable(folder: StudyFolder) -> list[Any]:
    """What must not depend on where a trial ran: parameters, seeds and every number of every epoch but the times."""
    names = ("epoch", "train_loss", "val_loss", "val_accuracy", "val_mse")
    return [
        (trial.params, trial.seed, trial.value, [[epoch[name] for name in names] for epoch in trial.epochs.values()])
        for _, trial in sorted(folder.read().trials.items())
    ]


def test_a_cluster_is_checked_before_anything_starts(tmp_path: Path, nodes: Nodes, study_command: Start) -> None:
    """A cluster is told node by node; one with other software is refused by check and by launch, each in a sentence."""
    (tmp_path / "space.toml").write_text(RANDOM)
    plain = nodes.add(num_gpus=1, labels={"zone": "here"})
    try:
        out, _ = run(
            study_command("check", "space.toml", "--address", nodes.address, "--gpus-per-trial", "0.5", "--json")
        )
        told = json.loads(out)["cluster"]
        assert told["ready"]
        assert told["trials_at_once"] == 1
        assert sorted(node["trials_at_once"] for node in told["nodes"]) == [0, 1]
        assert told["driver"]["versions"] == next(n["versions"] for n in told["nodes"] if n["trials_at_once"])
        assert list(tmp_path.iterdir()) == [tmp_path / "space.toml"]

        out, err = run(study_command("check", "space.toml", "--address", nodes.address, "--label", "zone=there"), 1)
        assert "not ready: no trial fits: no node is labelled zone=there" in out
        assert "not ready, 1 finding" in err

        other = tmp_path / "other" / "optuna-4.0.0.dist-info"
        other.mkdir(parents=True)
        (other / "METADATA").write_text(OTHER_OPTUNA)
        odd = nodes.add(environment={"PYTHONPATH": f"{other.parent}:{ROOT}"})
        try:
            _, err = run(study_command("launch", "space.toml", "--address", nodes.address), 1)
        finally:
            nodes.kill(odd)
        assert "not the driver's software: optuna is 4.0.0, the driver's" in err
        assert "hint: install the same on every node" in err
        assert not (tmp_path / "results" / "little").exists()
    finally:
        nodes.kill(plain)


@pytest.mark.slow
def test_a_node_that_joins_with_other_software_ends_the_study(
    tmp_path: Path, nodes: Nodes, study_command: Start
) -> None:
    """A node that was not there to be checked beforehand trains nothing: the study ends in order and names the difference."""
    (tmp_path / "space.toml").write_text(SLOW.replace("low = 20\nhigh = 24", "low = 300\nhigh = 301"))
    other = tmp_path / "other" / "optuna-4.0.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text(OTHER_OPTUNA)
    joined = [nodes.add()]
    try:
        process = study_command("launch", "space.toml", "--address", nodes.address)
        folder = wait_until(tmp_path / "results", lambda record: record.trained > 0, process)
        joined.append(nodes.add(environment={"PYTHONPATH": f"{other.parent}:{ROOT}"}))
        _, err = run(process, 1)
    finally:
        for node in joined:
            nodes.kill(node)

    assert "not the driver's software: optuna is 4.0.0, the driver's" in err
    assert "study resume little" in err
    record = folder.read()
    assert record.counts["failed"] == 0
    assert record.counts["interrupted"] == 2


def test_the_data_are_views_of_each_nodes_store(nodes: Nodes) -> None:
    """What a worker gets of the data is read from shared memory without a copy, and cannot be written to."""
    node = nodes.add()
    command = [sys.executable, "-c", LOOK_AT_DATA, nodes.address]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    finally:
        nodes.kill(node)

    assert done.returncode == 0, done.stderr


def scrape(nodes: Nodes, line: str) -> str:
    """What the head's node serves to Prometheus once a line is in it, which takes Ray some seconds."""
    text, deadline = "", time.monotonic() + 120
    while not re.search(line, text, re.MULTILINE) and time.monotonic() < deadline:
        url = f"http://{nodes.host}:{nodes.metrics_port}/metrics"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        time.sleep(0.5)
    return text


def test_a_study_outlives_the_node_that_holds_most_of_it(tmp_path: Path, nodes: Nodes, ray_dir: Path) -> None:
    """Three unequal nodes, checkpoints in S3; the one with most trials dies, one joins: the record is that of one node.

    The trials of the dead node are told as lost, never failed, and go on from their last checkpoint.
    """
    (tmp_path / "space.toml").write_text(SLOW)
    most, one = nodes.add(num_cpus=2, num_gpus=1), nodes.add(num_gpus=1, labels={"only": "one"})
    others = [one, nodes.add(num_cpus=1)]
    with s3_server() as uri, credentials(), running_study(tmp_path, ray_dir) as start:
        arguments = ["space.toml", "--address", nodes.address, "--gpus-per-trial", "0.5"]
        try:
            process = start("launch", *arguments, "--storage", uri, **CREDENTIALS)
            folder = wait_until(tmp_path / "results", has_three_trials_under_way, process)
            assert not list(folder.layout.root.glob("trials/*/attempt-*"))
            nodes.kill(most)
            others.append(nodes.add(num_gpus=1))
            run(process)
            assert Storage(folder.manifest["storage"]).list() == []

            run(start("launch", *arguments, "--name", "single", "--label", "only=one"))
        finally:
            for node in others:
                nodes.kill(node)

    record, events = folder.read(), events_of(folder)
    assert record.counts["completed"] == 4
    lost = [event for event in events if event["event"] == "interrupted"]
    assert {event["reason"] for event in lost} == {"lost"}
    assert 1 <= len(lost) <= 4
    began = {(e["trial"], e["attempt"]): e["resumed_from_epoch"] for e in events if e["event"] == "started"}
    trained = {(e["trial"], e["attempt"]) for e in events if e["event"] == "epoch"}
    for trial, attempt in {(event["trial"], event["attempt"]) for event in lost} & trained:
        assert began[trial, attempt + 1] >= 1
    assert sum("left the cluster" in note for note in record.notes) == 1
    assert sum("joined the cluster" in note for note in record.notes) == 1
    assert diagnose(tmp_path / "results", "little").findings == ()
    assert comparable(folder) == comparable(StudyFolder.open(tmp_path / "results", "single"))


@pytest.mark.slow
def test_a_running_study_is_told_to_prometheus(tmp_path: Path, nodes: Nodes, study_command: Start) -> None:
    """Ray's own endpoint serves a study's trials by state, its best value and its speed, while it runs.

    For a while it serves what the studies of the tests before told, too.
    """
    pytest.importorskip("opentelemetry.exporter.prometheus", reason="Ray serves metrics only with ray[default]")
    (tmp_path / "space.toml").write_text(SLOW.replace("low = 20\nhigh = 24", "low = 3000\nhigh = 3001"))
    own = ["--name", "watched", "--trials", "1"]
    node = nodes.add()
    try:
        process = study_command("launch", "space.toml", "--address", nodes.address, *own)
        wait_until(tmp_path / "results", lambda record: record.trained > 0, process, name="watched")
        served = scrape(nodes, r'^ray_study_trials\{(?=.*"watched").*"running".* 1(\.0)?$')
        process.terminate()
        run(process, 143)
    finally:
        nodes.kill(node)

    told = [line for line in served.splitlines() if 'study="watched"' in line]
    (running,) = [line for line in told if line.startswith("ray_study_trials{") and '"running"' in line]
    assert float(running.rpartition(" ")[2]) == 1
    assert any(line.startswith("ray_study_epochs_per_second{") for line in told)


@pytest.mark.slow
def test_a_study_outlives_its_head(
    tmp_path: Path, study_command: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """When the head dies the driver says so within a minute; the record is whole, and resume finishes it elsewhere."""
    (tmp_path / "space.toml").write_text(SLOW)
    cluster = Nodes(tmp_path_factory.mktemp("h"))
    try:
        cluster.add(num_cpus=2)
        process = study_command("launch", "space.toml", "--address", cluster.address)
        folder = wait_until(tmp_path / "results", lambda record: record.trained >= 4, process)
        cluster.kill_head()
        _, err = run(process, 1)
    finally:
        cluster.end()
    assert "the head of the cluster has not answered" in err
    assert "study resume" in err

    run(study_command("resume", "little", "--cpus", "2"))
    record = folder.read()
    assert record.counts["completed"] == 4
    assert max(trial.attempt for trial in record.trials.values()) == 2
    assert diagnose(tmp_path / "results", "little").findings == ()
