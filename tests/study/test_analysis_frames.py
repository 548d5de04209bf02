from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from colournet.config import field_docs
from study.analysis import columns, frames
from study.store import RecordWriter, StudyFolder

SPACE = """
name = "small"
trials = 4
[fixed]
dataset = "scenes"
[search.model]
kind = "choice"
choices = ["cnn", "unet", "dilated_unet"]
[search.dilation]
kind = "int"
low = 2
high = 4
when = { model = ["dilated_unet"] }
[search.epochs]
kind = "int"
low = 1
high = 5
[search.flip_horizontal]
kind = "choice"
choices = [false, true]
[search.extra_classes]
kind = "choice"
choices = [[], ["deer", "dog"]]
"""
FLOORS = {
    "grey_copy": {"mse": 0.025, "psnr_db": 16.0},
    "grey_table": {"cross_entropy": 1.5, "accuracy": 0.4, "mse": 0.02, "psnr_db": 17.0},
    "palette_ceiling": {"accuracy": 1.0, "mse": 0.002, "psnr_db": 27.0},
}


def make_folder(
    results: Path, *, metric: str = "val_loss", name: str = "small", space_text: str = SPACE, **manifest: Any
) -> StudyFolder:
    """A new study without a trial."""
    goal = "maximize" if metric == "val_accuracy" else "minimize"
    told = {
        "question": None,
        "trials": 4,
        "seed": 0,
        "objective": {"metric": metric, "goal": goal, "epoch": "best"},
        "floors": {"24": FLOORS},
        "data": {"fingerprint": "0" * 64},
        "palettes": {},
        "provenance": {},
        **manifest,
    }
    text = space_text.replace("trials = 4", f'trials = 4\nobjective = {{ metric = "{metric}" }}')
    return StudyFolder.create(results, name, space_text=text, manifest=told)


def train(writer: RecordWriter, number: int, losses: list[float | None], **params: Any) -> None:
    """Ask a trial, start it, and record its epochs; the accuracy is a tenth of the loss, the squared error a hundredth."""
    settings = {"model": "cnn", "epochs": len(losses) or 1, "flip_horizontal": False, "extra_classes": [], **params}
    writer.append("asked", number, params=settings, seed=number)
    told = {"host": "here", "pid": 1, "device": "cpu", "parameters": 1000 * (number + 1), "resumed_from_epoch": 0}
    writer.append("started", number, attempt=1, **told)
    for epoch, loss in enumerate(losses, start=1):
        scores = {"train_loss": loss, "val_loss": loss, "val_accuracy": (loss or 0) / 10, "val_mse": (loss or 0) / 100}
        writer.append("epoch", number, attempt=1, epoch=epoch, **scores, seconds=2.0, images_per_second=50.0)


def complete(writer: RecordWriter, number: int, value: float, epoch: int) -> None:
    """End a trial as completed."""
    writer.append("completed", number, attempt=1, value=value, epoch=epoch, checkpoint="trials/x.safetensors")


def fill(folder: StudyFolder, *, trials: int = 4) -> None:
    """Record two completed trials, a pruned and a failed one, and the end."""
    with folder.write() as writer:
        writer.append("launched", trials=trials, host="here", pid=1, workers=1)
        train(writer, 0, [2.0, 1.0, 1.25])
        complete(writer, 0, 1.0, 2)
        train(writer, 1, [3.0], model="dilated_unet", dilation=3, extra_classes=["deer", "dog"])
        complete(writer, 1, 3.0, 1)
        train(writer, 2, [2.5], epochs=4, model="unet", flip_horizontal=True)
        writer.append("pruned", 2, attempt=1, value=2.5, epoch=1)
        train(writer, 3, [None], epochs=4)
        writer.append("failed", 3, attempt=1, reason="diverged", message="val_loss became <script>NaN</script>")
        writer.append("ended", reason="finished")


def test_a_trial_is_a_row_with_its_record_and_its_whole_configuration(tmp_path: Path) -> None:
    """Each trial's row tells its state, its best epoch's scores and its configuration, defaults included."""
    folder = make_folder(tmp_path)
    fill(folder)
    trials = frames.trials(folder)
    assert trials["state"].tolist() == ["completed", "completed", "pruned", "failed"]
    assert trials["value"].tolist()[:3] == [1.0, 3.0, 2.5]
    assert trials["best_epoch"].tolist()[:3] == [2, 1, 1]
    assert trials["epochs_trained"].tolist() == [3, 1, 1, 1]
    assert trials["epochs"].tolist() == [3, 1, 4, 4]
    assert trials["val_accuracy"].tolist()[:3] == [0.1, 0.3, 0.25]
    assert trials["seconds"].tolist() == [6.0, 2.0, 2.0, 2.0]
    assert trials["parameters"].tolist() == [1000, 2000, 3000, 4000]
    assert trials["model"].tolist() == ["cnn", "dilated_unet", "unet", "cnn"]
    assert trials["dilation"].tolist() == [1, 3, 1, 1]
    assert trials["kernel_size"].tolist() == [3, 3, 3, 3]
    assert trials["palette"].tolist() == ["24"] * 4
    assert trials["extra_classes"].tolist() == ["none", "deer+dog", "none", "none"]
    assert trials["ended"].notna().all()


def test_an_epoch_is_a_row_and_a_loss_that_is_no_number_is_nan(tmp_path: Path) -> None:
    """There is one row for every recorded epoch of every trial, with the trial's state."""
    folder = make_folder(tmp_path)
    fill(folder)
    epochs = frames.epochs(folder)
    assert epochs["number"].tolist() == [0, 0, 0, 1, 2, 3]
    assert epochs["epoch"].tolist() == [1, 2, 3, 1, 1, 1]
    assert epochs["state"].tolist() == ["completed"] * 4 + ["pruned", "failed"]
    assert epochs["val_loss"].tolist()[:5] == [2.0, 1.0, 1.25, 3.0, 2.5]
    assert pd.isna(epochs["val_loss"].iloc[5])


def test_an_empty_study_gives_the_same_columns_and_dtypes(tmp_path: Path) -> None:
    """Code that reads the frames need not ask whether there are trials."""
    empty, filled = make_folder(tmp_path, name="empty"), make_folder(tmp_path, name="filled")
    fill(filled)
    assert len(frames.trials(empty)) == 0
    assert len(frames.epochs(empty)) == 0
    assert frames.trials(empty).dtypes.equals(frames.trials(filled).dtypes)
    assert frames.epochs(empty).dtypes.equals(frames.epochs(filled).dtypes)


def test_a_running_study_can_be_read(tmp_path: Path) -> None:
    """A trial under way has its epochs so far and no value."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=4, host="here", pid=1, workers=1)
        train(writer, 0, [2.0, 1.5], epochs=5)
        trials = frames.trials(folder)
    assert trials["state"].tolist() == ["running"]
    assert trials["epochs_trained"].tolist() == [2]
    assert trials["value"].isna().all()


def fill_with_attempts(folder: StudyFolder) -> None:
    """Record a trial that was lost after its second epoch and repeated it, one that was never started, and a torn line."""
    with folder.write() as writer:
        writer.append("launched", trials=4, host="here", pid=1, workers=1)
        train(writer, 0, [2.0, 1.5], epochs=3)
        writer.append("interrupted", 0, attempt=1, reason="lost", message="node gone")
        told = {"host": "there", "pid": 2, "device": "cuda:0", "parameters": 1000, "resumed_from_epoch": 1}
        writer.append("started", 0, attempt=2, **told)
        scores = {"train_loss": 1.25, "val_loss": 1.25, "val_accuracy": 0.1, "val_mse": 0.01}
        writer.append("epoch", 0, attempt=2, epoch=2, **scores, seconds=4.0, images_per_second=50.0)
        writer.append("completed", 0, attempt=2, value=1.25, epoch=2, checkpoint="trials/x.safetensors")
        writer.append("asked", 1, params={"model": "unet", "epochs": 1}, seed=1)
    with folder.layout.events.open("ab") as events:
        events.write(b'{"event":"started","trial":1,')


def test_an_attempt_is_a_row_with_what_it_trained_and_how_it_ended(tmp_path: Path) -> None:
    """Attempts that the trials' rows have forgotten are there, and a torn last line is left out."""
    folder = make_folder(tmp_path)
    fill_with_attempts(folder)
    attempts = frames.attempts(folder)
    assert attempts["number"].tolist() == [0, 0]
    assert attempts["attempt"].tolist() == [1, 2]
    assert attempts["outcome"].tolist() == ["interrupted", "completed"]
    assert attempts["reason"].fillna("").tolist() == ["lost", ""]
    assert attempts["device"].tolist() == ["cpu", "cuda:0"]
    assert attempts["first_epoch"].tolist() == [1, 2]
    assert attempts["epochs_trained"].tolist() == [2, 1]
    assert attempts["seconds"].tolist() == [4.0, 4.0]
    assert (attempts["ended"] >= attempts["started"]).all()
    assert frames.epochs(folder)["attempt"].tolist() == [1, 2]
    assert frames.trials(folder)["state"].tolist() == ["completed", "interrupted"]


def test_an_attempt_under_way_has_no_end(tmp_path: Path) -> None:
    """While a driver is at work, an attempt that has not ended is running."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=4, host="here", pid=1, workers=1)
        train(writer, 0, [2.0], epochs=5)
        attempts = frames.attempts(folder)
    assert attempts["outcome"].tolist() == ["running"]
    assert attempts["ended"].isna().all()


def test_a_setting_is_a_row_with_its_value_and_where_it_comes_from(tmp_path: Path) -> None:
    """Each trial's settings are told as text and as numbers: those searched, those fixed, and those left at their defaults."""
    folder = make_folder(tmp_path)
    fill(folder)
    params = frames.params(folder)
    of_trial = params[params["number"] == 1].set_index("name")
    assert of_trial.loc["dilation"].tolist() == [1, "3", 3.0, "searched"]
    assert of_trial.loc["dataset", ["value", "origin"]].tolist() == ["scenes", "fixed"]
    assert pd.isna(of_trial.loc["dataset", "numeric"])
    assert of_trial.loc["learning_rate"].tolist() == [1, "0.001", 0.001, "default"]
    assert of_trial.loc["flip_horizontal"].tolist() == [1, "false", 0.0, "searched"]
    assert of_trial.loc["extra_classes", "value"] == "deer+dog"
    assert params[params["number"] == 0].set_index("name").loc["dilation"].tolist() == [0, "1", 1.0, "default"]
    assert params.groupby("number").size().nunique() == 1


def test_a_parameter_is_told_to_the_last_digit(tmp_path: Path) -> None:
    """The text of a number reads back as the very number."""
    text = SPACE + '[search.learning_rate]\nkind = "float"\nlow = 1e-4\nhigh = 1e-2\nlog = true\n'
    folder = make_folder(tmp_path, space_text=text)
    with folder.write() as writer:
        writer.append("launched", trials=4, host="here", pid=1, workers=1)
        train(writer, 0, [2.0], learning_rate=0.0015984601931991723)
    rates = frames.params(folder).query("name == 'learning_rate'")
    assert [float(text) for text in rates["value"]] == rates["numeric"].tolist() == [0.0015984601931991723]


def test_studies_are_put_together_under_their_names(tmp_path: Path) -> None:
    """A setting that one study searches and another one fixes is a column with both studies' values."""
    fixed = SPACE.replace("[fixed]", "[fixed]\nflip_horizontal = true").replace(
        '[search.flip_horizontal]\nkind = "choice"\nchoices = [false, true]\n', ""
    )
    first, second = make_folder(tmp_path, name="first"), make_folder(tmp_path, name="second", space_text=fixed)
    fill(first)
    with second.write() as writer:
        writer.append("launched", trials=4, host="here", pid=1, workers=1)
        writer.append("asked", 0, params={"model": "unet", "epochs": 1}, seed=1)
    tables = frames.Tables.read([first, second])
    assert tables.trials["study"].tolist() == ["first"] * 4 + ["second"]
    assert tables.trials["flip_horizontal"].tolist() == [False, False, True, False, True]
    assert tables.trials["flip_horizontal"].dtype == "boolean"
    assert set(tables.epochs["study"]) == {"first"}
    assert tables.params.groupby("study")["number"].nunique().to_dict() == {"first": 4, "second": 1}
    assert all(table.columns[0] == "study" for table in tables.by_name().values())


@pytest.mark.parametrize("table", list(columns.TABLES))
def test_every_column_is_documented(tmp_path: Path, table: str) -> None:
    """The tables have the documented columns, in their order and dtypes, and the searched settings besides, filled or not."""
    empty, filled = make_folder(tmp_path, name="empty"), make_folder(tmp_path, name="filled")
    fill(filled)
    documented = columns.dtypes({**columns.STUDY, **columns.TABLES[table][1]})
    for folders in ([], [empty], [filled, empty]):
        frame = frames.Tables.read(folders).by_name()[table]
        found = {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
        assert dict(list(found.items())[: len(documented)]) == documented
        settings = set(found) - set(documented)
        assert settings <= set(field_docs()) if table == "trials" else not settings
