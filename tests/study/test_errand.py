"""One call on a real Ray, in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from study.errors import LaunchError
from study.launch import errand
from study.launch.cluster import connected
from study.launch.resources import Resources


def nothing() -> None:
    """Looks at nothing."""


def answer(what: str) -> tuple[int, str]:
    return os.getpid(), what


def refuse() -> None:
    raise LaunchError("not here", hint="elsewhere")


def fail() -> None:
    raise ZeroDivisionError("nothing\nat all")


def sleep() -> None:
    time.sleep(600)


def leave() -> None:
    os._exit(3)


@pytest.fixture(scope="module")
def taking(ray_address: str) -> Iterator[Resources]:
    """A CPU of a Ray that the test is connected to."""
    resources = Resources(address=ray_address)
    with connected(resources):
        yield resources


def test_a_call_has_a_process_of_its_own(taking: Resources) -> None:
    """Each call is answered by a process that is no more once it has answered."""
    found = [errand.run(answer, "yes", taking=taking, seconds=60, look=nothing) for _ in range(2)]

    assert [what for _, what in found] == ["yes", "yes"]
    assert found[0][0] != found[1][0]


def test_a_refusal_comes_home_whole(taking: Resources) -> None:
    """An error that a user can act on is raised as it was, its hint included."""
    with pytest.raises(LaunchError, match=r"^not here$") as refused:
        errand.run(refuse, taking=taking, seconds=60, look=nothing)

    assert refused.value.hint == "elsewhere"


def test_what_comes_to_nothing_is_told_in_a_line(taking: Resources) -> None:
    """Any other error, a process that dies, and one that does not answer in time are one kind of failure."""
    with pytest.raises(errand.FailedError, match=r"^nothing$"):
        errand.run(fail, taking=taking, seconds=60, look=nothing)
    with pytest.raises(errand.FailedError):
        errand.run(leave, taking=taking, seconds=60, look=nothing)
    with pytest.raises(errand.FailedError, match=r"no answer within 0\.1 s"):
        errand.run(sleep, taking=taking, seconds=0.1, look=nothing)


def test_who_waits_may_leave(taking: Resources) -> None:
    """What is raised while the call goes on, as by a signal, is not held up by it, and its CPUs are free again."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        errand.run(sleep, taking=taking, seconds=600, look=interrupted)

    both = Resources(address=taking.address, cpus_per_trial=2)
    assert errand.run(answer, "free", taking=both, seconds=60, look=nothing)[1] == "free"
