"""Networks of one shape as one: every weight and buffer has the members along a first dimension, and so has the optimizer.

Built on `torch.func`: `vmap` over the members makes of their convolutions one grouped convolution and of their BatchNorms one
over all channels, whose means stay each member's own; so nothing of the networks is written twice, and any that `build`
makes can be stacked. Members never mix: one whose loss is not finite harms no other.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Float64, Integer, UInt8
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from colournet.batches import Gathered
from colournet.config import TrainConfig
from colournet.evaluation import batch_totals
from colournet.steps import batch_loss

Stacked = tuple[UInt8[Tensor, "m b 3 h w"], Integer[Tensor, "m b h w"]]

_BETAS = (0.9, 0.999)
_EPS = 1e-8


class Stack:
    """The networks' weights and buffers, stacked, and what is computed of all at once."""

    def __init__(self, networks: Sequence[nn.Module], config: TrainConfig) -> None:
        """The networks, which stay as they are, are of one shape, that of `config`."""
        self._config = config.replace(form="reference")  # the fast form changes maps in place, which a stack must not
        self._one = _Applied(copy.deepcopy(networks[0]).to("meta"))
        weights, self._buffers = stack_module_state([_Applied(network) for network in networks])
        self._weights: dict[str, Tensor] = dict(weights)

    @property
    def weights(self) -> list[Tensor]:
        """The stacked weights, in the order of the networks' own."""
        return list(self._weights.values())

    def losses(self, batches: Stacked) -> Float[Tensor, " m"]:
        """Each member's loss on its own batch, BatchNorm by the batch."""
        config = self._config

        def loss(network: nn.Module, batch: Gathered) -> Tensor:
            return batch_loss(network, batch, config)

        self._one.train()
        return self._each(loss, batches, own=True)

    @torch.no_grad()
    def totals(self, batch: Gathered, colour_table: Float[Tensor, "k d"]) -> Float64[Tensor, "m 3"]:
        """What `evaluation.batch_totals` answers for each member on one batch."""

        def totals(network: nn.Module, batch: Gathered) -> Tensor:
            return batch_totals(network, batch, colour_table, regression=self._config.is_regression)

        self._one.eval()
        return self._each(totals, batch, own=False)

    def _each(self, call: Callable[[nn.Module, Any], Tensor], batches: Any, *, own: bool) -> Tensor:
        """Call with each member's network, and with its own batch or with the one of all."""

        def one(weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], batch: Any) -> Tensor:
            answer: Tensor = functional_call(self._one, (weights, buffers), (call, batch))  # type: ignore[arg-type]
            return answer

        answers: Tensor = vmap(one, in_dims=(0, 0, 0 if own else None))(self._weights, self._buffers, batches)
        return answers

    @torch.no_grad()
    def write(self, member: int, network: nn.Module) -> None:
        """Give a network the weights and buffers of a member."""
        prefix = f"{_Applied.NAME}."
        state = {name.removeprefix(prefix): held[member] for name, held in {**self._weights, **self._buffers}.items()}
        network.load_state_dict(state)

    def keep(self, members: Sequence[int]) -> None:
        """Let all others leave."""
        self._weights = {name: chosen(held.detach(), members).requires_grad_() for name, held in self._weights.items()}
        self._buffers = {name: chosen(held, members) for name, held in self._buffers.items()}


class StackedAdam:
    """Adam or AdamW as torch has it, each member with its own steps, rate and weight decay, which pulls at convolutions alone."""

    def __init__(self, weights: Iterable[Tensor], configs: Sequence[TrainConfig]) -> None:
        first, *_ = weights = list(weights)
        self._decays = torch.tensor([config.weight_decay for config in configs], dtype=first.dtype, device=first.device)
        self._is_decaying = any(config.weight_decay for config in configs)
        self._is_decoupled = configs[0].optimizer == "adamw"
        self._means = [torch.zeros_like(weight) for weight in weights]
        self._squares = [torch.zeros_like(weight) for weight in weights]
        self._steps = torch.zeros(len(configs), dtype=torch.float64, device=first.device)

    @torch.no_grad()
    def load(self, member: int, state: Sequence[Mapping[str, Tensor]]) -> None:
        """Take over a member's state, a weight after the other as torch's Adam has it: `step`, `exp_avg`, `exp_avg_sq`."""
        for mean, square, kept in zip(self._means, self._squares, state, strict=True):
            mean[member], square[member] = kept["exp_avg"], kept["exp_avg_sq"]
            self._steps[member] = kept["step"]

    def state(self, member: int) -> list[dict[str, Tensor]]:
        """A member's state as `load` takes it; what is in it changes with the next step."""
        step = self._steps[member].float()
        return [
            {"step": step.clone(), "exp_avg": mean[member], "exp_avg_sq": square[member]}
            for mean, square in zip(self._means, self._squares, strict=True)
        ]

    @torch.no_grad()
    def step(self, weights: list[Tensor], gradients: list[Tensor], rates: Sequence[float]) -> None:
        """Change the weights in place; a rate a member."""
        self._steps += 1
        speeds = self._steps.new_tensor(rates)
        if self._is_decaying:
            gradients = self._decay(weights, gradients, speeds.to(weights[0].dtype))
        first, second = _BETAS
        torch._foreach_lerp_(self._means, gradients, 1 - first)
        torch._foreach_mul_(self._squares, second)
        torch._foreach_addcmul_(self._squares, gradients, gradients, 1 - second)
        scales = torch._foreach_sqrt(self._squares)
        bias = (1 - second**self._steps).sqrt().to(weights[0].dtype)
        torch._foreach_div_(scales, [along(bias, scale) for scale in scales])
        torch._foreach_add_(scales, _EPS)
        updates = torch._foreach_div(self._means, scales)
        lengths = (-speeds / (1 - first**self._steps)).to(weights[0].dtype)
        for weight, update in zip(weights, updates, strict=True):
            weight.addcmul_(update, along(lengths, weight))

    def _decay(self, weights: list[Tensor], gradients: list[Tensor], speeds: Tensor) -> list[Tensor]:
        """Pull at the convolution weights, or add the pull to their gradients; answer the gradients to step by."""
        pulled = list(gradients)
        for index, weight in enumerate(weights):
            if weight.dim() != 5:
                continue
            if self._is_decoupled:
                weight.mul_(1 - along(speeds * self._decays, weight))
            else:
                pulled[index] = gradients[index] + weight * along(self._decays, weight)
        return pulled

    def keep(self, members: Sequence[int]) -> None:
        """Forget all others."""
        self._means = [chosen(held, members) for held in self._means]
        self._squares = [chosen(held, members) for held in self._squares]
        self._decays, self._steps = chosen(self._decays, members), chosen(self._steps, members)


class _Applied(nn.Module):
    """A network inside what is computed with it, so that both are called with a member's weights."""

    NAME = "network"

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, call: Callable[[nn.Module, Any], Tensor], batch: Any) -> Tensor:
        return call(self.network, batch)


def along(values: Float[Tensor, " m"], weight: Float[Tensor, "m ..."]) -> Float[Tensor, "m ..."]:
    """A value a member, shaped to be broadcast over a stacked weight."""
    return values.reshape(-1, *[1] * (weight.dim() - 1))


def chosen(held: Tensor, members: Sequence[int]) -> Tensor:
    """The rows of some members."""
    return held[torch.tensor(members, dtype=torch.long, device=held.device)]
