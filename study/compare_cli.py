"""`study compare`, apart from the commands on one study."""

from __future__ import annotations

import json
from pathlib import Path

import click

from colournet.waiting import waiting
from study.options import JSON, RESULTS, fitted


@click.command()
@click.argument("names", metavar="NAME NAME...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the figures and the page.  [default: comparisons/NAME-vs-NAME in --results]",
)
@JSON
@RESULTS
def compare(names: tuple[str, ...], out: Path | None, as_json: bool, results: Path) -> None:
    """Compare studies, each by its name or its path, in one table, one set of figures and one page.

    Studies whose numbers mean different things are refused, with what differs.
    """
    if len(names) < 2:
        raise click.UsageError("name two studies or more")
    from study.analysis.comparison import Comparison
    from study.analysis.comparison_report import write
    from study.analysis.comparison_tables import text, to_mapping

    with waiting("reading and drawing the studies"):
        comparison = Comparison.read(results, names)
        written = write(comparison, results, out)
    if as_json:
        click.echo(json.dumps({**to_mapping(comparison), "files": [str(path) for path in written]}, indent=2))
    else:
        fitted(text(comparison, str(written[-1])))
