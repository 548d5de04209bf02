"""The collector of reference cycles, held back while what is made is to stay. Standard library only."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Do not look for garbage within the block, which makes a great many objects and throws hardly any away.

    The collector would look at all of them over and over: a good part of the time that reading a long record takes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
