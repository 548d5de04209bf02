"""A real Ray cluster of one machine with a job server, which asks for a token and is known to its client by an address alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

TOKEN = "a-token-of-the-tests-0123456789abcdef0123456789abcdef0123456789ab"


@dataclass(frozen=True)
class JobCluster:
    """Its job server and its head; `home` is the home folder of its user."""

    address: str
    head: str
    home: Path

    def study(self, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `study ARGUMENTS...` in a folder, as a client that knows the token."""
        return self.run(folder, "from study.cli import main; main()", *arguments, **variables)

    def run(self, folder: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run some Python as such a client."""
        environment = {**os.environ, "NO_COLOR": "1", "HOME": str(folder), "RAY_AUTH_TOKEN": TOKEN, **variables}
        return subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=folder,
            env={name: value for name, value in environment.items() if value},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_cluster(folder: Path, home: Path) -> Iterator[JobCluster]:
    """Start the cluster, its temporary files in `folder`; at the end its processes are killed, and no others."""
    port, dashboard = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--port={port}", "--num-cpus=1", f"--object-store-memory={80_000_000}", f"--temp-dir={folder}"),
        *("--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"),
        *(f"--dashboard-agent-listen-port={free_port()}", f"--ray-client-server-port={free_port()}"),
    ]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHON"))}
    environment = {**kept, "PATH": path, "HOME": str(home), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    with (folder / "out").open("w") as out:
        head = subprocess.Popen(command, env=environment, cwd=home, stdout=out, stderr=subprocess.STDOUT)
        try:
            cluster = JobCluster(f"http://127.0.0.1:{dashboard}", f"{_own_address()}:{port}", home)
            _wait_until_it_answers(cluster.address, head)
            yield cluster
        finally:
            _kill_all_of(head, folder)


def _own_address() -> str:
    """The address that Ray takes for this machine's."""
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())


def _wait_until_it_answers(address: str, head: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and head.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api/version", timeout=2)
        except urllib.error.HTTPError:
            return  # it asks for a token
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the cluster did not start in two minutes")


def _kill_all_of(head: subprocess.Popen[bytes], folder: Path) -> None:
    """Kill the head, its children, and what they left behind that names our folder: no process of anyone else does."""
    processes = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            processes.append(process)
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    head.wait(timeout=30)
    psutil.wait_procs(processes, timeout=30)
