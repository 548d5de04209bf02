"""`TrainConfig`: everything that decides one training run, checked when it is made.

Standard library only, so that search spaces can be checked without loading torch. The fields are flat and their names
are the only vocabulary: the same word stands in `config.toml`, under `[fixed]` and `[search]` of a search space, and as
an option of `colournet train`.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colournet.errors import ConfigError, did_you_mean
from colournet.palette_name import PaletteName
from colournet.values import (
    CLASSES,
    COLOUR_SPACES,
    DATASETS,
    DOWN_SAMPLINGS,
    FORMS,
    MODELS,
    OPTIMIZERS,
    PRECISIONS,
    PROTOCOLS,
    SCHEDULES,
    check_value,
)

__all__ = [
    "CLASSES",
    "COLOUR_SPACES",
    "DATASETS",
    "DOWN_SAMPLINGS",
    "FORMS",
    "MODELS",
    "OPTIMIZERS",
    "PRECISIONS",
    "PROTOCOLS",
    "SCHEDULES",
    "TrainConfig",
    "check_name",
    "check_value",
    "field_docs",
]

_ASSIGNMENT_DILATION = 2  # the assignment's "dilation=1" means one gap between taps
_ANSWERED = {"rgb": 3, "lab": 2}  # channels of a regression


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run. Raises `ConfigError` for a value out of range or a combination that means nothing."""

    model: str = "unet"
    """Network: `regression_cnn` (RGB by squared error), `cnn`, `unet`, `dilated_unet` (colours by cross-entropy)."""

    colour_space: str = "rgb"
    """What the network answers, or its palette holds: `rgb`; or `lab`, chroma alone, the a and b of CIE L*a*b* (a regression
    answers both in units of 50), to which the grey of each pixel brings the light. Losses of the two cannot be compared;
    squared errors of the coloured pictures (`val_mse`) can."""

    kernel_size: int = 3
    """Side of every convolution's filter in pixels, odd, 1 to 15."""

    num_filters: int = 32
    """Filters of the first block; the inner blocks have twice as many."""

    dilation: int = 1
    """Dilation of the middle convolution of `dilated_unet`, 2 to 16: 2 leaves one gap between taps; 1, none, for all others."""

    down_sampling: str = "pool"
    """How the image gets smaller: `pool` takes the largest of four (and grows by repeating each pixel), `stride` learns it:
    convolutions of stride 2 down, transposed ones up (Springenberg et al., 2015), which keep where in the four a thing was."""

    depth: int = 2
    """Times that the image is halved, 2 to 4: filters double each time. 4 sees all of a 32 x 32 image, sky and ground alike."""

    full_resolution_skip: bool = False
    """Give a UNet `num_filters` features at full resolution, joined again before two last convolutions, so that these see
    edges and texture and not just one grey pixel."""

    residual_blocks: int = 0
    """Residual blocks (He et al., 2016) behind each block but the up-sampling ones: depth that is easy to train."""

    grey_table: bool = False
    """Add a trained table from 64 grey levels to logits, which starts as the training pixels' histogram while the last
    convolution starts at zero: the network begins at the floor `grey_table` and learns only what grey alone cannot tell."""

    num_colours: int = 24
    """Colours of the palette, 2 to 65,536, fitted by k-means to the training pixels of the category. The weights of a network
    without `full_resolution_skip` grow with their square."""

    epochs: int = 25
    """Passes over the training images."""

    learning_rate: float = 1e-3
    """Step size of the optimizer, above 0; the largest one of a schedule."""

    optimizer: str = "adam"
    """`adam` (Kingma and Ba, 2015), or `adamw`, which keeps weight decay apart from the step (Loshchilov and Hutter, 2019)."""

    schedule: str = "constant"
    """The learning rate over all epochs: `constant`; `cosine`, falling to zero along half a cosine; `one_cycle`, rising
    through the first three tenths, then falling so (Smith and Topin, 2018). A falling rate lets the noise of steps settle."""

    weight_decay: float = 0.0
    """Pull of the optimizer on convolution weights towards zero, 0 to 1; 0 for none. It holds back learning by heart."""

    label_smoothing: float = 0.0
    """Share of a label in training, 0 up to 1, that is spread over all colours: neighbours in a palette are near misses."""

    batch_size: int = 100
    """Images of one optimizer step."""

    category: str = "horse"
    """Class of the images that are learned, validated and tested."""

    flip_horizontal: bool = False
    """Mirror each training image left to right with probability one half."""

    flip_vertical: bool = False
    """Turn each training image upside down with probability one half."""

    shift_horizontal_pixels: int = 0
    """Largest shift of a training image left or right in pixels, uniform; the border repeats its last pixel."""

    shift_vertical_pixels: int = 0
    """Largest shift of a training image up or down in pixels, uniform; the border repeats its last pixel."""

    extra_classes: tuple[str, ...] = ()
    """Further classes whose images are added to training, never to validation or test."""

    dataset: str = "cifar10"
    """Where images come from: `cifar10` (photographs) or `scenes` (drawn in memory from a seed, no download)."""

    protocol: str = "split"
    """`split`: a seeded fifth of the training images validates. `handout`: train on all, validate on the test images, as
    the assignment does; only to compare with its published figures."""

    train_images: int | None = None
    """Train on the first so many of the category's shuffled training images; by default on all."""

    seed: int = 0
    """Seed of the initial weights, the shuffling and the augmentation."""

    data_seed: int = 0
    """Seed of what all runs to be compared must share: the split, the palette and the drawn scenes."""

    device: str = "auto"
    """`cpu`, `cuda`, `cuda:N`, or `auto`: a GPU where there is one."""

    num_threads: int = 1
    """CPU threads of the training step; the same count gives the same bits."""

    form: str = "fast"
    """How the network is computed: `reference`, layer by layer as `colournet.models` has it, or `fast`, the same but for
    rounding (`colournet.fast`). Only the assignment's networks have a fast form; all others are always `reference`, and so is
    whatever was written before there was a choice, so that it can be repeated to the bit."""

    precision: str = "float32"
    """In what training multiplies: `float32` (on a GPU in convolutions what PyTorch takes it to mean, TF32), or `bf16`, of 8
    significant bits; weights, sums, losses and all of validation stay float32. Meant for GPUs, and not measured yet."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = check_value(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        self._check_combinations()
        if self.is_extended:
            object.__setattr__(self, "form", "reference")

    def _check_combinations(self) -> None:
        if self.category in self.extra_classes:
            raise ConfigError(
                f"extra_classes names {self.category!r}, which is the category itself",
                hint="name other classes, or leave extra_classes empty",
            )
        self._check_dilation()
        self._check_meaning("full_resolution_skip", "its network has no skips", meaningless=not self.has_skips)
        self._check_meaning("grey_table", "it answers no palette colours", meaningless=self.is_regression)
        self._check_meaning("label_smoothing", "it learns from no labels", meaningless=self.is_regression)
        if self.down_sampling == "stride" and self.kernel_size == 1:
            raise ConfigError(
                "down_sampling = 'stride' with kernel_size = 1 would look at one pixel in four",
                hint="use a kernel_size of 3 or more, or down_sampling = 'pool'",
            )

    def _check_dilation(self) -> None:
        if self.model == "dilated_unet" and self.dilation == 1:
            raise ConfigError(
                "model 'dilated_unet' needs a dilation of 2 or more, got 1",
                hint=f"the assignment's is dilation = {_ASSIGNMENT_DILATION}; without dilation use model = 'unet'",
            )
        if self.model != "dilated_unet" and self.dilation != 1:
            raise ConfigError(
                f"dilation = {self.dilation} means nothing to model {self.model!r}",
                hint="only 'dilated_unet' is dilated; in a search space add when = { model = [\"dilated_unet\"] }",
            )

    def _check_meaning(self, name: str, reason: str, *, meaningless: bool) -> None:
        if meaningless and getattr(self, name):
            raise ConfigError(
                f"{name} = {json.dumps(getattr(self, name))} means nothing to model {self.model!r}: {reason}",
                hint=f"leave {name} out; in a search space add a when = {{ model = [...] }}",
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Make a config from names and values, as read from TOML or JSON.

        Where `dilated_unet` comes without a dilation it gets the assignment's, 2; what names no form is of the reference.
        Raises `ConfigError` for an unknown name, with the nearest known one, or for a wrong value.
        """
        for name in values:
            check_name(name)
        values = {"form": "reference", **values}
        if values.get("model") == "dilated_unet":
            values.setdefault("dilation", _ASSIGNMENT_DILATION)
        return cls(**values)

    @classmethod
    def from_toml(cls, path: Path) -> TrainConfig:
        """Read a `config.toml`. Raises `ConfigError` if it is missing, not TOML, or not a valid config."""
        try:
            return cls.from_mapping(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            hint = "name a config.toml, such as every run folder holds"
            raise ConfigError(f"{path}: cannot be read: {error.strerror}", hint=hint) from error
        except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number too long, nested too deep
            raise ConfigError(f"{path}: not valid TOML: {error}") from error
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.message}", hint=error.hint) from error

    def to_mapping(self) -> dict[str, Any]:
        """The set fields as JSON- and TOML-ready values (lists for tuples, None left out)."""
        values = {name: _plain(value) for name, value in dataclasses.asdict(self).items()}
        return {name: value for name, value in values.items() if value is not None}

    def to_toml(self) -> str:
        """The text of a `config.toml` from which `from_toml` makes an equal config."""
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in self.to_mapping().items())

    def replace(self, **changes: Any) -> TrainConfig:
        """A copy with some fields changed, checked anew."""
        return dataclasses.replace(self, **changes)

    @property
    def is_regression(self) -> bool:
        """Whether the network answers a colour, trained by squared error, rather than palette colours by cross-entropy."""
        return self.model == "regression_cnn"

    @property
    def has_skips(self) -> bool:
        """Whether the later blocks of the network see the outputs of their mirror blocks."""
        return self.model in ("unet", "dilated_unet")

    @property
    def is_extended(self) -> bool:
        """Whether the network is more than the assignment's: one of the further choices is made."""
        further = ("down_sampling", "depth", "full_resolution_skip", "residual_blocks", "grey_table")
        return any(getattr(self, name) != getattr(type(self), name) for name in further)

    @property
    def palette_name(self) -> PaletteName:
        """Which palette the run is measured in; a classification answers its colours."""
        return PaletteName(self.num_colours, self.colour_space)

    @property
    def num_outputs(self) -> int:
        """Channels that the network answers: those of a colour, or a logit for each palette colour."""
        return _ANSWERED[self.colour_space] if self.is_regression else self.num_colours

    @property
    def side_multiple(self) -> int:
        """Height and width of the images that the network takes are multiples of this."""
        return int(2**self.depth)


def check_name(name: str) -> None:
    """Raise `ConfigError`, with the nearest known name as hint, if no field is called `name`."""
    known = TrainConfig.__dataclass_fields__
    if name not in known:
        raise ConfigError(f"unknown setting {name!r}", hint=did_you_mean(name, known))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@functools.cache
def field_docs(kind: type = TrainConfig) -> dict[str, str]:
    """The documentation of every field of a config, by name: the string that stands under it in its file."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            docs[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return docs
