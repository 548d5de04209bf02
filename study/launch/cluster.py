"""Connecting to Ray: a local one of our own, or a cluster by its address; quiet, and never a stranger's.

While a study runs on a cluster, a thread of its own asks for the nodes, since Ray waits a minute for a head that is gone,
and then ends the process.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from study.errors import LaunchError, StudyError
from study.launch import local_ray, probe, trust
from study.launch.local_ray import LocalRay
from study.launch.output import keep_quiet
from study.launch.resources import Node, Resources, no_room, places, room

__all__ = ["Cluster", "Resources", "connected"]

_CONNECT_SECONDS = 5.0
_INIT_SECONDS = 60.0
"""Ray has been seen to go on connecting for five minutes."""
_LOOK_SECONDS = 1.0
_SILENCE_SECONDS = 15.0
"""A head that has not answered for so long is lost; Ray itself ends the process after 60."""
_ABANDON_SECONDS = 40.0
_MOST_DEMANDED = 1000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""How HTTP/2 begins, on which gRPC runs: a client's greeting and its settings, here none."""


Abandon = Callable[[StudyError], None]
"""Ends the process for an error, where Ray waits for what will not come and nothing else would."""
Check = Callable[[], None]
"""Raises what is to end a wait, such as a signal; called once a second."""


class Cluster:
    """The Ray that we are connected to: its nodes, and how many trials fit, as they come and go."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._answered = time.monotonic()
        self._ended = threading.Event()
        self._demanded: int | None = None
        self.nodes = _nodes()
        """Those that live, as of the last look."""

    @property
    def places(self) -> dict[str, int]:
        """How many trials fit at once on each node, by its name."""
        return places(self.nodes, self._resources)

    @property
    def capacity(self) -> int:
        """How many trials fit at once."""
        return room(self.nodes, self._resources)

    @property
    def silent_seconds(self) -> float:
        """How long the cluster's head has not answered; 0 of a local Ray, which lives and dies with us."""
        return time.monotonic() - self._answered if self.is_shared else 0.0

    @property
    def is_lost(self) -> bool:
        """Whether the head has been silent for longer than can be explained."""
        return self.silent_seconds > _SILENCE_SECONDS

    @property
    def is_shared(self) -> bool:
        """Whether it runs without us, so that nodes may come and go."""
        return self._resources.address is not None

    @property
    def lost(self) -> LaunchError:
        """The error of a study whose cluster is no more."""
        return LaunchError(
            f"{self._resources.address}: the head of the cluster has not answered for {_SILENCE_SECONDS:.0f} s",
            hint="the record is whole: once there is a cluster again, study resume goes on",
        )

    def take(self, resources: Resources) -> None:
        """From now on a trial takes this."""
        self._resources = resources

    def wait_for_room(self, check: Check) -> None:
        """Raise `LaunchError` if not one trial fits, nor does after the time that the user is ready to wait."""
        deadline = time.monotonic() + self._resources.wait_seconds
        while self.capacity < 1:
            check()
            if time.monotonic() >= deadline:
                raise no_room(self.nodes, self._resources)
            self.demand(1)
            time.sleep(_LOOK_SECONDS)
            self.nodes = _nodes()

    def demand(self, trials: int) -> None:
        """Tell the cluster's autoscaler, if it has one, how many trials there are to be run: it counts those that run in."""
        places = min(math.ceil(trials / self._resources.fused), _MOST_DEMANDED)
        if not self.is_shared or places == self._demanded:
            return
        from ray.autoscaler.sdk import request_resources

        self._demanded = places
        labels = [dict(self._resources.labels)] * places if self._resources.labels else None
        with suppress(RuntimeError, OSError):  # a hint: without it the study just does not grow
            request_resources(bundles=[self._resources.bundle] * places, bundle_label_selectors=labels)

    def ask(self, nodes: Sequence[Node], call: Callable[..., Any], *arguments: Any, seconds: float) -> list[Any]:
        """Call a function on some nodes, with the node's number here before the arguments.

        Answers in their order: what was returned, or the exception; a `TimeoutError` where nothing came in time.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ray.cloudpickle.register_pickle_by_value(probe)  # type: ignore[no-untyped-call]
        asked = [
            ray.remote(call)
            .options(
                num_cpus=0,
                max_retries=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            )
            .remote(number, *arguments)
            for number, node in enumerate(nodes)
        ]
        done, _ = ray.wait(asked, num_returns=len(asked), timeout=seconds) if asked else ([], [])
        return [_answer(ref) if ref in done else _give_up_on(ref, seconds) for ref in asked]

    def guard(self, abandon: Abandon, left: threading.Event) -> None:
        """Until Ray is `left`, have the process abandoned before Ray does so for a head that is gone, without a word.

        Whoever waits for such a head waits inside Ray, where nothing else ends it. One that answers is left in time.
        """
        while not left.wait(_LOOK_SECONDS) and (self.is_lost or not self._ended.is_set()):
            if self.silent_seconds > _ABANDON_SECONDS:
                abandon(self.lost)

    def watch(self) -> None:
        """Look at the nodes once a second until `end`; a call that hangs is what `silent_seconds` shows."""
        while not self._ended.wait(_LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Ask for the nodes now."""
        with suppress(Exception):  # whatever it is, it is no answer
            self.nodes = _nodes()
            self._answered = time.monotonic()

    def end(self) -> None:
        """Ask for nothing any more."""
        self._ended.set()
        if self._demanded and not self.is_lost:
            self.demand(0)


def _leave(error: StudyError) -> None:
    os.write(2, f"error: {error.message}\n\nhint: {error.hint}\n".encode())
    os._exit(error.exit_code)


def _go_on() -> None:
    pass


@contextmanager
def connected(
    resources: Resources,
    *,
    local: LocalRay | None = None,
    anyway: bool = False,
    abandon: Abandon = _leave,
    check: Check = _go_on,
) -> Iterator[Cluster]:
    """Be connected to Ray while the block runs: to a `local` one that starts already, to one of our own, or to a cluster.

    Raises `LaunchError` if the cluster cannot be reached or, unless it is to be looked at `anyway`, has no room for a single
    trial; and what `check` raises while room is waited for.
    """
    left = threading.Event()
    with ExitStack() as ending:
        ending.callback(left.set)
        _connect(resources, local, abandon, ending)
        cluster = Cluster(resources)
        ending.callback(cluster.end)
        if cluster.is_shared:
            threading.Thread(target=cluster.watch, name="cluster", daemon=True).start()
            threading.Thread(target=cluster.guard, args=(abandon, left), name="cluster guard", daemon=True).start()
        if not anyway:
            cluster.wait_for_room(check)
        yield cluster


def _connect(resources: Resources, local: LocalRay | None, abandon: Abandon, ending: ExitStack) -> None:
    """Be connected until `ending`. Raises `LaunchError`."""
    try:
        if resources.address is None:
            local = local or LocalRay(resources)
            ending.callback(local.end)
            local.wait()
        else:
            _enter(resources.address, abandon, ending)
    except (OSError, ValueError, RuntimeError) as error:
        where = resources.address or "a local Ray"
        raise LaunchError(
            f"cannot connect to {where}: {str(error).partition(chr(10))[0] or type(error).__name__}",
            hint=f"is the cluster up, and its token here? ray status tells; {trust.HINT}",
        ) from error


def _enter(address: str, abandon: Abandon, ending: ExitStack) -> None:
    """Be connected to a cluster that runs, until `ending`. Raises what Ray raises."""
    keep_quiet()
    import ray

    address = _located(address)
    _check_reachable(address)
    ending.enter_context(trust.forgotten())
    with local_ray.ONE_AT_A_TIME, trust.entering(address), _ended_in_time(address, abandon):
        ray.init(address=address, **local_ray.QUIETLY)
    ending.callback(ray.shutdown)


@contextmanager
def _ended_in_time(address: str, abandon: Abandon) -> Iterator[None]:
    """Abandon the process if the block has not ended in a minute, as nothing else ends it."""
    error = LaunchError(
        f"{address}: not connected within {_INIT_SECONDS:.0f} s", hint="is the cluster up? ray status tells"
    )
    timer = threading.Timer(_INIT_SECONDS, abandon, args=(error,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _nodes() -> list[Node]:
    import ray

    return Node.living(ray.nodes())  # type: ignore[no-untyped-call]


def _answer(ref: Any) -> Any:
    import ray

    try:
        return ray.get(ref)
    except ray.exceptions.RayError as error:
        return error


def _give_up_on(ref: Any, seconds: float) -> TimeoutError:
    import ray

    ray.cancel(ref)  # not by force: Ray would end this process if the answer comes just then
    return TimeoutError(f"no answer within {seconds:g} s")


def _located(address: str) -> str:
    """HOST:PORT of the cluster that `auto` means, as Ray finds it; any other address stays. Raises OSError if there is none."""
    if address != "auto":
        return address
    from ray._private.services import get_ray_address_from_environment

    return str(get_ray_address_from_environment(address, None))


def _check_reachable(address: str) -> None:
    """Raise OSError within seconds if no Ray listens at HOST:PORT, where Ray would go on asking for ever."""
    host, _, port = address.rpartition(":")
    if "://" in address:
        raise ValueError("an address is `auto` or HOST:PORT; study submit takes that of a job server")
    if not host or not port.isdecimal():
        raise ValueError("an address is `auto` or HOST:PORT")
    host, at = host.strip("[]"), ""
    if host in _LOOPBACK:
        from ray.util import get_node_ip_address

        host = get_node_ip_address()  # type: ignore[no-untyped-call]
        at = f" (Ray takes this machine to be {host}, and its head must listen there)"
    try:
        head = socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS)
    except OSError as error:
        raise ConnectionError(f"{error.strerror or error}{at}") from error
    with head:
        if os.environ.get("RAY_USE_TLS", "0") == "0" and not _speaks_grpc(head):
            raise ConnectionError(
                "what listens there is no head of a Ray cluster, whose port is 6379 unless it was moved"
            )


def _speaks_grpc(head: socket.socket) -> bool:
    """Whether the other side answers a greeting in HTTP/2 with its settings, as gRPC does."""
    head.sendall(_PREFACE)
    frame = b""
    with suppress(OSError):
        while len(frame) < 4 and (more := head.recv(4 - len(frame))):
            frame += more
    return frame[3:] == b"\x04"
