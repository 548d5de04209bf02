"""Handing a study to a Ray cluster as a job: the same command as here, our packages and the search space sent along."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from study.errors import StudyError
from study.launch import shipping
from study.launch.jobs import Job, JobServer
from study.launch.submitted import DEFAULT_RESULTS, PYTHON, Place, Submitted, job_name, latest_job, session_of
from study.layout import check_name
from study.limits import Limits
from study.secrets import redacted_command
from study.space import Space

_ENDING_SECONDS = 45.0  # beyond the grace time: to write the end of the record, and for Ray to notice
_SPACE_FILE = "space.toml"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the cluster."""

    name: str
    results: str
    """The folder of studies there: absolute, or below the home folder by `~/`."""
    options: Sequence[str]
    """Options of `study launch` or `study resume`, as they were typed."""
    grace_seconds: float | None = None
    """That of the options, where they name it."""

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.results.startswith(("/", "~/")):
            raise StudyError(
                f"--cluster-results must be a whole path on the cluster, got {self.results}",
                hint="as /shared/results, on storage that all nodes share; `~/` is the home folder of the head",
            )
        if redacted_command(self.options) != shlex.join(self.options):
            raise StudyError(
                "an option holds a secret, which the cluster's dashboard would show to whoever may look",
                hint="give it to the nodes instead: in a file, by the environment of ray start, or as a role",
            )


def submit(server: JobServer, space: Space, request: Request, *, local: Path) -> Submitted:
    """Begin a study as a job; it is remembered in the results folder `local`.

    Raises `StudyError` if the cluster knows a study of this name: it runs, or can be gone on with.
    """
    job = latest_job(server, request.name)
    if job is not None:
        raise _refused(request.name, job)
    command = ["launch", _SPACE_FILE, "--name", request.name]
    return _hand_over(server, request, 1, command, given={_SPACE_FILE: space.text}, local=local)


def resume(server: JobServer, request: Request, *, space: Space | None = None, local: Path) -> Submitted:
    """Go on with a study as a further job, on its cluster or on another that has its folder."""
    job = latest_job(server, request.name)
    if job is not None and job.is_active:
        raise _refused(request.name, job)
    command = ["resume", request.name, *(() if space is None else ("--space", _SPACE_FILE))]
    given = {} if space is None else {_SPACE_FILE: space.text}
    session = 1 if job is None else session_of(job) + 1
    return _hand_over(server, request, session, command, given=given, local=local)


def entrypoint(command: Sequence[str], request: Request) -> str:
    """The job's command for a shell. Ray tells the job its cluster's address; a home folder is that of the job."""
    home, rest = ("~/", request.results[2:]) if request.results.startswith("~/") else ("", request.results)
    first, *others = command
    told = f'--address "$RAY_ADDRESS" --results {home}{shlex.quote(rest)}'
    return f"{PYTHON} study {first} {shlex.join([*others, *request.options])} {told}"


def _hand_over(
    server: JobServer, request: Request, session: int, command: Sequence[str], *, given: Mapping[str, str], local: Path
) -> Submitted:
    grace = Limits().grace_seconds if request.grace_seconds is None else request.grace_seconds
    seconds = grace + _ENDING_SECONDS
    with shipping.runtime_env(given, stop_seconds=seconds) as environment:
        server.submit(
            job_name(request.name, session),
            entrypoint(command, request),
            runtime_env=environment,
            metadata={"study": request.name, "results": request.results, "stop_seconds": f"{seconds:.0f}"},
        )
    Place(server.address, request.results).remember(local, request.name)
    return Submitted(server, request.name, server.job(job_name(request.name, session)), request.results)


def results_of(server: JobServer, name: str, local: Path) -> str:
    """Where the cluster keeps the studies: where this one's latest job put it, or else as it is remembered here."""
    job, place = latest_job(server, name), Place.recall(local, name)
    remembered = DEFAULT_RESULTS if place is None else place.results
    return remembered if job is None else job.metadata.get("results", remembered)


def _refused(name: str, job: Job) -> StudyError:
    if job.is_active:
        return StudyError(
            f"{name}: is running on this cluster already, as {job.id}",
            hint=f"study status {name} tells how it goes, study stop {name} ends it",
        )
    return StudyError(
        f"{name}: was submitted to this cluster already, and its job has {job.status.lower()}",
        hint=f"study submit --resume {name} goes on with it; --name OTHER begins another",
    )
