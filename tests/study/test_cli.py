"""The `study` command as users meet it: output, exit codes, and errors in one sentence."""

from __future__ import annotations

import json
import pickle
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from colournet.errors import UserError
from study.cli import cli
from study.store import StudyFolder
from study.summary import study_text
from tests.colournet.fake_cifar import write_folder
from tests.conftest import Start
from tests.study.helpers import PARAMS, SPACE, epoch, make_folder, session, started

ON_CIFAR = SPACE.replace('dataset = "scenes"', 'dataset = "cifar10"')


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def error_of(result: Result) -> UserError:
    """The one error that a command ended with, which must be one sentence."""
    assert isinstance(result.exception, UserError), result.exception
    assert "\n" not in result.exception.message
    return result.exception


@pytest.fixture
def one_trial(tmp_path: Path) -> StudyFolder:
    """A study of which one trial is completed, one pruned, one failed and one interrupted."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        for number in range(4):
            writer.append("asked", number, params=PARAMS, seed=number)
            writer.append("started", number, **started())
            writer.append("epoch", number, **epoch(1, 2.0 + number))
        writer.append(
            "completed", 0, attempt=1, value=2.0, epoch=1, checkpoint="trials/0000/attempt-1/best.safetensors"
        )
        writer.append("pruned", 1, attempt=1, value=3.0, epoch=1)
        writer.append("failed", 2, attempt=1, reason="error", message="RuntimeError: no")
    return folder


def test_show_json_has_the_promised_keys(tmp_path: Path, one_trial: StudyFolder) -> None:
    """`study show --json` has the keys that scripts rely on, with the right numbers."""
    told = json.loads(run("show", "little", "--json", "--results", str(tmp_path)).output)

    assert told["name"] == "little"
    assert told["state"] == "interrupted"
    assert told["trials"] == {"completed": 1, "pruned": 1, "failed": 1, "interrupted": 1, "running": 0}
    assert told["best"] == {"number": 0, "value": 2.0, "epoch": 1, "params": PARAMS}


def test_show_tells_state_best_and_failures(tmp_path: Path, one_trial: StudyFolder) -> None:
    """`study show` tells a person the state, the best configuration, and what failed and why."""
    text = run("show", "little", "--results", str(tmp_path)).output

    assert "little: interrupted" in text
    assert "best       trial 0: 2 at epoch 1" in text
    assert "trial 2 (error): RuntimeError: no" in text


def test_show_of_one_trial(tmp_path: Path, one_trial: StudyFolder) -> None:
    """`study show NAME TRIAL` tells one trial epoch by epoch, as text and as JSON."""
    told = json.loads(run("show", "little", "1", "--json", "--results", str(tmp_path)).output)

    assert (told["state"], told["value"], len(told["epochs"])) == ("pruned", 3.0, 1)
    assert "pruned" in run("show", "little", "1", "--results", str(tmp_path)).output
    assert "no trial 9" in error_of(run("show", "little", "9", "--results", str(tmp_path))).message


def test_list_shows_every_study(tmp_path: Path, one_trial: StudyFolder) -> None:
    """`study list` has a line for each study, and its JSON an entry."""
    text = run("list", "--results", str(tmp_path)).output

    assert [line.split()[:3] for line in text.splitlines()[1:]] == [["little", "interrupted", "3/4"]]
    assert json.loads(run("list", "--json", "--results", str(tmp_path)).output)[0]["name"] == "little"


def test_a_damaged_study_hides_no_other(tmp_path: Path, one_trial: StudyFolder) -> None:
    """`study list` shows a study that cannot be read as damaged, with the reason, and every other as ever."""
    make_folder(tmp_path, name="broken").layout.events.write_text("{}\n")
    make_folder(tmp_path, name="robbed").layout.events.unlink()

    rows = run("list", "--results", str(tmp_path)).output.splitlines()[1:]
    told = json.loads(run("list", "--json", "--results", str(tmp_path)).output)

    assert [row.split()[:2] for row in rows] == [
        ["broken", "damaged"],
        ["little", "interrupted"],
        ["robbed", "damaged"],
    ]
    assert "events.jsonl, line 1: unknown event None" in rows[0]
    assert [entry["state"] for entry in told] == ["damaged", "interrupted", "damaged"]
    assert "cannot be read" in told[2]["reason"]


def test_show_json_tells_a_torn_line(tmp_path: Path, one_trial: StudyFolder) -> None:
    """`study show --json` says how many bytes of the record were not read."""
    with one_trial.layout.events.open("a") as events:
        events.write('{"event":')

    assert json.loads(run("show", "little", "--json", "--results", str(tmp_path)).output)["torn_bytes"] == 9


def test_check_shows_dimensions_and_cost(tmp_path: Path) -> None:
    """`study check` shows each dimension, one configuration and the cost."""
    (tmp_path / "space.toml").write_text(SPACE)

    text = run("check", str(tmp_path / "space.toml"), "--results", str(tmp_path)).output

    assert "little: valid" in text
    assert "0.001 to 0.01, log" in text
    assert "on one CPU core" in text


def launch(tmp_path: Path, *arguments: str) -> UserError:
    """Launch `space.toml`, which must fail before Ray is connected to, and leave no study behind."""
    nowhere = ("--address", "127.0.0.1:1")  # no local Ray starts meanwhile, in this process
    result = run("launch", str(tmp_path / "space.toml"), "--results", str(tmp_path / "results"), *nowhere, *arguments)
    error = error_of(result)
    assert not list((tmp_path / "results").glob("*")), "a half-made study was left"
    assert error.exit_code == 1
    assert error.hint
    return error


def test_a_wrong_space_leaves_nothing(tmp_path: Path) -> None:
    """A misspelt name ends the launch before anything is made."""
    (tmp_path / "space.toml").write_text(SPACE.replace("learning_rate", "learning_rat"))

    assert "unknown setting 'learning_rat' under [search]" in launch(tmp_path).message


def test_a_missing_data_folder_leaves_nothing(tmp_path: Path) -> None:
    """A data folder that is not there is told, and nothing is downloaded in its place."""
    (tmp_path / "space.toml").write_text(ON_CIFAR)

    assert "nowhere" in launch(tmp_path, "--data-dir", str(tmp_path / "nowhere")).message


def test_a_truncated_batch_leaves_nothing(tmp_path: Path) -> None:
    """A batch file that was cut is named."""
    (tmp_path / "space.toml").write_text(ON_CIFAR)
    folder = tmp_path / "data" / "cifar-10-batches-py"
    write_folder(folder, per_class=5, seed=0)
    batch = folder / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:1000])

    assert "data_batch_3" in launch(tmp_path, "--data-dir", str(tmp_path / "data")).message


class Attack:
    """Unpickled freely, this would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


def test_a_pickle_that_runs_code_leaves_nothing(tmp_path: Path) -> None:
    """A batch file that tries to run code is named, and its code is not run."""
    (tmp_path / "space.toml").write_text(ON_CIFAR)
    folder = tmp_path / "data" / "cifar-10-batches-py"
    write_folder(folder, per_class=5, seed=0)
    (folder / "data_batch_1").write_bytes(pickle.dumps(Attack(tmp_path / "attacked"), protocol=2))

    assert "data_batch_1" in launch(tmp_path, "--data-dir", str(tmp_path / "data")).message
    assert not (tmp_path / "attacked").exists()


def test_an_unreachable_cluster_leaves_nothing(tmp_path: Path) -> None:
    """An address where nobody listens is told at once, not waited for."""
    (tmp_path / "space.toml").write_text(SPACE)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"

        assert f"cannot connect to {address}" in launch(tmp_path, "--address", address).message


def test_the_address_of_a_job_server_is_told_from_that_of_a_head(tmp_path: Path) -> None:
    """Who launches where only a job is taken is told which command takes it."""
    (tmp_path / "space.toml").write_text(SPACE)

    assert "study submit takes that of a job server" in launch(tmp_path, "--address", "http://head:8265").message


def test_a_trial_that_takes_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Zero CPUs and zero GPUs per trial are refused."""
    (tmp_path / "space.toml").write_text(SPACE)

    assert "must take something" in launch(tmp_path, "--cpus-per-trial", "0").message


def test_results_that_cannot_be_a_folder_are_told(tmp_path: Path) -> None:
    """A file in the place of the results folder is told before any data are loaded."""
    (tmp_path / "space.toml").write_text(SPACE)
    (tmp_path / "file").touch()

    result = run("launch", str(tmp_path / "space.toml"), "--results", str(tmp_path / "file"))

    assert "cannot be made a folder" in error_of(result).message


def test_a_name_that_is_taken_is_told(tmp_path: Path, one_trial: StudyFolder) -> None:
    """Launching under a name that exists leaves that study as it is and says how to go on with it."""
    (tmp_path / "space.toml").write_text(SPACE)
    before = one_trial.layout.events.read_bytes()

    error = error_of(run("launch", str(tmp_path / "space.toml"), "--results", str(tmp_path)))

    assert "study resume little" in str(error.hint)
    assert one_trial.layout.events.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [("show", "litle"), ("resume", "litle"), ("analyze", "litle"), ("reproduce", "litle"), ("confirm", "litle")],
)
def test_an_unknown_study_is_told_with_the_nearest(
    tmp_path: Path, one_trial: StudyFolder, arguments: tuple[str, ...]
) -> None:
    """Every command that takes a name hints at the nearest one."""
    error = error_of(run(*arguments, "--results", str(tmp_path)))

    assert error.hint == "did you mean 'little'?"


def test_nothing_to_reproduce_is_told(tmp_path: Path) -> None:
    """A study without a completed trial has no best to reproduce."""
    make_folder(tmp_path)

    assert "no trial is completed" in error_of(run("reproduce", "little", "--results", str(tmp_path))).message


def test_nothing_to_confirm_is_told(tmp_path: Path) -> None:
    """A study without a completed trial has no best to confirm; nothing is left of the attempt."""
    folder = make_folder(tmp_path)
    error = error_of(run("confirm", "little", "--results", str(tmp_path)))

    assert error.message == "little: no trial is completed yet, so there is nothing to confirm"
    assert error.hint
    assert not folder.layout.confirmations.exists()


@pytest.mark.parametrize("option", ["--top", "--seeds"])
def test_a_confirmation_of_nothing_is_wrong_usage(tmp_path: Path, one_trial: StudyFolder, option: str) -> None:
    """At least one trial and one seed must be asked for."""
    result = run("confirm", "little", option, "0", "--results", str(tmp_path))

    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output


def test_other_data_cannot_confirm(tmp_path: Path, one_trial: StudyFolder) -> None:
    """Where the images are not those of the search, the confirmation is refused and leaves nothing."""
    nowhere = ("--address", "127.0.0.1:1")  # no local Ray starts meanwhile, in this process
    error = error_of(run("confirm", "little", "--results", str(tmp_path), *nowhere))

    assert "not those that the study began with" in error.message
    assert not one_trial.layout.confirmations.exists()


def test_errors_go_to_stderr_with_hint_and_code(tmp_path: Path, study_command: Start) -> None:
    """An error is a sentence and a hint on stderr, nothing on stdout, and exit code 1; wrong usage is 2."""
    (tmp_path / "space.toml").write_text(SPACE.replace("low = 2", "low = 9"))
    wrong = study_command("check", "space.toml")
    out, err = wrong.communicate(timeout=60)

    assert (wrong.returncode, out) == (1, "")
    assert err == (
        "error: space.toml: [search.epochs] low = 9 is above high = 4\n\nhint: swap them; bounds are inclusive\n"
    )
    assert study_command("lunch").wait(timeout=60) == 2


def test_debug_shows_the_traceback(tmp_path: Path, study_command: Start) -> None:
    """With --debug an error keeps its traceback."""
    process = study_command("--debug", "check", "none.toml")
    _, err = process.communicate(timeout=60)

    assert "Traceback" in err
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("space_text", "told"), [(SPACE, "40 of 1200 images"), (SPACE.replace("train_images = 40\n", ""), "1200 images")]
)
def test_show_tells_how_many_images_a_trial_trains_on(tmp_path: Path, space_text: str, told: str) -> None:
    """Of all that there are, where the space holds every trial to a part of them."""
    data = {
        "dataset": "scenes",
        "category": "horse",
        "protocol": "split",
        "train_images": 1200,
        "validation_images": 300,
    }
    manifest = {"data": {**data, "fingerprint": "0" * 64}}
    folder = make_folder(tmp_path, space_text=space_text, manifest=manifest)

    assert f"scenes, horse: {told} to train on, 300 to validate" in study_text(folder, folder.read())
