"""One call somewhere on the cluster, in a process that has what a trial takes, and ends with the call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from colournet.errors import UserError
from study.launch.resources import Resources

_LOOK_SECONDS = 0.5


class FailedError(Exception):
    """A call that came to nothing; says why, in a line."""


class _Process:
    """An actor and not a task, since Ray ends the driver if a task is just about to answer when it is cancelled by force."""

    def answer(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What the call returns."""
        return call(*arguments)


def run(call: Callable[..., Any], *arguments: Any, taking: Resources, seconds: float, look: Callable[[], None]) -> Any:
    """Answer what the call returns. `look` is called twice a second meanwhile and may raise; the process ends either way.

    A `UserError` of the call is raised as it is. Raises `FailedError` for any other, where the process or its node dies,
    and where nothing is answered in time.
    """
    import ray

    process: Any = ray.remote(**_options(taking))(_Process).remote()
    try:
        task, deadline = process.answer.remote(call, *arguments), time.monotonic() + seconds
        while time.monotonic() < deadline:
            look()
            if ray.wait([task], timeout=_LOOK_SECONDS)[0]:
                return _answer(task)
        raise FailedError(f"no answer within {seconds:g} s")
    finally:
        ray.kill(process)


def _answer(task: Any) -> Any:
    import ray

    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise FailedError(_first_line(error.cause)) from error
    except ray.exceptions.RayError as error:
        raise FailedError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:500]


def _options(taking: Resources) -> dict[str, Any]:
    """A trial's request in the words of an actor."""
    own = dict(taking.bundle)
    options = {"num_cpus": own.pop("CPU", 0), "num_gpus": own.pop("GPU", 0), "memory": own.pop("memory", None)}
    return {**options, "resources": own, "label_selector": dict(taking.labels) or None}
