"""Known points: what a `[[enqueue]]` table may name, what is refused, and what is shown."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colournet.errors import UserError
from study.errors import RecordError
from study.launch.optimizer import Optimizer
from study.preview import preview
from study.records import StudyRecord
from study.space import Space
from tests.study.helpers import PARAMS, SPACE, make_space, session
from tests.study.made_up_studies import rebuilt

SEARCH = """
[search.model]
kind = "choice"
choices = ["cnn", "unet", "dilated_unet"]

[search.dilation]
kind = "int"
low = 2
high = 8
step = 2
when = { model = ["dilated_unet"] }

[search.learning_rate]
kind = "float"
low = 1e-3
high = 1e-2

[search.label_smoothing]
kind = "float"
low = 0.0
high = 0.5
step = 0.1

[search.extra_classes]
kind = "choice"
choices = [[], ["deer"], ["deer", "dog"]]

[search.flip_vertical]
kind = "choice"
choices = [false, true]

[search.kernel_size]
kind = "choice"
choices = [1, 3]

[search.down_sampling]
kind = "choice"
choices = ["pool"]
"""
FIXED = "[fixed]\nepochs = 3\n"


def space_with(*points: str, search: str = SEARCH) -> Space:
    """A space with these lines each as a known point."""
    return Space.parse(FIXED + search + "".join(f"[[enqueue]]\n{point}\n" for point in points))


def asked(number: int, **more: Any) -> dict[str, Any]:
    """The event of a trial that was asked."""
    time = "2026-01-01T00:00:00.000Z"
    return {"event": "asked", "time": time, "trial": number, "params": PARAMS, "seed": 1, **more}


REFUSED = {
    "misspelt": ('modle = "cnn"', "[[enqueue]] 1: 'modle' is not under [search]", "'model'"),
    "fixed": ("epochs = 3", "'epochs' is not under [search]", "'epochs' is fixed"),
    "no such setting": ("x = 3", "'x' is not under [search]", "known: model"),
    "nothing": ("", "names no parameter", "known: model"),
    "no such choice": ('model = "regression_cnn"', "model is never 'regression_cnn'", "known: cnn"),
    "no value of the field": ('model = "dilated_unt"', "there is no 'dilated_unt'", "'dilated_unet'"),
    "above the range": ("learning_rate = 0.02", "learning_rate is never 0.02, it goes from 0.001 to 0.01", ""),
    "between two steps": ("label_smoothing = 0.25", "label_smoothing is never 0.25", ""),
    "between two whole steps": ('model = "dilated_unet"\ndilation = 3', "dilation is never 3", ""),
    "a float for a whole number": ('model = "dilated_unet"\ndilation = 2.0', "must be a whole number", ""),
    "a number for a flag": ("flip_vertical = 1", "must be true or false", ""),
    "a flag for a number": ("learning_rate = true", "must be a number", ""),
    "text for a list": ('extra_classes = "deer"', "must be a list of classes", '["deer"]'),
    "no such list": ('extra_classes = ["cat"]', "extra_classes is never ['cat']", ""),
    "a list of lists": ('extra_classes = [["deer"]]', "there is no ['deer']", ""),
    "not a number": ("learning_rate = nan", "must be a number", ""),
    "beyond all numbers": ("label_smoothing = 1e300", "must be a number", ""),
    "what does not exist there": (
        'model = "cnn"\ndilation = 2',
        "'dilation' does not exist where model is 'cnn'",
        "leave it out, or name model = 'dilated_unet'",
    ),
    "what may not exist there": (
        "dilation = 2",
        "whether 'dilation' exists depends on 'model', which the point leaves open",
        "name model = 'dilated_unet' in it too",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_point_is_refused_with_a_hint(case: str) -> None:
    """What is wrong with a known point is told in one sentence, with its number and what to write instead."""
    point, message, hint = REFUSED[case]

    with pytest.raises(UserError) as caught:
        space_with(point)

    assert message in caught.value.message
    assert caught.value.message.startswith("[[enqueue]] 1: ")
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")


def test_the_same_point_twice_is_refused() -> None:
    """Two points that name the same values are one too many, in whatever order they name them."""
    with pytest.raises(UserError, match=r"\[\[enqueue\]\] 3: the same as number 1"):
        space_with('model = "cnn"\nkernel_size = 3', 'model = "unet"', 'kernel_size = 3\nmodel = "cnn"')


@pytest.mark.parametrize("text", ["enqueue = 3", 'enqueue = ["cnn"]', '[enqueue]\nmodel = "cnn"'])
def test_points_that_are_no_tables_are_refused(text: str) -> None:
    """Anything but `[[enqueue]]` tables is told how to be written."""
    with pytest.raises(UserError, match="enqueue must be tables") as caught:
        Space.parse(f"{text}\n{FIXED}{SEARCH}")

    assert "[[enqueue]]" in (caught.value.hint or "")


RARE = """
[search.residual_blocks]
kind = "int"
low = 0
high = 8

[search.shift_vertical_pixels]
kind = "int"
low = 0
high = 16

[search.kernel_size]
kind = "int"
low = 1
high = 15
step = 2
when = { residual_blocks = [8], shift_vertical_pixels = [16] }

[search.down_sampling]
kind = "choice"
choices = ["pool", "stride"]
"""


@pytest.mark.parametrize("open_or_not", ["", '\ndown_sampling = "stride"'])
def test_a_point_that_means_nothing_is_refused(open_or_not: str) -> None:
    """A configuration too rare to be met at random is told where a point names it, or its completion may be it."""
    point = "residual_blocks = 8\nshift_vertical_pixels = 16\nkernel_size = "

    assert space_with(point + "3" + open_or_not, search=RARE).enqueue
    with pytest.raises(
        UserError, match=r"\[\[enqueue\]\] 1 means nothing: down_sampling = 'stride' with kernel_size = 1"
    ):
        space_with(point + "1" + open_or_not, search=RARE)


def test_a_points_values_are_as_their_parameters_have_them() -> None:
    """Values come in the order of the search, a whole number for a float as a float, a list as the choice that it means."""
    point = 'extra_classes = ["dog", "deer"]\nlabel_smoothing = 0\nmodel = "dilated_unet"\ndilation = 4'

    (read,) = space_with(point).enqueue

    assert list(read.items()) == [
        ("model", "dilated_unet"),
        ("label_smoothing", 0.0),
        ("extra_classes", ["deer", "dog"]),
        ("dilation", 4),
    ]
    assert type(read["label_smoothing"]) is float


def test_a_step_that_no_float_hits_is_a_value() -> None:
    """0.3 is the third step of 0.1, though three times 0.1 is a little more."""
    assert space_with("label_smoothing = 0.3").enqueue == ({"label_smoothing": 0.3},)


def test_a_point_is_completed_at_random() -> None:
    """A sample about a point has its values, and what it leaves open as the conditions allow."""
    space = space_with('model = "dilated_unet"\nlearning_rate = 0.002')
    generator = random.Random(0)

    samples = [space.sample(generator, known=space.enqueue[0]) for _ in range(50)]

    assert {params["learning_rate"] for params in samples} == {0.002}
    assert {params["dilation"] for params in samples} == {2, 4, 6, 8}


VALUES = [
    '"cnn"',
    '"dilated_unet"',
    '"pool"',
    "true",
    "[]",
    '["dog", "deer"]',
    "0",
    "2",
    "4",
    "1e-3",
    "0.3",
    "0.35",
    "1e300",
]
NAMES = ["model", "dilation", "learning_rate", "label_smoothing", "extra_classes", "flip_vertical", "kernel_size"]


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), min_size=1, max_size=3))
def test_any_point_is_refused_or_asked(named: dict[str, str]) -> None:
    """A point that is not refused is asked as it was read, and what is then recorded is rebuilt without a warning."""
    try:
        space = space_with("\n".join(f"{name} = {value}" for name, value in named.items()))
    except UserError:
        return
    (point,) = space.enqueue
    number, params = Optimizer(space).ask(point)

    assert {name: params[name] for name in point} == point
    again = rebuilt(space, [asked(number, params=json.loads(json.dumps(params)))])
    assert again.study.trials[0].state.name == "RUNNING"


def test_a_preview_shows_known_points(tmp_path: Path) -> None:
    """`study check` lists the points, with what the sampler draws beside them."""
    points = '[[enqueue]]\nmodel = "cnn"\nepochs = 3\nlearning_rate = 0.002\n[[enqueue]]\nepochs = 2\n'

    shown = preview(make_space(points), tmp_path)

    assert "known points, asked first:\n  model=cnn epochs=3 learning_rate=0.002\n" in shown
    assert "  epochs=2; the sampler draws model, learning_rate\n" in shown
    assert "known points" not in preview(make_space(), tmp_path)


def test_each_point_is_asked_once() -> None:
    """The record says which known point is next, and takes no other."""
    record = StudyRecord()
    record.apply({"event": "launched", "time": "2026-01-01T00:00:00.000Z", **session()})
    nexts = [record.next_enqueued]
    for event in (asked(0, enqueued=0), asked(1), asked(2, enqueued=1)):
        record.apply(event)
        nexts.append(record.next_enqueued)

    assert nexts == [0, 1, 1, 2]
    for wrong in (1, 3):
        with pytest.raises(RecordError, match=f"trial 3 is known point {wrong} where 2 is next"):
            record.apply(asked(3, enqueued=wrong))
    assert len(record.trials) == 3


def test_a_space_without_points_has_none() -> None:
    """Points are optional."""
    assert Space.parse(SPACE).enqueue == ()
