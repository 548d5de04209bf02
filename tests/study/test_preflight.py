"""What a preflight finds, on made-up clusters: every finding has its remedy. Real ones are in `test_cluster`."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from study.errors import LaunchError
from study.launch import preflight, preflight_report, probe
from study.launch.cluster import connected
from study.launch.preflight import examine
from study.launch.resources import Node, Resources
from study.space import Space
from tests.study.helpers import SPACE


class MadeUpCluster:
    """Nodes that run what they are asked in this process, or answer what a test has put in their mouth."""

    def __init__(self, *names: str, answers: dict[str, Any] | None = None, **resources: float) -> None:
        self.nodes = [Node(name, name, {"CPU": 2.0, **resources}, {}) for name in names]
        self.answers = answers or {}

    def ask(self, nodes: Sequence[Node], call: Any, *arguments: Any, seconds: float) -> list[Any]:
        asked = {node.id: call(number, *arguments) for number, node in enumerate(nodes)}
        said = {name: told[call.__name__] for name, told in self.answers.items() if call.__name__ in told}
        return [said.get(node.id, asked[node.id]) for node in nodes]


def versions(**changes: str | None) -> dict[str, Any]:
    return {"look": {"host": "b", "gpus": [], "versions": {**probe.versions(), **changes}}}


def find(folder: Path, *names: str, resources: Resources | None = None, **cluster: Any) -> list[tuple[str, str]]:
    found = examine(MadeUpCluster(*names, **cluster), resources or Resources(address="auto"), folder.as_uri())
    assert [path for path in folder.iterdir() if path.name.startswith(".study-check")] == []
    with_error = found.findings[:1]
    if with_error:
        with pytest.raises(LaunchError):
            found.check()
    else:
        found.check()
    return [(finding.message, finding.remedy) for finding in found.findings]


def test_a_cluster_of_equals_is_ready(tmp_path: Path) -> None:
    """Nothing is found where every node has what the driver has."""
    assert find(tmp_path, "a", "b", "c") == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"optuna": "4.0.0"}, "optuna is 4.0.0, the driver's "),
        ({"ray": None}, "ray is missing, the driver's "),
        ({"study (content)": "0123456789ab"}, "study (content) is 0123456789ab, the driver's "),
        ({"python": "3.8.1"}, "python is 3.8.1, the driver's "),
    ],
    ids=str,
)
def test_other_software_is_named(tmp_path: Path, changes: dict[str, str | None], told: str) -> None:
    """The node and each difference are named; another copy of our own packages is one."""
    ((message, remedy),) = find(tmp_path, "a", "b", answers={"b": versions(**changes)})

    assert message.startswith("b: not the driver's software: ")
    assert told in message
    assert "install the same" in remedy


def test_builds_of_one_release_are_equals(tmp_path: Path) -> None:
    """PyTorch for GPUs and for CPUs, and patch releases of Python, are no difference."""
    torch, python = probe.versions()["torch"], probe.versions()["python"]
    assert torch is not None
    assert python is not None
    changes = {"torch": torch.partition("+")[0] + "+cu130", "python": python.rpartition(".")[0] + ".99"}

    assert find(tmp_path, "a", "b", answers={"b": versions(**changes)}) == []


def test_a_node_that_gets_no_trial_may_differ(tmp_path: Path) -> None:
    """A head that is only a head need not be fit for trials."""
    cluster = MadeUpCluster("a", "b", answers={"b": versions(optuna="4.0.0")})
    cluster.nodes[1] = Node("b", "b", {}, {})

    assert examine(cluster, Resources(address="auto"), tmp_path.as_uri()).findings == []


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_NOTICE_SECONDS", 0.2)
    monkeypatch.setattr(preflight, "_LOOK_SECONDS", 0.01)


def test_a_node_that_has_just_died_is_left_out(tmp_path: Path) -> None:
    """A node that is silent since it is dead is none, once the cluster has noticed."""
    cluster = MadeUpCluster("a", "b", answers={"b": {"look": RuntimeError("the node is gone")}})
    ask = cluster.ask

    def ask_and_notice(nodes: Sequence[Node], call: Any, *arguments: Any, seconds: float) -> list[Any]:
        cluster.nodes = cluster.nodes[:1]
        return ask(nodes, call, *arguments, seconds=seconds)

    cluster.ask = ask_and_notice  # type: ignore[method-assign]
    found = examine(cluster, Resources(address="auto"), tmp_path.as_uri())

    assert found.findings == []
    assert [node.name for node in found.nodes] == ["a"]


def test_a_silent_node_is_told(tmp_path: Path) -> None:
    """A node that does not answer in time is named, the others are checked all the same."""
    ((message, _),) = find(tmp_path, "a", "b", answers={"b": {"look": TimeoutError("no answer within 30 s")}})

    assert message == "b: no answer within 30 s"


def test_missing_gpus_are_told(tmp_path: Path) -> None:
    """Where GPUs are asked for and there are none, that is a finding, not a wait."""
    ((message, remedy),) = find(tmp_path, "a", resources=Resources(gpus_per_trial=1, address="auto"))

    assert "no trial fits: each asks for 1 CPU and 1 GPU, no node has more than 2 CPU, 0 GPU" in message
    assert "--gpus-per-trial" in remedy


@pytest.mark.parametrize(
    ("answers", "who"),
    [
        ({"b": {"write": "file:///x: cannot be written: Permission denied"}}, ["b"]),
        ({"b": {"write": "does not see what the driver wrote there"}}, ["b"]),
        ({"a": {"read": "file:///x: cannot be read: no such file"}}, ["a"]),
        ({"a": {"write": TimeoutError("no answer within 30 s")}, "b": {"read": "no"}}, ["a", "b"]),
    ],
    ids=str,
)
def test_storage_that_a_node_cannot_use_is_told(tmp_path: Path, answers: dict[str, Any], who: list[str]) -> None:
    """Who cannot write, or cannot read what another node wrote, is named, with what to do."""
    found = find(tmp_path, "a", "b", answers=answers)

    assert [message.partition(":")[0] for message, _ in found] == who
    assert all("checkpoints cannot be kept" in message and "--storage" in remedy for message, remedy in found)


def test_a_marker_that_only_its_writer_sees_is_found_out(tmp_path: Path) -> None:
    """A node that writes into a folder of its own, which nobody shares, is found out by the driver and by the others."""
    cluster = MadeUpCluster("a", "b")
    ask = cluster.ask

    def ask_apart(nodes: Sequence[Node], call: Any, *arguments: Any, seconds: float) -> list[Any]:
        answers = ask(nodes, call, *arguments, seconds=seconds)
        if call.__name__ == "write":
            (marker,) = tmp_path.glob(".study-check-*/node-1")
            marker.unlink()
        return answers

    cluster.ask = ask_apart  # type: ignore[method-assign]
    found = examine(cluster, Resources(address="auto"), tmp_path.as_uri()).findings

    assert [finding.message.partition(":")[0] for finding in found] == ["the driver", "a", "b"]


def test_gpus_are_asked_of_their_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and memory come from nvidia-smi, so no CUDA is started for it; where it fails there are none."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559'\necho 'NVIDIA A2, 15356'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert probe.gpus() == [
        {"name": "NVIDIA H100 80GB HBM3", "memory_bytes": 81559 * 2**20},
        {"name": "NVIDIA A2", "memory_bytes": 15356 * 2**20},
    ]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert probe.gpus() == []


def test_content_tells_copies_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package's fingerprint changes with any of its Python files and with nothing else; a missing one has none."""
    package = tmp_path / "made_up_package"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    first = probe.content("made_up_package")
    (package / "notes.txt").write_text("x")
    assert probe.content("made_up_package") == first
    (package / "more.py").touch()

    assert probe.content("made_up_package") != first
    assert probe.content("no_such_package") is None


def test_data_are_looked_for_and_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the data are is told; a folder without them is a finding, and nothing is downloaded to find out."""
    monkeypatch.delenv("COLOURNET_DATA", raising=False)
    monkeypatch.setenv("COLOURNET_CACHE", str(tmp_path))
    photographs = Space.parse(SPACE.replace('dataset = "scenes"', 'dataset = "cifar10"'))

    assert "drawn scenes" in str(preflight_report.where_data_are(Space.parse(SPACE), None))
    assert "the driver downloads" in str(preflight_report.where_data_are(photographs, None))
    missing = preflight_report.where_data_are(photographs, tmp_path)
    assert isinstance(missing, preflight_report.Finding)
    assert "--data-dir" in missing.remedy


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["nothing", "another server"])
def test_what_is_no_head_of_a_cluster_is_told_in_seconds(answer: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port where something else listens, or where nothing is said, is one sentence; Ray would ask for 40 seconds."""
    monkeypatch.setattr("study.launch.cluster._CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("study.launch.cluster._LOOPBACK", ())  # which Ray takes to be another address
    with socket.create_server(("127.0.0.1", 0)) as other:

        def serve() -> None:
            client, _ = other.accept()
            with client, contextlib.suppress(OSError):  # the other side may be gone
                client.recv(100)
                if answer is not None:
                    client.sendall(answer)
                client.recv(100)

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(LaunchError, match="no head of a Ray cluster"), connected(Resources(address=address)):
            pass


def test_a_report_is_for_people_and_machines(tmp_path: Path) -> None:
    """Both forms tell the nodes, the findings with their remedies, how many trials run at once and for how long."""
    cluster = MadeUpCluster("a", "b", answers={"b": versions(optuna="4.0.0")})
    found = examine(cluster, Resources(address="here:1"), tmp_path.as_uri())
    report = preflight_report.Report(found, "the drawn scenes", 3600.0)

    told = json.loads(json.dumps(report.to_mapping()))
    assert told["ready"] is False
    assert [finding["message"] for finding in told["findings"]] == [finding.message for finding in found.findings]
    assert told["trials_at_once"] == 4
    assert told["forecast"] == {"seconds": 3600.0, "node_hours": 2.0}
    text = str(report)
    assert "not ready: b: not the driver's software" in text
    assert "remedy: install the same" in text
    assert "4 trials" in text
    with pytest.raises(LaunchError, match="here:1: not ready, 1 finding"):
        report.check()
