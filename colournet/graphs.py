"""A training step recorded once as a CUDA graph, and replayed: a batch costs one launch, and nothing waits for Python.

No machine with a GPU was at hand when this was written: what it gains is not measured, and what only a GPU can show is not
tested. The rest is, on the CPU: that a step is replayed from its own buffers, and that recording one changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from colournet.batches import Picks
from colournet.optimization import Optimizer

Work = Callable[[], None]

_WARM_UP_STEPS = 3  # as PyTorch advises: libraries choose and allocate in the first ones what must not be recorded


class Replayed:
    """A step that is recorded with its first batch, and replayed for every other of that shape."""

    def __init__(self, step: Callable[[Picks], None], *, record: Callable[[Work], Work]) -> None:
        """`record` answers what repeats some work, which always reads the same tensors, and leaves everything as it was."""
        self._step, self._record = step, record
        self._buffers: Picks | None = None
        self._replay: Work | None = None

    def __call__(self, picks: Picks) -> None:
        """Take the step on a batch."""
        if self._buffers is None or self._replay is None:
            self._buffers = picks.copy()
            self._replay = self._record(partial(self._step, self._buffers))
        if len(picks.chosen) != len(self._buffers.chosen):  # the last batch of an epoch may be smaller
            self._step(picks)
            return
        self._buffers.take(picks)
        self._replay()


def record(work: Work, *, network: nn.Module, optimizer: Optimizer, others: Sequence[Tensor] = ()) -> Work:
    """Record training work on a GPU, after some rounds of it that are undone; answer what replays it."""
    with unchanged(network, optimizer, others):
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UP_STEPS):
                work()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
    replay: Work = graph.replay
    return replay


@contextmanager
def unchanged(network: nn.Module, optimizer: Optimizer, others: Sequence[Tensor] = ()) -> Iterator[None]:
    """Let steps be taken, and undo what they did to weights, statistics, moments and other tensors, in their places."""
    was_fresh = not optimizer.state
    held = [*network.state_dict().values(), *_moments(optimizer), *others]
    kept = [tensor.detach().clone() for tensor in held]
    yield
    with torch.no_grad():
        for tensor, before in zip(held, kept, strict=True):
            tensor.copy_(before)
        for tensor in _moments(optimizer) if was_fresh else ():
            tensor.zero_()


def _moments(optimizer: Optimizer) -> list[Tensor]:
    return [tensor for state in optimizer.state.values() for tensor in state.values()]
