"""Secrets stay out of records: whatever a command line, an error or a worker says."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from study import provenance
from study.launch import trial_log
from study.secrets import HIDDEN, is_secret, redacted, redacted_command
from tests.study.helpers import make_folder, session

SECRET = "s3cr3t-0123456789"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"s3://user:{SECRET}@bucket/path", "s3://***@bucket/path"),
        (f"cannot reach https://{SECRET}@host:8265/api", "cannot reach https://***@host:8265/api"),
        (f"s3://bucket/path?region=x&secret_key={SECRET}", "s3://bucket/path?region=x&secret_key=***"),
        (f"https://host/a?X-Amz-Signature={SECRET}&b=1", "https://host/a?X-Amz-Signature=***&b=1"),
        (f"AWS_SECRET_ACCESS_KEY={SECRET} python train.py", "AWS_SECRET_ACCESS_KEY=*** python train.py"),
        (f"apiKey={SECRET}", "apiKey=***"),
        (f"Authorization: Bearer {SECRET}", "Authorization: Bearer ***"),
    ],
)
def test_a_secret_is_taken_out_of_text(text: str, expected: str) -> None:
    """Passwords in URLs, values of telling names and bearer tokens are replaced, and the rest stays."""
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "command",
    [
        ["study", "launch", "--token", SECRET],
        ["study", "launch", f"--token={SECRET}"],
        ["study", "launch", "--api-key", SECRET, "x.toml"],
        ["study", "launch", "--address", f"http://me:{SECRET}@head:8265"],
        ["study", "launch", "--db_password", SECRET],
    ],
)
def test_a_secret_is_taken_out_of_a_command_line(command: list[str]) -> None:
    """What an option such as --token is given does not show."""
    shown = redacted_command(command)

    assert SECRET not in shown
    assert shlex.split(shown)[:2] == ["study", "launch"]
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        "study launch search_spaces/quick.toml --name first --keep-checkpoints 3 --address 10.0.0.1:6379",
        "trial 3 could not write: [Errno 28] No space left on device: '/results/a/trials/0003/attempt-1'",
        "keyboard=yes tokenizer=x monkey=1 batch_size=20 lr=0.1",
        "see https://docs.ray.io/en/latest?x=1 or mail a@b.org",
    ],
)
def test_innocent_text_stays(text: str) -> None:
    """What holds no secret is not changed by a letter."""
    assert redacted(text) == text
    assert shlex.split(redacted_command(text.split())) == text.split()


def test_names_of_secrets() -> None:
    """Words decide, not letters: a key is secret, a keyboard is not."""
    assert all(map(is_secret, ("RAY_AUTH_TOKEN", "awsSecretAccessKey", "db-password", "key", "HF_TOKEN", "PGPASSWORD")))
    assert not any(map(is_secret, ("keep", "keyboard", "tokenizer", "author", "monkeys", "signal")))


def test_secrets_of_the_environment_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a secret variable is taken out wherever it stands; a short one, or that of a path, is not."""
    monkeypatch.setenv("MY_SERVICE_TOKEN", SECRET)
    monkeypatch.setenv("OTHER_KEY", "abc")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/home/me/.ray/auth_token")

    assert redacted(f"abc {SECRET} /home/me/.ray/auth_token") == f"abc {HIDDEN} /home/me/.ray/auth_token"


def test_nothing_of_the_environment_is_in_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the manifest, nor an event that says something in words, nor a trial's log holds a secret."""
    monkeypatch.setenv("CLOUD_SECRET_KEY", SECRET)
    monkeypatch.setattr(sys, "argv", ["study", "launch", "--password", "hunter22", f"--storage=s3://a:{SECRET}@b"])
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session(1))
        writer.append("asked", 0, params={"epochs": 2}, seed=1)
        writer.append("note", text=f"could not reach s3://x:hunter22@bucket with {SECRET}")
        writer.append("failed", 0, attempt=0, reason="error", message=f"OSError: {SECRET}")
    trial_log.write(tmp_path / "log.txt", f"OSError: {SECRET}")

    told = json.dumps(provenance.collect()) + folder.layout.events.read_text() + (tmp_path / "log.txt").read_text()

    assert SECRET not in told
    assert "hunter22" not in told
    assert told.count(HIDDEN) >= 5


def test_a_copy_knows_what_it_was_copied_from(tmp_path: Path) -> None:
    """Code that was sent to a cluster, where it is neither a checkout nor installed, names the commit that it came from."""
    from study.launch import shipping

    with shipping.runtime_env({}, stop_seconds=1) as environment:
        study, _ = map(Path, environment["py_modules"])
        script = "import json, study.provenance as p; print(p.__file__); print(json.dumps(p.collect()))"
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={"PYTHONPATH": str(study.parent), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )

    path, told = done.stdout.splitlines()
    assert Path(path).is_relative_to(study.parent)
    here = provenance.collect()
    assert json.loads(told)["commit"] == here["commit"]
    assert json.loads(told)["versions"]["colournet-study"] == here["versions"]["colournet-study"]
