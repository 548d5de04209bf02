import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.analysis import figures, search_summaries, settings, slices_figure, style
from study.analysis.loaded import Loaded
from study.space import Space
from study.store import RecordWriter, StudyFolder
from tests.study.test_analysis_frames import FLOORS, complete, fill, fill_with_attempts, make_folder, train

NAMES = ("importance", "slices", "contours", "parallel-coordinates", "distribution")
PLOTS = {plot.name: plot for plot in figures.SECTIONS["The search"] if plot.name in NAMES}
TEXT = """
name = "small"
trials = 4
[fixed]
dataset = "scenes"
epochs = 2
[search.model]
kind = "choice"
choices = ["cnn", "unet", "dilated_unet"]
[search.dilation]
kind = "int"
low = 2
high = 4
when = { model = ["dilated_unet"] }
[search.learning_rate]
kind = "float"
low = 1e-4
high = 1e-2
log = true
"""


def searched(text: str = TEXT) -> dict[str, settings.Setting]:
    return {setting.name: setting for setting in settings.searched(Space.parse(text))}


def test_a_stretch_that_the_best_share_is_told_with_its_chance() -> None:
    """Both best trials have the model of half of all, and learning rates that a quarter of all lie between."""
    models, rates = [1.0, 1, 0, 2, 1, 1, 0, 2], [1e-3, 2e-3, 4e-3, 5e-3, 6e-3, 7e-3, 1e-4, 9e-3]
    codes = pd.DataFrame({"model": models, "learning_rate": rates})
    found = [searched()["model"], searched()["learning_rate"]]
    table = search_summaries.spans(codes, [0, 1], found).set_index("name")
    assert table.loc["model", ["low", "high", "part"]].tolist() == [1, 1, 0.5]
    assert table.loc["learning_rate", ["low", "high", "part"]].tolist() == [1e-3, 2e-3, 0.25]
    assert table.loc["model", "p"] == pytest.approx(2 * (0.5**2 + 2 * 0.25**2))
    assert table.loc["learning_rate", "p"] == table.loc["model", "p"]  # alone 0.4375, but never less than the surer one


def test_the_best_share_nothing_by_chance_alone() -> None:
    """Of 100 studies in which nothing matters, at most eight call something common to the best."""
    claims, found = 0, [searched()["model"], searched()["learning_rate"]]
    for seed in range(100):
        generator = np.random.default_rng(seed)
        codes = pd.DataFrame(
            {"model": generator.integers(0, 3, 40), "learning_rate": 10 ** generator.uniform(-4, -2, 40)}
        )
        chosen = generator.choice(40, 4, replace=False).tolist()
        claims += bool((search_summaries.spans(codes.astype(float), chosen, found)["p"] < 0.05).any())
    assert claims <= 8


def test_a_map_is_the_mean_nearby_and_nothing_far_off() -> None:
    """At a choice it is the mean of its trials; along a range it does not reach beyond them."""
    codes = pd.DataFrame({"model": [0.0, 0, 1], "learning_rate": [1e-3, 1e-3, 1e-4]})
    model, rate = searched()["model"], searched()["learning_rate"]
    found = search_summaries.surface(codes, pd.Series([1.0, 3, 7]), model, rate)
    assert found.shape == (len(search_summaries.grid(rate)), 3)
    middle = found[len(found) // 2]
    assert middle[0] == pytest.approx(2)
    assert np.isnan(middle[1])
    assert found[0, 1] == pytest.approx(7)
    assert np.isnan(found[:, 2]).all()


def test_medians_are_taken_at_each_choice_and_in_bins_of_a_range() -> None:
    """Bins of fewer than five trials are left out, and trials without the setting."""
    codes = pd.Series([0.0] * 5 + [1.0] * 4 + [math.nan])
    table = search_summaries.by_bin(codes, pd.Series(np.arange(10.0)), searched()["model"])
    assert table[["place", "n", "q1", "median", "q3"]].to_numpy().tolist() == [[0, 5, 1, 2, 3]]
    rates = pd.Series(10 ** np.linspace(-4, -2, 20))
    halves = search_summaries.by_bin(rates, pd.Series(np.arange(20.0)), searched()["learning_rate"], bins=2)
    assert halves["median"].tolist() == [4.5, 14.5]


def test_the_share_of_trials_that_are_so_good() -> None:
    """The best of three is reached by a third, and by a quarter if another one never got so far."""
    assert search_summaries.distribution(pd.Series([3.0, 1, 2]))["share"].tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert search_summaries.distribution(pd.Series([3.0, 1, 2]), of=4)["share"].tolist() == [0.25, 0.5, 0.75]


def test_wilsons_interval() -> None:
    """None of five may be up to 43 of 100, and five of ten are between 24 and 76."""
    assert search_summaries.proportion(0, 5) == pytest.approx((0, 0.4345), abs=1e-4)
    assert search_summaries.proportion(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert search_summaries.proportion(0, 0) == (0, 1)


def nothing(writer: RecordWriter) -> None:
    """Not a trial."""


def one(writer: RecordWriter) -> None:
    train(writer, 0, [2.0, 1.0])
    complete(writer, 0, 1.0, 2)


def all_failed(writer: RecordWriter) -> None:
    for number, losses in enumerate(([], [None])):
        train(writer, number, losses)
        writer.append("failed", number, attempt=1, reason="error", message="no")


def all_pruned(writer: RecordWriter) -> None:
    for number in range(9):
        train(writer, number, [2.0 + number % 3], epochs=3, model=("cnn", "unet")[number % 2])
        writer.append("pruned", number, attempt=1, value=2.0 + number % 3, epoch=1)


def running(writer: RecordWriter) -> None:
    train(writer, 0, [2.0, 1.5], epochs=5)


def loaded(folder: StudyFolder, record: Callable[[RecordWriter], None]) -> Loaded:
    with folder.write() as writer:
        writer.append("launched", trials=4, host="here", pid=1, workers=1)
        record(writer)
    return Loaded.read(folder)


def check(study: Loaded, target: Path) -> None:
    """Every figure is drawn and saved, and answers with its n."""
    with style.styled():
        for plot in PLOTS.values():
            words = plot.tell(study)
            assert plot.applies(study)
            assert "n = " in words.answer
            assert words.answer in words.alt
            assert "nan" not in f"{words.answer} {words.reading}"
            assert all(path.stat().st_size < 1_500_000 for path in style.save(plot.draw(study), target / plot.name))


@pytest.mark.parametrize("record", [nothing, one, all_failed, all_pruned, running], ids=lambda record: record.__name__)
@pytest.mark.parametrize("metric", ["val_loss", "val_accuracy"])
def test_every_figure_bears_an_odd_study(tmp_path: Path, metric: str, record: Callable[[RecordWriter], None]) -> None:
    """With nothing, little or only bad luck to show, each figure says so."""
    check(loaded(make_folder(tmp_path, metric=metric, floors={"24": FLOORS}), record), tmp_path)


def test_every_figure_bears_several_attempts(tmp_path: Path) -> None:
    """A trial that was lost and repeated counts once, and a torn line not at all."""
    folder = make_folder(tmp_path)
    fill_with_attempts(folder)
    check(Loaded.read(folder), tmp_path)


def test_a_study_that_searches_nothing_has_its_distribution_alone(tmp_path: Path) -> None:
    """What has one value alone cannot matter, and is not drawn."""
    text = TEXT[: TEXT.index("[search.model]")] + '[search.model]\nkind = "choice"\nchoices = ["unet"]\n'
    folder = make_folder(tmp_path, space_text=text)
    study = Loaded.read(folder)
    assert [name for name, plot in PLOTS.items() if plot.applies(study)] == ["distribution"]


def planted(writer: RecordWriter, *, trials: int, seed: int = 0) -> None:
    """Random trials in which the model matters, and a third of which is pruned after its first epoch."""
    generator, space = random.Random(seed), Space.parse(TEXT)
    for number in range(trials):
        params = space.sample(generator)
        loss = 2 + (params["model"] == "cnn") + generator.gauss(0, 0.05)
        if number % 3 == 2:
            train(writer, number, [loss], epochs=2, **params)
            writer.append("pruned", number, attempt=1, value=loss, epoch=1)
        else:
            train(writer, number, [loss, loss - 0.5], epochs=2, **params)
            complete(writer, number, loss - 0.5, 2)


@pytest.fixture
def some(tmp_path: Path) -> Loaded:
    """Thirty such trials."""
    folder = make_folder(tmp_path, space_text=TEXT, floors={"24": FLOORS})
    return loaded(folder, lambda writer: planted(writer, trials=30))


def test_the_answers_are_those_of_the_data(some: Loaded, tmp_path: Path) -> None:
    """The model is said to matter, after the one epoch that all trials had; nothing else is."""
    answers = {name: plot.tell(some).answer for name, plot in PLOTS.items()}
    assert answers["importance"].startswith("Alone, model explains ")
    assert "validation loss after 1 epoch (n = 30" in answers["importance"]
    assert answers["importance"].endswith("of the other 2 no effect is told from chance.")
    assert "model" in answers["contours"]
    assert "Half of the n = 20 completed trials reach" in answers["distribution"]
    assert "beat the grey table" in answers["distribution"]
    assert "The best of n = 20 combinations reached" in answers["parallel-coordinates"]
    check(some, tmp_path)


def test_a_study_is_drawn_the_same_way_twice(some: Loaded, tmp_path: Path) -> None:
    """The same record gives the same bytes."""
    again = Loaded.read(some.folder)
    with style.styled():
        for name in ("importance", "slices"):
            first = [path.read_bytes() for path in style.save(PLOTS[name].draw(some), tmp_path / "a")]
            assert first == [path.read_bytes() for path in style.save(PLOTS[name].draw(again), tmp_path / "b")]


def test_what_the_best_share_is_told_only_of_enough_trials(tmp_path: Path) -> None:
    """Two completed trials say nothing of where good values lie."""
    folder = make_folder(tmp_path)
    fill(folder)
    assert slices_figure.common(Loaded.read(folder)).startswith(
        "Too few trials to tell where the good values lie: n = 2"
    )
