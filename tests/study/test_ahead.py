"""What happens while a study's data are read: a local Ray starts, and the processes that its trials will run in get ready."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from study.errors import LaunchError
from study.launch import ahead
from study.launch.cluster import connected
from study.launch.local_ray import LocalRay
from study.launch.resources import Resources
from study.records import parse
from study.store import StudyFolder
from tests.conftest import Start
from tests.study.helpers import SPACE

LOOK_INSIDE = """
import ray
from study.launch import ahead
from study.launch.resources import Resources

with ahead.starting(Resources(cpus=1), trials=1) as local:
    local.wait()

    @ray.remote(num_cpus=1)
    class Actor:
        def look(self):
            import os, sys
            loaded = {"torch", "ray.tune", "study.launch.tuning", "study.launch.worker"} <= set(sys.modules)
            import torch
            return loaded, torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], "RAY_preload_python_modules" in os.environ

    assert ray.get(Actor.remote().look.remote()) == (True, 1, "1", True)
    assert not set(ray._private.worker._global_node.all_processes) - {"gcs_server", "raylet", "reaper"}
import os
assert "RAY_preload_python_modules" not in os.environ
assert not ray.is_initialized()
"""
GIVE_UP = """
import threading
import ray
from study.launch.local_ray import LocalRay
from study.launch.resources import Resources

first, second = LocalRay(Resources(cpus=1)), LocalRay(Resources(cpus=2))
first.end()
second.wait()
assert [thread.name for thread in threading.enumerate()].count("local Ray") == 1
assert ray.cluster_resources()["CPU"] == 2
second.end()
assert not ray.is_initialized()
"""
THEN_A_CLUSTER = """
import os, sys
import ray
from study.launch.cluster import Resources, connected
from study.launch.local_ray import LocalRay

def cpus_of(resources):
    with connected(resources):
        @ray.remote(num_cpus=0)
        class Actor:
            def count(self):
                return ray.cluster_resources()["CPU"]

        return ray.get(Actor.remote().count.remote(), timeout=60)

mode = os.environ.get("RAY_AUTH_MODE")
assert cpus_of(Resources(cpus=1)) == 1
assert os.environ.get("RAY_AUTH_MODE") == mode
assert cpus_of(Resources(address=sys.argv[1])) == 2
LocalRay(Resources(cpus=1)).end()
assert cpus_of(Resources(address=sys.argv[1])) == 2
"""


@pytest.fixture(scope="session")
def own_ray_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Path]]:
    """Answer what makes a folder for a Ray; when all tests are through there is no process of any of them."""
    folders: list[Path] = []

    def make() -> Path:
        folders.append(tmp_path_factory.mktemp("o"))
        return folders[-1]

    yield make
    assert [line for folder in folders for line in processes_left(folder)] == []


def run_script(script: str, folder: Path, ray_dir: Path, *arguments: str) -> None:
    """Run it in a process of its own: one process is connected to one Ray."""
    environment = {**os.environ, "RAY_TMPDIR": str(ray_dir), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def worker_pids(ray_dir: Path) -> set[int]:
    """The processes that the Ray of a folder has started for work, by the logs that they leave."""
    return {int(path.stem.rpartition("-")[2]) for path in ray_dir.glob("ray/session_2*/logs/worker-*.err")}


def processes_left(folder: Path) -> list[str]:
    """Those of a folder that do not end: Ray's agents notice only after a minute if the others went while they started."""
    deadline = time.monotonic() + 180
    while (found := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def processes_of(folder: Path) -> list[str]:
    """The command lines of all processes that name a folder or have it in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:  # it has ended
            continue
        if str(folder).encode() in told:
            found.append(told[:200].decode(errors="replace"))
    return found


def test_trials_run_in_the_processes_that_ray_starts_by_itself(
    tmp_path: Path, study_command: Start, own_ray_dir: Callable[[], Path]
) -> None:
    """No process is started that gets no trial, as those that get ready ahead would be if Tune passed them over."""
    (tmp_path / "space.toml").write_text(SPACE)
    own = own_ray_dir()
    process = study_command("launch", "space.toml", "--cpus", "2", RAY_TMPDIR=str(own))
    out, err = process.communicate(timeout=240)

    assert process.returncode == 0, (out, err)
    lines = StudyFolder.open(tmp_path / "results", "little").layout.events.read_bytes().splitlines()
    pids = {event["pid"] for event in map(parse, lines) if event["event"] == "started"}
    assert pids == worker_pids(own)
    assert len(pids) == 2
    told = re.sub(r"^(reading|loading) .*, \d+ s\n", "", err, flags=re.MULTILINE)
    assert re.fullmatch(
        r"little: 4 trials; starting Ray\n(\[\d/4\] .*\n){4}", told
    )  # nothing of Ray's, which started earlier


def test_a_worker_is_ready_before_there_is_a_trial(tmp_path: Path, ray_dir: Path) -> None:
    """It has loaded what a trial takes, with the threads of a trial of one CPU; and Ray has no process more than it needs."""
    run_script(LOOK_INSIDE, tmp_path, ray_dir)


def test_a_ray_that_is_given_up_while_it_starts_makes_way(tmp_path: Path, ray_dir: Path) -> None:
    """It is not waited for, it ends once it is up, and the next one in the process starts only then."""
    run_script(GIVE_UP, tmp_path, ray_dir)


def test_a_process_that_had_a_local_ray_joins_a_cluster(tmp_path: Path, ray_dir: Path, ray_address: str) -> None:
    """Also one without tokens, which a local Ray has: the actors live. And one that starts in vain is waited for."""
    run_script(THEN_A_CLUSTER, tmp_path, ray_dir, ray_address)


@pytest.mark.parametrize(
    "harm", [["--data-dir", "nowhere"], ["--name", "taken"], ["--cpus-per-trial", "3"]], ids=["data", "name", "room"]
)
def test_nothing_is_left_of_a_launch_that_is_refused(
    harm: list[str], tmp_path: Path, study_command: Start, own_ray_dir: Callable[[], Path]
) -> None:
    """Where the data or the name are wrong, or no trial fits, no folder and no process of Ray's is left."""
    (tmp_path / "space.toml").write_text(SPACE.replace('"scenes"', '"cifar10"') if harm[0] == "--data-dir" else SPACE)
    (tmp_path / "results" / "taken").mkdir(parents=True)
    process = study_command("launch", "space.toml", "--cpus", "2", *harm, RAY_TMPDIR=str(own_ray_dir()))
    _, err = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "error: " in err
    assert "Traceback" not in err
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("number", "codes"), [(signal.SIGINT, {130}), (signal.SIGTERM, {143, -signal.SIGTERM})], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_while_ray_starts_ahead_leaves_nothing(
    number: signal.Signals,
    codes: set[int],
    tmp_path: Path,
    study_command: Start,
    own_ray_dir: Callable[[], Path],
) -> None:
    """Until there is a folder to resume from, a signal ends the launch as it ends any program, and Ray's processes with it."""
    (tmp_path / "space.toml").write_text(SPACE)
    own = own_ray_dir()
    process = study_command("launch", "space.toml", "--cpus", "2", RAY_TMPDIR=str(own))
    while not list(own.glob("ray/session_2*/logs/gcs_server.out")):
        assert process.poll() is None
        time.sleep(0.02)

    process.send_signal(number)
    _, err = process.communicate(timeout=120)

    assert process.returncode in codes, err
    assert "Traceback" not in err
    assert not (tmp_path / "results" / "little").exists()


def test_what_keeps_ray_from_starting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes from the thread in which Ray starts to where Ray is waited for, in a sentence."""
    import ray

    def fail(*_: object, **__: object) -> None:
        assert threading.current_thread().name == "local Ray"
        raise RuntimeError("no port is free\nand more")

    monkeypatch.setattr(ray, "init", fail)

    with (
        ahead.starting(Resources(cpus=1), trials=1) as local,
        pytest.raises(LaunchError, match=r"^cannot connect to a local Ray: no port is free$"),
        connected(Resources(cpus=1), local=local),
    ):
        raise AssertionError("connected")


@pytest.mark.parametrize(
    ("resources", "trials", "is_ready"),
    [
        (Resources(cpus=4), None, True),
        (Resources(cpus=4), 4, True),
        (Resources(cpus=4), 3, False),
        (Resources(cpus=4, cpus_per_trial=0.5), 4, True),
        (Resources(cpus=4, cpus_per_trial=2), None, False),
        (Resources(cpus=4, gpus_per_trial=1), None, False),
        (Resources(cpus=4, memory_per_trial=1), None, False),
        (Resources(cpus=4, is_packed=True), None, False),
        (Resources(cpus=4, fused=2), 8, True),
        (Resources(cpus=4, fused=2), 7, False),
    ],
)
def test_processes_get_ready_only_where_all_get_a_trial(
    resources: Resources, trials: int | None, is_ready: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waits in vain would hold memory for nothing."""
    asked: list[dict[str, str]] = []

    class Told(LocalRay):
        def __init__(self, resources: Resources, *, variables: dict[str, str]) -> None:
            asked.append(variables)

        def end(self) -> None:
            pass

    monkeypatch.setattr(ahead, "LocalRay", Told)

    with ahead.starting(resources, trials=trials):
        assert bool(asked[0]) == is_ready


def test_no_local_ray_starts_for_a_cluster() -> None:
    """Where an address is given nothing is started."""
    with ahead.starting(Resources(address="auto"), trials=1) as local:
        assert local is None


def test_tune_is_as_it_was_afterwards() -> None:
    """What Tune adds to workers' environments is back when the study has ended."""
    from ray.tune.execution import class_cache

    before = dict(class_cache.DEFAULT_ENV_VARS)
    local = LocalRay.__new__(LocalRay)
    local.variables = {}
    with ahead.used_by_tune(local):
        assert class_cache.DEFAULT_ENV_VARS == {}

    assert class_cache.DEFAULT_ENV_VARS == before != {}
