"""Architectures, augmentation and photographs: what is computed by hand, and what is drawn and said."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from colournet import pictures
from study.analysis import pareto, photographs, style, summaries
from study.analysis.architecture_cost_figure import PLOT as COST
from study.analysis.augmentation_figure import PLOT as AUGMENTATION
from study.analysis.configurations_figure import PLOT as CONFIGURATIONS
from study.analysis.configurations_figure import combinations
from study.analysis.loaded import Loaded
from study.analysis.photographs_figure import BY_ARCHITECTURE, BY_EPOCH
from study.analysis.plot import Plot
from study.store import StudyFolder
from tests.study.test_analysis_frames import complete, fill, make_folder, train


def drawn(plot: Plot, study: Loaded, path: Path) -> int:
    """Draw a figure to a PNG, and answer its size in bytes."""
    with style.styled():
        png, _ = style.save(plot.draw(study), path / plot.name)
    return png.stat().st_size


def photos(seed: int, count: int = 4) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


def leave_samples(folder: StudyFolder, number: int, *, truth: int = 0, epochs: Sequence[int] = ()) -> None:
    """What a worker leaves: samples, and pictures of some epochs."""
    layout = folder.layout.trial(number)
    layout.pictures.mkdir(parents=True)
    rows = {"grey": pictures.grey_copy(photos(truth)), "truth": photos(truth), "cnn": photos(100 + number)}
    pictures.save_samples(layout.samples, rows)
    for epoch in epochs:
        pictures.save_strip(layout.picture(epoch), photos(1000 + epoch))


def test_the_front_is_what_nothing_cheaper_equals() -> None:
    """By hand: equal values at more cost are not on it, nor is what has no cost; the lower number stands for its twin."""
    trials = pd.DataFrame(
        {"number": range(7), "value": [3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 0.5], "cost": [1, 2, 3, 4, 9, 9, np.nan]}
    )
    assert pareto.front(trials, "cost", goal="minimize")["number"].tolist() == [0, 1, 4]
    assert pareto.front(trials, "cost", goal="maximize")["number"].tolist() == [0]


def test_equal_epochs_are_those_that_four_fifths_reached() -> None:
    """Of five trials with 1, 3, 3, 5 and 9 epochs four reached 3; the value there is the best by then."""
    lengths = [1, 3, 3, 5, 9]
    epochs = pd.DataFrame(
        [
            (number, epoch, 10.0 - epoch + number)
            for number, length in enumerate(lengths)
            for epoch in range(1, length + 1)
        ],
        columns=["number", "epoch", "val_loss"],
    )
    trials = pd.DataFrame({"number": range(5), "value": [0.0] * 5})

    assert summaries.common_epoch(epochs) == 3
    found = summaries.at_epoch(trials, epochs, 3, metric="val_loss", goal="minimize")
    assert found.set_index("number")["value"].to_dict() == {1: 8.0, 2: 9.0, 3: 10.0, 4: 11.0}
    assert summaries.common_epoch(epochs.head(0)) == 0


def test_combinations_are_compared_at_equal_epochs(tmp_path: Path) -> None:
    """A pruned trial counts with what it had reached, and dilation is named only where there is one."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=4, host="here", pid=1, workers=1)
        for number, model in enumerate(("cnn", "dilated_unet", "dilated_unet")):
            dilation = {} if model == "cnn" else {"dilation": 2 + number}
            train(writer, number, [3.0 - number, 1.0], model=model, **dilation)
            complete(writer, number, 1.0, 2)
        train(writer, 3, [0.5], epochs=2, model="cnn")
        writer.append("pruned", 3, attempt=1, value=0.5, epoch=1)
    table, found, last = combinations(Loaded.read(folder))

    assert last == 1
    assert table[["name", "n", "mean"]].to_numpy().tolist() == [
        ["dilated_unet, dilation 4", 1, 1.0],
        ["cnn", 2, 1.75],
        ["dilated_unet, dilation 3", 1, 2.0],
    ]
    assert len(found) == 4


@pytest.mark.parametrize("plot", [COST, CONFIGURATIONS])
def test_architectures_are_drawn(plot: Plot, tmp_path: Path) -> None:
    """With completed, pruned and failed trials; nothing applies where the architecture does not vary."""
    folder = make_folder(tmp_path)
    assert not plot.applies(Loaded.read(folder))
    fill(folder)
    study = Loaded.read(folder)

    assert plot.applies(study)
    assert drawn(plot, study, tmp_path) > 10_000
    assert "n = " in plot.tell(study).answer


def test_augmentations_are_told_one_by_one(tmp_path: Path) -> None:
    """Flips that always help are found; classes that do nothing are not said to do anything."""
    folder = make_folder(tmp_path)
    noise = np.random.default_rng(0).normal(0, 0.01, (6, 2, 2))
    with folder.write() as writer:
        writer.append("launched", trials=24, host="here", pid=1, workers=1)
        for number, (seed, flip, extra) in enumerate(np.ndindex(6, 2, 2)):
            classes = ["deer", "dog"] if extra else []
            value = 1.0 - 0.1 * flip + float(noise[seed, flip, extra])
            train(writer, number, [value], epochs=1, flip_horizontal=bool(flip), extra_classes=classes)
            complete(writer, number, value, 1)
    study = Loaded.read(folder)
    answer = AUGMENTATION.tell(study).answer

    assert AUGMENTATION.applies(study)
    assert answer.startswith("Mirrored 0.")
    assert " better (95 % interval 0.0" in answer
    assert "n = 12 pairs" in answer
    assert "; no clear difference: with deer+dog (" in answer
    assert drawn(AUGMENTATION, study, tmp_path) > 10_000


def test_a_few_trials_tell_nothing_of_augmentation(tmp_path: Path) -> None:
    """The figure says so, and is drawn all the same."""
    folder = make_folder(tmp_path)
    fill(folder)
    study = Loaded.read(folder)

    assert AUGMENTATION.tell(study).answer == "n = 2 completed trials are too few to compare."
    assert drawn(AUGMENTATION, study, tmp_path) > 10_000


def test_photographs_are_those_of_the_workers(tmp_path: Path) -> None:
    """Every row is read back pixel by pixel; a trial that shows other photographs, or none, is left out."""
    folder = make_folder(tmp_path)
    fill(folder)
    leave_samples(folder, 0, epochs=(1, 5))
    leave_samples(folder, 1)
    study = Loaded.read(folder)

    strips = photographs.by_trial(study, [0, 1, 3])
    assert [strip.name for strip in strips] == ["grey", "truth", "0", "1"]
    assert np.array_equal(strips[1].images, photos(0))
    assert np.array_equal(strips[3].images, photos(101))
    along = photographs.by_epoch(study, 0)
    assert [strip.name for strip in along] == ["grey", "truth", "1", "5"]
    assert np.array_equal(along[3].images, photos(1005))
    assert photographs.by_epoch(study, 1) == []


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_damaged_picture_is_passed_over(content: bytes, tmp_path: Path) -> None:
    """A file that cannot be read costs its row, not the figure."""
    folder = make_folder(tmp_path)
    fill(folder)
    leave_samples(folder, 0, epochs=(1, 5))
    leave_samples(folder, 1, truth=7)
    folder.layout.trial(0).picture(5).write_bytes(content)
    study = Loaded.read(folder)

    assert [strip.name for strip in photographs.by_epoch(study, 0)] == ["grey", "truth", "1"]
    assert [strip.name for strip in photographs.by_trial(study, [0, 1])] == ["grey", "truth", "0"]
    folder.layout.trial(0).samples.write_bytes(content)
    assert [strip.name for strip in photographs.by_trial(study, [0, 1])] == ["grey", "truth", "1"]


def test_photographs_are_drawn(tmp_path: Path) -> None:
    """By architecture and by epoch, with the values they stand for; nothing applies where no picture was left."""
    folder = make_folder(tmp_path)
    fill(folder)
    for plot in (BY_ARCHITECTURE, BY_EPOCH):
        assert not plot.applies(Loaded.read(folder))
    leave_samples(folder, 0, epochs=(1, 2))
    leave_samples(folder, 1)
    study = Loaded.read(folder)

    assert BY_EPOCH.tell(study).answer == (
        "By validation loss, cnn (trial 0) goes from 2.000 after 1 epoch to 1.000 after 2; n = 1 trial."
    )
    assert "cnn 1.000 (trial 0); dilated_unet 3.000 (trial 1); n = 2." in BY_ARCHITECTURE.tell(study).answer
    for plot in (BY_ARCHITECTURE, BY_EPOCH):
        assert drawn(plot, study, tmp_path) > 10_000
