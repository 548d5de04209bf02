"""Connecting to Ray: a local one of our own, or a cluster by its address; quiet, and never a stranger's."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from study.errors import LaunchError
from study.launch import trust

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the record is ours; Tune's result files would be a second one
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Resources:
    """What a trial takes, and where trials run."""

    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    cpus: int | None = None
    """CPUs of the local Ray; all of the machine by default. Has no meaning on a cluster."""
    address: str | None = None
    """`auto` or HOST:PORT of a running cluster; by default a local Ray is started."""

    def __post_init__(self) -> None:
        if not self.cpus_per_trial and not self.gpus_per_trial:
            raise LaunchError(
                "a trial must take something: both CPUs and GPUs per trial are 0", hint="see --cpus-per-trial"
            )

    @property
    def per_trial(self) -> dict[str, float]:
        """The request of one trial, in Ray's words."""
        return {"cpu": self.cpus_per_trial, "gpu": self.gpus_per_trial}


def keep_quiet() -> None:
    """Tell Ray, which looks when it is imported, and its processes to say nothing."""
    os.environ.update(_QUIET)


@contextmanager
def connected(resources: Resources) -> Iterator[int]:
    """Be connected to Ray while the block runs; answer how many trials fit at once.

    Raises `LaunchError` if the cluster cannot be reached or has no room for a single trial.
    """
    keep_quiet()
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if resources.address is None:
            cpus = resources.cpus or os.cpu_count() or 1
            ray.init("local", num_cpus=cpus, include_dashboard=False, **options)
        else:
            _check_reachable(resources.address)
            with trust.entering(resources.address):
                ray.init(address=resources.address, **options)
    except (OSError, ValueError, RuntimeError) as error:
        where = resources.address or "a local Ray"
        raise LaunchError(
            f"cannot connect to {where}: {str(error).splitlines()[0]}",
            hint=f"is the cluster up, and its token here? ray status tells; {trust.HINT}",
        ) from error
    try:
        nodes = ray.nodes()  # type: ignore[no-untyped-call]
        yield _capacity([node["Resources"] for node in nodes if node["Alive"]], resources)
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise OSError within seconds if nobody listens at HOST:PORT, where Ray would go on asking for ever."""
    host, _, port = address.rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal():
        raise ValueError("an address is `auto` or HOST:PORT")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS):
        pass


def _capacity(nodes: list[dict[str, float]], resources: Resources) -> int:
    """How many trials fit at once, each on one node. Raises `LaunchError` if not one does."""
    wanted = {"CPU": resources.cpus_per_trial, "GPU": resources.gpus_per_trial}
    asked = {name: amount for name, amount in wanted.items() if amount > 0}
    capacity = sum(min(int(node.get(name, 0.0) / amount + 1e-9) for name, amount in asked.items()) for node in nodes)
    if capacity < 1:
        request = " and ".join(f"{amount:g} {name}" for name, amount in asked.items())
        largest = ", ".join(f"{max(node.get(name, 0.0) for node in nodes):g} {name}" for name in wanted)
        raise LaunchError(
            f"no trial fits: each asks for {request}, no node has more than {largest}",
            hint="lower --cpus-per-trial or --gpus-per-trial",
        )
    return capacity
