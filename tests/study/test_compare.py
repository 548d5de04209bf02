"""`study compare`: what may stand side by side, what the numbers of it say, and what is left of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from colournet.errors import UserError
from study.analysis import comparability, comparison_report, comparison_words
from study.analysis import comparison_summaries as sums
from study.analysis.comparability import Subject, comparable_sets, differences, obstacles
from study.analysis.comparison import Comparison
from study.cli import cli
from study.errors import RecordError, StudyError
from study.space import Space
from study.store import StudyFolder
from tests.study.test_analysis_frames import FLOORS, complete, fill, make_folder, train

DATA = {
    "dataset": "cifar10",
    "category": "horse",
    "protocol": "split",
    "data_seed": 0,
    "train_images": 4000,
    "validation_images": 1000,
    "fingerprint": "1" * 64,
}


def subject(label: str, toml: str = "", *, metric: str = "val_loss", **manifest: Any) -> Subject:
    """A study of the manifest alone; `toml` is its space but for the objective."""
    told = {
        "seed": 0,
        "objective": {"metric": metric, "goal": "maximize" if metric == "val_accuracy" else "minimize"},
        "data": DATA,
        "palettes": {},
        "provenance": {},
        **manifest,
    }
    space = Space.parse(f'objective = {{ metric = "{metric}" }}\n{toml or MODELS}')
    return Subject(label=label, manifest=told, space=space)


MODELS = '[search.model]\nkind = "choice"\nchoices = ["cnn", "unet"]\n'
REGRESSION = '[fixed]\nmodel = "regression_cnn"\n[search.num_filters]\nkind = "choice"\nchoices = [8, 16]\n'


def with_colours(count: int, space: str = "rgb") -> str:
    return f'[fixed]\nnum_colours = {count}\ncolour_space = "{space}"\n{MODELS}'


def test_studies_of_the_same_data_and_objective_can_be_compared() -> None:
    """Other samplers, pruners, budgets, seeds, commits and settings forbid nothing."""
    other = subject("b", "[fixed]\nepochs = 60\nbatch_size = 50\n" + MODELS, seed=5, sampler={"kind": "random"})

    assert obstacles(subject("a"), other) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"dataset": "scenes"}, "a was validated on horse (cifar10, split), b on horse (scenes, split)"),
        ({"category": "deer"}, "a was validated on horse (cifar10, split), b on deer (cifar10, split)"),
        ({"protocol": "handout"}, "a was validated on horse (cifar10, split), b on horse (cifar10, handout)"),
        ({"data_seed": 3}, "a's images were split by data_seed 0, b's by 3, so they were validated on other images"),
        ({"validation_images": 500}, "a has 4000 images to train on and 1000 to validate, b 4000 images"),
        ({"fingerprint": "2" * 64}, "the images or palettes differ by fingerprint, a's 111111111111, b's 222222222222"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_other_images_are_refused(changed: dict[str, Any], told: str) -> None:
    """What differs of the images is told in one clause, the plainest difference alone."""
    found = obstacles(subject("a"), subject("b", data={**DATA, **changed}))

    assert len(found) == 1
    assert found[0].startswith(told)


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        (subject("a"), subject("b", metric="val_mse"), "a is judged by val_loss (minimize), b by val_mse (minimize)"),
        (subject("a"), subject("b", REGRESSION), "a's val_loss is a cross-entropy, b's a squared error of RGB"),
        (
            subject("a", REGRESSION),
            subject("b", REGRESSION.replace("[search", 'colour_space = "lab"\n[search')),
            "a's val_loss is a squared error of RGB, b's a squared error of chroma",
        ),
        (subject("a"), subject("b", with_colours(16)), "val_loss counts in 24 colours in a, in 16 colours in b"),
        (
            subject("a", metric="val_accuracy"),
            subject("b", with_colours(24, "lab"), metric="val_accuracy"),
            "val_accuracy counts in 24 colours in a, in 24 chromas in b",
        ),
    ],
    ids=["metric", "regression", "regression of chroma", "colours", "chroma"],
)  # fmt: skip
def test_numbers_that_mean_other_things_are_refused(a: Subject, b: Subject, told: str) -> None:
    """Other metrics, kinds of loss and palettes are refused, each in one clause."""
    assert obstacles(a, b) == [told]


def test_squared_errors_of_pictures_compare_over_palettes() -> None:
    """By `val_mse` palettes may differ, whose fingerprints never agree, where the floors show the same images."""
    floors = {"grey_copy": {"mse": 0.025}}
    rgb = subject("a", metric="val_mse", palettes={"24": [[0.1]]}, floors={"24": floors})
    told = {"palettes": {"16": [[0.2]]}, "floors": {"16": floors}, "data": {**DATA, "fingerprint": "2" * 64}}
    few = subject("b", with_colours(16), metric="val_mse", **told)
    other = subject(
        "c", with_colours(16), metric="val_mse", **{**told, "floors": {"16": {"grey_copy": {"mse": 0.026}}}}
    )

    assert obstacles(rgb, few) == []
    assert "differ by fingerprint" in obstacles(rgb, other)[0]


def test_a_refusal_names_the_sets_that_can_be_compared() -> None:
    """Of several studies those that can stand together are named, as commands."""
    scenes = {**DATA, "dataset": "scenes"}
    found = [
        subject("a"),
        subject("b", data=scenes),
        subject("c"),
        subject("d", data=scenes),
        subject("e", metric="val_mse"),
    ]

    assert [[one.label for one in together] for together in comparable_sets(found)] == [["a", "c"], ["b", "d"], ["e"]]
    with pytest.raises(StudyError, match=r"^a and b cannot be compared: .*; a and e cannot be compared: .*") as caught:
        comparability.check(found)
    assert caught.value.hint == "these can be: study compare a c; study compare b d"
    assert "\n" not in caught.value.message


def test_too_many_studies_are_refused() -> None:
    """More than a figure can tell apart are refused with the number that it can."""
    with pytest.raises(StudyError, match=r"^9 studies are too many for one comparison, 8 is the most"):
        comparability.check([subject(str(number)) for number in range(9)])


def test_what_differs_is_told() -> None:
    """Budgets, sampler, settings, hardware and versions are told where they differ, by the study, and nothing else is."""
    a = subject("a", sampler={"kind": "tpe"}, provenance={"commit": "abc", "versions": {"torch": "2.6"}, "host": "x"})
    text = "[fixed]\nepochs = 60\n" + MODELS
    b = subject(
        "b", text, sampler={"kind": "random"}, provenance={"commit": "abc", "versions": {"torch": "2.7"}, "host": "y"}
    )

    assert differences([a, b, replace(a, label="c")]) == [
        f"Epochs of a trial: {a.space.taken('epochs')[0]} in a and c; 60 in b.",
        "Sampler: tpe in a and c; random in b.",
        "Hardware: x in a and c; y in b.",
        "Versions: torch 2.6 in a and c; torch 2.7 in b.",
    ]
    assert differences([a, replace(a, label="b")]) == []


def frame(*rows: tuple[str, float | None, int]) -> pd.DataFrame:
    """Trials of state, value and second of their end."""
    ended = [pd.Timestamp(2026, 1, 1, 0, 0, second, tz="UTC") for *_, second in rows]
    return pd.DataFrame(
        {
            "number": range(len(rows)),
            "state": [row[0] for row in rows],
            "value": [row[1] for row in rows],
            "ended": ended,
        }
    )


def test_the_best_among_the_first_trials() -> None:
    """It is that of the completed ones among the first n asked, whenever they ended."""
    trials = frame(("pruned", 0.5, 1), ("completed", 3.0, 9), ("completed", 4.0, 2), ("completed", 2.0, 3))

    table = sums.by_asked(trials, goal="minimize")

    assert table["asked"].tolist() == [1, 2, 3, 4]
    assert table["best"].fillna(-1).tolist() == [-1, 3.0, 3.0, 2.0]
    assert sums.by_asked(trials, goal="maximize")["best"].fillna(-1).tolist() == [-1, 3.0, 4.0, 4.0]


def test_the_best_for_so_much_work() -> None:
    """It is that of the completed trials which had ended by then; the last row is the whole cost, epochs under way included."""
    trials = frame(("completed", 3.0, 4), ("pruned", 1.0, 2), ("completed", 2.0, 6))
    times = [pd.Timestamp(2026, 1, 1, 0, 0, second, tz="UTC") for second in (1, 2, 4, 6, 8)]
    epochs = pd.DataFrame({"time": times, "seconds": [10.0, 20.0, np.nan, 40.0, 5.0]})

    table = sums.by_cost(trials, epochs, goal="minimize")

    assert table["worker_seconds"].tolist() == [30.0, 30.0, 70.0, 75.0]
    assert table["best"].fillna(-1).tolist() == [-1, 3.0, 2.0, 2.0]
    assert sums.steps(table)["worker_seconds"].tolist() == [30.0, 70.0, 75.0]


def series(values: dict[str, float]) -> pd.Series[float]:
    return pd.Series(values, dtype="float64")


def test_pairs_are_over_what_both_have() -> None:
    """A difference is taken key by key, keys twice in a study count once, and what only one has counts for nothing."""
    a = series({"k1": 1.0, "k2": 2.0, "k3": 3.0, "only": 9.0})
    b = pd.Series([1.5, 2.5, 1.5, 4.0], index=["k1", "k2", "k2", "k3"])

    found = sums.paired({"a": a, "b": b, "c": series({"other": 1.0})})

    assert [one.study for one in found] == ["b"]
    assert (found[0].found.n, found[0].found.mean) == (3, pytest.approx(0.5))
    assert found[0].found.low == pytest.approx(0.5 - 4.303 * 0.5 / 3**0.5, rel=1e-3)


def test_planted_differences_are_found() -> None:
    """A true difference in pairs, and between random samples, is clear and of the right sign."""
    generator = np.random.default_rng(0)
    configs = generator.normal(1.5, 0.3, 12)
    keys = [f"k{number}" for number in range(12)]
    a = pd.Series(configs + generator.normal(0, 0.01, 12), index=keys)
    b = pd.Series(configs - 0.03 + generator.normal(0, 0.01, 12), index=keys)

    (pair,) = sums.paired({"a": a, "b": b})
    (whole,) = sums.unpaired(
        {"a": generator.normal(1.5, 0.1, 30).tolist(), "b": generator.normal(1.3, 0.1, 30).tolist()}
    )

    assert pair.is_clear
    assert pair.found.low < -0.03 < pair.found.high < 0
    assert whole.is_clear
    assert whole.found.low < -0.2 < whole.found.high < 0


def test_no_difference_is_seldom_called_one() -> None:
    """Where three studies do not differ, about 95 of 100 draws call neither difference clear, in pairs or samples.

    Of 1000 draws 50 are expected to be wrong; 71 is three standard deviations above.
    """
    paired_wrong = sample_wrong = 0
    for draw in range(1000):
        generator = np.random.default_rng(draw)
        values = {name: pd.Series(generator.normal(1.5, 0.1, 8), index=[f"k{i}" for i in range(8)]) for name in "abc"}
        paired_wrong += any(one.is_clear for one in sums.paired(values))
        sample_wrong += any(one.is_clear for one in sums.unpaired({name: s.tolist() for name, s in values.items()}))

    assert paired_wrong <= 71
    assert sample_wrong <= 71


def test_few_or_equal_values_claim_nothing() -> None:
    """Two pairs are too few; pairs that are all equal are told as equal, and as no difference."""
    (few,) = sums.paired({"a": series({"x": 1.0, "y": 1.0}), "b": series({"x": 2.0, "y": 2.5})})
    same = series({"x": 1.0, "y": 1.5, "z": 2.0})
    (equal,) = sums.paired({"a": same, "b": same})

    assert np.isnan(few.p_corrected)
    assert not few.is_clear
    assert (equal.found.mean, equal.p_corrected, equal.is_clear) == (0.0, 1.0, False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two comparable studies that share their configurations and seeds, and one over other images."""
    results = tmp_path / "results"
    for name, optimizer, gain in (("first", "adam", 0.0), ("second", "adamw", 0.25)):
        space = PAIRED.replace("OPTIMIZER", optimizer)
        folder = make_folder(results, name=name, space_text=space, data=DATA)
        with folder.write() as writer:
            writer.append("launched", trials=5, host="here", pid=1, workers=1)
            for number in range(5):
                train(writer, number, [3.0 + number / 10, 2.0 + number / 5 - gain - number / 50 * gain])
                complete(writer, number, 2.0 + number / 5 - gain - number / 50 * gain, 2)
            writer.append("ended", reason="finished")
    fill(make_folder(results, name="elsewhere", data={**DATA, "dataset": "scenes", "fingerprint": "3" * 64}))
    return results


PAIRED = """
trials = 4
[fixed]
optimizer = "OPTIMIZER"
[search.model]
kind = "choice"
choices = ["cnn", "unet"]
[search.epochs]
kind = "int"
low = 1
high = 5
[search.flip_horizontal]
kind = "choice"
choices = [false, true]
[search.extra_classes]
kind = "choice"
choices = [[], ["deer"]]
"""


def test_studies_are_compared_in_one_table_and_one_page(results: Path) -> None:
    """The command prints the table and the answer, and leaves figures and a page that needs nothing else."""
    result = run("compare", "first", "second", "--results", str(results))

    assert result.exit_code == 0, result.exception
    assert "completed" in result.output
    assert (
        "second less first, in n = 5 pairs of completed trials with the same seed and settings but for optimizer"
        in (" ".join(result.output.split()))
    )
    assert "second is better" in result.output
    assert "Setting `optimizer`: adam in first; adamw in second." in result.output
    target = results / "comparisons" / "first-vs-second"
    assert result.stdout.splitlines()[-1] == str(target / "comparison.html")
    page = (target / "comparison.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/') == page.count("src=") == 3
    assert "http://" not in page
    assert "https://" not in page
    assert not list(target.glob("*.part"))
    with Image.open(target / "comparison-values.png") as picture:
        assert picture.info["dpi"][0] >= 150


def test_json_has_the_promised_keys(results: Path) -> None:
    """`--json` has every study's numbers, its data, its floor, the differences, and the files."""
    told = json.loads(run("compare", "first", "second", "--json", "--results", str(results)).stdout)

    assert told["objective"] == {"metric": "val_loss", "goal": "minimize"}
    first, second = told["studies"]
    assert (first["study"], first["completed"], first["best"], first["median"]) == ("first", 5, 2.0, 2.4)
    assert (first["best_epoch"], first["worker_seconds"], first["floors"]) == (2, 20.0, {"24": 1.5})
    assert second["data"] == DATA
    assert told["differ_by"] == ["optimizer"]
    assert told["paired"][0]["n"] == 5
    assert told["paired"][0]["p_corrected"] < 0.05
    assert all(Path(path).is_file() for path in told["files"])


def test_what_is_not_comparable_is_refused_in_one_sentence(results: Path) -> None:
    """Studies over other images end with 1, a sentence that says what differs, and what could be compared."""
    result = run("compare", "first", "elsewhere", "second", "--results", str(results))

    assert isinstance(result.exception, UserError)
    assert result.exception.exit_code == 1
    assert result.exception.message == (
        "first and elsewhere cannot be compared: first was validated on horse (cifar10, split), "
        "elsewhere on horse (scenes, split)"
    )
    assert result.exception.hint == "these can be: study compare first second"
    assert not (results / "comparisons").exists()


def test_wrong_names_are_told(results: Path) -> None:
    """One study alone is wrong usage; one named twice, one that is not there, and a path to none are errors."""
    assert run("compare", "first", "--results", str(results)).exit_code == 2
    for names, told in (
        (["first", str(results / "first")], "is named twice"),
        (["first", "frist"], "there is no study 'frist'"),
        (["first", "no/where"], "no/where: there is no study"),
    ):
        error = run("compare", *names, "--results", str(results)).exception
        assert isinstance(error, StudyError | RecordError)
        assert told in error.message
        assert error.hint


def test_studies_of_one_name_are_told_apart_by_their_paths(results: Path, tmp_path: Path) -> None:
    """Two results folders may hold a study of the same name."""
    fill(make_folder(tmp_path / "other", name="first", data=DATA))

    found = Comparison.read(results, ["first", str(tmp_path / "other" / "first")])

    assert [study.label for study in found] == [str(results / "first"), str(tmp_path / "other" / "first")]
    assert found.slug.startswith("first-vs-1-")


def test_markup_in_a_message_is_harmless(tmp_path: Path) -> None:
    """What users wrote is shown on the page, not obeyed."""
    told = {"sampler": {"kind": "<script>alert(1)</script>"}, "data": DATA}
    for name, manifest in (("a", told), ("b", {"data": DATA})):
        fill(make_folder(tmp_path, name=name, **manifest))

    page = comparison_report.write(Comparison.read(tmp_path, ["a", "b"]), tmp_path)[-1].read_text(encoding="utf-8")

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("case", ["empty", "failed", "pruned", "running", "one"])
def test_any_study_can_be_one_side(tmp_path: Path, case: str) -> None:
    """Empty, all-failed, all-pruned, running and one-trial studies are compared without a claim that they cannot bear."""
    folder = make_folder(tmp_path, name=case, data=DATA)
    fill(make_folder(tmp_path, name="whole", data=DATA))
    with folder.write() as writer:
        if case != "empty":
            writer.append("launched", trials=1, host="here", pid=1, workers=1)
            train(writer, 0, [2.0, 1.5], epochs=2)
        if case == "failed":
            writer.append("failed", 0, attempt=1, reason="error", message="no")
        if case == "pruned":
            writer.append("pruned", 0, attempt=1, value=1.5, epoch=2)
        if case == "one":
            complete(writer, 0, 1.5, 2)
        found = Comparison.read(tmp_path, [case, "whole"])
        written = comparison_report.write(found, tmp_path, tmp_path / "out")

    assert all(path.stat().st_size > 0 for path in written)
    told = " ".join(comparison_words.findings(found))
    assert (f"{case} 1.500 (best of n = 1)" in told) == (case == "one")
    assert ("none completed in " + case in told) == (case != "one")
    assert f"{case} is running: its numbers are of the moment when this was written." in comparison_words.cautions(
        found
    )


def test_two_empty_studies_say_so(tmp_path: Path) -> None:
    """Where nothing has completed nothing is compared."""
    for name in "ab":
        make_folder(tmp_path, name=name, data=DATA)

    found = Comparison.read(tmp_path, ["a", "b"])

    assert comparison_words.findings(found)[0] == "No study has a completed trial yet, so there is nothing to compare."
    assert comparison_report.write(found, tmp_path)


def test_a_random_search_is_a_sample(tmp_path: Path) -> None:
    """Means get an interval only where every study drew at random and pruned nothing."""
    at_random = {"sampler": {"kind": "random"}, "pruner": {"kind": "none"}, "data": DATA}
    for name, shift in (("a", 0.0), ("b", 1.0)):
        folder = make_folder(tmp_path, name=name, **at_random)
        with folder.write() as writer:
            writer.append("launched", trials=4, host="here", pid=1, workers=1)
            for number in range(4):
                train(writer, number, [2.0 + number / 10 + shift])
                complete(writer, number, 2.0 + number / 10 + shift, 1)
            writer.append("ended", reason="finished")
    fill(make_folder(tmp_path, name="tpe", data=DATA, sampler={"kind": "tpe"}))

    sampled, searched = (Comparison.read(tmp_path, ["a", other]) for other in ("b", "tpe"))

    assert "Mean of b less that of a, both drawn at random" in " ".join(comparison_words.findings(sampled))
    assert comparison_words.NO_SAMPLE not in comparison_words.findings(sampled)
    assert comparison_words.NO_SAMPLE in comparison_words.findings(searched)


def test_several_floors_are_each_told_with_their_palette(tmp_path: Path) -> None:
    """By `val_mse` over palettes every floor is drawn and named."""
    lab = {name: {**scores, "chroma_mse": 0.1} for name, scores in FLOORS.items()}
    lab["grey_table"]["mse"] = 0.015
    for name, palette, floors in (("a", "24", FLOORS), ("b", "24-lab", lab)):
        told = {"palettes": {palette: [[0.1]]}, "floors": {palette: floors}, "data": {**DATA, "fingerprint": name * 64}}
        text = f'trials = 4\n[fixed]\ncolour_space = "{"rgb" if palette == "24" else "lab"}"\n' + MODELS
        folder = make_folder(tmp_path, name=name, metric="val_mse", space_text=text, **told)
        with folder.write() as writer:
            writer.append("launched", trials=1, host="here", pid=1, workers=1)
            writer.append("asked", 0, params={"model": "cnn"}, seed=0)
            writer.append("failed", 0, attempt=1, reason="lost", message="no")

    found = Comparison.read(tmp_path, ["a", "b"])
    page = comparison_report.write(found, tmp_path)[-1].read_text(encoding="utf-8")

    assert found.measure.floors == {"24": 0.02, "24-lab": 0.015}
    assert "0.015" in page


def test_the_recorded_study_stands_beside_another(tmp_path: Path) -> None:
    """The recorded study opens, with what its confirmation found, beside one of its own data; not beside one of others."""
    recorded = StudyFolder(Path(__file__).parents[2] / "results" / "horses-architecture")
    manifest = {name: value for name, value in recorded.manifest.items() if name not in ("format", "name", "created")}
    space = recorded.layout.space.read_text()
    StudyFolder.create(tmp_path, "again", space_text=space, manifest=manifest)
    make_folder(tmp_path, name="quick")

    found = Comparison.read(tmp_path, [str(recorded.layout.root), "again"])

    assert found.first.totals["completed"] == 5
    assert found.first.confirmed is not None
    with pytest.raises(StudyError, match="horses-architecture and quick cannot be compared"):
        Comparison.read(tmp_path, [str(recorded.layout.root), "quick"])
