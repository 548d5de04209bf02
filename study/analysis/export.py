"""The tidy tables of a study as files for other programs: CSV, JSON Lines or Parquet, each file written whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from colournet import files
from study.analysis.columns import TIME
from study.analysis.frames import Tables
from study.errors import StudyError
from study.store import StudyFolder


def export(folder: StudyFolder, kind: str, out: Path | None = None) -> list[Path]:
    """Write the four tables of a study, finished or running, into a folder, by default its own; answer the files.

    `kind` is one of `FORMATS`. Files of the same names are replaced. Raises `StudyError` where the folder cannot be
    written or Parquet's package is missing, `RecordError` if the record cannot be read.
    """
    write, target = FORMATS[kind], out or folder.layout.export
    if kind == "parquet":
        _check_pyarrow()
    tables = Tables.read([folder]).by_name()
    try:
        target.mkdir(parents=True, exist_ok=True)
        return [_write_whole(table, target / f"{name}.{kind}", write) for name, table in tables.items()]
    except OSError as error:
        raise StudyError(
            f"{target}: cannot be written to: {error.strerror or error}", hint="give another folder by --out"
        ) from error


def _write_whole(table: pd.DataFrame, path: Path, write: Callable[[pd.DataFrame, Path], None]) -> Path:
    with files.replacing(path) as part:
        write(table, part)
    return path


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    _with_times_as_text(table).to_csv(path, index=False, lineterminator="\n")


def _write_jsonl(table: pd.DataFrame, path: Path) -> None:
    """A JSON object a line; pandas' own writer would round the numbers."""
    known = _with_times_as_text(table).astype("object")
    rows = known.where(known.notna(), None).to_dict("records")
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, engine="pyarrow", index=False)


def _with_times_as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Times as the record writes them: UTC, ISO 8601, milliseconds."""
    times = [name for name, dtype in table.dtypes.items() if dtype == TIME]
    texts = {str(name): table[name].dt.strftime("%Y-%m-%dT%H:%M:%S.%f").str[:-3] + "Z" for name in times}
    return table.assign(**texts)


def _check_pyarrow() -> None:
    if find_spec("pyarrow") is None:
        raise StudyError("Parquet needs the package pyarrow", hint="pip install 'colournet-study[parquet]', or use csv")


FORMATS: Mapping[str, Callable[[pd.DataFrame, Any], None]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
"""How a table is written, by the format's name, which is the files' suffix."""
