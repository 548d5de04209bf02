"""What `deploy/` holds is checked by what can run here: schemas, linters, and the Slurm script with a Slurm that is made up."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
import yaml

from study.cli import cli
from study.launch.jobs import Job
from study.launch.submitted import study_of
from study.store import StudyFolder
from tests.study.helpers import SPACE
from tests.study.job_cluster import free_port

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SCRIPTS = [DEPLOY / "study.sbatch", DEPLOY / "launch-or-resume.sh"]
INSTRUCTIONS = {"FROM", "RUN", "ARG", "WORKDIR", "COPY", "USER", "ENV", "CMD"}

SRUN = """#!/usr/bin/env bash
((SRUN_CPUS_PER_TASK == SLURM_CPUS_PER_TASK)) || exit 9
while [[ ${1:-} == --* ]]; do shift; done
echo "srun $*" >> "$FAKE_LOG"
exec "$@"
"""
SCONTROL = """#!/usr/bin/env bash
if [[ $1 == show ]]; then tr , '\\n' <<< "$3"; else echo "scontrol $*" >> "$FAKE_LOG"; fi
"""
HOSTNAME = "#!/usr/bin/env bash\necho 127.0.0.1 ::1\n"
RAY = """#!/usr/bin/env bash
[[ $RAY_AUTH_MODE == token && ${#RAY_AUTH_TOKEN} == 64 ]] || exit 9
if [[ $* == *--head* ]]; then exec python3 -m http.server --bind 127.0.0.1 "$STUDY_PORT"; fi
exec sleep 60
"""
STUDY = """#!/usr/bin/env bash
trap 'echo "study got TERM" >> "$FAKE_LOG"; sleep 0.3; exit 143' TERM
echo "study $*" >> "$FAKE_LOG"
until (($(grep --count "srun ray start" "$FAKE_LOG") >= FAKE_NODES)); do sleep 0.05; done
for ((i = 0; i < FAKE_SECONDS * 10; i++)); do sleep 0.1; done
exit "$FAKE_CODE"
"""


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with what follows it."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


def rayjob() -> dict[str, Any]:
    documents = list(yaml.safe_load_all((DEPLOY / "rayjob.yaml").read_text()))
    assert [(document["apiVersion"], document["kind"]) for document in documents] == [
        ("v1", "PersistentVolumeClaim"),
        ("ray.io/v1", "RayJob"),
    ]
    return dict(documents[1])


def test_the_cluster_is_what_rays_schema_asks_for() -> None:
    """The file of `ray up` is valid by the schema that comes with Ray, and its types of nodes are there."""
    import ray

    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    cluster = yaml.safe_load((DEPLOY / "cluster.yaml").read_text())

    jsonschema.validate(cluster, schema)
    assert cluster["head_node_type"] in cluster["available_node_types"]
    assert (
        sum(kind.get("max_workers", 0) for kind in cluster["available_node_types"].values()) <= cluster["max_workers"]
    )


def test_the_cluster_asks_for_a_token_and_shows_no_dashboard() -> None:
    """Every node is started with the token's mode and file; the dashboard listens on the head alone."""
    cluster = yaml.safe_load((DEPLOY / "cluster.yaml").read_text())
    starts = [
        command
        for role in ("head", "worker")
        for command in cluster[f"{role}_start_ray_commands"]
        if "start" in command
    ]

    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in command for command in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert cluster["file_mounts"] == {"/home/ray/.ray/auth_token": "~/.ray/auth_token"}


@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_knows_the_options_that_nodes_are_started_with(role: str) -> None:
    """Each option after `ray start` is one of Ray's."""
    from ray.scripts.scripts import start

    known = {name for option in start.params for name in option.opts}
    cluster = yaml.safe_load((DEPLOY / "cluster.yaml").read_text())
    job = rayjob()["spec"]["rayClusterSpec"]
    groups = [job["headGroupSpec"]] if role == "head" else job["workerGroupSpecs"]
    named = re.findall(r"(--[a-z-]+)", " ".join(cluster[f"{role}_start_ray_commands"]))
    named += [f"--{name}" for group in groups for name in group["rayStartParams"]]
    named += re.findall(
        r"(--[a-z-]+)=", (DEPLOY / "study.sbatch").read_text().partition("ray start")[2].partition("&")[0]
    )

    assert len(named) >= 2
    assert set(named) <= known


def test_a_rayjob_is_a_study_to_our_commands() -> None:
    """Its job has the name by which status, logs, stop and fetch find it, and says where the study lies."""
    spec = rayjob()["spec"]
    metadata = spec["metadata"]

    assert study_of(Job(spec["jobId"], "RUNNING", "", {}, 0.0, None)) == metadata["study"] == "horses"
    assert f" {metadata['study']} {metadata['results']} " in spec["entrypoint"]
    assert yaml.safe_load(spec["runtimeEnvYAML"]) == {
        "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": metadata["stop_seconds"]}
    }


def test_a_rayjob_holds_together() -> None:
    """All nodes have one image and the shared results, all who call the cluster its token; Ray's version is the one tested."""
    cluster = rayjob()["spec"]["rayClusterSpec"]
    pods = [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    containers = [container for pod in pods for container in pod["containers"]]

    assert len(containers) == len(pods) == 2
    assert len({container["image"] for container in containers}) == 1
    for pod, container in zip(pods, containers, strict=True):
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        assert container["resources"]["limits"] == container["resources"]["requests"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert f"ray=={cluster['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()


def test_a_study_waits_for_workers_that_come_by_themselves() -> None:
    """Launch and resume take the options of the RayJob's study, which has no worker at first and waits for one with a GPU."""
    spec = rayjob()["spec"]
    options = shlex.split(spec["entrypoint"])[4:]
    for command, what in (("launch", "space.toml"), ("resume", "horses")):
        taken = cli.commands[command].make_context(command, [what, *options]).params
        assert taken["wait_seconds"] >= 600
        assert taken["gpus_per_trial"] > 0
    assert {group["minReplicas"] for group in spec["rayClusterSpec"]["workerGroupSpecs"]} == {0}


def test_the_image_has_what_it_copies_and_what_jobs_call() -> None:
    """Each file that is copied into the image is here, each that a job calls is in the image, and its user is not root."""
    found = dockerfile()
    copied = [word for name, rest in found if name == "COPY" for word in rest.split()[:-1]]
    called = re.findall(r"/opt/study/(\S+)", rayjob()["spec"]["entrypoint"])

    assert {name for name, _ in found} <= INSTRUCTIONS
    assert found[0][0] == "FROM"
    assert all((ROOT / path).exists() for path in copied)
    assert len(called) == 2
    assert all(any(path == source or path.startswith(f"{source}/") for source in copied) for path in called)
    assert [rest for name, rest in found if name == "USER"][-1] == "ray"


def test_no_secret_is_in_what_is_deployed() -> None:
    """No token, key or password is written in any of the files, and none is built into the image."""
    built_in = " ".join(rest for name, rest in dockerfile() if name in ("ENV", "ARG"))

    assert not re.search(r"(?i)(token|key|password|secret)\w*=(?!token\b)\S", built_in)
    for path in DEPLOY.iterdir():
        assert not re.search(r"\b[0-9a-f]{32,}\b|AKIA[0-9A-Z]{16}", path.read_text())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_clean(script: Path) -> None:
    """Bash reads them and shellcheck has nothing to say."""
    checker = Path(sys.executable).with_name("shellcheck")

    subprocess.run(["bash", "-n", script], check=True)
    assert subprocess.run([checker, script], capture_output=True, text=True, check=False).stdout == ""
    assert os.access(script, os.X_OK)


def test_the_images_commands_are_clean() -> None:
    """Shellcheck has nothing to say of what the Dockerfile runs."""
    checker = Path(sys.executable).with_name("shellcheck")
    for name, rest in dockerfile():
        if name == "RUN":
            script = f"#!/bin/sh\nexport TORCH_INDEX=x\n{rest}\n"
            done = subprocess.run([checker, "-"], input=script, capture_output=True, text=True, check=False)
            assert done.stdout == ""


def test_slurm_reads_every_directive() -> None:
    """Slurm stops reading at the first command, so no directive comes after it; the signal goes to the script."""
    lines = (DEPLOY / "study.sbatch").read_text().splitlines()
    directives = [number for number, line in enumerate(lines) if line.startswith("#SBATCH ")]
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))

    assert len(directives) >= 7
    assert max(directives) < first
    assert "#SBATCH --signal=B:TERM@180" in lines
    assert "#SBATCH --requeue" in lines


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a job on a made-up Slurm that writes down what it is asked; at the end all of it is gone."""
    (tmp_path / "bin").mkdir()
    programs = {"srun": SRUN, "scontrol": SCONTROL, "hostname": HOSTNAME, "ray": RAY, "study": STUDY}
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "log").touch()
    yield {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SLURM_", "STUDY_"))},
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "FAKE_LOG": str(tmp_path / "log"),
        "FAKE_SECONDS": "0",
        "FAKE_CODE": "0",
        "FAKE_NODES": "0",
        "SLURM_JOB_ID": "77",
        "SLURM_JOB_NODELIST": "one,two,three",
        "SLURM_CPUS_PER_TASK": "2",
        "STUDY_PORT": str(free_port()),
        "STUDY_RESULTS": str(tmp_path / "results"),
    }
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get("FAKE_LOG") == str(tmp_path / "log"):
            process.kill()


def start_job(slurm: dict[str, str], *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", str(DEPLOY / "study.sbatch"), "spaces/little.toml", *options],
        cwd=Path(slurm["FAKE_LOG"]).parent,
        env=slurm,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def log_of(slurm: dict[str, str]) -> list[str]:
    return Path(slurm["FAKE_LOG"]).read_text().splitlines()


def wait_for(slurm: dict[str, str], line: str) -> None:
    deadline = time.monotonic() + 30
    while not any(found.startswith(line) for found in log_of(slurm)):
        assert time.monotonic() < deadline, log_of(slurm)
        time.sleep(0.05)


def test_a_slurm_job_starts_ray_on_every_node_and_the_study_beside_it(slurm: dict[str, str]) -> None:
    """One head, one worker on each other node, and a launch at the head's address; nothing runs on when it has ended."""
    slurm["FAKE_NODES"] = "3"  # the study takes until all nodes have joined
    job = start_job(slurm, "--trials", "5")
    out, _ = job.communicate(timeout=60)

    lines, address = log_of(slurm), f"127.0.0.1:{slurm['STUDY_PORT']}"
    assert job.returncode == 0, out
    assert len([line for line in lines if line.startswith("srun ray start --head --node-ip-address=127.0.0.1")]) == 1
    assert len([line for line in lines if line.startswith(f"srun ray start --address={address} --num-cpus=2")]) == 2
    study = next(line for line in lines if line.startswith("study"))
    results = slurm["STUDY_RESULTS"]
    assert study == f"study launch spaces/little.toml --name little --trials 5 --results {results} --address {address}"
    assert not [line for line in lines if line.startswith("scontrol")]


def test_a_slurm_job_goes_on_with_its_study(slurm: dict[str, str]) -> None:
    """Where the study has begun, as after a requeue, it is resumed."""
    manifest = Path(slurm["STUDY_RESULTS"]) / "little" / "study.json"
    manifest.parent.mkdir(parents=True)
    manifest.touch()

    start_job(slurm).communicate(timeout=60)

    assert next(line for line in log_of(slurm) if line.startswith("study")).startswith("study resume little --results")


def test_a_slurm_job_that_is_told_to_end_is_queued_again(slurm: dict[str, str]) -> None:
    """SIGTERM reaches the study, which ends in order before the job is queued again."""
    slurm["FAKE_SECONDS"] = "60"
    job = start_job(slurm)
    wait_for(slurm, "study launch")

    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)

    assert job.returncode == 143
    told = [line for line in log_of(slurm) if not line.startswith("srun")]  # the nodes' lines come when they come
    assert told[-2:] == ["study got TERM", "scontrol requeue 77"]


def test_a_study_that_fails_is_not_queued_again(slurm: dict[str, str]) -> None:
    """An error is the job's own end: it would only happen again."""
    slurm["FAKE_CODE"] = "1"
    job = start_job(slurm)
    job.communicate(timeout=60)

    assert job.returncode == 1
    assert not [line for line in log_of(slurm) if line.startswith("scontrol")]


@pytest.mark.parametrize("begun", [False, True])
def test_a_job_launches_or_resumes(slurm: dict[str, str], begun: bool) -> None:
    """The job of a RayJob begins the study, or goes on with it, at the address that Ray gives it."""
    manifest = Path(slurm["STUDY_RESULTS"]) / "little" / "study.json"
    if begun:
        manifest.parent.mkdir(parents=True)
        manifest.touch()
    results = slurm["STUDY_RESULTS"]
    command = [DEPLOY / "launch-or-resume.sh", "a.toml", "little", results, "--data-dir", "/d"]
    subprocess.run(command, env={**slurm, "RAY_ADDRESS": "10.0.0.1:6379"}, check=True)

    verb = "resume little" if begun else "launch a.toml --name little"
    assert log_of(slurm) == [f"study {verb} --results {results} --address 10.0.0.1:6379 --data-dir /d"]


@pytest.mark.slow
def test_a_slurm_job_on_a_real_ray(slurm: dict[str, str], tmp_path: Path, ray_dir: Path) -> None:
    """With real Ray and a real study: told to end in its midst it is resumable, and the job, done again, finishes it."""
    binaries = tmp_path / "bin"
    (binaries / "ray").write_text(f'#!/usr/bin/env bash\nexec {sys.executable} -m ray.scripts.scripts "$@"\n')
    (binaries / "study").write_text(f'#!/usr/bin/env bash\nexec {sys.executable} -m study "$@"\n')
    (binaries / "hostname").unlink()
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "little.toml").write_text(SPACE.replace("low = 2\nhigh = 4", "low = 60\nhigh = 60"))
    short = ray_dir / "slurm"  # the names of sockets are short
    short.mkdir(exist_ok=True)
    slurm |= {"SLURM_JOB_NODELIST": "one", "RAY_TMPDIR": str(short), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    options = ("--trials", "2")

    job = start_job(slurm, *options)
    folder = _wait_for_epochs(tmp_path / "results", 3, job)
    job.send_signal(signal.SIGTERM)
    out, _ = job.communicate(timeout=120)

    assert job.returncode == 143, out
    assert log_of(slurm)[-1] == "scontrol requeue 77"
    assert folder.read().ended == "terminated"
    assert folder.state(folder.read()) == "interrupted"

    slurm["STUDY_PORT"] = str(free_port())
    again = start_job(slurm, *options)
    out, _ = again.communicate(timeout=300)
    shutil.rmtree(short, ignore_errors=True)

    assert again.returncode == 0, out
    assert folder.read().counts["completed"] == 2


def _wait_for_epochs(results: Path, epochs: int, job: subprocess.Popen[str]) -> StudyFolder:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if (results / "little" / "study.json").exists():
            folder = StudyFolder.open(results, "little")
            if folder.read().trained >= epochs:
                return folder
        assert job.poll() is None, job.communicate()
        time.sleep(0.1)
    raise AssertionError("the study did not come so far in three minutes")
