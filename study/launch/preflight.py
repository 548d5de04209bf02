"""Whether a cluster is ready for a study: nodes, versions, the place of the checkpoints. Asked before any trial starts.

Each finding is one sentence with its remedy; nothing is left behind.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from study.errors import LaunchError
from study.launch import markers, probe
from study.launch.resources import Node, Resources, no_room, room
from study.launch.storage import StorageError

NOT_OURS = "not the driver's software"
INSTALL = "install the same on every node; study submit takes our own packages along"

_SECONDS = 60.0
_NOTICE_SECONDS = 15.0
_LOOK_SECONDS = 0.5


class Asked(Protocol):
    """What is asked of a cluster (`study.launch.cluster.Cluster`)."""

    nodes: list[Node]

    def ask(self, nodes: Sequence[Node], call: Any, *arguments: Any, seconds: float) -> list[Any]:
        """Call a function on some nodes and answer what each returned, or the exception."""


@dataclass(frozen=True)
class Finding:
    """Why a cluster is not ready, and what to do."""

    message: str
    remedy: str

    def to_mapping(self) -> dict[str, str]:
        """JSON-ready."""
        return {"message": self.message, "remedy": self.remedy}


@dataclass(frozen=True)
class Preflight:
    """What was found of a cluster."""

    nodes: Sequence[Node]
    told: Mapping[str, Mapping[str, Any]]
    """By node's id what it told of itself (`study.launch.probe`); a node that did not answer has none."""
    findings: Sequence[Finding]
    resources: Resources
    storage: str

    @property
    def trials_at_once(self) -> int:
        """How many trials fit."""
        return room(self.nodes, self.resources)

    def check(self) -> None:
        """Raise the first finding as a `LaunchError`, if there is one."""
        if self.findings:
            first, more = self.findings[0], len(self.findings) - 1
            also = f"; study check SPACE --address {self.resources.address} tells of {more} more" if more else ""
            raise LaunchError(first.message, hint=f"{first.remedy}{also}")


def examine(cluster: Asked, resources: Resources, storage: str) -> Preflight:
    """Ask every node what it has and whether it reaches `storage`, the URI of the folder of the checkpoints."""
    nodes = list(cluster.nodes)
    answers = dict(zip((n.id for n in nodes), cluster.ask(nodes, probe.look, seconds=_SECONDS), strict=True))
    nodes = _staying(cluster, nodes, {id_ for id_, answer in answers.items() if not isinstance(answer, Mapping)})
    useful = [node for node in nodes if node.room(resources)] or nodes
    told = {id_: answer for id_, answer in answers.items() if isinstance(answer, Mapping)}
    findings = [] if room(nodes, resources) else [_of(no_room(nodes, resources))]
    findings += [
        Finding(
            f"{node.name}: {_first_line(answers[node.id])}", "see to the node, or take it out; ray status tells of it"
        )
        for node in useful
        if node.id not in told
    ]
    here = probe.versions()
    unlike = {node.id: found for node in useful if node.id in told and (found := _unlike(node, told[node.id], here))}
    findings += unlike.values()
    alike = [node for node in useful if node.id in told and node.id not in unlike]
    findings += check_storage(cluster, alike, storage)
    return Preflight(nodes, told, findings, resources, storage)


def _staying(cluster: Asked, nodes: Sequence[Node], silent: set[str]) -> list[Node]:
    """The nodes without those that did not answer since they are dead, which a cluster may take some seconds to notice."""
    deadline = time.monotonic() + _NOTICE_SECONDS
    while silent and time.monotonic() < deadline:
        there = {node.id for node in cluster.nodes}
        nodes = [node for node in nodes if node.id in there or node.id not in silent]
        silent = silent & there
        time.sleep(_LOOK_SECONDS)
    return list(nodes)


def check_storage(cluster: Asked | None, nodes: Sequence[Node], storage: str) -> list[Finding]:
    """Have the driver and nodes write a marker each, and read those of all others; without a cluster, the driver alone."""
    place = markers.folder(storage)
    try:
        markers.begin(place)
    except StorageError as error:
        return [Finding(f"the driver: {error}", _storage_remedy(storage))]
    try:
        return [] if cluster is None else _check_nodes(cluster, nodes, place, _storage_remedy(storage))
    finally:
        with contextlib.suppress(StorageError):  # nothing is lost by it
            markers.end(place)


def _check_nodes(cluster: Asked, nodes: Sequence[Node], place: str, remedy: str) -> list[Finding]:
    written = cluster.ask(nodes, markers.write, place, seconds=_SECONDS)
    there = [markers.name_of(number) for number, answer in enumerate(written) if answer is None]
    able = [node for node, answer in zip(nodes, written, strict=True) if answer is None]
    read = [markers.read(0, place, there), *cluster.ask(able, markers.read, place, there, seconds=_SECONDS)]
    who = [*(node.name for node in nodes), "the driver", *(node.name for node in able)]
    return [
        Finding(f"{name}: checkpoints cannot be kept: {_first_line(answer)}", remedy)
        for name, answer in zip(who, [*written, *read], strict=True)
        if answer is not None
    ]


def _unlike(node: Node, told: Mapping[str, Any], here: Mapping[str, str | None]) -> Finding | None:
    """What of a node's software is not the driver's."""
    phrases = probe.differences(told["versions"], here)
    return Finding(f"{node.name}: {NOT_OURS}: {'; '.join(phrases)}", INSTALL) if phrases else None


def _storage_remedy(storage: str) -> str:
    if storage.startswith("file:"):
        return "put --results, or --storage, on a path that every node has and may write, or use --storage s3://BUCKET/PREFIX"
    return "see to the bucket, its region, and the rights of every node to write there"


def _of(error: LaunchError) -> Finding:
    return Finding(error.message, error.hint or "")


def _first_line(answer: object) -> str:
    return (str(answer) or type(answer).__name__).splitlines()[0][:500]
