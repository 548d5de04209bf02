"""The one place where a command line meets errors: sentence, hint and exit code for users, tracebacks for bugs."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from colournet.errors import UserError

INTERRUPTED = 130


def run(group: click.Group) -> NoReturn:
    """Run a command group on `sys.argv` and exit: 0 done, 1 an error told, 2 wrong usage, 130 interrupted."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        group.main(args=arguments, prog_name=group.name, standalone_mode=False)
        code = 0
    except UserError as error:
        if debug:
            raise
        code = _tell(error)
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`study show NAME | head`), which is its right.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _tell(error: UserError) -> int:
    plain = "NO_COLOR" in os.environ
    click.echo((None if plain else click.style("error: ", fg="red", bold=True)) or "error: ", nl=False, err=True)
    click.echo(error.message, err=True)
    if error.hint:
        click.echo(f"\nhint: {error.hint}", err=True)
    return error.exit_code
