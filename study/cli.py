"""`study`: launch, look at, and repeat studies. Commands declare, import late, call and print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colournet import entrypoint
from colournet.waiting import waiting
from study.cluster_cli import COMMANDS as _ON_CLUSTERS
from study.compare_cli import compare
from study.options import DATA_DIR as _DATA_DIR
from study.options import JSON as _JSON
from study.options import RESULTS as _RESULTS
from study.options import fitted as _print
from study.options import limit_options, resource_options

if TYPE_CHECKING:
    from study.launch.resources import Resources


@click.group(name="study", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
@click.version_option(package_name="colournet-study")
def cli() -> None:
    """Answer questions about training by measurement: searches by Ray Tune and Optuna over colournet."""


cli.add_command(compare)
for _command in _ON_CLUSTERS:
    cli.add_command(_command)


@cli.command()
@click.argument("space", type=click.Path(path_type=Path))
@_JSON
@resource_options
@_DATA_DIR
@_RESULTS
def check(space: Path, as_json: bool, resources: Resources, data_dir: Path | None, results: Path) -> None:
    """Validate a search space; show its dimensions, one sampled configuration and what it will cost.

    With --address, look also whether a Ray cluster is ready for the study: its nodes, their versions, the storage of the
    checkpoints, the data, how many trials run at once and for how long. Nothing is started.
    """
    from study.preview import preview, preview_json
    from study.space import Space

    loaded = Space.load(space)
    if resources.is_packed:
        click.echo("--gpus-per-trial auto: which part of a GPU a trial takes is measured at launch", err=True)
    if resources.address is None:
        click.echo(json.dumps(preview_json(loaded), indent=2) if as_json else preview(loaded, results))
        return
    from study.launch.preflight_report import look

    report = look(loaded, results, resources, data_dir)
    told = {**preview_json(loaded), "cluster": report.to_mapping()}
    click.echo(json.dumps(told, indent=2) if as_json else f"{preview(loaded, results)}\n\n{report}")
    report.check()


@cli.command()
@click.argument("space", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the study.  [default: the space's]")
@click.option("--trials", type=click.IntRange(min=1), help="Number of trials.  [default: the space's]")
@resource_options
@limit_options
@_DATA_DIR
@_RESULTS
def launch(space: Path, results: Path, limits: dict[str, Any], **wanted: Any) -> None:
    """Run a study on a local Ray, or on a cluster with --address."""
    from study.launch.session import launch as launch_study
    from study.limits import Limits
    from study.space import Space

    _print_study(launch_study(Space.load(space), results, limits=Limits().replace(**limits), **wanted))


@cli.command()
@click.argument("name")
@click.option("--trials", type=click.IntRange(min=1), help="Number of trials, all in all.  [default: as launched]")
@click.option(
    "--space", type=click.Path(path_type=Path), help="A wider search space to go on with.  [default: the study's]"
)
@click.option("--accept-space-change", is_flag=True, help="Go on with a search space that only widens the study's.")
@resource_options
@limit_options
@_DATA_DIR
@_RESULTS
def resume(name: str, space: Path | None, results: Path, **wanted: Any) -> None:
    """Finish a study that stopped for any reason, or extend it to --trials in all, or by what a budget pays for."""
    from study.launch.session import resume as resume_study
    from study.space import Space
    from study.store import StudyFolder

    folder = StudyFolder.open(results, name)
    _print_study(resume_study(folder, space=Space.load(space) if space else None, **wanted))


@cli.command()
@click.argument("name")
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="How many of the best trials to confirm."
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Fresh seeds that each is trained with."
)
@_JSON
@resource_options
@limit_options
@_DATA_DIR
@_RESULTS
def confirm(name: str, as_json: bool, results: Path, **wanted: Any) -> None:
    """Did the best trial win? Train the best and the default with fresh seeds, score them on test images, and judge.

    Typed again it goes on with what is missing, and changes nothing where nothing is.
    """
    from study.analysis.confirmation_report import publish, to_mapping
    from study.analysis.confirmation_tables import text
    from study.analysis.judgement import Judgement
    from study.candidates import overtaken
    from study.launch.confirmation import confirm as confirm_study
    from study.store import StudyFolder

    study = StudyFolder.open(results, name)
    folder = confirm_study(study, **wanted)
    with waiting(f"judging the runs of {name}"):
        judgement = Judgement.read(folder)
        publish(judgement)
    _print(json.dumps(to_mapping(judgement), indent=2) if as_json else text(judgement))
    newer = overtaken(study, judgement.confirmation)
    if newer is not None:
        click.echo(newer, err=True)


@cli.command(name="list")
@_JSON
@_RESULTS
def list_(as_json: bool, results: Path) -> None:
    """List the studies of a results folder."""
    from study.store import study_folders
    from study.summary import list_json, study_list

    studies = list_json(study_folders(results))
    if as_json:
        click.echo(json.dumps(studies, indent=2))
    elif studies:
        _print(study_list(studies))
    else:
        click.echo(f"{results}: no studies yet; study launch SPACE begins one", err=True)


@cli.command()
@click.argument("name")
@click.argument("trial", type=click.IntRange(min=0), required=False)
@click.option(
    "--watch", "is_watching", is_flag=True, help="Follow the study until it ends; with --json a line a change."
)
@_JSON
@_RESULTS
def show(name: str, trial: int | None, is_watching: bool, as_json: bool, results: Path) -> None:
    """Show a study, finished or running, or one of its trials."""
    from study.store import StudyFolder
    from study.summary import study_json, study_text, trial_json, trial_text
    from study.watch import watch

    folder = StudyFolder.open(results, name)
    if is_watching:
        if trial is not None:
            raise click.UsageError("--watch follows a study, not one of its trials")
        watch(folder, as_json=as_json, tell=click.echo)
        return
    record = folder.glance() if trial is None else folder.read()
    if trial is None:
        _print(json.dumps(study_json(folder, record), indent=2) if as_json else study_text(folder, record))
        return
    chosen = record.trial(trial)
    _print(json.dumps(trial_json(chosen), indent=2) if as_json else trial_text(folder, chosen))


@cli.command()
@click.argument("name")
@_RESULTS
def analyze(name: str, results: Path) -> None:
    """Draw the figures of a study, finished or running, and write its report."""
    from study.analysis.report import write_report
    from study.store import StudyFolder

    folder = StudyFolder.open(results, name)
    with waiting(f"reading {name}") as tell:
        written = write_report(folder, tell)
    for path in written:
        click.echo(path)


@cli.command()
@click.argument("name")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl", "parquet", "optuna"]),
    default="csv",
    show_default=True,
    help="Four tables, or an Optuna storage.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the tables, or file of the storage: SQLite, or a journal if it ends in .log or .journal.  "
    "[default: export/ in the study's folder]",
)
@_RESULTS
def export(name: str, kind: str, out: Path | None, results: Path) -> None:
    """Write a study, finished or running, for other programs."""
    from study.store import StudyFolder

    folder = StudyFolder.open(results, name)
    if kind == "optuna":
        from study.launch.optuna_export import export as export_storage

        with waiting(f"writing {name} for Optuna"):
            written = [export_storage(folder, out)]
    else:
        from study.analysis.export import export as export_tables

        with waiting(f"writing the tables of {name}"):
            written = export_tables(folder, kind, out)
    for path in written:
        click.echo(path)


@cli.command()
@click.argument("name")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8080 if it is free, else any]"
)
@_RESULTS
def dashboard(name: str, host: str, port: int | None, results: Path) -> None:
    """Serve optuna-dashboard over a study, which follows it while it runs; Ctrl-C ends it."""
    from study.launch.dashboard import Dashboard
    from study.store import StudyFolder

    folder = StudyFolder.open(results, name)
    server = Dashboard(folder, host=host, port=port, tell=lambda text: click.echo(text, err=True))
    click.echo(server.url)
    server.serve()


@cli.command()
@click.argument("name")
@click.option("--trial", type=click.IntRange(min=0), help="Number of the trial.  [default: the best]")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.02,
    show_default=True,
    help="Largest relative difference of an epoch's loss that counts as within tolerance.",
)
@_DATA_DIR
@_RESULTS
def reproduce(name: str, trial: int | None, tolerance: float, data_dir: Path | None, results: Path) -> None:
    """Train a recorded configuration again as a standalone run, and compare it with the record."""
    from study.errors import NotReproducedError
    from study.reproduce import reproduce as reproduce_trial
    from study.store import StudyFolder

    verdict = reproduce_trial(StudyFolder.open(results, name), trial, tolerance=tolerance, data_dir=data_dir)
    click.echo(verdict.text)
    if not verdict.is_reproduced:
        raise NotReproducedError(f"{name}: trial {verdict.trial} was not reproduced", hint=verdict.hint)


@cli.command()
@click.argument("name")
@click.option("--repair", is_flag=True, help="Mend what can be mended without loss, while no driver is at work.")
@_JSON
@_RESULTS
def doctor(name: str, repair: bool, as_json: bool, results: Path) -> None:
    """Check a study's folder: its record, its files, and whether they agree."""
    from study.doctor import diagnose, mend

    with waiting(f"looking at every file of {name}"):
        diagnosis = mend(results, name) if repair else diagnose(results, name)
    click.echo(json.dumps(diagnosis.to_mapping(), indent=2) if as_json else str(diagnosis))
    diagnosis.check()


def _print_study(folder: Any) -> None:
    from study.summary import study_text

    click.echo(study_text(folder, folder.read(), with_trials=False))


def main() -> None:
    """Run the command line and exit."""
    entrypoint.run(cli)
