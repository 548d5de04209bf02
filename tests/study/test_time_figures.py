"""Time and pruning: who was stopped where, how busy workers were, and what it cost, on numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from study.accounting import spent
from study.analysis import cost_figure, costs, occupancy, occupancy_figure, pruning, pruning_figure, style
from study.analysis.loaded import Loaded
from study.analysis.occupancy import Clock
from study.analysis.plot import Plot
from tests.study.odd_studies import odd_studies
from tests.study.test_analysis_frames import fill_with_attempts, make_folder, train
from tests.study.test_analysis_summaries import epochs_frame, trials_frame

PLOTS = {
    pruning_figure.PLOT: {"filled", "pruned"},
    occupancy_figure.PLOT: {"filled", "attempts", "one", "failed", "pruned", "running"},
    cost_figure.PLOT: {"filled", "attempts", "one", "failed", "pruned", "running"},
}
"""The figures, with the studies that they can say something of."""

STOPPED = trials_frame(
    [
        ("completed", 1.0, 4, "cnn"),
        ("pruned", 2.0, 2, "cnn"),
        ("pruned", 1.1, 2, "unet"),
        ("failed", float("nan"), 1, "cnn"),
        ("completed", 1.5, 4, "unet"),
    ]
).assign(epochs=4)


def attempts_frame(rows: list[tuple[int, int, int, str]]) -> pd.DataFrame:
    """Attempts of (process, begin, end, outcome), each trained for half its time; an end of -1 is open."""
    began = pd.Timestamp("2026-01-01", tz="UTC")
    frame = pd.DataFrame(rows, columns=["pid", "begin", "end", "outcome"])
    return pd.DataFrame(
        {
            "number": range(len(rows)),
            "host": "here",
            "pid": frame["pid"],
            "started": began + pd.to_timedelta(frame["begin"], unit="s"),
            "ended": (began + pd.to_timedelta(frame["end"], unit="s")).where(frame["end"] >= 0),
            "outcome": frame["outcome"],
            "seconds": (frame["end"] - frame["begin"]) / 2,
        }
    )


TWO_SESSIONS = attempts_frame(
    [(1, 0, 100, "completed"), (2, 0, 40, "pruned"), (2, 40, 60, "interrupted"), (3, 1100, 1200, "completed")]
)


def test_survivors_are_counted_after_every_epoch() -> None:
    """Five trained the first epoch, four the second, after which two were pruned: half of them."""
    table = pruning.survival(STOPPED)
    assert table["alive"].tolist() == [5, 4, 2, 2]
    assert table["pruned"].tolist() == [2, 2, 0, 0]
    assert table["failed"].tolist() == [1, 0, 0, 0]
    assert pruning.rungs(STOPPED).to_numpy().tolist() == [[2, 4, 2, 0.5]]
    assert pruning.survival(STOPPED.iloc[:0]).empty


def test_what_pruning_saved_is_what_was_asked_and_not_trained() -> None:
    """Two trials stopped two epochs early, of twenty that five had asked for; the failed one saved nothing."""
    saved = pruning.saved(STOPPED)
    assert (saved.epochs, saved.share) == (4, 0.2)


def test_a_pruned_trial_is_held_against_the_best_one_at_the_same_epoch() -> None:
    """The winner had 1.2 after two epochs: 1.1 was ahead of it, 2.0 was not, whatever it became later."""
    epochs = epochs_frame({0: [2.0, 1.2, 1.1, 1.0], 1: [2.5, 2.0], 2: [1.3, 1.1], 4: [1.0, 1.0, 1.0, 1.5]})
    assert pruning.ahead(STOPPED, epochs, metric="val_loss", goal="minimize") == [2]
    upside_down = epochs.assign(val_loss=-epochs["val_loss"])
    turned = STOPPED.assign(value=-STOPPED["value"])
    assert pruning.ahead(turned, upside_down, metric="val_loss", goal="maximize") == [2]
    assert pruning.ahead(STOPPED.iloc[1:3], epochs, metric="val_loss", goal="minimize") == []


def test_workers_are_counted_session_by_session() -> None:
    """Two workers of 100 s, of which one rested for 40, a pause of 1,000 s, and one worker of 100 s: 260 of 300 s were busy."""
    seen = occupancy.measure(occupancy.spells(TWO_SESSIONS))
    assert (seen.attempts, seen.workers, seen.hosts, seen.most) == (4, 3, 1, 2)
    assert (seen.pauses, seen.paused, seen.seconds) == (1, 1000.0, 200.0)
    assert seen.busy == pytest.approx(260 / 300)
    assert seen.training == pytest.approx(130 / 300)


def test_a_moment_between_two_attempts_is_no_pause() -> None:
    """Less than a minute, or than a fiftieth of what ran, counts as idle time."""
    short = attempts_frame([(1, 0, 100, "completed"), (1, 150, 200, "completed")])
    assert occupancy.pauses(occupancy.spells(short)) == []
    assert occupancy.measure(occupancy.spells(short)).busy == 0.75
    long = attempts_frame([(1, 0, 5000, "completed"), (1, 5090, 9000, "completed")])
    assert occupancy.pauses(occupancy.spells(long)) == []


def test_an_attempt_under_way_lasts_until_now() -> None:
    """It has no end yet, and none is made up beyond what the record tells."""
    open_ended = occupancy.spells(attempts_frame([(1, 0, 100, "completed"), (1, 100, -1, "running")]))
    assert open_ended["end"].tolist() == [100.0, 100.0]
    now = pd.Timestamp("2026-01-01 00:02:30", tz="UTC")
    open_ended = occupancy.spells(attempts_frame([(1, 0, 100, "completed"), (1, 100, -1, "running")]), now=now)
    assert open_ended["end"].tolist() == [100.0, 150.0]


def test_a_worker_that_has_a_stack_is_one_worker() -> None:
    """Three attempts that a process trained together, and one after them, keep one worker busy beside another."""
    stack = [(1, 0, 60, "completed"), (1, 0, 20, "pruned"), (1, 1, 40, "pruned")]
    found = occupancy.spells(attempts_frame([*stack, (1, 60, 100, "completed"), (2, 0, 50, "completed")]))

    seen = occupancy.measure(found)

    assert (seen.attempts, seen.workers, seen.most) == (5, 2, 2)
    assert seen.busy == 150 / 200
    assert occupancy.busy_workers(found, np.array([0.0, 50.0, 100.0])) == pytest.approx([2.0, 1.0])


def test_the_trials_of_a_stack_are_drawn_below_each_other() -> None:
    """None hides another, and a worker's later attempt by itself takes the first lane; one without stacks keeps its row."""
    stack = [(1, 0, 60, "completed"), (1, 0, 20, "pruned"), (1, 1, 40, "pruned")]
    found = occupancy.spells(attempts_frame([*stack, (1, 60, 100, "completed"), (2, 0, 50, "pruned")]))
    ax = Figure().subplots()

    occupancy_figure.gantt(found, Clock.of(found), ax=ax)

    told = occupancy.lanes(found).assign(pid=found["pid"], begin=found["begin"])
    assert told.query("pid == 1")[["lane", "of"]].to_numpy().tolist() == [[0, 3], [1, 3], [2, 3], [0, 3]]
    assert told.query("pid == 2")[["lane", "of"]].to_numpy().tolist() == [[0, 1]]
    bars = [bar.get_bbox() for bar in ax.patches if isinstance(bar, Rectangle)]
    assert len(bars) == 5
    for number, bar in enumerate(bars):
        for other in bars[number + 1 :]:
            both = min(bar.x1, other.x1) - max(bar.x0, other.x0), min(bar.y1, other.y1) - max(bar.y0, other.y0)
            assert min(both) <= 1e-9
    assert sorted(round(bar.height, 6) for bar in bars) == [0.24, 0.24, 0.24, 0.24, 0.72]


def test_busy_workers_are_averaged_over_time() -> None:
    """Both work for 60 s, then one; between 40 and 80 s that makes one and a half."""
    busy = occupancy.busy_workers(occupancy.spells(TWO_SESSIONS), np.array([0.0, 40.0, 80.0, 100.0, 1100.0, 1150.0]))
    assert busy.tolist() == [2.0, 1.5, 1.0, 0.0, 1.0]


def test_a_pause_is_short_on_the_axis() -> None:
    """A thirtieth of the 200 s that ran; what comes before and after it keeps its length."""
    clock = Clock.of(occupancy.spells(TWO_SESSIONS))
    assert clock.blocks() == [(0.0, 100.0), (1100.0, 1200.0)]
    assert clock.place([0.0, 50.0, 100.0, 1100.0, 1200.0]) == pytest.approx(
        [0, 50, 100, 100 + 200 / 30, 200 + 200 / 30]
    )


def test_the_sentence_on_workers_tells_their_share_and_the_pauses(tmp_path: Path) -> None:
    """Nothing is claimed before a worker has spent time."""
    assert occupancy_figure.answer(occupancy.measure(occupancy.spells(TWO_SESSIONS))) == (
        "The workers (at most 2 at a time) were at a trial for 87 % of 3 min, and in epochs for 43 % (n = 4 attempts on 1 "
        "host); 1 pause of 17 min in all, in which nothing ran, is left out."
    )
    empty = Loaded.read(make_folder(tmp_path))
    assert occupancy_figure.PLOT.tell(empty).answer == "No worker has spent any time on a trial yet."


def test_costs_add_up_to_what_study_show_tells(tmp_path: Path) -> None:
    """Of every odd study, epochs by what became of them are those of `study.accounting`."""
    for seen in odd_studies(tmp_path).values():
        table = cost_figure.spent(seen)
        found = table.groupby("fate", observed=True)["epochs"].sum()
        told = spent(seen.record)
        assert {fate: int(found.get(fate, 0)) for fate in costs.FATES} == {
            fate: getattr(told, fate) for fate in costs.FATES
        }
        once = table.loc[table["fate"] != "repeated", "seconds"].sum()
        assert once == pytest.approx(sum(trial.seconds for trial in seen.record.trials.values()))


def test_an_epoch_that_is_trained_again_is_repeated_with_its_seconds(tmp_path: Path) -> None:
    """Of the two epochs of 2 s the second was lost and took 4 s the next time: 6 s count, 2 s were repeated."""
    folder = make_folder(tmp_path)
    fill_with_attempts(folder)
    table = cost_figure.spent(Loaded.read(folder)).set_index("fate")
    assert table.loc["completed", ["epochs", "seconds"]].tolist() == [2, 6.0]
    assert table.loc["repeated", ["epochs", "seconds"]].tolist() == [1, 2.0]


def test_an_epoch_that_was_filled_in_is_no_repetition(tmp_path: Path) -> None:
    """What an attempt's checkpoint tells of an earlier one counts once, with its seconds."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=1, host="here", pid=1, workers=1)
        train(writer, 0, [2.0], epochs=3)
        writer.append("interrupted", 0, attempt=1, reason="lost", message="node gone")
        told = {"host": "there", "pid": 2, "device": "cpu", "parameters": 1000, "resumed_from_epoch": 2}
        writer.append("started", 0, attempt=2, **told)
        scores = {"train_loss": 1.5, "val_loss": 1.5, "val_accuracy": 0.1, "val_mse": 0.01, "images_per_second": 50.0}
        writer.append("epoch", 0, attempt=2, epoch=2, **scores, seconds=3.0, filled_in=True)
        writer.append("epoch", 0, attempt=2, epoch=3, **scores, seconds=4.0)
        writer.append("completed", 0, attempt=2, value=1.5, epoch=2, checkpoint="trials/x.safetensors")
    seen = Loaded.read(folder)
    table = cost_figure.spent(seen)
    assert table[["fate", "epochs", "seconds"]].to_numpy().tolist() == [["completed", 3, 9.0]]


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_every_study_can_be_drawn(tmp_path: Path, plot: Plot) -> None:
    """Empty, single, failed, pruned and running studies are drawn and told, and asked only where there is an answer."""
    studies = odd_studies(tmp_path)
    with style.styled():
        for name, seen in studies.items():
            assert style.save(plot.draw(seen), tmp_path / f"figure-{name}")
            assert plot.tell(seen).answer.endswith(".")
    assert {name for name, seen in studies.items() if plot.applies(seen)} == PLOTS[plot]


def test_many_trials_are_drawn_as_counts(tmp_path: Path) -> None:
    """Beyond a bar a trial, figures stay small."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", trials=150, host="here", pid=1, workers=1)
        for number in range(150):
            train(writer, number, [2.0, 1.0], epochs=5)
            writer.append("pruned", number, attempt=1, value=1.0, epoch=2)
    seen = Loaded.read(folder)
    with style.styled():
        for plot in PLOTS:
            _, svg = style.save(plot.draw(seen), tmp_path / plot.name)
            assert svg.stat().st_size < 300_000
    assert pruning_figure.PLOT.tell(seen).answer == (
        "150 of n = 150 trials were pruned, all after epoch 2, which saved 450 epochs, 60 % of those that all would have "
        "trained; no trial completed to compare them with."
    )
