"""What a command may load, looked up in `sys.modules`; how long it takes is not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.study.helpers import SPACE, make_folder

HEAVY = {"ray", "torch", "optuna", "pandas", "numpy", "matplotlib", "seaborn", "sklearn", "scipy", "rich", "jaxtyping"}


def loaded_by(code: str, cwd: Path) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after running `code`."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def command(*arguments: str) -> str:
    return f"from study.cli import cli\ncli.main({list(arguments)!r}, standalone_mode=False)"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("launch", "--help"),
        ("export", "--help"),
        ("dashboard", "--help"),
        ("confirm", "--help"),
        ("submit", "--help"),
        ("logs", "little"),
        ("list",),
        ("list", "--json"),
        ("show", "little"),
        ("show", "little", "--json"),
        ("check", "space.toml"),
        ("doctor", "little"),
        ("doctor", "little", "--repair"),
    ],
    ids=" ".join,
)
def test_light_commands_load_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Help, list, show, check and doctor load neither ray nor torch nor pandas, nor anything of their weight."""
    make_folder(tmp_path / "results")
    (tmp_path / "space.toml").write_text(SPACE)

    loaded = loaded_by(command(*arguments), tmp_path)

    assert "click" in loaded
    assert not loaded & HEAVY


def test_reproducing_needs_no_ray(tmp_path: Path) -> None:
    """The code that repeats a configuration loads neither ray nor optuna nor pandas."""
    assert not loaded_by("import study.reproduce", tmp_path) & {"ray", "optuna", "pandas", "seaborn"}


def test_analysing_needs_no_torch(tmp_path: Path) -> None:
    """The code that draws and reports loads neither torch nor ray nor optuna."""
    loaded = loaded_by("import study.analysis.report, study.analysis.confirmation_tables", tmp_path)

    assert "pandas" in loaded
    assert not loaded & {"torch", "ray", "optuna", "sklearn"}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_exporting_tables_needs_neither_torch_nor_ray(tmp_path: Path, kind: str) -> None:
    """Tables are written without torch, ray, optuna, or anything that draws."""
    make_folder(tmp_path / "results")
    loaded = loaded_by(command("export", "little", "--format", kind), tmp_path)

    assert "pandas" in loaded
    assert not loaded & {"torch", "ray", "optuna", "matplotlib", "seaborn", "sklearn"}


def test_telling_optuna_needs_neither_torch_nor_ray(tmp_path: Path) -> None:
    """An Optuna storage is written, and the dashboard served, without torch, ray or pandas."""
    make_folder(tmp_path / "results")
    exported = loaded_by(command("export", "little", "--format", "optuna"), tmp_path)
    served = loaded_by("import study.launch.dashboard", tmp_path)

    assert "optuna" in exported & served
    assert "optuna_dashboard" not in exported | served
    assert not (exported | served) & {"torch", "ray", "pandas", "seaborn"}


def test_a_worker_of_colournet_needs_no_study(tmp_path: Path) -> None:
    """Training stands alone: it loads nothing of the study service and nothing that the service needs."""
    loaded = loaded_by("import colournet.training, colournet.runs, colournet.cli", tmp_path)

    assert not loaded & {"study", "ray", "optuna", "pandas", "seaborn"}


def test_the_driver_and_the_worker_know_no_ray(tmp_path: Path) -> None:
    """What a study decides, and what a trial does, can be run without Ray."""
    assert "ray" not in loaded_by(
        "import study.launch.driver, study.launch.worker, study.launch.confirmation", tmp_path
    )


def test_a_launch_begins_light(tmp_path: Path) -> None:
    """Ray starts while torch, Optuna and what reads the data are loaded: nothing of them stands before it."""
    loaded = loaded_by("import study.launch.session", tmp_path)

    assert not loaded & {"ray", "torch", "optuna", "sklearn", "pandas", "colournet.data"}


@pytest.mark.parametrize("package", ["study", "colournet"])
def test_importing_a_package_loads_nothing(tmp_path: Path, package: str) -> None:
    """The packages re-export lazily, and every name they promise is there."""
    assert not loaded_by(f"import {package}", tmp_path) & HEAVY
    loaded_by(f"import {package}\nfor name in {package}.__all__: getattr({package}, name)", tmp_path)
