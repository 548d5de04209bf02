"""`study check SPACE --address`: what a study would find on a cluster, for people and for machines. Nothing is started."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colournet import cifar10
from study.cost import estimate
from study.errors import LaunchError
from study.launch import probe
from study.launch.cluster import connected
from study.launch.preflight import Finding, Preflight, examine
from study.launch.resources import Node, Resources
from study.launch.storage import check_uri
from study.space import Space
from study.text import duration, table


@dataclass(frozen=True)
class Report:
    """A cluster that was looked at for a space."""

    preflight: Preflight
    data: str
    seconds: float | None
    """Forecast of how long the study takes if nothing is pruned; None where no trial fits."""

    @property
    def findings(self) -> list[Finding]:
        """Why the study would not run; none where it would."""
        return list(self.preflight.findings)

    def check(self) -> None:
        """Raise `LaunchError` if the cluster is not ready."""
        if self.findings:
            count = len(self.findings)
            raise LaunchError(
                f"{self.preflight.resources.address}: not ready, {count} finding{'s' if count > 1 else ''}",
                hint="each is told with its remedy; nothing was started",
            )

    def to_mapping(self) -> dict[str, Any]:
        """JSON-ready."""
        found = self.preflight
        hours = None if self.seconds is None else self.seconds * len(found.nodes) / 3600
        return {
            "ready": not found.findings,
            "findings": [finding.to_mapping() for finding in found.findings],
            "nodes": [_node(node, found) for node in found.nodes],
            "driver": probe.look(),
            "storage": found.storage,
            "data": self.data,
            "trials_at_once": found.trials_at_once,
            "forecast": {"seconds": self.seconds, "node_hours": hours},
        }

    def __str__(self) -> str:
        found = self.preflight
        rows = [_row(node, found) for node in found.nodes]
        lines = [
            f"cluster {found.resources.address}:",
            table(["node", "CPUs", "GPUs", "memory", "trials at once"], rows),
            "",
            f"  versions   {_versions()}" + ("" if found.findings else ", on every node that gets trials"),
            f"  storage    {found.storage}" + ("" if found.findings else ", written and read by each"),
            f"  data       {self.data}",
            f"  at once    {found.trials_at_once} trials",
            f"  forecast   {self._forecast()}",
        ]
        for finding in found.findings:
            lines += ["", f"not ready: {finding.message}", f"  remedy: {finding.remedy}"]
        return "\n".join([*lines, "", "nothing was started"])

    def _forecast(self) -> str:
        if self.seconds is None:
            return "none, as no trial fits"
        hours = self.seconds * len(self.preflight.nodes) / 3600
        told = f"about {duration(self.seconds)} and {hours:.2g} node-hours if nothing is pruned"
        return told + (", reckoned for CPU cores" if self.preflight.resources.gpus_per_trial else "")


def look(space: Space, results: Path, resources: Resources, data_dir: Path | None) -> Report:
    """Look at a cluster for a space. Raises `LaunchError` if it cannot be reached."""
    data = where_data_are(space, data_dir)
    with connected(resources, anyway=True) as cluster, _folder(results) as folder:
        found = examine(cluster, resources, check_uri(resources.storage) if resources.storage else folder.as_uri())
    missing = [data] if isinstance(data, Finding) else []
    places = found.trials_at_once
    return Report(
        Preflight(found.nodes, found.told, [*found.findings, *missing], resources, found.storage),
        data.message if isinstance(data, Finding) else data,
        estimate(space).core_seconds / min(places, space.trials) if places else None,
    )


def where_data_are(space: Space, data_dir: Path | None) -> str | Finding:
    """Where the driver, which alone reads the data, has them; a finding where it has not and may not download them."""
    if space.fixed.get("dataset", "cifar10") == "scenes":
        return "the drawn scenes, which come with the program"
    found = cifar10.find(data_dir)
    if found is not None:
        return f"CIFAR-10 in {found}"
    if data_dir is None and not cifar10.is_named():
        return "CIFAR-10 is not here yet: the driver downloads 170 MB first, and no worker does"
    named = data_dir or "$COLOURNET_DATA"
    return Finding(f"there is no CIFAR-10 in {named}", f"name the folder that holds {cifar10.FOLDER} by --data-dir")


@contextlib.contextmanager
def _folder(results: Path) -> Iterator[Path]:
    """The folder of all studies, made for the time of the check if it is not there."""
    is_new = not results.exists()
    results.mkdir(parents=True, exist_ok=True)
    try:
        yield results.absolute()
    finally:
        if is_new:
            with contextlib.suppress(OSError):
                results.rmdir()


def _node(node: Node, found: Preflight) -> dict[str, Any]:
    told: Mapping[str, Any] = found.told.get(node.id, {})
    return {
        "name": node.name,
        "resources": dict(node.resources),
        "labels": dict(node.labels),
        "gpus": told.get("gpus", []),
        "versions": told.get("versions"),
        "trials_at_once": node.room(found.resources),
    }


def _row(node: Node, found: Preflight) -> list[str]:
    gpus = ", ".join(
        f"{g['name']} {g['memory_bytes'] / 2**30:.0f} GiB" for g in found.told.get(node.id, {}).get("gpus", [])
    )
    count = f"{node.resources.get('GPU', 0.0):g}"
    memory = f"{node.resources.get('memory', 0.0) / 2**30:.1f} GiB"
    cells = [f"{node.resources.get('CPU', 0.0):g}", f"{count} ({gpus})" if gpus else count, memory]
    return [node.name, *cells, str(node.room(found.resources))]


def _versions() -> str:
    return ", ".join(f"{name} {version or 'missing'}" for name, version in probe.versions().items())
