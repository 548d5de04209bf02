"""The contest between ours and what a user would pick instead: that all do the same work. Who is faster is no test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import contest, time_to_loss
from benchmarks.contenders import loop
from benchmarks.curves import CURVES
from benchmarks.recorded_table import Table
from benchmarks.search_contenders import Service
from colournet.config import TrainConfig
from colournet.models import build, count_parameters
from study.space import Space
from study.store import StudyFolder

GRID = contest.Job(
    epochs=1,
    trials=4,
    fixed={"num_filters": 2, "learning_rate": 1e-3},
    choices={"model": ["cnn", "unet"], "batch_size": [20, 40]},
    log_uniform={},
    wanted_images=40,
    pruner="none",
    is_grid=True,
)
SEARCH = contest.Job(
    epochs=1,
    trials=2,
    fixed={"num_filters": 2, "batch_size": 20},
    choices={"model": ["cnn"]},
    log_uniform={"learning_rate": [1e-3, 1e-2]},
    wanted_images=40,
)
DEFAULTS = Space.parse('[search.epochs]\nkind = "int"\nlow = 1\nhigh = 9')


@pytest.fixture(autouse=True)
def scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CIFAR-10 is at hand."""
    monkeypatch.setattr("colournet.cifar10.find", lambda _: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colournet.cifar10.find", lambda _: None)
        GRID.save_data(path)
    return path


@pytest.mark.parametrize("model", loop.NETWORKS)
def test_the_plain_networks_are_ours(model: str) -> None:
    """With our weights in their layers' order, the contenders' networks give our outputs."""
    config = TrainConfig(model=model, num_filters=4, num_colours=8)
    ours, plain = build(config).eval(), loop.NETWORKS[model](4, 8).eval()
    plain.load_state_dict(dict(zip(plain.state_dict(), ours.state_dict().values(), strict=True)))
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(1))

    assert sum(weight.numel() for weight in plain.parameters()) == count_parameters(config)
    assert torch.allclose(plain(images), ours(images), atol=1e-5)


def test_ours_tries_the_points_that_the_others_are_given() -> None:
    """The grid of the search space that we launch is the contenders' list, in its order."""
    space = Space.parse(GRID.to_toml())

    assert list(space.grid) == GRID.points
    assert len(GRID.points) == GRID.trials
    assert space.pruner.kind == "none"


def test_a_search_leaves_our_defaults_alone() -> None:
    """What is searched is the same range, with the sampler and the pruner that a study has by default."""
    space = Space.parse(SEARCH.to_toml())

    assert SEARCH.points == []
    assert (space.search["learning_rate"].low, space.search["learning_rate"].high) == (1e-3, 1e-2)
    assert (space.sampler, space.pruner) == (DEFAULTS.sampler, DEFAULTS.pruner)


@pytest.mark.parametrize("name", ["plain_optuna", pytest.param("ray_tune", marks=pytest.mark.slow)])
def test_a_contender_trains_every_point_once(name: str, data: Path, tmp_path: Path) -> None:
    """Each contender tries every configuration once, for all its epochs, in a process of its own."""
    run = contest.contender(name, GRID, data, tmp_path / name)

    assert sorted(json.dumps(row["params"]) for row in run.rows) == sorted(map(json.dumps, GRID.points))
    assert all(len(row["losses"]) == GRID.epochs for row in run.rows)
    assert all(run.began < row["began"] < row["ended"] < run.began + run.seconds for row in run.rows)


@pytest.mark.parametrize("name", ["plain_optuna", pytest.param("ray_tune", marks=pytest.mark.slow)])
def test_a_contender_searches_the_range(name: str, data: Path, tmp_path: Path) -> None:
    """Without points a contender draws from the ranges that it is given."""
    run = contest.contender(name, SEARCH, data, tmp_path / name)

    assert len(run.rows) == SEARCH.trials
    assert all(1e-3 <= row["params"]["learning_rate"] <= 1e-2 for row in run.rows)
    assert run.best == min(row["losses"][0] for row in run.rows)


@pytest.mark.slow
def test_ours_runs_the_contest_as_a_user_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray_dir: Path) -> None:
    """`study launch` does the same job, and its rows say as much as the others'."""
    monkeypatch.setenv("RAY_TMPDIR", str(ray_dir))
    run, study = contest.ours(GRID, tmp_path / "ours")

    assert [row["params"] for row in run.rows] == GRID.points
    assert all(len(row["losses"]) == GRID.epochs for row in run.rows)
    assert len(study.read().worker_time.spells) == GRID.trials


def test_a_loss_is_reached_by_the_first_epoch_of_any_trial_that_has_it(tmp_path: Path) -> None:
    """Also one of a trial that still runs counts; a loss that nothing came to is not reached."""
    space = Space.parse(GRID.to_toml().replace("epochs = 1", "epochs = 5"))
    with Service.launched(tmp_path, space, trials=2, workers=2) as search:
        for losses in ([3.0, 2.5], [2.75, 2.25, 2.0]):
            work = search.begin()
            assert work is not None
            for epoch, loss in enumerate(losses, 1):
                search.report(work, epoch, loss, 1.0)
        study = StudyFolder(tmp_path / space.name)
        first, second = (
            [contest.seconds(event["time"]) for event in trial.epochs.values()]
            for trial in study.read().trials.values()
        )

        assert time_to_loss.reached(time_to_loss.epochs_of(study), 2.5) == first[1]
        assert time_to_loss.reached(time_to_loss.epochs_of(study), 2.0) == second[2]
        assert time_to_loss.reached(time_to_loss.epochs_of(study), 1.0) is None


@pytest.mark.parametrize(("losses", "share"), [([1.0] * 30, 1 / 60), ([3.0] * 29 + [1.0], 1 / 2)])
def test_the_simulated_share_is_one_of_virtual_time(losses: list[float], share: float) -> None:
    """Where all configurations are alike, ours has by its first trial what the other has by four whole ones of two workers."""
    with CURVES.open(encoding="utf-8") as lines:
        rows = [{**json.loads(line), "seconds": 2.0, "val_loss": losses} for line in list(lines)[1:]]

    assert time_to_loss.simulated_share(Table(rows), 3, 4) == pytest.approx(share)
