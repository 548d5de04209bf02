"""Documentation is a test: what the README says to type works, and what it names is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

import colournet.cli
import study.cli
from study.analysis import columns
from study.space import Space

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
MAIN = {"study": "study.cli", "colournet": "colournet.cli"}


def readme_commands() -> list[list[str]]:
    """The lines of the README's shell blocks that call one of the project's commands."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.split(" ")[0] in MAIN]


@pytest.mark.timeout(1200)
def test_the_readmes_commands_work(tmp_path: Path, ray_dir: Path) -> None:
    """Typed in their order in an empty folder, all commands of the README end with 0, be it on fewer images."""
    space = (ROOT / "search_spaces" / "quick.toml").read_text()
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "quick.toml").write_text(space.replace("[fixed]", "[fixed]\ntrain_images = 200"))
    environment = {**os.environ, "RAY_TMPDIR": str(ray_dir)}
    commands = readme_commands()

    assert len(commands) >= 6
    for name, *arguments in commands:
        done = subprocess.run(
            [sys.executable, "-c", f"from {MAIN[name]} import main; main()", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, (name, arguments, done.stderr)
    assert (tmp_path / "results" / "first" / "report.html").exists()


def test_the_readmes_search_spaces_are_valid() -> None:
    """A search space that is copied from the README can be launched as it stands."""
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)

    assert blocks
    for block in blocks:
        Space.parse(block)


@pytest.mark.parametrize("group", [study.cli.cli, colournet.cli.cli], ids=lambda group: group.name)
def test_every_command_is_in_the_readme(group: click.Group) -> None:
    """No command is undocumented."""
    readme = (ROOT / "README.md").read_text()

    missing = [name for name in group.commands if f"`{group.name} {name}" not in readme]

    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_are_there(document: Path) -> None:
    """Every relative link of a document leads to a file."""
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text())

    dead = [target for target in targets if "://" not in target and not (document.parent / target).exists()]

    assert not dead


def test_the_layer_table_names_every_module() -> None:
    """docs/architecture.md names each module of both packages, or the package that it belongs to."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("study", "colournet")
        for path in (ROOT / package).rglob("*.py")
        if not path.name.startswith("_")
    ]
    named = [
        module
        for module in modules
        if f"`{module}`" in text
        or any(f"`{parent}`" in text for parent in ("study.launch", "study.analysis") if module.startswith(parent))
    ]

    assert sorted(set(modules) - set(named)) == []


def test_the_data_dictionary_is_that_of_the_tables() -> None:
    """docs/data-dictionary.md is what `python -m study.analysis.columns` prints."""
    assert (ROOT / "docs" / "data-dictionary.md").read_text() == columns.dictionary()
