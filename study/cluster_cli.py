"""The commands of `study` for studies on a cluster, which outlive the machine that submitted them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from study.options import JSON, RESULTS, fitted

_ADDRESS = click.option(
    "--address",
    help="The cluster's job server, as in http://HEAD:8265.  [default: where it was submitted to from here]",
)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", metavar="SPACE [OPTION OF LAUNCH]...", nargs=-1, type=click.UNPROCESSED)
@_ADDRESS
@click.option("--name", help="Name of the study.  [default: the space's]")
@click.option(
    "--resume", "resumed", metavar="NAME", help="Go on with this study instead; it takes the options of resume."
)
@click.option("--space", "wider", type=click.Path(path_type=Path), help="With --resume: a wider search space.")
@click.option(
    "--cluster-results",
    help="Folder of all studies on the cluster, on storage that its nodes share.  [default: ~/study-results]",
)
@RESULTS
def submit(arguments: tuple[str, ...], resumed: str | None, name: str | None, results: Path, **wanted: Any) -> None:
    """Hand a study to a Ray cluster as a job, which goes on when this machine is gone.

    Every option of `study launch` may follow SPACE, or with --resume every option of `study resume`; paths in them are
    those of the cluster. study status, logs, stop and fetch work from anywhere.
    """
    from study.launch import submission
    from study.launch.jobs import JobServer
    from study.launch.submitted import DEFAULT_RESULTS, Place
    from study.space import Space

    path, options = _split(
        arguments, is_resumed=resumed is not None, named=name is not None, wider=wanted["wider"] is not None
    )
    space = Space.load(Path(path)) if path else (Space.load(wanted["wider"]) if wanted["wider"] else None)
    name = resumed or name or (space.name if space else "")
    grace = _checked("resume" if resumed else "launch", [path or name, *options])["grace_seconds"]
    place = Place.recall(results, name)
    if wanted["address"] is None and (resumed is None or place is None):
        raise click.UsageError("which cluster? name its job server by --address http://HEAD:8265")
    server = JobServer(wanted["address"] or (place.address if place else ""))
    found = submission.results_of(server, name, results) if resumed else DEFAULT_RESULTS
    request = submission.Request(
        name=name, results=wanted["cluster_results"] or found, options=options, grace_seconds=grace
    )
    if resumed:
        submitted = submission.resume(server, request, space=space, local=results)
    else:
        assert space is not None
        submitted = submission.submit(server, space, request, local=results)
    _warn(server)
    click.echo(f"{name}: submitted to {server.address}, results in {submitted.results} there", err=True)
    click.echo(f"study status {name} tells how it goes, study fetch {name} brings it home", err=True)
    click.echo(submitted.job.id)


@click.command()
@click.argument("name")
@_ADDRESS
@JSON
@RESULTS
def status(name: str, address: str | None, as_json: bool, results: Path) -> None:
    """Tell how a submitted study goes: its job, and the study as far as it has come."""
    from study.launch.submitted import Submitted

    found = Submitted.find(results, name, address).status()
    text = found.pop("text")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{name}: {found['status']} on {found['address']} as {found['job']}, since {found['began']}")
    if text is not None:
        fitted(text)
    if found["status"] == "failed":
        click.echo(f"{found['message']}; study logs {name} tells more", err=True)


@click.command()
@click.argument("name")
@click.argument("trial", type=click.IntRange(min=0), required=False)
@_ADDRESS
@RESULTS
def logs(name: str, trial: int | None, address: str | None, results: Path) -> None:
    """Print what a study, or one of its trials, has logged: one of this machine, or one that was submitted."""
    from study.launch.submitted import Place, Submitted

    if address is None and Place.recall(results, name) is None:
        from study.launch.answers import study_log, trial_log
        from study.store import StudyFolder

        folder = StudyFolder.open(results, name)
        click.echo(study_log(folder) if trial is None else trial_log(folder, trial), nl=False)
        return
    submitted = Submitted.find(results, name, address)
    text = submitted.server.log(submitted.job.id) if trial is None else submitted.ask("log", str(trial)).decode()
    click.echo(text, nl=False)


@click.command()
@click.argument("name")
@_ADDRESS
@RESULTS
def stop(name: str, address: str | None, results: Path) -> None:
    """End a submitted study in order: running trials end their epoch, and the study can be resumed."""
    from study.launch.submitted import Submitted

    submitted = Submitted.find(results, name, address)
    was_active, job = submitted.job.is_active, submitted.stop()
    said = job.status.lower() if was_active else f"does not run, its job has {job.status.lower()}"
    click.echo(f"{name}: {said}; study submit --resume {name} goes on with it", err=True)


@click.command()
@click.argument("name")
@_ADDRESS
@click.option("--weights", is_flag=True, help="Bring models and checkpoints too.")
@RESULTS
def fetch(name: str, address: str | None, weights: bool, results: Path) -> None:
    """Bring the folder of a submitted study home, finished or running; repeated, what has changed since."""
    from study.launch.fetching import fetch as fetch_study
    from study.launch.submitted import Submitted

    fetched = fetch_study(Submitted.find(results, name, address), results, weights=weights)
    click.echo(fetched, err=True)
    click.echo(fetched.root)


COMMANDS = (submit, status, logs, stop, fetch)


def _split(arguments: tuple[str, ...], *, is_resumed: bool, named: bool, wider: bool) -> tuple[str | None, list[str]]:
    """The search space, which comes first unless a study is resumed, and the options that are passed on."""
    if is_resumed:
        if named:
            raise click.UsageError("--name is that of a new study, --resume goes on with one")
        return None, list(arguments)
    if wider:
        raise click.UsageError("--space widens a study that is gone on with: it needs --resume")
    if not arguments or arguments[0].startswith("-"):
        raise click.UsageError("which search space? SPACE comes before the options of launch")
    return arguments[0], list(arguments[1:])


def _checked(command: str, arguments: list[str]) -> dict[str, Any]:
    """What the command would make of these arguments; raises as it would."""
    group = click.get_current_context().find_root().command
    assert isinstance(group, click.Group)
    return group.commands[command].make_context(command, arguments).params


def _warn(server: Any) -> None:
    from study.launch.trust import OPEN

    if not server.asks_for_token:
        click.echo(OPEN, err=True)
