"""The layers of a network as it runs: filters, sizes, work, receptive fields and skip connections.

Nothing here knows the architectures. The network is run once without data (on PyTorch's meta device), and every operation
below its modules is watched, so that what is described is what computes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from colournet.config import TrainConfig
from colournet.fields import Field
from colournet.models import build

INPUT = "grey"
"""Name of the network's input among the `sources` of a layer."""

_IMAGE_SIDE = 32
_FIELD_SIDE = 2**14  # of the image on which receptive fields are measured, to see no border


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One convolution and what follows it in its block. Sizes are sides of squares."""

    name: str
    """The block; where a block holds several convolutions, the convolution's own path."""
    sources: tuple[str, ...]
    """Blocks whose output the block sees, `INPUT` for the image; more than one where a skip connection ends."""
    kernel_size: int
    dilation: int
    channels_in: int
    filters: int
    output_size: int
    """Side of the output in pixels, pooling or up-sampling done."""
    weights: int
    """Weights of the filters, biases not counted."""
    multiply_adds: int
    """Of one image, in the convolution alone."""
    receptive_field: int
    """Side, in input pixels, of the square that one output pixel can depend on."""


@dataclass(frozen=True)
class Description:
    """A network's layers in the order in which they run, and its totals."""

    layers: tuple[Layer, ...]
    parameters: int
    """All that is trained: weights, biases, and BatchNorm's scales and shifts."""
    image_size: int

    @property
    def weights(self) -> int:
        """Weights of all filters."""
        return sum(layer.weights for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all convolutions, for one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def receptive_field(self) -> int:
        """Side of the square of input pixels that one pixel of the answer can depend on: of parts summed, the widest."""
        return max(layer.receptive_field for layer in self.layers)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A convolution's filter on one channel, to compare it with others."""

    kernel_size: int
    dilation: int
    weights: int
    receptive_field: int


def describe(config: TrainConfig) -> Description:
    """Describe the network that `config` names, for images of 32 x 32 pixels."""
    with torch.device("meta"):
        network = build(config)
    return describe_network(network, image_size=_IMAGE_SIDE)


def describe_network(network: nn.Module, *, image_size: int) -> Description:
    """Describe a network of one input channel. Raises NotImplementedError for an operation that moves pixels unforeseen."""
    small = _watch(network, image_size)
    large = _watch(network, _FIELD_SIDE)
    layers = [
        replace(layer, receptive_field=output.field.widest())
        for (layer, _), (_, output) in zip(_finish(small), _finish(large), strict=True)
    ]
    return Description(
        layers=tuple(layers),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        image_size=image_size,
    )


def describe_filter(kernel_size: int, dilation: int = 1) -> Filter:
    """Describe one filter. Raises ValueError for numbers below 1."""
    if kernel_size < 1 or dilation < 1:
        raise ValueError(f"a filter needs a side and a dilation of at least 1, got {kernel_size} and {dilation}")
    network = nn.Sequential(nn.Conv2d(1, 1, kernel_size, dilation=dilation, bias=False, device="meta"))
    (layer,) = describe_network(network, image_size=dilation * (kernel_size - 1) + 1).layers
    return Filter(
        kernel_size=kernel_size, dilation=dilation, weights=layer.weights, receptive_field=layer.receptive_field
    )


@dataclass(frozen=True)
class _Known:
    """What is known of a tensor that came of the input: who made it, and what it sees."""

    sources: tuple[str, ...]
    field: Field


@dataclass
class _Seen:
    """A convolution that was watched, and the last output of its block before another convolution."""

    layer: Layer
    path: str
    output: _Known
    output_size: int


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the input through every operation. Hooks of `_watch` say which module is at work."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stack: list[str] = []
        self.entered: tuple[str, ...] = ()
        self.known = WeakIdKeyDictionary()
        self.seen: list[_Seen] = []

    @property
    def block(self) -> str | None:
        """The outermost module at work below the network."""
        return self.stack[1] if len(self.stack) > 1 else None

    def enter(self, path: str, _module: nn.Module, inputs: Sequence[Any]) -> None:
        """A module begins."""
        self.stack.append(path)
        if len(self.stack) == 2:
            joined = _join([self.known[tensor] for tensor in inputs if _is_known(tensor, self.known)])
            self.entered = joined.sources

    def leave(self, path: str, _module: nn.Module, _inputs: Sequence[Any], output: Tensor) -> None:
        """A module ends; what a block answers is the block's from now on."""
        if len(self.stack) == 2:
            self.known[output] = replace(self.known[output], sources=(path,))
        self.stack.pop()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and note what its output sees."""
        answer = func(*args, **(kwargs or {}))
        inputs = [tensor for tensor in _tensors(args) if _is_known(tensor, self.known)]
        output = answer[0] if isinstance(answer, tuple) else answer
        if not inputs or not isinstance(output, Tensor):
            return answer
        joined = _join([self.known[tensor] for tensor in inputs])
        known = replace(joined, field=_move(func, args, inputs, joined.field, output))
        self.known[output] = known
        if func.overloadpacket is torch.ops.aten.convolution:
            self._convolved(args, output, known)
        elif self.seen and self.block is not None and self.seen[-1].path.startswith(self.block):
            self.seen[-1].output, self.seen[-1].output_size = known, output.shape[-1]
        return answer

    def _convolved(self, args: tuple[Any, ...], output: Tensor, known: _Known) -> None:
        images, weight, _, _, _, dilation, transposed, *_ = args
        filters, channels_in = output.shape[1], images.shape[1]
        places = images if transposed else output
        layer = Layer(
            name=self.block or "",
            sources=self.entered,
            kernel_size=weight.shape[-1],
            dilation=dilation[-1],
            channels_in=channels_in,
            filters=filters,
            output_size=output.shape[-1],
            weights=weight.numel(),
            multiply_adds=weight.numel() * places.shape[-2] * places.shape[-1],
            receptive_field=0,
        )
        self.seen.append(_Seen(layer, self.stack[-1], known, output.shape[-1]))


def _watch(network: nn.Module, side: int) -> list[_Seen]:
    """Run a copy of a network, on no data, over a square image."""
    network = copy.deepcopy(network).to("meta").eval()
    watch = _Watch()
    for path, module in network.named_modules():
        module.register_forward_pre_hook(partial(watch.enter, path))
        module.register_forward_hook(partial(watch.leave, path))
    image = torch.zeros(1, 1, side, side, device="meta")
    watch.known[image] = _Known((INPUT,), Field.of_input(side))
    with torch.no_grad(), watch:
        network(image)
    return watch.seen


def _finish(seen: Sequence[_Seen]) -> list[tuple[Layer, _Known]]:
    """Give each layer its output's size, and a name of its own where it shares its block."""
    blocks = [each.layer.name for each in seen]
    return [
        (
            replace(
                each.layer,
                name=each.layer.name if blocks.count(each.layer.name) == 1 else each.path,
                output_size=each.output_size,
            ),
            each.output,
        )
        for each in seen
    ]


def _move(func: Any, args: tuple[Any, ...], inputs: Sequence[Tensor], field: Field, output: Tensor) -> Field:
    """The field after an operation; one that keeps the size of the image is taken to work pixel by pixel."""
    aten, packet = torch.ops.aten, func.overloadpacket
    if packet is aten.convolution:
        _, weight, _, stride, padding, dilation, transposed, extra, *_ = args
        settings = {"stride": stride[-1], "padding": padding[-1], "dilation": dilation[-1]}
        if transposed:
            return field.spread(weight.shape[-1], **settings, extra=extra[-1])
        return field.slide(weight.shape[-1], **settings)
    if packet in (aten.max_pool2d_with_indices, aten.avg_pool2d):
        taps = args[1][-1]
        stride = args[2][-1] if len(args) > 2 and args[2] else taps
        return field.slide(taps, stride=stride, padding=args[3][-1] if len(args) > 3 else 0, dilation=1)
    if packet is aten.upsample_nearest2d:
        return field.repeat(output.shape[-1] // inputs[0].shape[-1])
    if output.shape[-1] != inputs[0].shape[-1]:
        raise NotImplementedError(f"no rule says what {func} sees")
    return field


def _join(parts: Sequence[_Known]) -> _Known:
    sources = dict.fromkeys(source for part in parts for source in part.sources)
    return _Known(tuple(sources), Field.join(part.field for part in parts))


def _tensors(values: Sequence[Any]) -> list[Tensor]:
    """The tensors among arguments, also those in lists."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found


def _is_known(value: Any, known: Mapping[Tensor, _Known]) -> bool:
    return isinstance(value, Tensor) and value in known
