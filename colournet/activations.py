"""What the blocks of a network answer to one image."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from colournet.batches import as_tensor, grey


@torch.no_grad()
def block_outputs(network: nn.Module, image: UInt8[np.ndarray, "3 h w"]) -> dict[str, Float32[np.ndarray, "_ _ _"]]:
    """The output of every block (a module that the network itself calls) by name, in the order in which they run."""
    outputs: dict[str, np.ndarray] = {}
    depth = 0

    def enter(_module: nn.Module, _inputs: Any) -> None:
        nonlocal depth
        depth += 1

    def leave(name: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal depth
        depth -= 1
        if depth == 0:
            outputs[name] = output[0].to("cpu", torch.float32, copy=True).contiguous().numpy()

    handles = []
    for name, module in network.named_modules():
        if module is not network:
            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(partial(leave, name)))
    try:
        device = next(network.parameters()).device
        network.eval()(grey(as_tensor(image[None]).to(device)))
    finally:
        for handle in handles:
            handle.remove()
    return outputs
