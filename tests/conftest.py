"""Fixtures that all tests share: CIFAR-10, a small Ray cluster, and the command line as a user runs it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("whatever the machine does", deadline=None)
settings.load_profile("whatever the machine does")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def cifar_dir() -> Path:
    """The folder that COLOURNET_DATA names, or a copy of the data beside the checkout; skips where there is neither."""
    named = os.environ.get("COLOURNET_DATA")
    for candidate in [Path(named)] if named else [Path(__file__).parents[2] / "shared" / "data"]:
        if (candidate / "cifar-10-batches-py" / "data_batch_1").exists():
            return candidate.resolve()
    pytest.skip("needs CIFAR-10: set COLOURNET_DATA to a folder with cifar-10-batches-py")


@pytest.fixture(scope="session", autouse=True)
def ray_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ray's temporary folder; its name is short, since sockets below it have at most 107 characters."""
    folder = tmp_path_factory.mktemp("r")
    (folder / "ray").mkdir()  # where a cluster of the tests' process leaves its address, and expects the folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def ray_address(ray_dir: Path) -> Iterator[str]:
    """The address of a real two-CPU Ray on this machine, started once for all tests."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "include_dashboard": False, "temp_dir": str(ray_dir)},
    )
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a file system of 256 KiB; skips where no such thing may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def study_command(tmp_path: Path, ray_dir: Path) -> Iterator[Start]:
    """Start `study ARGUMENTS...` in `tmp_path` in a process of its own; whatever still runs at the end is killed."""
    with running_study(tmp_path, ray_dir) as start:
        yield start


def _heed_interrupts() -> None:
    """A shell starts what runs in its background with Ctrl-C ignored, and children inherit that; a user's commands do not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running_study(folder: Path, ray_dir: Path) -> Iterator[Start]:
    """Answer what starts `study ARGUMENTS...` in a folder; when the block ends, whatever still runs is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "RAY_TMPDIR": str(ray_dir), "NO_COLOR": "1", **variables}
        process = subprocess.Popen(
            [sys.executable, "-c", "from study.cli import main; main()", *arguments],
            cwd=folder,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_heed_interrupts,
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.communicate()
