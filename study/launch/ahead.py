"""What is done ahead of a study's first trial, while its data are read: a local Ray starts, and its workers get ready.

Imports are most of what a worker takes to start. Ray starts a process for each CPU by itself, and a variable of its own has these
import `study.launch.preloaded`. Tune would pass them over, as it asks for workers of an environment of its own, and so would Ray
before they have imported that, and start others: they tell by a file each that they have. Ray also ends processes that have
been idle for a second once the CPUs are reserved for trials, if these take a moment to come: here it is to be patient.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.launch.local_ray import READY, LocalRay
from study.launch.resources import Resources

_PRELOAD = "RAY_preload_python_modules"
_MODULE = "study.launch.preloaded"
_PATIENCE = {"RAY_idle_worker_killing_time_threshold_ms": "3600000"}
_READY_SECONDS = 60.0
"""The longest that processes are waited for. One that has not come by then has failed, and Ray starts another."""
_OWN_ENVIRONMENT: dict[str, object] = {"DEFAULT_ENV_VARS": {}, "ENV_VARS_TO_PROPAGATE": set()}
"""What Tune adds to workers' environments, which those of a local Ray inherit from this process."""


@contextmanager
def starting(resources: Resources, *, trials: int | None) -> Iterator[LocalRay | None]:
    """Have a local Ray start for so many trials, and end with the block; None where a cluster's address is given.

    `trials` is None for as many as come.
    """
    if resources.address is not None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="study-workers-", ignore_cleanup_errors=True) as folder:
        is_ahead = _each_process_gets_a_trial(resources, trials) and _PRELOAD not in os.environ
        local = LocalRay(resources, variables={_PRELOAD: _MODULE, READY: folder, **_PATIENCE} if is_ahead else {})
        try:
            yield local
        finally:
            local.end()


@contextmanager
def used_by_tune(local: LocalRay | None) -> Iterator[None]:
    """While the block runs, have Tune take the processes that a `local` Ray starts by itself, for which it waits."""
    if local is None:
        yield
        return
    if READY in local.variables:
        ready, deadline = Path(local.variables[READY]), time.monotonic() + _READY_SECONDS
        while len(list(ready.iterdir())) < local.count and time.monotonic() < deadline:
            time.sleep(0.02)
    from ray.tune.execution import class_cache

    before = {name: getattr(class_cache, name) for name in _OWN_ENVIRONMENT if hasattr(class_cache, name)}
    vars(class_cache).update({name: _OWN_ENVIRONMENT[name] for name in before})
    try:
        yield
    finally:
        vars(class_cache).update(before)


def _each_process_gets_a_trial(resources: Resources, trials: int | None) -> bool:
    """Whether trials will take all the processes that Ray starts by itself, one for each CPU.

    Only then are these to load what trials take, which costs each some 300 MB and seconds.
    """
    takes_one_cpu_at_most = set(resources.bundle) == {"CPU"} and resources.cpus_per_trial <= 1
    are_enough = trials is None or trials >= LocalRay.cpus(resources) * resources.fused
    return takes_one_cpu_at_most and not resources.is_packed and are_enough
