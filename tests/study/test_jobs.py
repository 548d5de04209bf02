"""Studies as jobs of a real cluster that asks for a token: submitted, the client gone, asked, stopped, resumed, fetched."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from study import provenance
from study.store import StudyFolder
from tests.study.helpers import SPACE
from tests.study.job_cluster import TOKEN, JobCluster, running_cluster

SHORT = SPACE.replace("low = 2\nhigh = 4", "low = 80\nhigh = 80").replace('"cnn", "unet"', '"cnn"')
LONG = SHORT.replace("80", "5000")
"""A study that is under way for as long as a test needs it, however slow the commands of the test are."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobCluster]:
    folder = tmp_path_factory.mktemp("j")  # short, since the names of sockets are
    with running_cluster(folder, tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that someone submits from."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "space.toml").write_text(LONG)
    (folder / "short.toml").write_text(SHORT)
    (folder / "results").mkdir()
    (folder / "results" / "private.txt").write_text("not for the cluster")
    return folder


@pytest.fixture(scope="module")
def on_cluster(cluster: JobCluster, client: Path) -> StudyFolder:
    """A study on the cluster, submitted by a process that has ended, under way."""
    done = cluster.study(
        client, "submit", "space.toml", "--address", cluster.address, "--trials", "1", "--grace", "20s"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "study-little\n"
    assert "warning" not in done.stderr

    root = cluster.home / "study-results" / "little"
    wait_until(lambda: (root / "study.json").exists() and StudyFolder(root).read().trained >= 3)
    return StudyFolder(root)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something to come true on the cluster."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "the study did not come so far in two minutes"
        time.sleep(0.1)


def test_a_submitted_study_is_stopped_resumed_and_fetched(
    cluster: JobCluster, client: Path, on_cluster: StudyFolder, tmp_path: Path
) -> None:
    """From any process: refused while it runs, stopped in order, gone on with under a new job, and brought home whole."""
    again = cluster.study(client, "submit", "space.toml", "--address", cluster.address)
    stopped = cluster.study(client, "stop", "little")
    stopped_twice = cluster.study(client, "stop", "little")
    record = on_cluster.read()

    assert again.returncode == 1
    assert "is running on this cluster already, as study-little" in again.stderr
    assert "little: stopped; study submit --resume little goes on with it" in stopped.stderr
    assert (stopped.returncode, stopped_twice.returncode) == (0, 0)
    assert "does not run, its job has stopped" in stopped_twice.stderr
    assert on_cluster.state(record) == "interrupted"
    assert record.ended == "terminated"
    epochs = record.trained

    refused = cluster.study(client, "submit", "space.toml", "--address", cluster.address)
    fetched = cluster.study(client, "fetch", "little")
    home = StudyFolder.open(client / "results", "little")

    assert "study submit --resume little goes on with it" in refused.stderr
    assert fetched.stdout == "results/little\n"
    assert home.read().trained == epochs
    assert not list(home.layout.root.rglob("*.safetensors"))

    resumed = cluster.study(client, "submit", "--resume", "little", "--epoch-budget", str(epochs + 4))
    assert resumed.stdout == "study-little~2\n", resumed.stderr
    wait_until(lambda: not on_cluster.layout.lock.exists() and on_cluster.read().trained == epochs + 4)
    elsewhere = cluster.study(tmp_path, "status", "little", "--address", cluster.address, "--json")
    status = json.loads(elsewhere.stdout)

    assert status["status"] in ("running", "succeeded")  # it takes a moment to leave Ray
    assert status["job"] == "study-little~2"
    assert status["study"]["epochs_trained"] == epochs + 4
    assert status["study"]["ended"]["reason"] == "budget"

    cluster.study(client, "fetch", "little", "--weights")
    doctor = cluster.study(client, "doctor", "little")

    assert home.read().trained == epochs + 4
    assert home.layout.events.read_bytes() == on_cluster.layout.events.read_bytes()
    assert list(home.layout.root.rglob("last.safetensors"))
    assert doctor.returncode == 0, doctor.stdout


def test_logs_come_from_the_cluster(cluster: JobCluster, client: Path, on_cluster: StudyFolder) -> None:
    """What the driver said, and what one trial did."""
    cluster.study(client, "stop", "little")
    whole = cluster.study(client, "logs", "little")
    trial = cluster.study(client, "logs", "little", "0")
    unknown = cluster.study(client, "logs", "little", "9")

    assert "little: 1 trials; starting Ray" in whole.stdout
    assert "attempt 1: begins on" in trial.stdout
    assert "attempt 1: epoch 3: train_loss" in trial.stdout
    assert "attempt 1: told to stop" in trial.stdout
    assert trial.stdout == on_cluster.layout.trial(0).log.read_text()
    assert unknown.returncode == 1
    assert "trial 9" in unknown.stderr or "no trial" in unknown.stderr


def test_what_travels_is_our_code_alone(cluster: JobCluster, client: Path, on_cluster: StudyFolder) -> None:
    """The job's folder holds the search space, the packages come from here with their commit, and nothing else comes along."""
    sent = {path.name for path in cluster.home.parent.rglob("runtime_resources/*/_ray_pkg_*/*")}
    here = provenance.collect()

    assert {"space.toml", "study", "colournet"} <= sent <= {"space.toml", "have.json", "study", "colournet"}
    assert not list(cluster.home.parent.rglob("runtime_resources/**/private.txt"))
    assert on_cluster.manifest["provenance"]["commit"] == here["commit"]
    assert on_cluster.manifest["provenance"]["command"].startswith("study launch space.toml")


def test_the_token_is_nowhere(cluster: JobCluster, client: Path, on_cluster: StudyFolder) -> None:
    """Neither the study's folder, nor what is remembered here, nor the job's log holds the token."""
    log = cluster.study(client, "logs", "little").stdout
    files = [path for root in (on_cluster.layout.root, client) for path in root.rglob("*") if path.is_file()]

    assert len(files) > 5
    assert TOKEN not in log
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize("arguments", [("status", "little"), ("submit", "space.toml"), ("fetch", "little")])
@pytest.mark.parametrize(("token", "told"), [("wrong", "does not accept the token"), ("", "asks for a token")])
def test_a_job_server_refuses_without_the_token(
    cluster: JobCluster, client: Path, arguments: tuple[str, ...], token: str, told: str
) -> None:
    """A wrong or missing token is told in a sentence with a hint, before anything is sent."""
    done = cluster.study(client, *arguments, "--address", cluster.address, RAY_AUTH_TOKEN=token)

    assert done.returncode == 1
    assert told in done.stderr
    assert "hint: the token of the cluster belongs into ~/.ray/auth_token" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("token", "mode", "told"),
    [("wrong", "", "does not accept the token"), ("", "", "asks for a token"), ("", "token", "asks for a token")],
    ids=["wrong", "none", "none, though tokens are switched on"],
)
def test_a_cluster_refuses_without_the_token(
    cluster: JobCluster, client: Path, token: str, mode: str, told: str
) -> None:
    """Joining as a driver is refused in the same words, and no study is left behind."""
    variables = {"RAY_AUTH_TOKEN": token, "RAY_AUTH_MODE": mode}
    done = cluster.study(client, "launch", "space.toml", "--name", "refused", "--address", cluster.head, **variables)

    assert done.returncode == 1
    assert told in done.stderr
    assert not (client / "results" / "refused").exists()


def test_a_cluster_lets_in_who_has_the_token(cluster: JobCluster, tmp_path: Path) -> None:
    """With the token in the environment alone, and no mode set, a driver joins by HOST:PORT, and nothing is to be warned of."""
    script = (
        "import sys; from study.launch import cluster, trust\n"
        "with cluster.connected(cluster.Resources(address=sys.argv[1])): print(trust.warning())"
    )
    done = cluster.run(tmp_path, script, cluster.head)

    assert done.stdout.splitlines()[-1:] == ["None"], done.stderr


def test_an_unknown_study_is_told(cluster: JobCluster, client: Path, on_cluster: StudyFolder) -> None:
    """A name that the cluster does not know is told with those that it does."""
    done = cluster.study(client, "status", "litle", "--address", cluster.address)

    assert done.returncode == 1
    assert "there is no job of a study 'litle'" in done.stderr
    assert "it knows little" in done.stderr


def test_the_head_is_no_job_server(cluster: JobCluster, client: Path) -> None:
    """The address of the head, given for that of the job server, is told so and not waited for."""
    done = cluster.study(client, "status", "little", "--address", f"http://{cluster.head}")

    assert done.returncode == 1
    assert "is no job server of Ray" in done.stderr


@pytest.mark.slow
def test_a_lost_head_costs_no_more_than_an_epoch(tmp_path_factory: pytest.TempPathFactory, client: Path) -> None:
    """The whole cluster is killed in mid-study; on another one that sees the folder the study goes on and comes home whole."""
    home = tmp_path_factory.mktemp("shared")
    root = home / "study-results" / "lost"
    with running_cluster(tmp_path_factory.mktemp("a"), home) as first:
        first.study(client, "submit", "short.toml", "--name", "lost", "--address", first.address, "--trials", "2")
        wait_until(lambda: (root / "study.json").exists() and StudyFolder(root).read().trained >= 5)
    left = StudyFolder(root).read().trained
    gone = first.study(client, "status", "lost")
    with running_cluster(tmp_path_factory.mktemp("b"), home) as second:
        done = second.study(client, "submit", "--resume", "lost", "--address", second.address)
        assert done.stdout == "study-lost\n", done.stderr
        wait_until(lambda: StudyFolder(root).read().counts["completed"] == 2)
        wait_until(lambda: not StudyFolder(root).layout.lock.exists())
        fetched = second.study(client, "fetch", "lost", "--weights")
        doctor = second.study(client, "doctor", "lost")

    record = StudyFolder.open(client / "results", "lost").read()
    assert "cannot be reached" in gone.stderr
    assert fetched.returncode == 0, fetched.stderr
    assert doctor.returncode == 0, doctor.stdout
    assert record.counts["completed"] == 2
    assert record.trained <= 2 * 80 + 2
    assert 5 <= left < record.trained
