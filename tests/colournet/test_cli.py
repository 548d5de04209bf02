"""The command line: options from the config, data on stdout, errors as sentences with an exit code."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from colournet.cli import cli
from colournet.config import TrainConfig, field_docs
from colournet.errors import CheckpointError, ConfigError
from colournet.runs import RunFolder

pytestmark = pytest.mark.usefixtures("few_scenes")

QUICK = [
    *("--dataset", "scenes", "--train-images", "12", "--num-filters", "2"),
    *("--num-colours", "4", "--epochs", "2", "--batch-size", "8"),
]


def run(*arguments: object) -> Result:
    """Run a command in this process; an error comes through."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def spawn(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    code = "from colournet.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A short run, trained from the command line."""
    run("train", *QUICK, "--out", tmp_path / "run")
    return RunFolder(tmp_path / "run")


def test_train(tmp_path: Path) -> None:
    """One line on stdout says where the run is and what came of it."""
    result = run("train", *QUICK, "--out", tmp_path / "run")

    assert result.stdout.startswith(f"{tmp_path / 'run'}: best epoch ")
    assert " of 2, validation loss " in result.stdout
    assert len(result.stdout.splitlines()) == 1


def test_options_make_the_config(tmp_path: Path) -> None:
    """Options set the fields of the same name; a list of classes is written with commas."""
    run(
        *("train", *QUICK, "--out", tmp_path / "run", "--model", "cnn", "--learning-rate", "0.5"),
        *("--flip-horizontal", "--extra-classes", "dog, cat", "--category", "frog"),
    )

    config = TrainConfig.from_toml(tmp_path / "run" / "config.toml")
    assert config == TrainConfig(
        dataset="scenes",
        train_images=12,
        num_filters=2,
        num_colours=4,
        epochs=2,
        batch_size=8,
        model="cnn",
        learning_rate=0.5,
        flip_horizontal=True,
        extra_classes=("cat", "dog"),
        category="frog",
    )


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without --out goes where its config says."""
    monkeypatch.chdir(tmp_path)

    run("train", *QUICK, "--epochs", "1", "--model", "dilated_unet")

    assert RunFolder(Path("runs/scenes-horse-dilated_unet")).model.exists()


def test_config_repeats_to_the_bit(folder: RunFolder, tmp_path: Path) -> None:
    """The config.toml of a run makes the same model again."""
    run("train", "--config", folder.config, "--out", tmp_path / "again")

    assert RunFolder(tmp_path / "again").model.read_bytes() == folder.model.read_bytes()


def test_a_config_without_a_form_repeats_an_older_run(folder: RunFolder, tmp_path: Path) -> None:
    """What is trained anew is trained in the fast form; a config.toml that names none is trained layer by layer."""
    old = tmp_path / "old.toml"
    old.write_text(folder.config.read_text().replace('form = "fast"\n', ""))
    run("train", "--config", old, "--out", tmp_path / "again")

    forms = [TrainConfig.from_toml(RunFolder(root).config).form for root in (folder.root, tmp_path / "again")]
    assert forms == ["fast", "reference"]


def test_options_override_the_config(folder: RunFolder, tmp_path: Path) -> None:
    """An option beside --config changes that one setting."""
    run("train", "--config", folder.config, "--epochs", "1", "--out", tmp_path / "again")

    before, after = TrainConfig.from_toml(folder.config), TrainConfig.from_toml(tmp_path / "again" / "config.toml")
    assert after == before.replace(epochs=1)


def test_resume(folder: RunFolder) -> None:
    """A run is resumed with its own config; what is given beside it overrides that."""
    result = run("train", "--out", folder.root, "--resume", "--epochs", "3")

    assert " of 3, " in result.stdout
    assert TrainConfig.from_toml(folder.config).epochs == 3


def test_resume_of_nothing(tmp_path: Path) -> None:
    """Where there is no run, --resume says so."""
    with pytest.raises(CheckpointError, match="holds no run to resume"):
        run("train", *QUICK, "--out", tmp_path / "run", "--resume")


def test_taken(folder: RunFolder) -> None:
    """A folder with a run is refused with the way out."""
    with pytest.raises(ConfigError, match="holds a run already") as caught:
        run("train", *QUICK, "--out", folder.root)

    assert "--resume" in str(caught.value.hint)


@pytest.mark.parametrize("split", ["test", "validation"])
def test_evaluate_as_json(split: str, folder: RunFolder) -> None:
    """`evaluate --json` prints the scores and the floors as strict JSON."""
    result = run("evaluate", folder.root, "--split", split, "--json")

    scores = json.loads(result.stdout, parse_constant=pytest.fail)
    assert list(scores) == ["images", "cross_entropy", "accuracy", "mse", "psnr_db", "decoding", "floors", "measures"]
    assert scores["images"] == {"test": 20, "validation": 12}[split]
    assert list(scores["floors"]) == ["grey_copy", "grey_table", "palette_ceiling"]


def test_evaluation_agrees_with_training(folder: RunFolder) -> None:
    """The validation loss of the best epoch is that of the model."""
    scores = json.loads(run("evaluate", folder.root, "--split", "validation", "--json").stdout)

    best = json.loads(folder.metrics.read_text())["best"]
    assert scores["cross_entropy"] == pytest.approx(best["val_loss"], rel=1e-5)
    assert scores["accuracy"] == pytest.approx(best["val_accuracy"], abs=1e-4)
    assert scores["mse"] == pytest.approx(best["val_mse"], rel=1e-5)


def test_evaluate_as_a_table(folder: RunFolder) -> None:
    """`evaluate` prints the floors above the model, and a sentence that compares them; a model file will do."""
    result = run("evaluate", folder.model)

    lines = [line.strip() for line in result.stdout.splitlines()]
    names = [line.split("  ")[0] for line in lines]
    assert names.index("grey copy") < names.index("grey table") < names.index("palette ceiling") < names.index("unet")
    assert {"class-balanced accuracy", "CIEDE2000 (0 is best)", "Lab accuracy within 5"} <= set(names)
    assert lines[-1].startswith("In cross-entropy the model is ")


def test_evaluate_an_unfinished_run(tmp_path: Path) -> None:
    """A folder without a model is told as such."""
    with pytest.raises(CheckpointError, match=r"model\.safetensors: there is no such file"):
        run("evaluate", tmp_path)


def test_help_documents_every_field() -> None:
    """The help of `train` has each field's own sentence and default."""
    shown = " ".join(run("train", "--help").stdout.split())

    for field in dataclasses.fields(TrainConfig):
        option = "--" + field.name.replace("_", "-")
        assert option in shown
        assert without_spaces(field_docs()[field.name]) in without_spaces(shown)


def without_spaces(text: str) -> str:
    """Text without the spaces and line ends that wrapping adds."""
    return "".join(text.split())


def test_error(tmp_path: Path) -> None:
    """A user's error is one sentence and a hint on stderr, and exit code 1."""
    result = spawn("train", "--model", "u-net", "--out", tmp_path / "run")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "error: model: there is no 'u-net'\n\nhint: did you mean 'unet'?\n"


def test_debug(tmp_path: Path) -> None:
    """With --debug, anywhere, the same error shows its traceback."""
    result = spawn("train", "--model", "u-net", "--debug")

    assert result.returncode == 1
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("train", "--modle", "unet"), ("trian",), ("train", "--epochs", "many"), ("evaluate",)], ids=" ".join
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """What click cannot read exits with 2."""
    result = spawn(*arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert "Usage: colournet" in result.stderr


def test_help_loads_no_torch() -> None:
    """Help comes without torch or numpy."""
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from colournet.cli import cli\n"
        "assert CliRunner().invoke(cli, ['train', '--help']).exit_code == 0\n"
        "print([name for name in ('torch', 'numpy', 'matplotlib') if name in sys.modules])\n"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)

    assert result.stdout == "[]\n"
