"""What a confirmation says and leaves: sentences, tables, files, figure, and its place in report and `study show`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from study.analysis import confirmation_figure, confirmation_report
from study.analysis.confirmation_tables import candidate_table, question_table, text
from study.analysis.confirmation_words import notes, sentences
from study.analysis.judgement import Judgement
from study.analysis.report import write_report
from study.cli import cli
from study.store import StudyFolder
from tests.study.confirming import Scores, fill, make_confirmation, make_search
from tests.study.helpers import SPACE

WOBBLE = (0.00, 0.02, -0.02, 0.01, -0.01)
LAG = (0.01, -0.01, 0.02, 0.00, -0.02)


def around(**means: float) -> Scores:
    """Scores near a mean for each candidate, named with `_` for its blank; on test images 0.1 above."""
    places = list(means)

    def scores(name: str, seed: int) -> tuple[float, float]:
        mean = means[name.replace(" ", "_")]
        shift = WOBBLE[seed] if places.index(name.replace(" ", "_")) % 2 else LAG[seed]
        return mean + shift, mean + 0.1 + shift

    return scores


def judged(results: Path, scores: Scores, *, seeds: int = 5, search: str = SPACE, **manifest: object) -> Judgement:
    """A confirmation of trials 1 and 2, which the search saw at 1.0 and 2.0, with these scores."""
    folder = make_confirmation(make_search(results, space_text=search), seeds=seeds, **manifest)
    fill(folder, scores)
    return Judgement.read(folder)


def test_a_confirmed_winner_is_told_with_its_numbers(tmp_path: Path) -> None:
    """The sentence names the scores of all, with intervals and p; then come the search's value and the floor."""
    reason, regression, floor = sentences(judged(tmp_path, around(trial_1=1.0, trial_2=2.0, default=2.5)))

    assert reason == (
        "by test loss over 5 fresh seeds, trial 1 with 1.100 ± 0.020 is better than trial 2 (2.100 ± 0.020, p < 0.001) and "
        "the default (2.600 ± 0.020, p < 0.001)."
    )
    assert regression == (
        "The search saw validation loss 1.000; fresh seeds give 1.000 ± 0.020 (n = 5), and 95 of 100 single runs would lie "
        "between 0.9519 and 1.048, as it does."
    )
    assert floor == "Trial 1 is better than the grey table (1.500), which needs no network, by test loss."


def test_a_tie_names_whom_it_is_with(tmp_path: Path) -> None:
    """It is told apart from those that are worse; and a score below the floor is called so."""
    reason, _, floor = sentences(judged(tmp_path, around(trial_1=1.9, trial_2=1.9, default=2.5)))

    assert (
        "trial 1, the search's best, with 2.000 ± 0.020 cannot be told apart from trial 2 (2.000 ± 0.020, p = 1.000)"
        in reason
    )
    assert reason.endswith(
        "; it is better than the default (2.600 ± 0.020, p < 0.001), and the value that the search saw was luck."
    )
    assert floor == "Trial 1 is WORSE than the grey table (1.500), which needs no network, by test loss."


def test_a_curse_names_who_is_better(tmp_path: Path) -> None:
    """The candidates that beat the search's winner are told with their scores."""
    judgement = judged(tmp_path, around(trial_1=1.0, trial_2=0.5, default=2.5))

    assert judgement.verdict.outcome == "winner's curse"
    assert sentences(judgement)[0] == (
        "by test loss over 5 fresh seeds, trial 2 (0.6000 ± 0.0196, p < 0.001) is better than trial 1, the search's best, with "
        "1.100 ± 0.020."
    )


def test_few_seeds_say_that_they_are(tmp_path: Path) -> None:
    """With two seeds there is no verdict, only what to do."""
    judgement = judged(tmp_path, around(trial_1=1.0, trial_2=2.0, default=2.5), seeds=2)

    assert sentences(judgement)[0] == "from 2 of 2 seeds of trial 1 nothing can be told; give --seeds 5, or more."
    assert question_table(judgement)[1] == []
    assert "UNDECIDED: from 2 of 2 seeds" in text(judgement)


def test_what_is_missing_is_told_with_the_command(tmp_path: Path) -> None:
    """A confirmation that has not ended says how far it is and how it goes on, in words and in figures."""
    folder = make_confirmation(make_search(tmp_path))
    judgement = Judgement.read(folder)
    confirmation_report.publish(judgement)

    assert sentences(judgement) == [
        "0 of 15 runs have ended; study confirm little --top 2 --seeds 5 goes on with the rest."
    ]
    assert json.loads(folder.layout.verdict.read_text())["runs"] == {"planned": 15, "ended": 0}


def test_the_table_has_every_candidate_and_the_floors(tmp_path: Path) -> None:
    """Each candidate's row tells seeds, epochs, what the search saw and what fresh seeds give; then what needs no network."""
    header, rows = candidate_table(judged(tmp_path, around(trial_1=1.0, trial_2=2.0, default=2.5)))

    assert header[3:6] == ["search", "validation loss", "test loss"]
    assert rows[0][:7] == ["trial 1", "5", "3", "1.000", "1.000 ± 0.020", "1.100 ± 0.020", "50.0 ± 0.0 %"]
    assert rows[2][:4] == ["default", "5", "4", "—"]
    assert [row[0] for row in rows[3:]] == ["grey table", "grey copy", "ceiling"]
    assert rows[3][4:7] == ["1.500", "1.500", "40.0 %"]


def test_unequal_epochs_are_told(tmp_path: Path) -> None:
    """Candidates that train for different numbers of epochs are never compared in silence."""
    told = notes(judged(tmp_path, around(trial_1=1.0, trial_2=2.0, default=2.5)))

    assert any("its own number of epochs, 3 to 4" in note for note in told)
    assert any("trains for 4 epochs, the most that the search allowed" in note for note in told)


def test_the_handout_protocol_is_told(tmp_path: Path) -> None:
    """Where the test images chose the epochs, the verdict says so."""
    data = {"fingerprint": "0" * 64, "test_images": 300, "protocol": "handout"}
    judgement = judged(tmp_path, around(trial_1=1.0, trial_2=2.0, default=2.5), data=data)

    assert any("the test images chose the best epochs" in note for note in notes(judgement))
    assert "which this protocol validates on as well" in confirmation_figure.caption(judgement)


def test_failed_runs_are_told(tmp_path: Path) -> None:
    """A winner that diverged is cursed, and the runs that are in no mean are counted."""
    folder = make_confirmation(make_search(tmp_path))
    fill(folder, around(trial_1=1.0, trial_2=2.0, default=2.5), skip=lambda run: run.number == 3)
    judgement = Judgement.read(folder)

    assert sentences(judgement)[0] == "trial 1, the search's best, diverged with 1 of 5 fresh seeds."
    assert "Runs of trial 1 failed (1 diverged) and are in no mean." in notes(judgement)


def test_accuracies_are_told_in_per_cent(tmp_path: Path) -> None:
    """An objective that is a fraction is shown in per cent, its differences in percentage points, and more is better."""
    search = SPACE.replace("trials = 4", 'trials = 4\nobjective = { metric = "val_accuracy" }')
    study = make_search(tmp_path, {0: 0.3, 1: 0.4, 2: 0.2}, space_text=search)
    manifest = json.loads(study.layout.manifest.read_text())
    manifest["objective"] = {"metric": "val_accuracy", "goal": "maximize", "epoch": "best"}
    study.layout.manifest.write_text(json.dumps(manifest))
    folder = make_confirmation(StudyFolder(study.layout.root))
    fill(folder, around(trial_1=0.4, trial_0=0.3, default=0.2))
    judgement = Judgement.read(folder)
    header, rows = question_table(judgement)

    assert judgement.verdict.winner.candidate.name == "trial 1"
    assert header[0] == "less trial 1"
    assert rows[-1][:3] == ["search, validation accuracy", "5", "+0.00"]
    assert candidate_table(judgement)[1][0][4] == "40.0 ± 2.0 %"


def test_the_files_hold_the_numbers(tmp_path: Path) -> None:
    """`verdict.json` is JSON that any reader knows, `results.csv` has a row a run, and the same record gives the same bytes."""
    judgement = judged(tmp_path, around(trial_1=1.0, trial_2=2.0, default=2.5))
    written = confirmation_report.publish(judgement)
    first = [hashlib.sha256(path.read_bytes()).hexdigest() for path in written]
    told = json.loads(judgement.folder.layout.verdict.read_text(), parse_constant=pytest.fail)

    assert (told["outcome"], told["decided_by"]) == ("confirmed", "test_loss")
    assert [entry["with"] for entry in told["comparisons"]] == ["trial 2", "default"]
    assert told["comparisons"][0]["mean"] == pytest.approx(1.0)
    assert told["candidates"][0]["test"]["test_loss"]["n"] == 5
    assert len(judgement.folder.layout.results.read_text().splitlines()) == 16
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in confirmation_report.publish(judgement)] == first


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_a_figure_is_drawn_for_any_number_of_seeds(tmp_path: Path, seeds: int) -> None:
    """The figure is there as PNG and SVG, also where there are no intervals."""
    judgement = judged(tmp_path, around(trial_1=1.0, trial_2=2.0, default=2.5), seeds=seeds)
    png, svg = confirmation_report.write_figure(judgement)

    with Image.open(png) as picture:
        assert picture.info["dpi"][0] >= 150
    assert svg.read_text().startswith("<?xml")


def test_the_report_has_a_section(tmp_path: Path) -> None:
    """`study analyze` shows verdict, tables and figure of each confirmation, and nothing where there is none."""
    study = make_search(tmp_path)
    assert "Did the best trial win?" not in write_report(study)[-1].read_text()

    fill(make_confirmation(study), around(trial_1=1.0, trial_2=2.0, default=2.5))
    fill(make_confirmation(study, top=1, seeds=3), around(trial_1=1.0, default=0.5))
    page = write_report(study)[-1].read_text()

    assert page.count("Did the best trial win?</h2>") == 1
    assert "<h3>Confirmed (top2-seeds5)</h3>" in page
    assert "<h3>Winner's curse (top1-seeds3)</h3>" in page
    assert page.count('alt="Scores of ') == 2


def run(*arguments: str) -> str:
    return CliRunner().invoke(cli, list(arguments), catch_exceptions=False).output


def test_show_tells_the_verdict_in_a_line(tmp_path: Path) -> None:
    """A study shows that it was confirmed, or how that goes on; its confirmations are no studies in the list."""
    study = make_search(tmp_path)
    folder = make_confirmation(study)
    where = ("--results", str(tmp_path))
    assert "confirmed  top2-seeds5: undecided, study confirm little --top 2 --seeds 5 goes on" in run(
        "show", "little", *where
    )

    fill(folder, around(trial_1=1.0, trial_2=2.0, default=2.5))
    confirmation_report.publish(Judgement.read(folder))

    assert "  confirmed  top2-seeds5: confirmed, by test loss over 5 fresh seeds, trial 1" in run(
        "show", "little", *where
    )
    assert json.loads(run("show", "little", "--json", *where))["confirmations"][0]["outcome"] == "confirmed"
    assert len(run("list", *where).splitlines()) == 2


@pytest.mark.parametrize(
    "damage", ["", "[]", "{}", '{"outcome": 1, "sentences": []}', '{"outcome": 1, "sentences": {}}']
)
def test_a_damaged_verdict_hides_no_study(tmp_path: Path, damage: str) -> None:
    """A verdict that cannot be read is one that is not there; `study confirm` writes it anew."""
    study = make_search(tmp_path)
    make_confirmation(study).layout.verdict.write_text(damage)

    assert "top2-seeds5: undecided" in run("show", "little", "--results", str(tmp_path))


def test_a_confirmed_study_is_not_confirmed_again(tmp_path: Path) -> None:
    """`study confirm` of what is done loads no data and starts no Ray: it prints the verdict, and writes the same bytes."""
    study = make_search(tmp_path)
    folder = make_confirmation(study)
    fill(folder, around(trial_1=1.0, trial_2=2.0, default=2.5))
    before = folder.layout.events.read_bytes()
    arguments = ("confirm", "little", "--top", "2", "--seeds", "5", "--results", str(tmp_path))

    assert "CONFIRMED: by test loss over 5 fresh seeds, trial 1" in run(*arguments)
    assert json.loads(run(*arguments, "--json"))["outcome"] == "confirmed"
    assert folder.layout.events.read_bytes() == before
    assert not folder.layout.log.exists()
