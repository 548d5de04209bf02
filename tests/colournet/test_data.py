"""The data of a study: one split that all its runs share, and what each run picks of it."""

import numpy as np
import pytest

from colournet.config import TrainConfig
from colournet.data import DataBundle, prepare, read_images, read_splits, read_test_images, read_train_images
from colournet.errors import ConfigError
from colournet.palette import quantize
from colournet.palette_name import PaletteName
from tests.colournet.conftest import FEW_SCENES

pytestmark = pytest.mark.usefixtures("few_scenes")


def pixels(images: np.ndarray) -> set[bytes]:
    """The images as a set; scenes are all different."""
    return {image.tobytes() for image in images}


def test_split(bundle: DataBundle) -> None:
    """A fifth validates, the rest trains, and no image does both."""
    train, validation = pixels(bundle.train_images["horse"]), pixels(bundle.validation_images)

    assert (len(train), len(validation)) == (48, 12)
    assert not train & validation


def test_test_images_are_no_part_of_it(bundle: DataBundle, config: TrainConfig) -> None:
    """Nothing that a study reads is a test image."""
    test = pixels(read_test_images(config))

    assert len(test) == FEW_SCENES["test"]
    assert not test & (pixels(bundle.train_images["horse"]) | pixels(bundle.validation_images))


def test_handout_protocol(config: TrainConfig, bundle: DataBundle) -> None:
    """The assignment's protocol trains on all images and validates on the test images."""
    handout = prepare(config.replace(protocol="handout"))

    assert pixels(handout.train_images["horse"]) == (
        pixels(bundle.train_images["horse"]) | pixels(bundle.validation_images)
    )
    assert (handout.validation_images == read_test_images(config)).all()


@pytest.mark.parametrize("protocol", ["split", "handout"])
def test_images_without_labels(protocol: str, config: TrainConfig) -> None:
    """What is read without fitting a palette are the images that a run has."""
    config = config.replace(protocol=protocol)
    prepared = prepare(config)

    assert (read_images(config, split="validation") == prepared.validation_images).all()
    assert (read_images(config, split="test") == read_test_images(config)).all()
    assert (read_train_images(config) == prepared.train_images["horse"]).all()


def test_splits_of_several_classes(config: TrainConfig) -> None:
    """Each class is split as a run of that category splits it."""
    splits = read_splits(config, classes=["frog", "horse"])

    assert list(splits) == ["frog", "horse"]
    for name, (train, validation) in splits.items():
        alone = prepare(config.replace(category=name))
        assert (train == alone.train_images[name]).all()
        assert (validation == alone.validation_images).all()


def test_labels_are_the_nearest_colours(bundle: DataBundle) -> None:
    """Every palette that was asked for labels every image."""
    assert [str(name) for name in bundle.palettes] == ["4", "8-lab", "8", "300"]
    for name, palette in bundle.palettes.items():
        assert palette.shape == (name.num_colours, 2 if name.colour_space == "lab" else 3)
        assert (bundle.validation_labels[name] == quantize(bundle.validation_images, palette)).all()
        for category, images in bundle.train_images.items():
            assert (bundle.train_labels[name][category] == quantize(images, palette)).all()


def test_prepare_is_repeatable(config: TrainConfig) -> None:
    """The fingerprint depends on the data's seed, and on nothing of a run."""
    first = prepare(config).fingerprint

    assert prepare(config.replace(seed=5, epochs=1, model="cnn")).fingerprint == first
    assert prepare(config.replace(data_seed=5)).fingerprint != first


def test_extra_classes_change_no_measure(config: TrainConfig, bundle: DataBundle) -> None:
    """Whatever classes are added to training, palette and validation stay the category's own."""
    alone = prepare(config)

    assert (alone.palettes[PaletteName(8)] == bundle.palettes[PaletteName(8)]).all()
    assert (alone.validation_images == bundle.validation_images).all()
    assert (alone.train_images["horse"] == bundle.train_images["horse"]).all()


def test_run_with_extra_classes(config: TrainConfig, bundle: DataBundle) -> None:
    """An extra class adds as many images as the category has in training, and none to validation."""
    data = bundle.for_run(config.replace(extra_classes=("frog",)))

    assert (data.train_images == np.concatenate([bundle.train_images[name][:20] for name in ("horse", "frog")])).all()
    assert len(data.train_labels) == 40
    assert data.validation_images is bundle.validation_images


def test_run_of_some_images(config: TrainConfig, bundle: DataBundle) -> None:
    """A smaller training set is the start of a larger one, shared with it and not copied."""
    few, many = bundle.for_run(config.replace(train_images=5)), bundle.for_run(config.replace(train_images=9))

    assert len(few.train_images) == len(few.train_labels) == 5
    assert (few.train_images == many.train_images[:5]).all()
    assert np.shares_memory(few.train_images, bundle.train_images["horse"])


def test_run_of_all_images(config: TrainConfig, bundle: DataBundle) -> None:
    """Where no number is given, all train."""
    assert len(bundle.for_run(config.replace(train_images=None)).train_images) == 48


def test_run_of_another_palette(config: TrainConfig, bundle: DataBundle) -> None:
    """A run reads the palette and labels of its own number of colours and colour space."""
    few, chroma = bundle.for_run(config.replace(num_colours=4)), bundle.for_run(config.replace(colour_space="lab"))

    assert few.palette is bundle.palettes[PaletteName(4)]
    assert few.train_labels.max() == few.validation_labels.max() == 3
    assert chroma.palette is bundle.palettes[PaletteName(8, "lab")]
    assert chroma.validation_labels is bundle.validation_labels[PaletteName(8, "lab")]


def test_too_many_images(config: TrainConfig, bundle: DataBundle) -> None:
    """Asking for more images than there are is told with how many there are."""
    with pytest.raises(ConfigError, match="train_images = 49, but scenes has only 48 to train on"):
        bundle.for_run(config.replace(train_images=49))
