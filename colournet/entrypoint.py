"""The one place where a command line meets errors: sentence, hint and exit code for users, tracebacks for bugs."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from colournet.errors import UserError

INTERRUPTED = 130


def run(group: click.Command) -> NoReturn:
    """Run a command, or a group of them, on `sys.argv` and exit: 0 done, 1 an error told, 2 wrong usage, 130 interrupted."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        code = group.main(args=arguments, prog_name=group.name, standalone_mode=False) or 0
    except UserError as error:
        if debug:
            raise
        code = _tell(error)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = INTERRUPTED
    sys.exit(code)


def _tell(error: UserError) -> int:
    label = "error:" if os.environ.get("NO_COLOR") else click.style("error:", fg="red", bold=True)
    click.echo(f"{label} {error.message}", err=True)
    if error.hint:
        click.echo(f"\nhint: {error.hint}", err=True)
    return error.exit_code
