"""What a worker process of a local Ray loads as it starts, before there is a trial for it. To be imported is all it is for."""

from __future__ import annotations

import os


def _load() -> None:
    """Everything that a trial of one CPU takes, with the threads that Ray would give it: torch looks when it is imported."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import study.launch.tuning  # noqa: F401
    from study.launch.worker import warm_up

    warm_up()


_load()
