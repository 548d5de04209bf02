"""What a confirmation compares: which configurations, with which seeds, in which order."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from study.candidates import Candidate, Confirmation, default_candidate, fresh_seeds, overtaken
from study.errors import RecordError, StudyError
from study.space import Space
from study.store import StudyFolder
from tests.study.confirming import end, make_confirmation, make_search
from tests.study.helpers import PARAMS, SPACE, make_folder, session


def plan(folder: StudyFolder, *, top: int = 2, seeds: int = 3) -> Confirmation:
    return Confirmation.plan(folder, folder.read(), top=top, seeds=seeds)


def default_of(text: str) -> tuple[Candidate | None, str | None]:
    space = Space.parse(text)
    return default_candidate(space, [Candidate(params=space.sample(random.Random(0)), trial=0)])


def test_the_best_come_first_and_the_default_last(tmp_path: Path) -> None:
    """Candidates are the best trials in their order, with what the search saw, and then the default."""
    chosen = plan(make_search(tmp_path, {0: 3.0, 1: 1.0, 2: 2.0}))

    assert [candidate.name for candidate in chosen.candidates] == ["trial 1", "trial 2", "default"]
    assert [candidate.value for candidate in chosen.candidates] == [1.0, 2.0, None]
    assert [candidate.epoch for candidate in chosen.candidates] == [1, 1, None]
    assert chosen.completed == 3


def test_a_configuration_is_confirmed_once(tmp_path: Path) -> None:
    """Of two trials that differ in their seed alone only the better one is a candidate."""
    folder = make_search(tmp_path, {0: 3.0, 1: 1.0, 2: 2.0}, learning_rate=0.005)

    assert [candidate.name for candidate in plan(folder).candidates] == ["trial 1", "default"]


def test_fewer_than_asked_for_is_told(tmp_path: Path) -> None:
    """Where the search has not so many completed trials, all of them are confirmed and a note says so."""
    chosen = plan(make_search(tmp_path), top=7)

    assert len(chosen.candidates) == 4
    assert chosen.notes[0] == "7 were asked for, the search has 3 that completed."


def test_seeds_are_fresh_and_the_same_for_all(tmp_path: Path) -> None:
    """Every candidate has a run with each seed, no seed is one of the search's, and more seeds begin with the same."""
    folder = make_search(tmp_path)
    space = folder.space
    first = fresh_seeds(space, (), count=1)[0]
    chosen, more = plan(folder), plan(folder, seeds=5)

    by_candidate = Counter(run.candidate.name for run in chosen.runs)
    assert set(by_candidate.values()) == {3}
    assert {run.seed for run in chosen.runs if run.candidate.is_default} == set(chosen.seeds)
    assert len(set(more.seeds)) == 5
    assert more.seeds[:3] == chosen.seeds
    assert not set(more.seeds) & {space.trial_seed(number) for number in range(100)}
    assert first not in fresh_seeds(space, {first}, count=3)


def test_what_is_cut_short_is_balanced(tmp_path: Path) -> None:
    """Runs go through all candidates with one seed before the next seed begins."""
    chosen = plan(make_search(tmp_path))

    assert [run.candidate.name for run in chosen.runs[:4]] == ["trial 1", "trial 2", "default", "trial 1"]
    assert [run.seed for run in chosen.runs] == [seed for seed in chosen.seeds for _ in range(3)]
    assert [run.number for run in chosen.runs] == list(range(9))


def test_the_default_is_what_the_space_fixes_and_the_assignments_values() -> None:
    """Searched settings have the assignment's values, where their condition holds; fixed ones stay."""
    conditional = '[search.dilation]\nkind = "int"\nlow = 2\nhigh = 3\nwhen = { model = ["dilated_unet"] }\n'
    text = SPACE.replace('["cnn", "unet"]', '["cnn", "unet", "dilated_unet"]').replace("high = 4", "high = 40")
    default, note = default_of(text + conditional)

    assert default is not None
    assert default.params == {"model": "unet", "epochs": 25, "learning_rate": 1e-3}
    assert note is None


def test_the_default_trains_no_longer_than_the_search_allowed() -> None:
    """A default of more epochs than any trial could have is cut to as many, and a note says so."""
    default, note = default_of(SPACE)

    assert default is not None
    assert default.params["epochs"] == 4
    assert note == (
        "The default configuration trains for 4 epochs, the most that the search allowed, not for its own 25."
    )


MSE = '\nobjective = { metric = "val_mse" }\n[fixed]'
LEFT_OUT = {
    "a combination that means nothing": (
        SPACE.replace("[fixed]", "[fixed]\ndilation = 2").replace('["cnn", "unet"]', '["dilated_unet"]'),
        "dilation = 2 means nothing to model 'unet'",
    ),
    "another loss": (SPACE.replace('["cnn", "unet"]', '["regression_cnn"]'), "its loss is another one"),
    "no palette": (
        SPACE.replace("num_colours = 8\n", "").replace("\n[fixed]", MSE)
        + '[search.num_colours]\nkind = "choice"\nchoices = [4, 8]\n',
        "the study has no palette of its 24 colours",
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_a_default_that_cannot_be_compared_is_left_out(case: str) -> None:
    """Where the default means nothing in a space, or its score would, there is none and a note says why."""
    text, why = LEFT_OUT[case]
    default, note = default_of(text)

    assert default is None
    assert note is not None
    assert note.startswith(f"The default configuration is left out: {why}")


def test_a_default_among_the_best_is_marked(tmp_path: Path) -> None:
    """A trial that happened to have the default configuration stands for it, and nothing is trained twice."""
    folder = make_search(tmp_path, {0: 1.0, 1: 2.0}, model="unet", epochs=4)
    with folder.write() as writer:
        writer.append("resumed", **session(3))
        writer.append("asked", 2, params={"model": "unet", "epochs": 4, "learning_rate": 1e-3}, seed=2)
        end(writer, 2, 1.5)

    assert [candidate.name for candidate in plan(folder).candidates] == ["trial 0", "trial 2 (default)"]


def test_nothing_to_confirm_is_told(tmp_path: Path) -> None:
    """A study without a completed trial is refused, with what to do."""
    with pytest.raises(StudyError, match=r"^little: no trial is completed yet") as caught:
        plan(make_folder(tmp_path))

    assert caught.value.hint == "study resume little goes on with the study"


def test_nothing_to_compare_with_is_told(tmp_path: Path) -> None:
    """Where the best is the default itself and no other was asked for, there is nothing to compare."""
    folder = make_search(tmp_path, {0: 1.0}, model="unet", epochs=4, learning_rate=1e-3)

    with pytest.raises(StudyError, match="it has the default configuration") as caught:
        plan(folder, top=1)

    assert "--top" in str(caught.value.hint)


def test_a_running_search_may_be_confirmed(tmp_path: Path) -> None:
    """What has completed so far is confirmed, and a note says that the search went on."""
    folder = make_search(tmp_path)
    with folder.write():
        chosen = plan(folder)

    assert "The search was still running when this confirmation began." in chosen.notes


def test_what_is_confirmed_is_read_back(tmp_path: Path) -> None:
    """The manifest tells the same candidates, seeds and notes that were decided."""
    folder = make_search(tmp_path)
    made = make_confirmation(folder, top=2, seeds=3)

    assert Confirmation.of(StudyFolder(made.layout.root)) == plan(folder)
    assert made.title == "little, top2-seeds3"
    assert made.resume_command == "study confirm little --top 2 --seeds 3"


def test_a_confirmation_is_not_confirmed(tmp_path: Path) -> None:
    """A confirmation is no search, though its folder is that of a study."""
    made = make_confirmation(make_search(tmp_path))

    with pytest.raises(StudyError, match="is a confirmation itself"):
        plan(made)


DAMAGES = {
    "seeds that are no list": {"seeds": 3},
    "no candidates": {"candidates": None},
    "a seed that is no number": {"seeds": ["x"]},
    "a candidate without parameters": {"candidates": [{"trial": 1, "value": 1.0, "epoch": 1, "is_default": False}]},
    "a candidate that is no table": {"candidates": [7]},
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_manifest_is_one_sentence(tmp_path: Path, case: str) -> None:
    """What cannot be read of a confirmation is told with its file."""
    made = make_confirmation(make_search(tmp_path))
    manifest = {**made.manifest, "confirms": {**made.manifest["confirms"], **DAMAGES[case]}}
    made.layout.manifest.write_text(json.dumps(manifest))

    with pytest.raises(RecordError, match=r"study\.json: ") as caught:
        Confirmation.of(StudyFolder(made.layout.root))

    assert "\n" not in caught.value.message


def test_a_search_that_went_on_is_told(tmp_path: Path) -> None:
    """If a better configuration has been found since, that is said; a worse one changes nothing."""
    folder = make_search(tmp_path)
    chosen = plan(folder)
    assert overtaken(folder, chosen) is None

    with folder.write() as writer:
        writer.append("resumed", **session(4))
        writer.append("asked", 3, params=PARAMS, seed=3)
        end(writer, 3, 0.5)

    assert "trial 3 is the best now" in str(overtaken(folder, chosen))
