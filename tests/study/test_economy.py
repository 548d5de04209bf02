"""What a study does once and not for every trial, counted in its processes; how long it takes is not tested."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from study.launch.groups import Groups
from study.launch.tuning import DriverScheduler
from study.records import parse
from study.store import StudyFolder
from tests.colournet.fake_cifar import BATCHES, write_folder
from tests.conftest import running_study
from tests.study.helpers import SPACE

COUNTING = Path(__file__).parent / "counting"
TRIALS = 12


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, ray_dir: Path) -> Path:
    """The folder of a study of twelve trials, each much shorter than a process takes to start, with its counts."""
    root = tmp_path_factory.mktemp("counted")
    write_folder(root / "data" / "cifar-10-batches-py", per_class=20, seed=0)
    (root / "space.toml").write_text(SPACE.replace('"scenes"', '"cifar10"'))
    variables = {
        "PYTHONPATH": os.pathsep.join([str(COUNTING), *sys.path]),
        "STUDY_COUNTS": str(root / "counts.txt"),
        "COLOURNET_DATA": str(root / "data"),
    }
    with running_study(root, ray_dir) as start:
        process = start("launch", "space.toml", "--trials", str(TRIALS), "--cpus", "2", **variables)
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, (out, err)
    return root


def workers(study: Path) -> list[int]:
    """The worker process of each attempt."""
    lines = StudyFolder.open(study / "results", "little").layout.events.read_bytes().splitlines()
    return [event["pid"] for event in map(parse, lines) if event["event"] == "started"]


def counts(study: Path) -> Counter[tuple[int, str]]:
    """How often a process did what."""
    lines = [line.partition(" ") for line in (study / "counts.txt").read_text().splitlines()]
    return Counter((int(pid), what) for pid, _, what in lines)


def test_short_trials_keep_every_worker_busy(study: Path) -> None:
    """Twelve short trials on two CPUs run in two processes: none loses the one it waits for to a trial that ended sooner."""
    assert len(workers(study)) == TRIALS
    assert len(set(workers(study))) == 2


def test_the_data_are_read_once(study: Path) -> None:
    """Each batch is read once, all of them by one process, and that is no worker."""
    found = {key: count for key, count in counts(study).items() if key[1].startswith("read")}

    assert {what for _, what in found} >= {f"read {name}" for name in BATCHES if name != "test_batch"}
    assert len({pid for pid, _ in found}) == 1
    assert set(found.values()) == {1}
    assert not {pid for pid, _ in found} & set(workers(study))


def test_a_worker_loads_torch_once(study: Path) -> None:
    """A worker imports torch for its first trial and for no other."""
    found = counts(study)

    assert [found[pid, "import torch"] for pid in set(workers(study))] == [1, 1]


def test_a_warm_worker_loads_nothing_more_for_a_trial(tmp_path: Path) -> None:
    """What torch loads with the first optimizer is there before the first trial, whose time limit it would take up."""
    script = (
        "import sys\n"
        "from colournet import optimization\n"
        "from colournet.config import TrainConfig\n"
        "from colournet.models import build\n"
        "from study.launch.worker import warm_up\n"
        "warm_up()\n"
        "before = set(sys.modules)\n"
        "optimization.make_optimizer(build(TrainConfig()), TrainConfig())\n"
        "print(sorted(set(sys.modules) - before), 'torch.optim' in before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == "[] True\n"


def test_no_trial_is_looked_at_to_choose_one() -> None:
    """Tune's loop does not go through all trials to find the next, which would take the square of their number."""

    class Controller:
        def get_trials(self) -> list[object]:
            raise AssertionError("looked at all trials")

    scheduler = DriverScheduler(driver=None, groups=Groups())  # type: ignore[arg-type]
    assert scheduler.choose_trial_to_run(Controller()) is None  # type: ignore[func-returns-value]
