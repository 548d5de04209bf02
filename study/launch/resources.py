"""What a trial takes, where trials run, and how many fit. Standard library only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from study.errors import LaunchError

_OWN_OPTIONS = {
    "CPU": "--cpus-per-trial",
    "GPU": "--gpus-per-trial",
    "memory": "--memory-per-trial",
    "object_store_memory": "nothing: the data are put once, whatever a trial takes",
}


@dataclass(frozen=True)
class Resources:
    """What a trial takes, and where trials run."""

    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    """A whole number, or a part of one GPU."""
    is_packed: bool = False
    """Whether the part of a GPU is measured before the first trial, as `study.launch.packing` has it."""
    fused: int = 1
    """How many trials of one shape share that as one stacked network, at most."""
    cpus: int | None = None
    """CPUs of the local Ray; all of the machine by default. Has no meaning on a cluster."""
    address: str | None = None
    """`auto` or HOST:PORT of a running cluster; by default a local Ray is started."""
    memory_per_trial: int | None = None
    """Bytes of a node's memory that are set aside for a trial; None to set none aside."""
    custom: Mapping[str, float] = field(default_factory=dict)
    """What a trial takes of a cluster's own kinds of resources, by name."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What a node must be labelled, by key: a value, `!value`, `in(a, b)` or `!in(a, b)`."""
    wait_seconds: float = 0.0
    """How long to wait for a node that a trial fits on, where there is none, as a cluster that scales itself has at first."""
    storage: str | None = None
    """Where workers keep their trials' files, as `study.launch.storage` has it; None for the study's own folder."""

    def __post_init__(self) -> None:
        if not self.cpus_per_trial and not self.gpus_per_trial:
            raise LaunchError(
                "a trial must take something: both CPUs and GPUs per trial are 0", hint="see --cpus-per-trial"
            )
        if self.gpus_per_trial > 1 and self.gpus_per_trial % 1:
            raise LaunchError(
                f"a trial cannot take {self.gpus_per_trial:g} GPUs",
                hint="take whole GPUs, or a part of one, such as 0.5",
            )
        if self.fused > 1 and self.is_packed:
            raise LaunchError(
                "what a stack of trials takes of a GPU is not measured",
                hint="name it, as in --gpus-per-trial 0.5, or leave --fuse out",
            )
        for name in self.custom:
            if name in _OWN_OPTIONS:
                raise LaunchError(f"{name} is no custom resource", hint=f"use {_OWN_OPTIONS[name]}")

    @property
    def bundle(self) -> dict[str, float]:
        """The request of one trial, in Ray's words."""
        named = {"CPU": self.cpus_per_trial, "GPU": self.gpus_per_trial, "memory": self.memory_per_trial or 0}
        return {name: float(amount) for name, amount in {**named, **self.custom}.items() if amount > 0}


@dataclass(frozen=True)
class Node:
    """A node of a cluster that lives."""

    id: str
    name: str
    resources: Mapping[str, float]
    labels: Mapping[str, str]

    @classmethod
    def living(cls, told: Collection[Mapping[str, Any]]) -> list[Node]:
        """Those of what `ray.nodes()` tells that are alive."""
        return [
            cls(
                id=node["NodeID"],
                name=f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:6]})",
                resources=node["Resources"],
                labels=node.get("Labels", {}),
            )
            for node in told
            if node["Alive"]
        ]

    def room(self, wanted: Resources) -> int:
        """How many trials fit on it. GPUs are shared one by one: of two, two trials of 0.6 have each their own."""
        if not all(_is_labelled(self.labels.get(key), value) for key, value in wanted.labels.items()):
            return 0
        return min(_times(self.resources.get(name, 0.0), name, amount) for name, amount in wanted.bundle.items())


def room(nodes: Collection[Node], wanted: Resources) -> int:
    """How many trials fit at once, each on one node."""
    return sum(node.room(wanted) for node in nodes)


def places(nodes: Collection[Node], wanted: Resources) -> dict[str, int]:
    """How many trials fit at once on each of the nodes that have room for any, by its name."""
    return {node.name: room for node in nodes if (room := node.room(wanted))}


def no_room(nodes: Collection[Node], wanted: Resources) -> LaunchError:
    """The error of a cluster on which not a single trial fits."""
    request = " and ".join(_amount(name, amount) for name, amount in wanted.bundle.items())
    names = list(dict.fromkeys(["CPU", "GPU", *wanted.bundle]))
    largest = ", ".join(_amount(name, max((n.resources.get(name, 0.0) for n in nodes), default=0.0)) for name in names)
    alike = [n for n in nodes if all(_is_labelled(n.labels.get(key), value) for key, value in wanted.labels.items())]
    if wanted.labels and not alike:
        labels = ", ".join(f"{key}={value}" for key, value in wanted.labels.items())
        found = {f"{key}={value}" for n in nodes for key, value in n.labels.items() if key != "ray.io/node-id"}
        has = ", ".join(sorted(found)) or "none"
        return LaunchError(f"no trial fits: no node is labelled {labels}", hint=f"labels of the cluster's nodes: {has}")
    options = [_OWN_OPTIONS.get(name, f"--resource {name}=") for name in wanted.bundle]
    lower = " or ".join(options) if wanted.memory_per_trial or wanted.custom else "--cpus-per-trial or --gpus-per-trial"
    scales = "; --wait-for-nodes waits for a cluster that scales itself" if wanted.address else ""
    return LaunchError(
        f"no trial fits: each asks for {request}, no node has more than {largest}", hint=f"lower {lower}{scales}"
    )


def _times(available: float, name: str, amount: float) -> int:
    if name == "GPU" and amount < 1:
        return int(available + 1e-9) * int(1 / amount + 1e-9) if available >= 1 else int(available / amount + 1e-9)
    return int(available / amount + 1e-9)


def _amount(name: str, amount: float) -> str:
    return f"{amount / 1e9:.3g} GB of memory" if name == "memory" else f"{amount:g} {name}"


def _is_labelled(label: str | None, selector: str) -> bool:
    """Whether a label is what Ray's selector asks for."""
    if selector.startswith("!"):
        return not _is_labelled(label, selector[1:])
    if selector.startswith("in(") and selector.endswith(")"):
        return label in [value.strip() for value in selector[3:-1].split(",")]
    return label == selector
