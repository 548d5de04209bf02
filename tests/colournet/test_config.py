"""A config is checked when it is made, and its text makes it again."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colournet.config import (
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
    TrainConfig,
    field_docs,
)
from colournet.errors import ConfigError

seeds = st.integers(0, 2**32 - 1)


@st.composite
def configs(draw: st.DrawFn) -> TrainConfig:
    """Any valid config."""
    model = draw(st.sampled_from(MODELS))
    category = draw(st.sampled_from(CLASSES))
    others = [name for name in CLASSES if name != category]
    return TrainConfig(
        model=model,
        dilation=draw(st.integers(2, 16)) if model == "dilated_unet" else 1,
        kernel_size=draw(st.sampled_from(range(3, 16, 2))),
        down_sampling=draw(st.sampled_from(DOWN_SAMPLINGS)),
        depth=draw(st.integers(2, 4)),
        full_resolution_skip=draw(st.booleans()) and "unet" in model,
        residual_blocks=draw(st.integers(0, 8)),
        grey_table=draw(st.booleans()) and model != "regression_cnn",
        optimizer=draw(st.sampled_from(OPTIMIZERS)),
        schedule=draw(st.sampled_from(SCHEDULES)),
        weight_decay=draw(st.floats(0, 1)),
        label_smoothing=0.0 if model == "regression_cnn" else draw(st.floats(0, 1, exclude_max=True)),
        num_filters=draw(st.integers(1, 1024)),
        num_colours=draw(st.integers(2, 65_536)),
        colour_space=draw(st.sampled_from(COLOUR_SPACES)),
        epochs=draw(st.integers(1, 100_000)),
        learning_rate=draw(st.floats(min_value=0, exclude_min=True, allow_infinity=False)),
        batch_size=draw(st.integers(1, 100_000)),
        category=category,
        flip_horizontal=draw(st.booleans()),
        flip_vertical=draw(st.booleans()),
        shift_horizontal_pixels=draw(st.integers(0, 16)),
        shift_vertical_pixels=draw(st.integers(0, 16)),
        extra_classes=tuple(draw(st.lists(st.sampled_from(others), unique=True))),
        dataset=draw(st.sampled_from(DATASETS)),
        protocol=draw(st.sampled_from(PROTOCOLS)),
        train_images=draw(st.none() | st.integers(1, 1_000_000)),
        seed=draw(seeds),
        data_seed=draw(seeds),
        device=draw(st.sampled_from(["auto", "cpu", "cuda", "cuda:0", "cuda:12"])),
        num_threads=draw(st.integers(1, 1024)),
        form=draw(st.sampled_from(FORMS)),
        precision=draw(st.sampled_from(PRECISIONS)),
    )


@given(config=configs())
def test_toml_round_trip(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every config reads back from its own TOML as it was."""
    path = tmp_path_factory.getbasetemp() / "config.toml"

    path.write_text(config.to_toml())

    assert TrainConfig.from_toml(path) == config


@given(config=configs())
def test_mapping_round_trip(config: TrainConfig) -> None:
    """Every config is made again from its own mapping."""
    assert TrainConfig.from_mapping(config.to_mapping()) == config


def test_what_names_no_form_is_of_the_reference(tmp_path: Path) -> None:
    """A file of before there was a choice is repeated to the bit, so it means what it meant; a new config is fast."""
    text = TrainConfig(model="cnn").to_toml().replace('form = "fast"\n', "")
    (tmp_path / "config.toml").write_text(text)

    assert TrainConfig.from_toml(tmp_path / "config.toml") == TrainConfig(model="cnn", form="reference")
    assert TrainConfig().form == "fast"


@pytest.mark.parametrize("further", [{"depth": 3}, {"grey_table": True}, {"down_sampling": "stride"}])
def test_only_the_assignments_networks_are_fast(further: dict[str, Any]) -> None:
    """A config of a network without a fast form names the one in which it is computed, whatever was asked for."""
    assert TrainConfig(form="fast", **further).form == "reference"
    assert TrainConfig(form="fast").replace(**further).form == "reference"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel_size", 0),
        ("kernel_size", 4),
        ("kernel_size", 17),
        ("kernel_size", 3.0),
        ("num_filters", 0),
        ("num_filters", True),
        ("num_colours", 1),
        ("num_colours", 65_537),
        ("epochs", 0),
        ("epochs", "5"),
        ("learning_rate", 0),
        ("learning_rate", -1e-3),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", 10**400),
        ("learning_rate", True),
        ("learning_rate", "1e-3"),
        ("batch_size", 0),
        ("shift_horizontal_pixels", -1),
        ("shift_vertical_pixels", 17),
        ("flip_horizontal", 1),
        ("flip_vertical", "yes"),
        ("extra_classes", "dog"),
        ("extra_classes", ["dog", "dog"]),
        ("extra_classes", ["horse"]),
        ("extra_classes", [["dog"]]),
        ("train_images", 0),
        ("seed", -1),
        ("seed", 2**32),
        ("data_seed", None),
        ("device", "gpu"),
        ("device", "cuda:"),
        ("device", "cuda:x"),
        ("device", "cuda:01"),
        ("device", "cuda:\u0663"),
        ("device", 0),
        ("num_threads", 0),
        ("depth", 1),
        ("depth", 5),
        ("residual_blocks", -1),
        ("grey_table", 1),
        ("weight_decay", -0.1),
        ("weight_decay", 1.1),
        ("weight_decay", float("nan")),
        ("label_smoothing", 1),
        ("label_smoothing", False),
        ("down_sampling", 2),
        ("model", None),
        ("model", ["unet"]),
    ],
)
def test_wrong_value(name: str, value: Any) -> None:
    """A value of the wrong type or out of range is refused, and the sentence names the setting."""
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_mapping({name: value})

    assert name in caught.value.message


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("model", "u-net", "unet"),
        ("colour_space", "labs", "lab"),
        ("category", "hrose", "horse"),
        ("dataset", "cifar", "cifar10"),
        ("protocol", "handouts", "handout"),
        ("extra_classes", ["dear"], "deer"),
        ("down_sampling", "strided", "stride"),
        ("optimizer", "admw", "adamw"),
        ("schedule", "onecycle", "one_cycle"),
    ],
)
def test_misspelt_value(name: str, value: Any, meant: str) -> None:
    """A misspelt choice is refused with the nearest known one."""
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_mapping({name: value})

    assert caught.value.hint == f"did you mean {meant!r}?"


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(TrainConfig)])
def test_misspelt_name(name: str) -> None:
    """An unknown setting is refused with the nearest known one."""
    with pytest.raises(ConfigError, match="unknown setting") as caught:
        TrainConfig.from_mapping({name[:-1]: 1})

    assert caught.value.hint == f"did you mean {name!r}?"


def test_dilated_unet_needs_dilation() -> None:
    """A dilated network without dilation would be another network, so it is refused."""
    with pytest.raises(ConfigError, match="needs a dilation of 2 or more") as caught:
        TrainConfig(model="dilated_unet")

    assert "dilation = 2" in str(caught.value.hint)


@pytest.mark.parametrize("model", ["regression_cnn", "cnn", "unet"])
def test_dilation_elsewhere(model: str) -> None:
    """Dilation means nothing to the other networks, and is not ignored in silence."""
    with pytest.raises(ConfigError, match=f"means nothing to model '{model}'"):
        TrainConfig(model=model, dilation=2)


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        ("cnn", "full_resolution_skip", True),
        ("regression_cnn", "full_resolution_skip", True),
        ("regression_cnn", "grey_table", True),
        ("regression_cnn", "label_smoothing", 0.1),
    ],
)
def test_choices_without_meaning(model: str, name: str, value: Any) -> None:
    """A choice that means nothing to a model is refused with the reason, and not ignored in silence."""
    with pytest.raises(ConfigError, match=f"^{name} = .* means nothing to model '{model}': ") as caught:
        TrainConfig.from_mapping({"model": model, name: value})

    assert "when = { model" in str(caught.value.hint)


def test_strides_of_a_single_pixel() -> None:
    """A filter of one pixel that moves by two would never see three pixels of four."""
    with pytest.raises(ConfigError, match="one pixel in four"):
        TrainConfig(down_sampling="stride", kernel_size=1)


def test_defaults_are_the_assignments() -> None:
    """Nothing of the further choices is chosen by default."""
    config = TrainConfig()

    assert not config.is_extended
    assert (config.optimizer, config.schedule, config.weight_decay, config.label_smoothing) == (
        "adam",
        "constant",
        0,
        0,
    )


def test_dilation_of_the_assignment() -> None:
    """Settings that ask for a dilated network and name no dilation get the assignment's."""
    assert TrainConfig.from_mapping({"model": "dilated_unet"}).dilation == 2


def test_extra_classes_have_one_order() -> None:
    """The order in which extra classes are named makes no other config."""
    assert TrainConfig(extra_classes=("truck", "cat")) == TrainConfig(extra_classes=("cat", "truck"))


def test_replace_checks() -> None:
    """A copy with a change is checked like a new config."""
    with pytest.raises(ConfigError, match="kernel_size must be odd"):
        TrainConfig().replace(kernel_size=2)


def test_is_frozen() -> None:
    """A config does not change."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 3  # type: ignore[misc]


def test_every_field_is_documented() -> None:
    """Every field has a sentence, in the order of the fields."""
    docs = field_docs()

    assert list(docs) == [field.name for field in dataclasses.fields(TrainConfig)]
    assert all(text.endswith(".") for text in docs.values())


@pytest.mark.parametrize(
    "content",
    [b"epochs = ", b"\xff\xfe", b"epochs = 1" + b"0" * 5000, b"x = " + b"[" * 5000, b"epochs = 0", b"epoch = 1"],
    ids=["not TOML", "not UTF-8", "long number", "deep", "wrong value", "unknown name"],
)
def test_bad_file(content: bytes, tmp_path: Path) -> None:
    """Whatever is wrong with a config.toml, the sentence names the file."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_toml(path)

    assert caught.value.message.startswith(f"{path}: ")


def test_missing_file(tmp_path: Path) -> None:
    """A config.toml that is not there is told as such."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        TrainConfig.from_toml(tmp_path / "config.toml")
