"""The job server of a Ray cluster, by its public interface: what we ask of it, with a time limit, and errors in a sentence."""

from __future__ import annotations

import json
import logging
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from study.errors import LaunchError, StudyError
from study.launch import trust
from study.launch.output import keep_quiet

ACTIVE = ("PENDING", "RUNNING")

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
_INSTALL = "pip install 'colournet-study[cluster]', on the cluster's head too"
_UNREACHABLE = "is the head up, with its dashboard (ray[default]), and is the port forwarded? docs/cluster.md tells how"


@dataclass(frozen=True)
class Job:
    """A job as the server knows it."""

    id: str
    status: str
    """PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED."""
    message: str
    metadata: Mapping[str, str]
    began: float
    """Seconds since 1970."""
    node: str | None
    """Ray's identity of the node that its driver runs on; None before it runs."""

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.status in ACTIVE


class JobServer:
    """A cluster's job server. Every call raises `LaunchError` within seconds if it does not answer or does not let us in."""

    def __init__(self, address: str) -> None:
        """`address` is http://HOST:PORT, of Ray's dashboard. Raises `StudyError` where ray[default] is not installed."""
        self.address = check_address(address)
        client = _client()
        self.asks_for_token = _asks_for_token(self.address)
        token = trust.find_token() if self.asks_for_token else None
        with _told(self.address), _no_other_address():
            self._client = client(self.address, headers={} if token is None else {"Authorization": f"Bearer {token}"})

    def submit(self, job_id: str, entrypoint: str, *, runtime_env: dict[str, Any], metadata: dict[str, str]) -> None:
        """Hand a job over. Raises `StudyError` if there is one of its name."""
        with _told(self.address):
            try:
                self._client.submit_job(
                    entrypoint=entrypoint, submission_id=job_id, runtime_env=runtime_env, metadata=metadata
                )
            except RuntimeError as error:
                if "already exists" in str(error):
                    raise StudyError(
                        f"{self.address}: there is a job {job_id} already", hint="study status NAME tells of it"
                    ) from error
                raise

    def jobs(self) -> list[Job]:
        """All jobs that were ever submitted to this cluster, the oldest first."""
        with _told(self.address):
            found = [_job(details) for details in self._client.list_jobs() if details.submission_id]
        return sorted(found, key=lambda job: job.began)

    def job(self, job_id: str) -> Job:
        """One job as it is now."""
        with _told(self.address):
            return _job(self._client.get_job_info(job_id))

    def stop(self, job_id: str) -> None:
        """Send a job SIGTERM; the cluster kills what is left of it after its RAY_JOB_STOP_WAIT_TIME_S."""
        with _told(self.address):
            self._client.stop_job(job_id)

    def wait(self, job_id: str, *, seconds: float) -> Job:
        """Wait until a job has ended, at most so long; answer it as it is then."""
        deadline = time.monotonic() + seconds
        while (job := self.job(job_id)).is_active and time.monotonic() < deadline:
            time.sleep(0.2)
        return job

    def delete(self, job_id: str) -> None:
        """Have the server forget a job that has ended."""
        with _told(self.address):
            self._client.delete_job(job_id)

    def log(self, job_id: str) -> str:
        """All that a job has printed."""
        with _told(self.address):
            return str(self._client.get_job_logs(job_id))

    def log_bytes(self, job: Job) -> Iterator[bytes]:
        """All that a job has printed, to the byte and in pieces."""
        name = urllib.parse.quote(f"job-driver-{job.id}.log")
        query = f"node_id={job.node}&filename={name}&lines=-1&timeout=600"
        with _told(self.address), self._client._do_request("GET", f"/api/v0/logs/file?{query}", stream=True) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise RuntimeError(f"status code {answer.status_code}: {answer.text}")
            yield from answer.iter_content(1 << 16)


def check_address(address: str) -> str:
    """A job server's address with its scheme. Raises `StudyError` if it is none, or holds a password."""
    whole = address if "://" in address else f"http://{address}"
    parts = urllib.parse.urlsplit(whole)
    try:
        is_whole = parts.port is not None or "://" in address
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and is_whole
    except ValueError:
        is_address = False
    if parts.username is not None or parts.password is not None:
        raise StudyError("the address of a job server must hold no name or password", hint=trust.HINT)
    if not is_address:
        raise StudyError(
            f"{address}: is no address of a job server", hint="it is that of Ray's dashboard, as in http://HEAD:8265"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _asks_for_token(address: str) -> bool:
    """Whether the server answers only who shows a token. Raises `LaunchError` if it is not there, or no job server."""
    try:
        with urllib.request.urlopen(f"{address}/api/version", timeout=_CONNECT_SECONDS) as answer:
            told = json.load(answer)
            if isinstance(told, dict) and "ray_version" in told:
                return False
    except urllib.error.HTTPError as error:
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return True
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", None) or _first_line(error)
        told = "cannot be reached" if isinstance(error, OSError) else "is no job server of Ray"
        raise LaunchError(f"{address}: {told}: {reason}", hint=_UNREACHABLE) from error
    raise LaunchError(f"{address}: is no job server of Ray", hint=_UNREACHABLE)


def _client() -> Any:
    """Ray's class of a client, made to wait a minute at most. Raises `StudyError` where ray[default] is not installed."""
    keep_quiet()
    try:
        import aiohttp  # noqa: F401 (Ray takes its absence, and that of requests, for one)
        from ray.dashboard.modules import dashboard_sdk
        from ray.job_submission import JobSubmissionClient
    except ImportError as error:
        raise StudyError(
            f"studies on a cluster need ray[default], which is not installed: there is no {error.name}", hint=_INSTALL
        ) from error

    class Client(JobSubmissionClient):
        def _do_request(self, *arguments: Any, **options: Any) -> Any:
            return super()._do_request(*arguments, timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS), **options)

    for name in (dashboard_sdk.__name__, "ray._private.runtime_env.packaging"):
        logging.getLogger(name).setLevel(logging.WARNING)  # they tell of every upload
    return Client


@contextmanager
def _no_other_address() -> Iterator[None]:
    """While the block runs Ray finds no address in the environment, which it would prefer to the one that it is given."""
    names = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn what Ray's client raises into a sentence."""
    from ray.exceptions import AuthenticationError

    try:
        yield
    except AuthenticationError as error:
        raise trust.refusal(address, has_token="invalid" in str(error).lower()) from error
    except OSError as error:  # those of requests, too
        raise LaunchError(f"{address}: does not answer: {_first_line(error)}", hint=_UNREACHABLE) from error
    except RuntimeError as error:
        raise LaunchError(
            f"{address}: the cluster's job server failed: {_first_line(error)}",
            hint="its own logs tell more, in /tmp/ray/session_latest/logs on the head",
        ) from error


def _first_line(error: Exception) -> str:
    """An error in a line; of a traceback that the server sent the last line, which says what happened."""
    lines = [line for line in str(error).replace("\\n", "\n").splitlines() if line.strip(" '\".}")]
    return (lines[-1] if "Traceback" in str(error) else (lines or [type(error).__name__])[0]).strip()[:300]


def _job(details: Any) -> Job:
    return Job(
        id=str(details.submission_id),
        status=str(getattr(details.status, "value", details.status)),
        message=str(details.message or ""),
        metadata=dict(details.metadata or {}),
        began=(details.start_time or 0) / 1000,
        node=details.driver_node_id,
    )
