from pathlib import Path
from typing import Any

import pandas as pd

from study.analysis import frames
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


def make_folder(results: Path, *, metric: str = "val_loss", name: str = "small", **manifest: Any) -> StudyFolder:
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
    text = SPACE.replace("trials = 4", f'trials = 4\nobjective = {{ metric = "{metric}" }}')
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
