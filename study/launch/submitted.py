"""A study that was submitted to a cluster, from anywhere: found by its name, asked how it goes, and stopped.

A study's jobs are named after it, `study-NAME` and then `study-NAME~2`, one for each session. Where it was submitted is
remembered beside the results.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from colournet import files
from study.errors import AnswerError, LaunchError, StudyError
from study.launch import answers, shipping
from study.launch.jobs import Job, JobServer
from study.layout import check_name

DEFAULT_RESULTS = "~/study-results"

PYTHON = 'exec "$(command -v python || command -v python3)" -m'
"""How a job's command begins: without a shell that outlives it, by the Python that is active on the cluster's head."""

_ANSWER_SECONDS = 120.0
_NOTICE_SECONDS = 15.0
_STOP_SECONDS = 60.0
_JOB = re.compile(r"study-([A-Za-z0-9][A-Za-z0-9._-]*)(?:~(\d+))?")


@dataclass(frozen=True)
class Place:
    """Where a study was submitted to; remembered in `.jobs/NAME.json` beside the results."""

    address: str
    """The job server."""
    results: str
    """The folder of studies on the cluster."""

    @staticmethod
    def path(results: Path, name: str) -> Path:
        """The file that remembers."""
        return results / ".jobs" / f"{check_name(name)}.json"

    @classmethod
    def recall(cls, results: Path, name: str) -> Place | None:
        """What was remembered, None if nothing was that can be read."""
        try:
            found = json.loads(cls.path(results, name).read_bytes())
            return cls(str(found["address"]), str(found["results"]))
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def remember(self, results: Path, name: str) -> None:
        """Write it down."""
        path = self.path(results, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_text(path, json.dumps(asdict(self)) + "\n")
        except OSError as error:
            raise StudyError(
                f"{path}: cannot be written: {error.strerror}", hint="give another --results; the job runs all the same"
            ) from error


@dataclass(frozen=True)
class Submitted:
    """A study that was handed to a cluster."""

    server: JobServer
    name: str
    job: Job
    """Its latest job."""
    results: str
    """The folder of studies on the cluster."""

    @classmethod
    def find(cls, results: Path, name: str, address: str | None) -> Submitted:
        """The study by its name, on the cluster at `address`, or where it was submitted to from here.

        Raises `StudyError` if nothing is known of it, `LaunchError` if the cluster cannot be asked.
        """
        check_name(name)
        place = Place.recall(results, name)
        if address is None and place is None:
            raise StudyError(
                f"{name}: was not submitted from here", hint="name its cluster by --address http://HEAD:8265"
            )
        server = JobServer(address or (place.address if place else ""))
        job = latest_job(server, name)
        if job is None:
            known = sorted({found for found in map(study_of, server.jobs()) if found is not None})
            raise StudyError(
                f"{server.address}: there is no job of a study {name!r}",
                hint=f"it knows {', '.join(known)}" if known else "study submit SPACE begins one",
            )
        remembered = place.results if place and place.address == server.address else DEFAULT_RESULTS
        return cls(server, name, job, job.metadata.get("results", remembered))

    def ask(self, kind: str, *arguments: str, given: dict[str, str] | None = None) -> bytes:
        """Have a small job on the cluster answer from the study's folder. Raises what it answers as an error."""
        job_id = f"study-{self.name}~ask-{secrets.token_hex(4)}"
        command = shlex.join([kind, self.results, self.name, *arguments])
        with shipping.runtime_env(given or {}, stop_seconds=5) as environment:
            self.server.submit(
                job_id,
                f"{PYTHON} study.launch.answers {command}",
                runtime_env=environment,
                metadata={"asks": self.name},
            )
            try:
                return self._await_answer(job_id)
            finally:
                self._forget(job_id)

    def status(self) -> dict[str, Any]:
        """The job and, once it has begun, the study, for machines; these keys stay. `text` is the study's for people."""
        told: dict[str, Any] = {"text": None, "study": None}
        if self.job.status != "PENDING":
            try:
                told = json.loads(self.ask("show"))
            except AnswerError as error:  # it has not made its folder yet, as while the data are prepared
                told["text"] = f"{error.message}, yet"
        return {
            "name": self.name,
            "job": self.job.id,
            "status": self.job.status.lower(),
            "began": _time(self.job.began),
            "message": self.job.message.splitlines()[0] if self.job.message else "",
            "address": self.server.address,
            "results": self.results,
            **told,
        }

    def stop(self) -> Job:
        """End the study's job in order: running trials end their epoch, and the study can be gone on with."""
        if not self.job.is_active:
            return self.job
        self.server.stop(self.job.id)
        job = self.server.wait(self.job.id, seconds=_stop_seconds(self.job) + _NOTICE_SECONDS)
        if job.is_active:
            raise LaunchError(f"{self.name}: does not end", hint=f"study logs {self.name} tells more")
        return job

    def _await_answer(self, job_id: str) -> bytes:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            job = self.server.job(job_id)
            if job.node is not None:
                found = answers.read_answer(b"".join(self.server.log_bytes(job)))
                if found is not None:
                    return found
            if not job.is_active:
                break
            time.sleep(0.3)
        raise LaunchError(
            f"{self.name}: the cluster did not answer: {job.message.splitlines()[-1] if job.message else job.status}",
            hint=f"is there room for a process on its head? the job was {job_id}",
        )

    def _forget(self, job_id: str) -> None:
        with suppress(LaunchError):  # it ends by itself
            self.server.stop(job_id)
            if not self.server.wait(job_id, seconds=5).is_active:
                self.server.delete(job_id)


def latest_job(server: JobServer, name: str) -> Job | None:
    """A study's latest job, None if it has none."""
    found = [job for job in server.jobs() if study_of(job) == name]
    return max(found, key=session_of, default=None)


def study_of(job: Job) -> str | None:
    """Whose session a job is, None if it is no study's."""
    found = _JOB.fullmatch(job.id)
    return None if found is None else found[1]


def session_of(job: Job) -> int:
    """Which session of its study a job is, from 1."""
    found = _JOB.fullmatch(job.id)
    return 1 if found is None or found[2] is None else int(found[2])


def job_name(name: str, session: int) -> str:
    """The name of the job that is a session of a study."""
    return f"study-{name}" if session == 1 else f"study-{name}~{session}"


def _stop_seconds(job: Job) -> float:
    """How long a job may take to end, as the one who submitted it said."""
    try:
        return float(job.metadata["stop_seconds"])
    except (LookupError, ValueError):
        return _STOP_SECONDS


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
