"""Optimizers and learning-rate schedules. The rate is computed from how much is done, so a resumed run has no state of it."""

from __future__ import annotations

import inspect
import math
from typing import Any, TypeVar

import torch
from torch import nn

from colournet.config import TrainConfig

Optimizer = torch.optim.Adam | torch.optim.AdamW
_Kind = TypeVar("_Kind", bound=torch.optim.Optimizer)

_COMPILER_AWARE = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""What torch wraps, beside `step`, lest its compiler look into it. The wrappers load the compiler, seconds of CPU time."""
_WARM_UP = 0.3
_WARM_UP_FROM = 1 / 25


def _without_compiler(kind: type[_Kind]) -> type[_Kind]:
    """The optimizer as torch wrote it, without the wrappers for a compiler that is not used here: the same to the bit."""
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in _COMPILER_AWARE}
    made: Any = type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(inspect.unwrap(kind.step))})
    return made  # type: ignore[no-any-return]


_ADAM, _ADAMW = _without_compiler(torch.optim.Adam), _without_compiler(torch.optim.AdamW)


def make_optimizer(network: nn.Module, config: TrainConfig) -> Optimizer:
    """The optimizer of `config` over all weights; weight decay, where there is any, pulls at convolution weights alone."""
    kind = _ADAMW if config.optimizer == "adamw" else _ADAM
    groups, decay = _groups(network, config.weight_decay), config.weight_decay
    device = next(network.parameters()).device
    if device.type != "cuda":
        return kind(groups, lr=config.learning_rate, weight_decay=decay, fused=True)
    rate = torch.tensor(config.learning_rate, device=device)  # where a recorded step looks for it
    return kind(groups, lr=rate, weight_decay=decay, fused=True, capturable=True)


def set_learning_rate(optimizer: Optimizer, config: TrainConfig, *, done: float) -> None:
    """Set the rate for a step, where `done` is the fraction of all steps that lie behind it, in [0, 1)."""
    if config.schedule == "constant":
        return
    rate = config.learning_rate * share_of_rate(config.schedule, done)
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def share_of_rate(schedule: str, done: float) -> float:
    """The learning rate of a schedule as a share, in [0, 1], of its largest."""
    if schedule == "one_cycle":
        if done < _WARM_UP:
            return _WARM_UP_FROM + (1 - _WARM_UP_FROM) * done / _WARM_UP
        done = (done - _WARM_UP) / (1 - _WARM_UP)
    return 1.0 if schedule == "constant" else (1 + math.cos(math.pi * done)) / 2


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """All weights in one group, or, under weight decay, convolution weights apart from biases, norms and the grey table."""
    weights = list(network.parameters())
    if not weight_decay:
        return [{"params": weights}]
    decayed = [weight for weight in weights if weight.dim() == 4]
    rest = [weight for weight in weights if weight.dim() != 4]
    return [{"params": decayed}, {"params": rest, "weight_decay": 0.0}]
