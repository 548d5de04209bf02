"""What is asked of a job server, and what is told where it cannot be: no cluster is needed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from study.cli import cli
from study.errors import LaunchError, StudyError
from study.launch import shipping, trust
from study.launch.jobs import Job, JobServer, check_address
from study.launch.submission import Request, entrypoint
from study.launch.submitted import Place, job_name, session_of, study_of
from tests.study.helpers import SPACE, make_folder
from tests.study.job_cluster import free_port


def job(job_id: str) -> Job:
    return Job(job_id, "RUNNING", "", {}, 0.0, None)


@contextmanager
def server(status: int, body: bytes, *, seconds: float = 0.0) -> Iterator[str]:
    """A server that answers everything alike; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(seconds)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://head:8265", "http://head:8265"),
        ("http://head:8265/", "http://head:8265"),
        ("head:8265", "http://head:8265"),
        ("https://ray.example.org/cluster/", "https://ray.example.org/cluster"),
    ],
)
def test_addresses(address: str, expected: str) -> None:
    """A scheme may be left out where there is a port."""
    assert check_address(address) == expected


@pytest.mark.parametrize("address", ["auto", "head", "ray://head:10001", "http://", "http://head:x", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    """Other kinds of addresses are told from that of a job server."""
    with pytest.raises(StudyError, match="is no address of a job server"):
        check_address(address)


def test_a_password_in_an_address_is_refused() -> None:
    """It would be remembered and shown; the message does not repeat it."""
    with pytest.raises(StudyError) as raised:
        check_address("http://me:hunter22@head:8265")

    assert "hunter22" not in str(raised.value)


@pytest.mark.parametrize("session", [1, 2, 17])
@pytest.mark.parametrize("name", ["horses", "horses-2", "a.b_c"])
def test_jobs_are_named_after_their_study(name: str, session: int) -> None:
    """The name of a job tells study and session, whatever the study is called; other jobs are no study's."""
    named = job(job_name(name, session))

    assert (study_of(named), session_of(named)) == (name, session)
    assert study_of(job(f"study-{name}~ask-1234abcd")) is None
    assert study_of(job("raysubmit_x")) is None


def test_the_command_is_safe_from_the_shell() -> None:
    """Whatever stands in a path or option is one word for the shell; a home folder is that of the cluster."""
    options = ["--data-dir", "/a b/$(touch x)", "--trials", "3"]
    for results, end in (("~/my results", "~/'my results'"), ("/shared; rm -rf /", "'/shared; rm -rf /'")):
        request = Request(name="little", results=results, options=options)
        command = entrypoint(["launch", "space.toml", "--name", "little"], request)
        assert command.endswith(f'--address "$RAY_ADDRESS" --results {end}')
        assert shlex.split(command)[4:12] == ["launch", "space.toml", "--name", "little", *options]


def test_a_secret_among_the_options_is_refused() -> None:
    """The cluster's dashboard would show it."""
    with pytest.raises(StudyError, match="an option holds a secret"):
        Request(name="little", results="/r", options=["--storage", "s3://me:hunter22@bucket"])


def test_a_folder_of_the_cluster_is_a_whole_path() -> None:
    """A relative one would lie in the job's own folder, which is deleted."""
    with pytest.raises(StudyError, match="must be a whole path"):
        Request(name="little", results="results", options=[])


def test_only_our_packages_travel(tmp_path: Path) -> None:
    """What is sent holds Python and what our packages read, and the same code is the same bytes every time."""
    with shipping.runtime_env({"space.toml": SPACE}, stop_seconds=60) as environment:
        modules = [Path(path) for path in environment["py_modules"]]
        kinds = {path.suffix for module in modules for path in module.rglob("*") if path.is_file()}
        size = sum(path.stat().st_size for module in modules for path in module.rglob("*") if path.is_file())
        assert [path.name for path in Path(environment["working_dir"]).iterdir()] == ["space.toml"]

    assert [module.name for module in modules] == ["study", "colournet"]
    assert kinds <= {".py", ".css", ".html", ".js", ".json", ".typed"}
    assert size < 5e6
    assert environment["env_vars"] == {"RAY_JOB_STOP_WAIT_TIME_S": "60"}


def test_where_a_study_was_submitted_is_remembered(tmp_path: Path) -> None:
    """It lies beside the results, where no study is looked for; what cannot be read is as if there were none."""
    place = Place("http://head:8265", "/shared")
    place.remember(tmp_path, "little")

    assert Place.recall(tmp_path, "little") == place
    assert Place.recall(tmp_path, "other") is None
    Place.path(tmp_path, "little").write_text("{")
    assert Place.recall(tmp_path, "little") is None
    assert CliRunner().invoke(cli, ["list", "--results", str(tmp_path)]).output.endswith("begins one\n")


def test_an_unreachable_job_server_is_told() -> None:
    """Where nobody listens the error says so, with a hint."""
    with pytest.raises(LaunchError, match="cannot be reached") as raised:
        JobServer(f"http://127.0.0.1:{free_port()}")

    assert "port forwarded" in (raised.value.hint or "")


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b"5"), (404, b""), (500, b"")])
def test_another_server_is_told_from_a_job_server(status: int, body: bytes) -> None:
    """Whatever else answers there is no job server."""
    with server(status, body) as address, pytest.raises(LaunchError, match="is no job server of Ray"):
        JobServer(address)


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes the connection and says nothing is not waited for."""
    monkeypatch.setattr("study.launch.jobs._CONNECT_SECONDS", 0.2)
    with server(200, b"{}", seconds=1.0) as address, pytest.raises(LaunchError, match="cannot be reached: timed out"):
        JobServer(address)


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    """Where ray[default] is not installed a sentence says so, before anything is asked of a network."""
    (tmp_path / "space.toml").write_text(SPACE)
    script = "import sys; sys.modules['aiohttp'] = None\nfrom study.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "submit", "space.toml", "--address", "http://192.0.2.1:8265"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "need ray[default], which is not installed" in done.stderr
    assert "pip install 'colournet-study[cluster]'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "which search space?"),
        (["--trials", "3", "--address", "http://head:8265"], "SPACE comes before the options"),
        (["space.toml"], "which cluster?"),
        (["space.toml", "--address", "http://head:8265", "--trials", "none"], "'none' is not a valid integer"),
        (["space.toml", "--address", "http://head:8265", "--trails", "3"], "No such option"),
        (["--resume", "little", "--address", "http://head:8265", "--time-budget", "x"], "--time-budget"),
        (["--resume", "little", "--address", "http://head:8265", "--name", "x"], "--name is that of a new study"),
        (["space.toml", "--address", "http://head:8265", "--space", "x.toml"], "it needs --resume"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    """The options of launch and resume are checked here, by the very commands that will read them there."""
    monkeypatch.chdir(tmp_path)
    Path("space.toml").write_text(SPACE)
    done = CliRunner().invoke(cli, ["submit", *arguments])

    assert done.exit_code == 2
    assert told in done.output


def test_logs_of_a_study_of_this_machine(tmp_path: Path) -> None:
    """Without a cluster the same command prints what lies in the folder; what has no log yet is told."""
    folder = make_folder(tmp_path)
    folder.layout.log.write_text("what Ray said\n")
    with folder.write() as writer:
        writer.append("launched", trials=1, host="here", pid=1, workers=1)
        writer.append("asked", 0, params={"epochs": 2}, seed=1)
    run = CliRunner()

    assert run.invoke(cli, ["logs", "little", "--results", str(tmp_path)]).output == "what Ray said\n"
    assert "no worker has begun it" in run.invoke(cli, ["logs", "little", "0", "--results", str(tmp_path)]).output
    folder.layout.trial(0).root.mkdir(parents=True)
    folder.layout.trial(0).log.write_text("attempt 1\n")
    assert run.invoke(cli, ["logs", "little", "0", "--results", str(tmp_path)]).output == "attempt 1\n"


def test_a_token_is_found_where_ray_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment, in the file that it names, in the home folder; nowhere once tokens are switched off."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", trust.MODE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert trust.find_token() is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("home\n")
    assert trust.find_token() == "home"
    (tmp_path / "file").write_text("file")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "file"))
    assert trust.find_token() == "file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "variable")
    assert trust.find_token() == "variable"
    monkeypatch.setenv(trust.MODE, "disabled")
    assert trust.find_token() is None


def test_a_warning_of_an_open_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who joined without a token is warned, who showed one is not."""
    monkeypatch.delenv(trust.MODE, raising=False)
    assert "asks for no token" in (trust.warning() or "")
    monkeypatch.setenv(trust.MODE, "token")
    assert trust.warning() is None


def test_status_of_a_study_that_was_not_submitted(tmp_path: Path) -> None:
    """It says what is missing."""
    done = CliRunner().invoke(cli, ["status", "little", "--results", str(tmp_path)])

    assert isinstance(done.exception, StudyError)
    assert "was not submitted from here" in str(done.exception)


def test_json_of_a_place(tmp_path: Path) -> None:
    """What is remembered is two plain words, and no token."""
    Place("http://head:8265", "/shared").remember(tmp_path, "little")

    assert json.loads((tmp_path / ".jobs" / "little.json").read_text()) == {
        "address": "http://head:8265",
        "results": "/shared",
    }
