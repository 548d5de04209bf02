"""Where networks compute: the device, its threads, and algorithms that give the same bits each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from colournet.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is a GPU where there is one. Raises `ConfigError` for a GPU that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device = {name!r}, but this machine shows {torch.cuda.device_count()} GPUs",
            hint="use device = 'cpu' or 'auto'",
        )
    return device


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many CPU threads while the block runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic() -> Iterator[None]:
    """Keep cuDNN to algorithms that give the same bits each time; the CPU's always do."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield
