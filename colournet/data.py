"""From a data set to what training reads: images by class, one split, palettes and labels.

`prepare` does everything that is the same for all runs of a study, once, and answers plain arrays that processes can
share. `DataBundle.for_run` picks what one run reads, without a copy unless extra classes are added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Integer, UInt8

from colournet import cifar10, palette, scenes
from colournet.config import CLASSES, TrainConfig
from colournet.errors import ConfigError, DataError
from colournet.palette_name import PaletteName

_VALIDATION_FRACTION = 5  # one in so many training images validates
_SCENES_COUNT: Mapping[str, int] = {"train": 1500, "test": 300}

Images = UInt8[np.ndarray, "_ 3 h w"]
Labels = Integer[np.ndarray, "_ h w"]
Palette = Float32[np.ndarray, "_ d"]


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What `train` reads. Images are 8-bit RGB, labels index the palette, the palette is RGB in [0, 1) or chroma."""

    train_images: Images
    train_labels: Labels
    validation_images: Images
    validation_labels: Labels
    palette: Palette


@dataclass(frozen=True, kw_only=True)
class DataBundle:
    """What all runs of a study read, as arrays that are never written to."""

    category: str
    train_images: dict[str, Images]
    """Training images by class, the category and whatever extra classes were asked for, each in its seeded order."""
    train_labels: dict[PaletteName, dict[str, Labels]]
    """Their labels, by palette and class."""
    validation_images: Images
    validation_labels: dict[PaletteName, Labels]
    palettes: dict[PaletteName, Palette]
    fingerprint: str
    """SHA-256 over the category's images and the palettes: equal where runs read the same pixels and colours."""
    test_images: Images | None = None
    """The category's test images, to score networks that are chosen already; None where nothing may read them."""

    def for_run(self, config: TrainConfig) -> TrainingData:
        """Pick what the run of `config` reads. Raises `ConfigError` if more `train_images` are asked for than there are."""
        available = len(self.train_images[self.category])
        count = available if config.train_images is None else config.train_images
        if count > available:
            raise ConfigError(f"train_images = {count}, but {config.dataset} has only {available} to train on")
        labels = self.train_labels[config.palette_name]
        classes = (self.category, *config.extra_classes)
        return TrainingData(
            train_images=_join([self.train_images[name][:count] for name in classes]),
            train_labels=_join([labels[name][:count] for name in classes]),
            validation_images=self.validation_images,
            validation_labels=self.validation_labels[config.palette_name],
            palette=self.palettes[config.palette_name],
        )


def prepare(
    config: TrainConfig,
    *,
    data_dir: Path | None = None,
    extra_classes: Collection[str] = (),
    palettes: Collection[PaletteName] = (),
    progress: bool = True,
) -> DataBundle:
    """Load, split and quantize the data that `config` names, and what else the runs beside it will ask for.

    The palette is fitted to the category's training images alone, whatever is added to them, so that runs with other
    classes or augmentation are measured in the same colours. `progress` allows a bar on stderr while CIFAR-10 is
    downloaded. Raises `DataError` if the data are missing or damaged, or hold fewer colours than a palette should.
    """
    extras = sorted({*config.extra_classes, *extra_classes} - {config.category}, key=CLASSES.index)
    images = _read(config, split="train", classes=[config.category, *extras], data_dir=data_dir, progress=progress)
    train, validation = _split(images.pop(config.category), config)
    if config.protocol == "handout":
        validation = read_test_images(config, data_dir=data_dir)
    pools = {config.category: train}
    for name, extra in images.items():
        pools[name] = _split(extra, config)[0][: len(train)]
    fitted = {
        name: palette.fit(train, num_colours=name.num_colours, space=name.colour_space, seed=config.data_seed)
        for name in sorted({config.palette_name, *palettes})
    }
    return DataBundle(
        category=config.category,
        train_images=pools,
        train_labels={
            name: {category: palette.quantize(pool, colours) for category, pool in pools.items()}
            for name, colours in fitted.items()
        },
        validation_images=validation,
        validation_labels={name: palette.quantize(validation, colours) for name, colours in fitted.items()},
        palettes=fitted,
        fingerprint=fingerprint([train, validation, *fitted.values()]),
    )


def read_train_images(config: TrainConfig, *, data_dir: Path | None = None) -> Images:
    """Read the training images of the category and the extra classes, those that validate left out."""
    classes = [config.category, *config.extra_classes]
    return _join([train for train, _ in read_splits(config, classes=classes, data_dir=data_dir).values()])


def read_splits(
    config: TrainConfig, *, classes: Sequence[str], data_dir: Path | None = None
) -> dict[str, tuple[Images, Images]]:
    """Read the training and the validation images of each class, split as a run of `config` splits its category's."""
    images = _read(config, split="train", classes=list(classes), data_dir=data_dir)
    return {name: _split(found, config) for name, found in images.items()}


def read_images(config: TrainConfig, *, split: str, data_dir: Path | None = None) -> Images:
    """Read the test or the validation images of a run."""
    if split == "test" or config.protocol == "handout":
        return read_test_images(config, data_dir=data_dir)
    return read_splits(config, classes=[config.category], data_dir=data_dir)[config.category][1]


def read_test_images(config: TrainConfig, *, data_dir: Path | None = None) -> Images:
    """Read the category's test images, which no selection may touch."""
    return _read(config, split="test", classes=[config.category], data_dir=data_dir)[config.category]


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over arrays, their shapes and types."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(
    config: TrainConfig,
    *,
    split: Literal["train", "test"],
    classes: list[str],
    data_dir: Path | None,
    progress: bool = True,
) -> dict[str, Images]:
    if config.dataset == "scenes":
        count = _SCENES_COUNT[split]
        return {name: scenes.draw(name, count, seed=config.data_seed, split=split) for name in classes}
    images = cifar10.read(cifar10.locate(data_dir, progress=progress), split=split, classes=classes)
    for name, found in images.items():
        if len(found) < _VALIDATION_FRACTION:
            raise DataError(f"the {split} images hold only {len(found)} of class {name!r}")
    return images


def _split(images: Images, config: TrainConfig) -> tuple[Images, Images]:
    """Shuffle, and part into training and validation; the handout's protocol trains on all."""
    order = np.random.default_rng(config.data_seed).permutation(len(images))
    kept = len(images) if config.protocol == "handout" else len(images) - len(images) // _VALIDATION_FRACTION
    return images[order[:kept]], images[order[kept:]]


def _join(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
