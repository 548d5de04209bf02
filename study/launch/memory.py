"""That a trial which has ended holds no memory, so that the next one in its process, or beside it on its GPU, can have it."""

from __future__ import annotations

import functools
import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def released() -> Iterator[None]:
    """When the block has ended, hold nothing of it any more: no tensor of its frames, and on a GPU no cache.

    A trial that is stopped is ended by an exception, whose traceback would keep the network until Ray forgets it.
    """
    try:
        yield
    except BaseException as ended:
        error: BaseException | None = ended
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__context__
        raise
    finally:
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            _collect_once()
            torch.cuda.empty_cache()


def let_go(error: Exception, *, was_out_of_memory: bool) -> None:
    """Let an error that was logged hold nothing any more of what the trial held; where that was too much, find all of it."""
    error.__traceback__ = None
    if was_out_of_memory:
        collect()


def collect() -> None:
    """Find what is held by nobody, which takes some tenths of a second, and give it back, also what torch has in reserve."""
    gc.collect()
    torch.cuda.empty_cache()  # without a GPU, nothing


@functools.cache
def _collect_once() -> None:
    """What is loaded while the first trial of a process runs leaves circles that hold its network; later trials leave none."""
    gc.collect()
