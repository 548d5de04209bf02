"""`python -m benchmarks`: measure, keep the results, write docs/performance.md."""

from __future__ import annotations

import time

import click

from colournet import entrypoint


@click.command(name="benchmarks", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--rounds", type=click.IntRange(min=1), help="How often contenders take turns.  [default: the benchmark's]"
)
@click.option("--list", "only_list", is_flag=True, help="Show which there are, and measure nothing.")
@click.option("--write-docs", "only_docs", is_flag=True, help="Write docs/performance.md anew, and measure nothing.")
def command(names: tuple[str, ...], rounds: int | None, only_list: bool, only_docs: bool) -> None:
    """Run benchmarks, by default all of them; keep their results, and write docs/performance.md."""
    from benchmarks import document, results, table

    if only_list:
        width = max(map(len, table.available()))
        for name, sentence in table.available().items():
            click.echo(f"{name:{width}}  {sentence}")
        return
    chosen = [] if only_docs else table.check(list(names))
    if rounds is not None:
        table.check_rounds(chosen)
    for name in chosen:
        click.echo(f"{name}: {table.available()[name]}", err=True)
        began, surroundings = time.perf_counter(), results.surroundings()
        measured = table.measure(name, rounds=rounds)
        click.echo(results.write(name, measured, surroundings, seconds=time.perf_counter() - began))
    click.echo(document.write())


if __name__ == "__main__":
    entrypoint.run(command)
