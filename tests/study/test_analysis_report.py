import contextlib
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import matplotlib as mpl
import pytest
from PIL import Image

from study.analysis import figures
from study.analysis.loaded import Loaded
from study.analysis.report import write_report
from study.store import StudyFolder
from tests.study.test_analysis_frames import FLOORS, complete, fill, fill_with_attempts, make_folder, train


def report_of(folder: StudyFolder) -> str:
    """The text of the report, just written."""
    return write_report(folder)[-1].read_text(encoding="utf-8")


def applying(folder: StudyFolder) -> list[str]:
    """The names of the figures that the study can answer."""
    study = Loaded.read(folder)
    return [plot.name for plot in figures.ALL if plot.applies(study)]


def test_a_report_and_its_figures_are_written(tmp_path: Path) -> None:
    """Each figure is there as PNG and SVG, sharp enough for print, and nothing half-written is left."""
    folder = make_folder(tmp_path)
    fill(folder)
    written = write_report(folder)
    expected = [folder.layout.figures / f"{name}.{kind}" for name in applying(folder) for kind in ("png", "svg")]
    assert written == [*expected, folder.layout.report]
    assert all(path.is_file() for path in written)
    assert not list(folder.layout.root.rglob("*.part"))
    with Image.open(expected[0]) as picture:
        assert picture.info["dpi"][0] >= 150


def test_a_report_needs_nothing_else(tmp_path: Path) -> None:
    """Pictures are carried in the page; it asks no server and no file for anything."""
    folder = make_folder(tmp_path)
    fill(folder)
    folder.layout.trial(0).root.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder.layout.trial(0).samples)
    text = report_of(folder)
    pictures = len(applying(folder)) + 1
    assert text.count('src="data:image/') == pictures
    assert text.count("src=") == pictures
    assert "http:" not in text
    assert "https:" not in text
    assert "<script src" not in text
    assert not re.search(r"<(?!meta http-equiv)[^>]* (on[a-z]+|style|http-equiv)=", text)


def test_a_report_answers_the_study(tmp_path: Path) -> None:
    """It tells the best trial, how to repeat it, the floors, pruned trials apart, and what failed."""
    folder = make_folder(tmp_path / "results", question="How long?")
    fill(folder)
    text = report_of(folder)
    assert "How long?" in text
    assert "Trial 0 is the best of n = 2 completed: validation loss 1.000 at epoch 2 of 3" in text
    assert "<code>study reproduce small</code>" in text
    assert "<code>colournet train --config results/small/trials/0000/config.toml</code>" in text
    assert "better than the grey table" in text
    assert "WORSE than the grey table" in text
    assert "a pruned one saw fewer epochs than it was asked for" in text
    assert "diverged" in text
    assert "palette ceiling" in text


def test_a_report_over_colour_spaces(tmp_path: Path) -> None:
    """Where palettes differ every row of scores says in which it counts, and each trial is held against its own floor."""
    text = """
    name = "small"
    objective = { metric = "val_mse" }
    [search.colour_space]
    kind = "choice"
    choices = ["rgb", "lab"]
    """
    lab = {name: {**scores, "chroma_mse": 0.1} for name, scores in FLOORS.items()}
    lab["grey_table"]["mse"] = 0.005
    told = {"objective": {"metric": "val_mse", "goal": "minimize"}, "floors": {"24": FLOORS, "24-lab": lab}}
    manifest = {"trials": 2, "seed": 0, "data": {"fingerprint": "0"}, "palettes": {}, "provenance": {}, **told}
    folder = StudyFolder.create(tmp_path, "small", space_text=text, manifest=manifest)
    with folder.write() as writer:
        writer.append("launched", trials=2, host="here", pid=1, workers=1)
        for number, (space, loss) in enumerate([("rgb", 1.0), ("lab", 0.9)]):
            train(writer, number, [loss], colour_space=space)
            complete(writer, number, loss / 100, 1)

    text = report_of(folder)

    for row in ("cnn, 24 chromas", "grey copy, 24 colours", "grey table, 24 chromas"):
        assert row in text
    assert "1 of n = 2 completed trials is better than the grey table, which needs no network" in text
    assert "medians by colour_space: lab 0.009 (n = 1), rgb 0.01 (n = 1)" in text


def test_what_users_wrote_is_escaped(tmp_path: Path) -> None:
    """A question or a message with markup is shown, not obeyed."""
    folder = make_folder(tmp_path, question="<script>alert(1)</script> & $title?")
    fill(folder)
    text = report_of(folder)
    assert "<script>alert" not in text
    assert "<script>NaN" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $title?" in text
    assert "became &lt;script&gt;NaN&lt;/script&gt;" in text


def test_an_empty_study_has_a_report(tmp_path: Path) -> None:
    """A study that no driver has begun says that there is nothing yet, and shows no empty figures."""
    text = report_of(make_folder(tmp_path))
    assert "No trial has been asked yet." in text
    assert "<figure>" not in text
    assert "<table id=" not in text


def test_a_study_of_one_trial_has_a_report(tmp_path: Path) -> None:
    """One completed trial of one epoch is enough."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=1, host="here", pid=1, workers=1)
        train(writer, 0, [2.0])
        complete(writer, 0, 2.0, 1)
    assert "best of n = 1 completed" in report_of(folder)


def test_a_study_whose_trials_all_failed_has_a_report(tmp_path: Path) -> None:
    """It names the failures and claims no best trial."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=2, host="here", pid=1, workers=1)
        for number, losses in enumerate(([], [None])):
            train(writer, number, losses)
            writer.append("failed", number, attempt=1, reason="error", message="out of memory")
    text = report_of(folder)
    assert "No trial has completed, so there is no best one: 2 failed." in text
    assert text.count('<td class="text">out of memory</td>') == 1
    assert "Failed trials (n = 2 of 2)" in text
    assert "The best configuration" not in text


def test_a_study_whose_trials_were_all_pruned_has_a_report(tmp_path: Path) -> None:
    """It claims no best trial either."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=2, host="here", pid=1, workers=1)
        for number in range(2):
            train(writer, number, [2.0 + number], epochs=3)
            writer.append("pruned", number, attempt=1, value=2.0 + number, epoch=1)
    assert "No trial has completed, so there is no best one: 2 pruned." in report_of(folder)


def test_a_running_study_has_a_report_that_says_so(tmp_path: Path) -> None:
    """What is written while a driver lives is of that moment."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=4, host="here", pid=1, workers=1)
        train(writer, 0, [2.0, 1.5], epochs=5)
        text = report_of(folder)
    assert "Running: 1 of 4 trials asked (1 running)" in text
    assert "The study is running" in text


def test_a_study_with_several_attempts_at_a_trial_has_a_report(tmp_path: Path) -> None:
    """It counts the attempts and tells why they were interrupted."""
    folder = make_folder(tmp_path)
    fill_with_attempts(folder)
    text = report_of(folder)
    assert "Interrupted attempts (n = 1 of 2)" in text
    assert '<th scope="row" class="text">lost</th>' in text.replace("scope=row", 'scope="row"')
    assert ">attempts</th>" in text
    assert "None of the n = 2 trials failed." in text


def test_the_answer_is_three_sentences(tmp_path: Path) -> None:
    """The rest of what was found stands below them."""
    folder = make_folder(tmp_path)
    fill(folder)
    text = report_of(folder)
    assert text.count('<p class="answer">') == 3
    assert text.index("Further findings") > text.rindex('<p class="answer">')


def test_what_is_being_done_is_told(tmp_path: Path) -> None:
    """`study analyze` shows on a terminal what it is drawing, on stderr; without one only the files are printed.

    The command loses its patience at once on a terminal, and never elsewhere, however fast the machine is.
    """
    folder = make_folder(tmp_path)
    fill(folder)
    impatient = (
        "from colournet import waiting; from study.cli import main; "
        "waiting.PATIENCE_SECONDS = {'terminal': 0, 'file': 600}; waiting._TICK_SECONDS = 0.01; main()"
    )
    command = [sys.executable, "-c", impatient, "analyze", "small", "--results", str(tmp_path)]
    ours, theirs = os.openpty()
    with (tmp_path / "written").open("w+") as written, os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(command, stdout=written, stderr=theirs)
        os.close(theirs)
        shown = b"".join(until_closed(terminal))
        assert process.wait(timeout=60) == 0
    assert re.search(rb"drawing [a-z-]+ \(\d+ of 18\)", shown)
    quiet = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (quiet.stdout, quiet.stderr) == ((tmp_path / "written").read_text(), "")
    assert quiet.stdout.splitlines()[-1] == str(folder.layout.report)


def until_closed(terminal: BinaryIO) -> Iterator[bytes]:
    """What is written to a terminal, until nobody has it open any more, which is an error when it is read."""
    with contextlib.suppress(OSError):
        while told := terminal.read(1 << 16):
            yield told


def test_a_torn_last_line_is_told(tmp_path: Path) -> None:
    """A record that a crash cut off is read up to there, and the report says so."""
    folder = make_folder(tmp_path)
    fill(folder)
    with folder.layout.events.open("ab") as file:
        file.write(b'{"event":')
    assert "last line is torn; its 9 bytes were not read" in report_of(folder)


def test_the_handout_protocol_is_told(tmp_path: Path) -> None:
    """Scores that were selected on test images carry a warning."""
    folder = make_folder(tmp_path, data={"fingerprint": "0" * 64, "dataset": "cifar10", "protocol": "handout"})
    fill(folder)
    assert "selected on the test images" in report_of(folder)


def test_a_maximized_objective_is_shown_in_per_cent(tmp_path: Path) -> None:
    """Accuracies are fractions in the record and per cent in the report; the largest is the best."""
    folder = make_folder(tmp_path, metric="val_accuracy")
    with folder.write() as writer:
        writer.append("launched", trials=2, host="here", pid=1, workers=1)
        for number, best in enumerate((4.5, 3.0)):
            train(writer, number, [1.0, best])
            complete(writer, number, best / 10, 2)
    assert "Trial 0 is the best of n = 2 completed: validation accuracy 45.0 %" in report_of(folder)


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    """Figures and report that are kept under version control do not change when nothing did."""
    folder = make_folder(tmp_path)
    fill(folder)
    first = [hashlib.sha256(path.read_bytes()).hexdigest() for path in write_report(folder)]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in write_report(folder)] == first


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    """A program that draws its own figures too keeps its style."""
    folder = make_folder(tmp_path)
    fill(folder)
    before = dict(mpl.rcParams)
    write_report(folder)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("module", ["study.analysis.report", "study.analysis.frames"])
def test_analysis_loads_neither_torch_nor_ray_nor_optuna(module: str) -> None:
    """Reading results needs no deep-learning framework installed."""
    code = f"import sys, {module}; print([name for name in ('torch', 'ray', 'optuna') if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert answer.stdout.strip() == "[]"
