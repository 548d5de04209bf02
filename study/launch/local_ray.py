"""A local Ray of our own. It starts in a thread, while the data are read, and brings nothing that a study has no use for.

Ray's processes die with the thread that started them, not just with the process, so this thread stays until it has ended them.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from study.launch import trust
from study.launch.output import keep_quiet
from study.launch.resources import Resources

QUIETLY: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
READY = "STUDY_READY_WORKERS"
"""The variable that names a folder in which each worker process leaves a file once it has loaded what trials take."""
ONE_AT_A_TIME = threading.Lock()
"""Held by whoever connects this process to a Ray, and by a local one for as long as it lives."""


class LocalRay:
    """A Ray that starts, is there, and ends with `end`, or with this process."""

    def __init__(self, resources: Resources, *, variables: Mapping[str, str] | None = None) -> None:
        """Begin to start it, with these variables in the environment of its processes."""
        self.count, self.variables = self.cpus(resources), variables or {}
        """How many processes it starts by itself, one for each CPU, and what they find in their environment."""
        self._settled, self._unwanted = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        keep_quiet()
        import ray  # noqa: F401 (here, so that no two threads import at once what needs each other)

        self._thread = threading.Thread(target=self._live, name="local Ray", daemon=True)
        self._thread.start()

    @staticmethod
    def cpus(resources: Resources) -> int:
        """How many CPUs it has."""
        return resources.cpus or os.cpu_count() or 1

    def wait(self) -> None:
        """Return once it is up; raise what kept it from starting."""
        self._settled.wait()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Have it ended. One that still starts is not waited for: it is ended once it is up."""
        self._unwanted.set()
        if self._settled.is_set():
            self._thread.join()

    def _live(self) -> None:
        import ray

        with ONE_AT_A_TIME, trust.forgotten():
            try:
                if not self._unwanted.is_set():
                    self._start()
            except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
                self._error = error
            self._settled.set()
            if self._error is None:
                self._unwanted.wait()
            ray.shutdown()

    def _start(self) -> None:
        import ray

        logging.getLogger("ray").setLevel(logging.ERROR)  # it warns that it gets no signals here, which are ours
        with _environment(self.variables), _without_helpers():
            ray.init("local", num_cpus=self.count, include_dashboard=False, **QUIETLY)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set while the block runs, for the processes that it starts."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _without_helpers() -> Iterator[None]:
    """Have Ray start no autoscaler, log monitor and dashboard in the block, where it has the switches that we know.

    With one node, no log shown and `include_dashboard=False` they do nothing, take 3 s of CPU time, and one a second to end.
    Ray has no public switch for them.
    """
    from ray._private import parameter, services

    params, start_dashboard = parameter.RayParams, getattr(services, "start_api_server", None)
    without: dict[str, Any] = {"no_monitor": True, "include_log_monitor": False}
    if start_dashboard is None or not set(without) <= set(inspect.signature(params).parameters):
        yield
        return
    setattr(parameter, "RayParams", functools.partial(params, **without))  # noqa: B010 (mypy knows it as a class)
    setattr(services, "start_api_server", _no_dashboard)  # noqa: B010
    try:
        yield
    finally:
        setattr(parameter, "RayParams", params)  # noqa: B010
        setattr(services, "start_api_server", start_dashboard)  # noqa: B010


def _no_dashboard(*_: object, **__: object) -> tuple[None, None]:
    """What Ray answers itself where a dashboard does not start: no address, no process."""
    return None, None
