"""Keeping the terminal quiet: what Ray and its processes print goes to a file, what we show goes to the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the record is ours; Tune's result files would be a second one
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def keep_quiet() -> None:
    """Tell Ray, which looks when it is imported, and its processes to say nothing."""
    os.environ.update(_QUIET)


@contextmanager
def captured(log: Path) -> Iterator[TextIO]:
    """Send file descriptors 1 and 2, child processes' included, to the end of `log`; answer a file on the old stderr."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept_out, kept_err = os.dup(1), os.dup(2)
    with log.open("ab") as file, os.fdopen(os.dup(kept_err), "w", encoding="utf-8") as terminal:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept_out, 1)
            os.dup2(kept_err, 2)
            os.close(kept_out)
            os.close(kept_err)
