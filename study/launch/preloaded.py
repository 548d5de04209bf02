"""What a worker process of a local Ray loads as it starts, before there is a trial for it. To be imported is all it is for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from study.launch.local_ray import READY


def _load() -> None:
    """Everything that a trial of one CPU takes, with the threads that Ray would give it: torch looks when it is imported."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import study.launch.tuning  # noqa: F401
    from study.launch.worker import warm_up

    warm_up()


def _say_ready() -> None:
    """Tell the driver: from now on, Ray gives this process work."""
    with contextlib.suppress(OSError):  # the study may have been given up meanwhile
        Path(os.environ[READY], str(os.getpid())).touch()


_load()
_say_ready()
