"""Search spaces: what is read, and what is refused with which words."""

import random
from pathlib import Path

import pytest

from colournet.errors import UserError
from study.errors import SpaceError
from study.space import Space
from tests.study.helpers import SPACE, make_space

LEARNING_RATE = '[search.learning_rate]\nkind = "float"\nlow = 1e-3\nhigh = 1e-2\n'

REFUSED = {
    "misspelt name": ('[search.learning_rat]\nkind = "float"\nlow = 1\nhigh = 2', "'learning_rat'", "'learning_rate'"),
    "misspelt fixed name": ('[fixed]\ndatset = "scenes"\n' + LEARNING_RATE, "'datset' under [fixed]", "'dataset'"),
    "misspelt key": ('obejctive = "x"\n' + LEARNING_RATE, "'obejctive'", "'objective'"),
    "inverted range": ('[search.epochs]\nkind = "int"\nlow = 9\nhigh = 2', "low = 9 is above high = 2", "swap"),
    "unknown condition": (
        LEARNING_RATE + '[search.batch_size]\nkind = "int"\nlow = 1\nhigh = 9\nwhen = { learning_rte = [1] }',
        "'learning_rte' is not under [search]",
        "'learning_rate'",
    ),
    "condition on a fixed name": (
        '[fixed]\nmodel = "unet"\n[search.epochs]\nkind = "int"\nlow = 1\nhigh = 9\nwhen = { model = ["unet"] }',
        "'model' is not under [search]",
        "is fixed",
    ),
    "condition never met": (
        '[search.model]\nkind = "choice"\nchoices = ["cnn", "unet"]\n'
        '[search.epochs]\nkind = "int"\nlow = 1\nhigh = 9\nwhen = { model = ["unt"] }',
        "model is never 'unt'",
        "'unet'",
    ),
    "circle": (
        '[search.epochs]\nkind = "int"\nlow = 1\nhigh = 9\nwhen = { batch_size = [1] }\n'
        '[search.batch_size]\nkind = "int"\nlow = 1\nhigh = 9\nwhen = { epochs = [1] }',
        "circle",
        "",
    ),
    "log from zero": (
        '[search.learning_rate]\nkind = "float"\nlow = 0.0\nhigh = 1.0\nlog = true',
        "low > 0",
        "raise low",
    ),
    "bad TOML": ("[search.learning_rate\n", "not valid TOML", ""),
    "unknown class": ('[fixed]\ncategory = "hrse"\n' + LEARNING_RATE, "there is no 'hrse'", "'horse'"),
    "unknown class in choices": (
        '[search.extra_classes]\nkind = "choice"\nchoices = [[], ["dear"]]',
        "there is no 'dear'",
        "'deer'",
    ),
    "unknown kind": ('[search.epochs]\nkind = "integer"\nlow = 1\nhigh = 2', "'integer'", "int"),
    "unknown option": ('[search.epochs]\nkind = "int"\nlow = 1\nhigh = 2\nlogg = true', "no 'logg'", "'log'"),
    "missing bound": ('[search.epochs]\nkind = "int"\nlow = 1', "needs 'high'", ""),
    "float bound of an int": ('[search.epochs]\nkind = "int"\nlow = 1.5\nhigh = 2', "whole number", ""),
    "infinite bound": ('[search.learning_rate]\nkind = "float"\nlow = 0.1\nhigh = inf', "finite", ""),
    "out of the field's range": ('[search.num_filters]\nkind = "int"\nlow = 0\nhigh = 4', "from 1 to 1024", ""),
    "even kernel": ('[search.kernel_size]\nkind = "int"\nlow = 3\nhigh = 7', "odd", "step = 2"),
    "nothing to search": ('[fixed]\nmodel = "cnn"', "nothing to search", "quick.toml"),
    "fixed and searched": ("[fixed]\nlearning_rate = 0.1\n" + LEARNING_RATE, "[fixed] too", "one of them"),
    "searched seed": ('[search.seed]\nkind = "int"\nlow = 1\nhigh = 4', "cannot be searched", "[fixed]"),
    "searched data set": ('[search.dataset]\nkind = "choice"\nchoices = ["scenes"]', "cannot be searched", "[fixed]"),
    "mixed losses": (
        '[search.model]\nkind = "choice"\nchoices = ["regression_cnn", "unet"]',
        "squared error for 'regression_cnn'",
        "val_mse",
    ),
    "colours under a loss": (
        '[search.num_colours]\nkind = "choice"\nchoices = [8, 24]',
        "cannot be compared",
        "val_mse",
    ),
    "colour spaces under a loss": (
        '[fixed]\nmodel = "regression_cnn"\n[search.colour_space]\nkind = "choice"\nchoices = ["rgb", "lab"]',
        "val_loss over different colour spaces cannot be compared",
        "val_mse",
    ),
    "colour spaces under an accuracy": (
        'objective = { metric = "val_accuracy" }\n[search.colour_space]\nkind = "choice"\nchoices = ["rgb", "lab"]',
        "val_accuracy over different colour spaces cannot be compared",
        "val_mse",
    ),
    "palettes of too many sizes and spaces": (
        'objective = { metric = "val_mse" }\n[search.colour_space]\nkind = "choice"\nchoices = ["rgb", "lab"]\n'
        '[search.num_colours]\nkind = "int"\nlow = 10\nhigh = 18',
        "need 18 palettes",
        "up to 16",
    ),
    "dilation without condition": (
        '[search.model]\nkind = "choice"\nchoices = ["unet", "dilated_unet"]\n'
        '[search.dilation]\nkind = "int"\nlow = 2\nhigh = 4',
        "means nothing to model 'unet'",
        "when",
    ),
    "unknown sampler": ('sampler = { kind = "tpee" }\n' + LEARNING_RATE, "'tpee'", "'tpe'"),
    "unknown pruner option": (
        'pruner = { kind = "median", warmup = 3 }\n' + LEARNING_RATE,
        "no option 'warmup'",
        "'warmup_epochs'",
    ),
    "wrong goal": (
        'objective = { metric = "val_accuracy", goal = "minimize" }\n' + LEARNING_RATE,
        "val_accuracy is to be maximized",
        "maximize",
    ),
    "unknown metric": ('objective = { metric = "val_los" }\n' + LEARNING_RATE, "'val_los'", "'val_loss'"),
    "name that leaves the folder": ('name = "../elsewhere"\n' + LEARNING_RATE, "cannot be the name", "letters"),
    "kind in a list": ('[search.epochs]\nkind = ["int"]\nlow = 1\nhigh = 2', "kind is ['int']", "int"),
    "sampler kind in a list": ('sampler = { kind = ["tpe"] }\n' + LEARNING_RATE, "no kind ['tpe']", "tpe"),
    "pruner kind in a list": ('pruner = { kind = ["none"] }\n' + LEARNING_RATE, "no kind ['none']", "none"),
    "nested too deep": ("name = " + "[" * 5000 + "]" * 5000, "not valid TOML", ""),
    "an integer of 400 digits": (LEARNING_RATE.replace("1e-3", "1" + "0" * 400), "1329 bits is too large", "63 bits"),
    "an integer of 5000 digits": (LEARNING_RATE.replace("1e-3", "1" * 5000), "not valid TOML", ""),
    "an integer of 5000 hexadecimal digits": (
        LEARNING_RATE.replace("1e-3", "0x" + "f" * 5000),
        "20000 bits",
        "63 bits",
    ),
    "question that is a number": ("question = 5\n" + LEARNING_RATE, "question must be text, got 5", '"5"'),
    "name that is a number": ("name = 7\n" + LEARNING_RATE, "name must be text, got 7", '"7"'),
    "condition without a value": (
        '[search.model]\nkind = "choice"\nchoices = ["cnn", "unet"]\n'
        '[search.epochs]\nkind = "int"\nlow = 1\nhigh = 9\nwhen = { model = [] }',
        "names no value of 'model'",
        "drop the condition",
    ),
    "condition between two steps": (
        '[search.batch_size]\nkind = "int"\nlow = 10\nhigh = 30\nstep = 10\n'
        '[search.epochs]\nkind = "int"\nlow = 2\nhigh = 9\nwhen = { batch_size = [15] }',
        "batch_size is never 15",
        "",
    ),
    "the same classes in another order": (
        '[search.extra_classes]\nkind = "choice"\nchoices = [["cat", "dog"], ["dog", "cat"]]',
        "names a value twice",
        "",
    ),
    "a step that is next to nothing": (LEARNING_RATE + "step = 5e-324\n", "too fine", "raise it"),
    "a float for a whole number": ('[search.epochs]\nkind = "float"\nlow = 2\nhigh = 4\nstep = 2', "whole number", ""),
    "a pruner that waits too long": (
        'pruner = { kind = "hyperband", min_epochs = 4 }\n[search.epochs]\nkind = "int"\nlow = 2\nhigh = 4',
        "min_epochs = 4 lets every trial run to its end",
        '"none"',
    ),
    "conditional colours under a loss": (
        'objective = { metric = "val_accuracy" }\n[search.flip_vertical]\nkind = "choice"\nchoices = [true, false]\n'
        '[search.num_colours]\nkind = "choice"\nchoices = [8]\nwhen = { flip_vertical = true }',
        "cannot be compared",
        "val_mse",
    ),
    "conditional model of another loss": (
        '[search.flip_vertical]\nkind = "choice"\nchoices = [true, false]\n'
        '[search.model]\nkind = "choice"\nchoices = ["regression_cnn"]\nwhen = { flip_vertical = true }',
        "squared error for 'regression_cnn'",
        "val_mse",
    ),
    "no trials": ("trials = 0\n" + LEARNING_RATE, "at least 1", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_space_is_refused_with_a_hint(case: str) -> None:
    """What is wrong with a space is told in one sentence, with what to write instead."""
    text, message, hint = REFUSED[case]

    with pytest.raises(UserError) as caught:
        Space.parse(text)

    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")


def test_an_error_names_the_file(tmp_path: Path) -> None:
    """An error of a file begins with the file's name."""
    path = tmp_path / "mine.toml"
    path.write_text("[search.epochs]\nkind = 'int'\nlow = 3\nhigh = 1\n")

    with pytest.raises(SpaceError, match=r"^mine\.toml: \[search\.epochs\] low = 3"):
        Space.load(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A file that is not there gives a sentence, not a traceback."""
    with pytest.raises(SpaceError, match="No such file"):
        Space.load(tmp_path / "none.toml")


def test_the_designs_example_is_read() -> None:
    """The example of the architecture's manual is a valid space with its condition."""
    space = Space.parse(
        """
        name = "horses-architecture"
        objective = { metric = "val_loss", goal = "minimize" }
        trials = 40
        pruner = { kind = "successive_halving", min_epochs = 2, reduction_factor = 3 }
        [fixed]
        dataset = "cifar10"
        category = "horse"
        [search.dilation]
        kind = "int"
        low = 2
        high = 4
        when = { model = ["dilated_unet"] }
        [search.model]
        kind = "choice"
        choices = ["cnn", "unet", "dilated_unet"]
        [search.learning_rate]
        kind = "float"
        low = 1e-4
        high = 3e-2
        log = true
        """
    )

    assert list(space.search) == ["model", "learning_rate", "dilation"]  # after what its condition names
    assert space.search["dilation"].when == {"model": ("dilated_unet",)}
    assert space.pruner.options == {"min_epochs": 2, "reduction_factor": 3}


def test_samples_obey_bounds_and_conditions() -> None:
    """A thousand random configurations stay within bounds, and conditional parameters come and go with their condition."""
    space = make_space('[search.kernel_size]\nkind = "int"\nlow = 3\nhigh = 7\nstep = 2\nwhen = { model = ["cnn"] }\n')
    generator = random.Random(1)
    for _ in range(1000):
        params = space.sample(generator)
        assert 2 <= params["epochs"] <= 4
        assert 1e-3 <= params["learning_rate"] <= 1e-2
        assert ("kernel_size" in params) == (params["model"] == "cnn")
        assert params.get("kernel_size", 3) in (3, 5, 7)


def test_a_field_takes_its_default_where_its_condition_is_not_met() -> None:
    """A conditional parameter's field has its default in the other trials, and data are prepared for that as well."""
    colours = '[search.num_colours]\nkind = "choice"\nchoices = [8, 16]\nwhen = { model = "cnn" }\n'
    text = SPACE.replace("num_colours = 8\n", "").replace("[fixed]", 'objective = { metric = "val_mse" }\n\n[fixed]')

    space = make_space(colours, text=text)

    assert space.taken("num_colours") == [8, 16, 24]
    assert space.taken("model") == ["cnn", "unet"]
    assert {space.config(space.sample(random.Random(seed))).num_colours for seed in range(50)} == {8, 16, 24}


def test_the_palettes_of_a_space() -> None:
    """Every number of colours that a trial may take goes with every colour space that it may take."""
    fixed = Space.parse('[fixed]\ncolour_space = "lab"\n' + LEARNING_RATE)
    searched = Space.parse(
        'objective = { metric = "val_mse" }\n[search.colour_space]\nkind = "choice"\nchoices = ["lab", "rgb"]\n'
        '[search.num_colours]\nkind = "choice"\nchoices = [8, 300]'
    )

    assert [str(name) for name in make_space().palettes] == ["8"]
    assert [str(name) for name in fixed.palettes] == ["24-lab"]
    assert [str(name) for name in searched.palettes] == ["8-lab", "8", "300-lab", "300"]


def test_trial_seeds_differ_and_stay() -> None:
    """Each trial has its own seed, which depends on nothing but the study's seed and the trial's number."""
    space = make_space()

    seeds = [space.trial_seed(number) for number in range(100)]

    assert len(set(seeds)) == 100
    assert seeds[:3] == [1427366890, 2839049726, 2647012970]


def test_a_fixed_seed_is_everyones() -> None:
    """A seed under [fixed] is the seed of all trials."""
    space = Space.parse(SPACE.replace("[fixed]", "[fixed]\nseed = 7"))

    assert {space.trial_seed(number) for number in range(5)} == {7}


SPACES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.toml"))


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_the_projects_spaces_are_valid(path: Path) -> None:
    """Every space that comes with the project loads, and its head says what it asks, how to run it, and its cost."""
    space = Space.load(path)
    head = path.read_text().split("\n\n")[0]

    assert space.question
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"study launch search_spaces/{path.name}" in head
    assert "Cost" in head
    assert "Read" in head
