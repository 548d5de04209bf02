"""What differs between two search spaces, and what of it a running study can accept."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.errors import SpaceError
from study.parameters import Parameter
from study.space import Space
from study.space_changes import check_change, compare
from tests.study.helpers import SPACE, make_space

TEXT = """
name = "study"
question = "Which?"
objective = { metric = "val_mse", goal = "minimize" }
trials = 10
seed = 3
sampler = { kind = "tpe", startup_trials = 5 }
pruner = { kind = "hyperband", min_epochs = 1, reduction_factor = 3 }

[fixed]
dataset = "scenes"
category = "horse"

[search.model]
kind = "choice"
choices = ["cnn", "unet", "dilated_unet"]

[search.dilation]
kind = "int"
low = 4
high = 8
step = 2
when = { model = ["dilated_unet"] }

[search.epochs]
kind = "choice"
choices = [3, 6]

[search.learning_rate]
kind = "float"
low = 1e-3
high = 1e-2
log = true

[search.extra_classes]
kind = "choice"
choices = [[], ["deer"]]

[search.num_colours]
kind = "choice"
choices = [8, 16]

[[enqueue]]
model = "cnn"

[[enqueue]]
learning_rate = 0.002
"""
POINT = "\n[[enqueue]]\nepochs = 3\n"
LAST = "\n[[enqueue]]\nlearning_rate = 0.002\n"

WIDENINGS = {
    "trials": (("trials = 10", "trials = 20"), "trials: was 10, is 20"),
    "fewer trials": (("trials = 10", "trials = 5"), "trials: was 10, is 5"),
    "question": (("Which?", "Why?"), 'question: was "Which?", is "Why?"'),
    "no question": (('question = "Which?"', ""), 'question: was "Which?", is not set'),
    "choice": (
        ('"cnn", "unet"', '"cnn", "regression_cnn", "unet"'),
        '[search.model] choices: were ["cnn", "unet", "dilated_unet"], are '
        '["cnn", "regression_cnn", "unet", "dilated_unet"]',
    ),
    "classes": (
        ('[], ["deer"]', '[], ["deer", "dog"], ["deer"]'),
        '[search.extra_classes] choices: were [[], ["deer"]]',
    ),
    "range": (("low = 1e-3", "low = 1e-4"), "[search.learning_rate] was 0.001 to 0.01, log, is 0.0001 to 0.01, log"),
    "whole range": (("high = 8", "high = 12"), "[search.dilation] was 4 to 8, step 2, is 4 to 12, step 2"),
    "finer steps": (("step = 2", "step = 1"), "[search.dilation] was 4 to 8, step 2, is 4 to 8"),
    "epochs in as many brackets": (("[3, 6]", "[3, 6, 8]"), "[search.epochs] choices: were [3, 6], are [3, 6, 8]"),
    "point": ((LAST, LAST + POINT), "[[enqueue]] 3 is new: epochs = 3"),
}
REFUSED = {
    "name": (('name = "study"', 'name = "other"'), 'name: was "study", is "other": it is the study\'s identity'),
    "seed": (("seed = 3", "seed = 4"), "seed: was 3, is 4: the trials asked so far"),
    "sampler": (('"tpe", startup_trials = 5', '"random"'), 'sampler: was "tpe startup_trials=5", is "random"'),
    "sampler's option": (("startup_trials = 5", "startup_trials = 6"), "startup_trials=6"),
    "pruner": (("min_epochs = 1", "min_epochs = 2"), "pruner: was "),
    "fixed": (('"scenes"', '"cifar10"'), '[fixed] dataset: was "scenes", is "cifar10": trials before'),
    "newly fixed": (("[fixed]", "[fixed]\nbatch_size = 50"), "[fixed] batch_size: was not set, is 50"),
    "no longer fixed": (('category = "horse"', ""), '[fixed] category: was "horse", is not set'),
    "new parameter": (
        (LAST, '\n[search.batch_size]\nkind = "choice"\nchoices = [5]\n' + LAST),
        "[search.batch_size] is new: the trials asked so far have no such parameter",
    ),
    "no parameter": (
        ('[search.extra_classes]\nkind = "choice"\nchoices = [[], ["deer"]]', ""),
        "[search.extra_classes] is gone: the trials asked so far have that parameter",
    ),
    "condition": (
        ('["dilated_unet"] }', '["dilated_unet"], epochs = [3] }'),
        '[search.dilation] when: was model in ["dilated_unet"], is epochs in [3] and model in ["dilated_unet"]',
    ),
    "no condition": (('"deer"]]', '"deer"]]\nwhen = { model = ["cnn"] }'), 'when: was always, is model in ["cnn"]'),
    "choice gone": (
        ('[], ["deer"]', '[], ["dog"], ["cat"]'),
        '[search.extra_classes] choices: were [[], ["deer"]], are [[], ["dog"], ["cat"]]: trials may have been asked with '
        '["deer"]',
    ),
    "narrowed": (("high = 1e-2", "high = 9e-3"), "is 0.001 to 0.009, log: trials may have been asked with values"),
    "coarser steps": (("step = 2", "step = 3"), "is 4 to 8, step 3: trials may have been asked with values"),
    "between the old steps": (
        ("low = 4\nhigh = 8", "low = 3\nhigh = 9"),
        "was 4 to 8, step 2, is 3 to 9, step 2: trials may",
    ),
    "no longer log": (("log = true", ""), "was 0.001 to 0.01, log, is 0.001 to 0.01: the trials asked so far"),
    "kind": (
        ('kind = "choice"\nchoices = [3, 6]', 'kind = "int"\nlow = 1\nhigh = 6'),
        "[search.epochs] kind: was choice, is int: the trials asked so far",
    ),
    "colours": (("[8, 16]", "[8, 16, 24]"), "palettes and floors were measured when the study began"),
    "epochs in more brackets": (
        ("choices = [3, 6]", "choices = [3, 6, 12]"),
        "hyperband's brackets: was 2, is 3: its trials would be dealt to others",
    ),
    "point changed": (('model = "cnn"\n', 'model = "unet"\n'), "[[enqueue]] 1: was model = "),
    "point gone": ((LAST, ""), "[[enqueue]] 2 is gone: learning_rate = 0.002: known points are asked once each"),
    "point before": (("[[enqueue]]\nmodel", "[[enqueue]]\nepochs = 3\n[[enqueue]]\nmodel"), "[[enqueue]] 1: was"),
}


def changed(edit: tuple[str, str], text: str = TEXT) -> Space:
    """The space with one edit, which must apply."""
    before, after = edit
    assert text.count(before) == 1
    return Space.parse(text.replace(before, after))


def test_a_space_does_not_differ_from_itself_written_otherwise() -> None:
    """The order of keys, tables and choices, comments, white space and written-out defaults are no difference."""
    text = """
        # the same, by another hand
        seed = 3
        trials = 10
        question = "Which?"
        sampler = { startup_trials = 5 }
        pruner = { reduction_factor = 3, kind = "hyperband" }
        objective = { metric = "val_mse" }
        name = "study"
        search.num_colours = { choices = [16, 8], kind = "choice" }
        search.learning_rate = { kind = "float", high = 0.01, low = 0.001, log = true }
        search.epochs = { kind = "choice", choices = [6, 3] }
        search.model = { kind = "choice", choices = ["dilated_unet", "unet", "cnn"] }
        search.dilation = { kind = "int", low = 4, high = 8, step = 2, when = { model = "dilated_unet" } }
        search.extra_classes = { kind = "choice", choices = [["deer"], []] }
        fixed = { category = "horse", dataset = "scenes" }
        enqueue = [{ model = "cnn" }, { learning_rate = 2e-3 }]
    """

    changes = compare(Space.parse(TEXT), Space.parse(text))

    assert changes.lines == []
    assert changes.is_none
    assert not changes.is_widening
    assert check_change(Space.parse(TEXT), Space.parse(text), accepted=False, study="study") == []


@pytest.mark.parametrize("case", WIDENINGS)
def test_a_widening_is_accepted_if_the_user_says_so(case: str) -> None:
    """What was asked could have been asked of the wider space: told in words, and refused unless it is accepted."""
    edit, line = WIDENINGS[case]
    old, new = Space.parse(TEXT), changed(edit)

    changes = compare(old, new)

    assert changes.is_widening
    assert len(changes.lines) == 1
    assert changes.lines[0].startswith(line)
    assert check_change(old, new, accepted=True, study="study") == changes.lines
    with pytest.raises(SpaceError, match=r"^study: the search space is not the one that the study has$") as caught:
        check_change(old, new, accepted=False, study="study")
    hint = (caught.value.hint or "").splitlines()
    assert hint[:-1] == changes.lines
    assert hint[-1].startswith("--accept-space-change ")


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_widening_is_refused_with_its_reason(case: str) -> None:
    """Every other difference is told with why a running study cannot accept it, whether the user would or not."""
    edit, words = REFUSED[case]
    old, new = Space.parse(TEXT), changed(edit)

    changes = compare(old, new)

    assert not changes.is_widening
    assert not changes.is_none
    assert any(words in line for line in changes.lines)
    with pytest.raises(SpaceError, match="a running study cannot accept") as caught:
        check_change(old, new, accepted=True, study="study")
    assert (caught.value.hint or "").splitlines()[:-1] == changes.lines


def test_widenings_do_not_carry_what_is_refused() -> None:
    """Beside a difference that is refused a widening is listed too, without an objection."""
    new = changed(("trials = 10\nseed = 3", "trials = 20\nseed = 4"))

    lines = compare(Space.parse(TEXT), new).lines

    assert lines == [
        "trials: was 10, is 20",
        "seed: was 3, is 4: the trials asked so far would have been asked otherwise",
    ]


def test_a_space_is_not_named_by_its_file() -> None:
    """Where neither space says its name, the names of their files are no difference."""
    text = TEXT.replace('name = "study"', "")

    assert compare(Space.parse(text, default_name="space"), Space.parse(text, default_name="mine")).is_none


def test_another_objective_is_refused() -> None:
    """Trials that are ranked by one number cannot go on by another."""
    other = make_space(text='objective = { metric = "val_accuracy" }\n' + SPACE)

    assert compare(make_space(), other).lines == [
        'objective: was "minimize val_loss", is "maximize val_accuracy": trials before and after it would not be judged alike'
    ]


def test_a_parameter_that_is_fixed_or_freed_is_told_once() -> None:
    """What moves between `[fixed]` and `[search]` is one difference, whichever way it goes."""
    searched = make_space('[search.kernel_size]\nkind = "choice"\nchoices = [3, 5]\n')
    fixed = make_space(text=SPACE.replace("[fixed]", "[fixed]\nkernel_size = 3"))

    assert compare(searched, fixed).lines == [
        "[search.kernel_size] is fixed at 3 now: the trials asked so far have that parameter"
    ]
    assert compare(fixed, searched).lines == [
        "[search.kernel_size] was fixed at 3: the trials asked so far have no such parameter"
    ]


LITTLE = make_space()
ranges = st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from([None, 1, 2, 3, 4])).filter(
    lambda found: found[0] <= found[1]
)


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(ranges, ranges, st.booleans())
def test_a_wider_range_has_every_old_value(
    old: tuple[int, int, int | None], new: tuple[int, int, int | None], is_float: bool
) -> None:
    """A range is accepted exactly where each value of the old one, counted one by one, is a value of the new."""
    name = "learning_rate" if is_float else "shift_vertical_pixels"

    def number(count: int) -> float:
        return round(0.1 * count, 1) if is_float else count

    def parameter(low: int, high: int, step: int | None) -> Parameter:
        table = {"kind": "float" if is_float else "int", "low": number(low + 1), "high": number(high + 1)}
        return Parameter.parse(name, table if step is None else {**table, "step": number(step)})

    before, after = parameter(*old), parameter(*new)
    low, high, step = old
    has_all = all(number(count + 1) in after for count in range(low, high + 1, step or 1))
    if is_float and step is None and low < high:  # what lies between those that were counted
        has_all = has_all and after.step is None

    changes = compare(replace(LITTLE, search={name: before}), replace(LITTLE, search={name: after}))

    assert (changes.is_none or changes.is_widening) == has_all
