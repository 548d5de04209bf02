"""What `study export` writes for other programs: four tables, whole, with the numbers of the record."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from pandas.testing import assert_frame_equal

from colournet.errors import UserError
from study.analysis import export as export_module
from study.analysis.columns import TABLES, TIME
from study.analysis.frames import Tables
from study.cli import cli
from study.store import StudyFolder
from tests.study.test_analysis_frames import fill, fill_with_attempts, make_folder


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study with trials of every end, and values that are not finite."""
    folder = make_folder(tmp_path)
    fill(folder)
    return folder


def export(tmp_path: Path, kind: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["export", "small", "--format", kind, "--results", str(tmp_path), *arguments])


def error_of(result: Result) -> UserError:
    assert isinstance(result.exception, UserError), result.exception
    assert "\n" not in result.exception.message
    return result.exception


def read(path: Path) -> pd.DataFrame:
    """A table as another program reads it, text for text."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_table_reads_back_as_it_was(tmp_path: Path, folder: StudyFolder, kind: str) -> None:
    """Every number, word, time and gap of the four tables survives the way through a file."""
    result = export(tmp_path, kind)

    written = [Path(line) for line in result.stdout.splitlines()]
    assert written == [folder.layout.export / f"{name}.{kind}" for name in TABLES]
    for path, (name, table) in zip(written, Tables.read([folder]).by_name().items(), strict=True):
        found = read(path)
        assert list(found) == list(table), name
        for column, dtype in table.dtypes.items():
            if dtype == TIME:
                found[column] = pd.to_datetime(found[column], utc=True).astype(TIME)
        assert_frame_equal(found.astype(table.dtypes), table)


def test_times_and_gaps_are_written_as_the_record_has_them(tmp_path: Path, folder: StudyFolder) -> None:
    """A time is the record's own text, and what is not known is null, never a made-up number."""
    export(tmp_path, "jsonl")

    failed = json.loads((folder.layout.export / "trials.jsonl").read_text().splitlines()[3])

    assert failed["asked"] == folder.read().trials[3].asked
    assert failed["value"] is None
    assert failed["message"] == "val_loss became <script>NaN</script>"


def test_an_export_is_repeated_whole(tmp_path: Path) -> None:
    """A second export replaces the first one, in a folder of one's own too, and leaves nothing half-made beside it."""
    folder, out = make_folder(tmp_path), tmp_path / "elsewhere" / "deep"
    export(tmp_path, "csv", "--out", str(out))
    empty = (out / "attempts.csv").read_text()
    fill_with_attempts(folder)

    assert export(tmp_path, "csv", "--out", str(out)).exit_code == 0

    assert len(empty.splitlines()) == 1
    assert len((out / "attempts.csv").read_text().splitlines()) == 3
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{name}.csv" for name in TABLES)


def test_an_export_that_cannot_be_written_is_told(tmp_path: Path, folder: StudyFolder) -> None:
    """A file in the place of the folder is told in a sentence, and left as it is."""
    (tmp_path / "taken").write_text("mine")

    error = error_of(export(tmp_path, "csv", "--out", str(tmp_path / "taken")))

    assert "cannot be written to" in error.message
    assert (tmp_path / "taken").read_text() == "mine"


def test_parquet_without_its_package_is_told(
    tmp_path: Path, folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pyarrow is missing, Parquet is refused with what to install, and nothing is written."""
    monkeypatch.setattr(export_module, "find_spec", lambda _: None)

    error = error_of(export(tmp_path, "parquet"))

    assert "pyarrow" in error.message
    assert "colournet-study[parquet]" in str(error.hint)
    assert not folder.layout.export.exists()
