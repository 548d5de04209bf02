"""How many trials share a GPU: which configurations are measured, the rule, and what a launch makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from colournet.config import TrainConfig
from colournet.data import DataBundle, prepare
from study.cli import cli
from study.errors import LaunchError
from study.launch import errand, occupancy, packing
from study.launch.cluster import connected
from study.launch.occupancy import Occupancy, covered, measure, shortened
from study.launch.packing import fraction, most_demanding, pack, to_measure, trials_on_one
from study.launch.resources import Node, Resources, room
from study.launch.session import launch
from study.records import parse
from study.store import StudyFolder
from tests.conftest import Start
from tests.study.helpers import SPACE, make_space

AUTO = Resources(is_packed=True)
GIB = 2**30
WIDE = """
[search.kernel_size]
kind = "choice"
choices = [5, 3, 1]

[search.batch_size]
kind = "int"
low = 10
high = 100
step = 45

[search.num_filters]
kind = "int"
low = 1
high = 16

[search.depth]
kind = "choice"
choices = [2, 3]

[search.residual_blocks]
kind = "int"
low = 0
high = 2
when = { depth = [2] }
"""
SLOW = SPACE.replace("train_images = 40", "train_images = 400").replace("low = 2\nhigh = 4", "low = 20\nhigh = 24")


def wide_space() -> object:
    return make_space(WIDE, SPACE.replace("num_filters = 2\nbatch_size = 20\n", ""))


def occupied(*, busy: float, needed: float = 1.0, total: float = 80.0) -> Occupancy:
    return Occupancy(gpu="a GPU", total_bytes=int(total * GIB), needed_bytes=int(needed * GIB), busy=busy)


class MadeUpCluster:
    """Keeps what a trial takes, and has GPUs or not."""

    def __init__(self, *, has_gpus: bool) -> None:
        self.taken: list[Resources] = []
        self._has_gpus = has_gpus

    def take(self, resources: Resources) -> None:
        self.taken.append(resources)

    def wait_for_room(self, check: Callable[[], None]) -> None:
        if self.taken[-1].gpus_per_trial and not self._has_gpus:
            raise LaunchError("no trial fits")


@pytest.fixture(scope="module")
def bundle() -> DataBundle:
    return prepare(TrainConfig(dataset="scenes", train_images=40, num_colours=8))


@pytest.fixture(scope="module")
def one_gpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Ray with two CPUs that counts a GPU where there is none."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 2, "num_gpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**head, "temp_dir": str(tmp_path_factory.mktemp("g"))})
    yield cluster.address
    cluster.shutdown()


def test_the_most_demanding_configuration_is_measured() -> None:
    """All that costs is as high as the space goes, whether by choices or a range; what is free to the GPU does not matter."""
    (config, *_) = most_demanding(wide_space())

    assert (config.kernel_size, config.num_filters, config.batch_size) == (5, 16, 100)
    assert config.model == "unet"


def test_what_others_depend_on_is_not_raised() -> None:
    """A depth that allows residual blocks is tried as it is drawn, so that the blocks are measured too."""
    configs = most_demanding(wide_space())

    assert {(config.depth, config.residual_blocks) for config in configs} <= {(2, 2), (3, 0)}
    assert (2, 2) in {(config.depth, config.residual_blocks) for config in configs}


def test_a_space_of_one_size_has_one_candidate() -> None:
    """Learning rates and epochs make no further candidates."""
    (config,) = most_demanding(make_space())

    assert config.model == "unet"


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (occupied(busy=1.0), 1),
        (occupied(busy=0.6), 1),
        (occupied(busy=0.5), 2),
        (occupied(busy=0.13), 7),
        (occupied(busy=0.01), 16),
        (occupied(busy=0.0), 16),
        (occupied(busy=0.01, needed=20), 3),
        (occupied(busy=0.5, needed=20), 2),
        (occupied(busy=0.1, needed=75), 1),
        (occupied(busy=0.1, needed=80), 1),
    ],
    ids=str,
)
def test_time_and_memory_bound_how_many_trials_share_a_gpu(found: Occupancy, count: int) -> None:
    """Trials take turns, so busy time adds up; memory keeps a margin; one trial always has its GPU."""
    assert trials_on_one(found) == count


@pytest.mark.parametrize("count", range(1, 17))
def test_a_fraction_lets_so_many_fit(count: int) -> None:
    """A part is rounded so that so many and no more fit, in our count."""
    node = Node(id="a", name="a", resources={"CPU": 64.0, "GPU": 2.0}, labels={})

    assert room([node], Resources(gpus_per_trial=fraction(count))) == 2 * count


def test_ray_places_as_many_as_we_count(one_gpu: str) -> None:
    """Placement groups of a part of a GPU, as Tune asks for them, fit as often as they should, and once more does not."""
    import ray
    from ray.util import placement_group, remove_placement_group

    with connected(Resources(address=one_gpu)):
        for count in (3, 6, 7, 11, 16):
            groups = [placement_group([{"CPU": 0.1, "GPU": fraction(count)}]) for _ in range(count + 1)]
            ready, _ = ray.wait([group.ready() for group in groups], num_returns=count, timeout=60)
            assert len(ready) == count
            assert ray.wait([group.ready() for group in groups], num_returns=count + 1, timeout=0.5)[1]
            for group in groups:
                remove_placement_group(group)


def test_overlapping_kernels_count_once() -> None:
    """Time in which several streams compute is busy once; gaps are not busy."""
    assert covered([]) == 0
    assert covered([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4


def test_a_measurement_is_short(bundle: DataBundle) -> None:
    """An epoch has at most 50 steps, and validates in proportion; a small set stays whole."""
    config = TrainConfig(dataset="scenes", num_colours=8)
    data = bundle.for_run(config)

    few = shortened(data, 4)

    assert len(few.train_images) == len(few.train_labels) == 200
    assert len(few.validation_images) == len(few.validation_labels) == len(data.validation_images) * 200 // 1200
    assert len(shortened(data, 100).train_images) == len(data.train_images)


def test_memory_and_busy_time_are_those_of_the_neediest(bundle: DataBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the peak of torch all that is held of the GPU counts; images that the measurement left out count too.

    The GPU is made up: what it holds is given, its kernels are none, and the training is real.
    """
    monkeypatch.setattr(occupancy, "_ACTIVITIES", (torch.profiler.ProfilerActivity.CPU,))
    made_up = {
        "is_available": lambda: True,
        "mem_get_info": lambda: (60 * GIB, 80 * GIB),
        "get_device_name": lambda: "made up",
        "memory_reserved": lambda: 15 * GIB,
        "max_memory_reserved": lambda: 18 * GIB,
        "reset_peak_memory_stats": lambda: None,
        "empty_cache": lambda: None,
    }
    for name, stand_in in made_up.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    config = TrainConfig(dataset="scenes", num_colours=8, num_filters=1, batch_size=1, train_images=100, device="cpu")
    data = bundle.for_run(config)
    left_out = 50 * (data.train_images[0].nbytes + data.train_labels[0].nbytes)
    left_out += 150 * (data.validation_images[0].nbytes + data.validation_labels[0].nbytes)

    found = measure([config, config.replace(batch_size=50)], bundle)

    assert len(data.validation_images) == 300
    assert found == Occupancy(gpu="made up", total_bytes=80 * GIB, needed_bytes=23 * GIB + left_out, busy=0.0)


def test_what_does_not_fit_alone_needs_all_of_the_gpu(bundle: DataBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that runs out of memory in the measurement leaves no room for another."""

    def train(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("too large")

    monkeypatch.setattr(occupancy, "train", train)
    monkeypatch.setattr(occupancy, "_ACTIVITIES", (torch.profiler.ProfilerActivity.CPU,))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (60 * GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "made up")
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)

    found = measure([TrainConfig(dataset="scenes", num_colours=8)], bundle)

    assert trials_on_one(found) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_real_gpu_is_measured(bundle: DataBundle) -> None:
    """A network that trains on a GPU keeps it busy for some of the time, and needs some of its memory."""
    found = measure([TrainConfig(dataset="scenes", num_colours=8)], bundle)

    assert 0 < found.busy <= 1
    assert 0 < found.needed_bytes < found.total_bytes


def test_without_a_gpu_trials_take_cpus_alone(bundle: DataBundle) -> None:
    """Where no node has a GPU, or the space keeps to CPUs, nothing is measured, and the note says why."""
    told: list[str] = []
    for has_gpus, space in [
        (False, make_space()),
        (True, make_space(text=SPACE.replace("[fixed]", '[fixed]\ndevice = "cpu"'))),
    ]:
        cluster = MadeUpCluster(has_gpus=has_gpus)
        resources = to_measure(AUTO, cluster, space, look=lambda: None)
        packed = pack(resources, cluster, space, bundle, tell=told.append, look=lambda: None)
        assert packed.resources == cluster.taken[-1] == Resources()

    assert told == [
        "each trial takes CPUs alone: no node that trials fit on has a GPU",
        'each trial takes CPUs alone: the space says device = "cpu"',
    ]


def test_a_measurement_decides_what_a_trial_takes(bundle: DataBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement has a whole GPU, trials the part that follows; all else that was asked for stays."""
    asked: list[Resources] = []

    def run(*_: object, taking: Resources, **__: object) -> Occupancy:
        asked.append(taking)
        return occupied(busy=0.13, needed=1.25)

    monkeypatch.setattr(errand, "run", run)
    cluster, wanted = MadeUpCluster(has_gpus=True), Resources(cpus_per_trial=0.5, labels={"zone": "x"}, is_packed=True)
    space, told = make_space(), list[str]()
    packed = pack(
        to_measure(wanted, cluster, space, look=lambda: None),
        cluster,
        space,
        bundle,
        tell=told.append,
        look=lambda: None,
    )

    assert [resources.gpus_per_trial for resources in asked] == [1.0]
    assert packed.resources == Resources(cpus_per_trial=0.5, gpus_per_trial=0.1428, labels={"zone": "x"})
    assert cluster.taken[-1] == packed.resources
    assert list(packed.notes) == told[1:]
    assert told[1] == (
        "each trial takes 1/7 of a GPU: the most demanding configuration keeps a GPU busy for 13% of the time "
        "and needs 1.2 of its 80.0 GiB"
    )


def test_what_was_named_is_not_measured(bundle: DataBundle) -> None:
    """A part that the user named is taken as it is, without a word."""
    cluster, told = MadeUpCluster(has_gpus=True), list[str]()
    quarter = Resources(gpus_per_trial=0.25)

    assert to_measure(quarter, cluster, make_space(), look=lambda: None) is quarter
    assert pack(quarter, cluster, make_space(), bundle, tell=told.append, look=lambda: None).resources is quarter
    assert (cluster.taken, told) == ([], [])


def test_a_measurement_that_fails_is_told(bundle: DataBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies while it measures ends the launch in a sentence that says what to do."""

    def run(*_: object, **__: object) -> None:
        raise errand.FailedError("its worker died")

    monkeypatch.setattr(errand, "run", run)
    cluster = MadeUpCluster(has_gpus=True)
    resources = to_measure(AUTO, cluster, make_space(), look=lambda: None)

    with pytest.raises(LaunchError, match="could not be measured: its worker died") as refused:
        pack(resources, cluster, make_space(), bundle, tell=lambda _: None, look=lambda: None)
    assert "--gpus-per-trial 0.25" in str(refused.value.hint)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a torch without a GPU")
def test_a_gpu_that_torch_cannot_use_is_told(tmp_path: Path, one_gpu: str) -> None:
    """Where Ray counts a GPU and torch sees none, the launch ends in one sentence and leaves nothing behind."""
    with pytest.raises(LaunchError, match="a GPU that torch cannot use: torch") as refused:
        launch(make_space(), tmp_path, resources=Resources(address=one_gpu, is_packed=True))

    assert "--gpus-per-trial 0" in str(refused.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_without_gpus_is_noted(tmp_path: Path, ray_address: str, capfd: pytest.CaptureFixture[str]) -> None:
    """On CPUs alone a study runs as it did, on as many CPUs; its record and stderr say why."""
    folder = launch(make_space(), tmp_path, trials=1, resources=Resources(address=ray_address, is_packed=True))

    record, why = folder.read(), "each trial takes CPUs alone: no node that trials fit on has a GPU"
    assert why in record.notes
    assert (record.session or {})["gpus_per_trial"] == 0
    assert record.counts["completed"] == 1
    assert why in capfd.readouterr().err


@pytest.mark.slow
def test_as_many_trials_run_as_share_a_gpu(tmp_path: Path, one_gpu: str, study_command: Start) -> None:
    """Of trials that take a third of a GPU, three run at once."""
    (tmp_path / "space.toml").write_text(SLOW)
    third = ["--cpus-per-trial", "0.2", "--gpus-per-trial", f"{fraction(3)}"]
    process = study_command("launch", "space.toml", "--address", one_gpu, *third)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err

    folder = StudyFolder.open(tmp_path / "results", "little")
    events = [parse(line) for line in folder.layout.events.read_bytes().splitlines()]
    kinds = [event["event"] for event in events if event["event"] in ("started", "completed")]
    assert events[0]["workers"] == 3
    assert kinds[:3] == ["started"] * 3


def test_a_check_says_that_it_is_measured_later(tmp_path: Path) -> None:
    """`study check` measures nothing and says so, where nothing else is printed; what is no amount is wrong usage."""
    (tmp_path / "space.toml").write_text(SPACE)
    told = CliRunner().invoke(cli, ["check", str(tmp_path / "space.toml"), "--gpus-per-trial", "auto", "--json"])

    assert json.loads(told.stdout)["study"] == "little"
    assert "is measured at launch" in told.stderr
    for wrong in ("-1", "half"):
        arguments = ["check", str(tmp_path / "space.toml"), "--gpus-per-trial", wrong]
        assert CliRunner().invoke(cli, arguments).exit_code == 2


@pytest.mark.parametrize("command", [("launch", "space"), ("resume", "name"), ("confirm", "name")], ids=str)
def test_every_command_that_trains_takes_it(command: tuple[str, str]) -> None:
    """`auto` means the same to launch, resume and confirm, and so to submit, which asks them."""
    told = cli.commands[command[0]].make_context(command[0], [command[1], "--gpus-per-trial", "auto"]).params

    assert told["gpus_per_trial"] == "auto"


def test_a_part_is_still_an_amount() -> None:
    """A number is read as before."""
    assert (
        cli.commands["launch"].make_context("launch", ["space", "--gpus-per-trial", "0.25"]).params["gpus_per_trial"]
        == 0.25
    )


def test_a_margin_is_kept() -> None:
    """Trials together need less of the memory than there is."""
    for needed in (1, 3, 7, 11):
        found = occupied(busy=0.0, needed=needed)
        assert trials_on_one(found) * needed <= 80 * packing._USABLE_MEMORY
