"""The columns of the tidy tables: what each is, its unit and its dtype. docs/data-dictionary.md is made of this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from colournet.config import field_docs
from study.fields import FAILURES, INTERRUPTIONS

TIME = "datetime64[ms, UTC]"


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    dtype: str
    """As pandas names it; `Int64`, `boolean` and `string` hold NA where nothing is known, `float64` NaN."""
    meaning: str
    unit: str = ""
    """Empty for what has none: counts, names, and numbers that are ratios."""


_LOSS = "nats a pixel; squared error for `regression_cnn`"
_SECONDS = "seconds"
_TRIAL = Column("int64", "number of the trial, from 0: its folder's name, and Optuna's number")
_STATE = Column("string", "state of the trial: `completed`, `pruned`, `failed`, `interrupted` or `running`")
_FAILED = f"failed ({', '.join(f'`{reason}`' for reason in FAILURES)})"
_INTERRUPTED = f"was interrupted ({', '.join(f'`{reason}`' for reason in INTERRUPTIONS)}; NA where its driver died)"

STUDY = {"study": Column("string", "name of the study; the first column where studies are put together")}
"""What every table begins with where it is of several studies, or was exported."""

TRIALS: Mapping[str, Column] = {
    "number": _TRIAL,
    "state": _STATE,
    "value": Column(
        "float64", "the objective at the best epoch; NaN for a failed trial or one under way", "objective's"
    ),
    "best_epoch": Column("Int64", "the epoch with the best objective, of a completed or pruned trial", "epochs"),
    "epochs_trained": Column("int64", "epochs recorded, each counted once", "epochs"),
    "parameters": Column("Int64", "trained weights of the network"),
    "multiply_adds": Column("int64", "multiply-adds of one forward pass over one image of 32 x 32 pixels, computed"),
    "seconds": Column("float64", "time spent in the epochs that count", _SECONDS),
    "attempt": Column("int64", "number of the latest attempt, 0 before the first"),
    "train_loss": Column("float64", "training loss of the best epoch", _LOSS),
    "val_loss": Column("float64", "validation loss of the best epoch", _LOSS),
    "val_accuracy": Column("float64", "share of validation pixels whose palette colour was found, at the best epoch"),
    "val_mse": Column("float64", "squared error of validation pixels, channels from 0 to 1, at the best epoch"),
    "palette": Column("string", "name of its palette: the number of colours, and `-lab` behind it for chroma"),
    "seed": Column("int64", "seed of the trial's weights, shuffling and augmentation"),
    "device": Column("string", "device of the latest attempt: `cpu`, `cuda:0`, ..."),
    "host": Column("string", "machine of the latest attempt"),
    "asked": Column(TIME, "when the trial got its parameters", "UTC"),
    "started": Column(TIME, "when its first attempt began", "UTC"),
    "ended": Column(TIME, "when it was completed, pruned or failed", "UTC"),
    "reason": Column("string", f"why it {_FAILED}, or {_INTERRUPTED} and not started since"),
    "message": Column("string", "what there was to say of that"),
}
"""The columns of `trials` that every study has, but for those of the configuration."""

CONFIG: Mapping[str, str] = {
    "model": "string",
    "kernel_size": "Int64",
    "num_filters": "Int64",
    "dilation": "Int64",
    "colour_space": "string",
    "num_colours": "Int64",
    "epochs": "Int64",
}
"""The settings that `trials` always has, with their dtypes; all others are there where a study searches them."""

EPOCHS: Mapping[str, Column] = {
    "number": _TRIAL,
    "epoch": Column("int64", "number of the epoch, from 1", "epochs"),
    "train_loss": Column("float64", "training loss; NaN where it was not finite", _LOSS),
    "val_loss": Column("float64", "validation loss; NaN where it was not finite", _LOSS),
    "val_accuracy": Column("float64", "share of validation pixels whose palette colour was found"),
    "val_mse": Column("float64", "squared error of validation pixels, channels from 0 to 1"),
    "seconds": Column("float64", "time of the epoch, validation included", _SECONDS),
    "images_per_second": Column("float64", "training images that passed through the network", "1/second"),
    "state": _STATE,
    "attempt": Column("int64", "the attempt that recorded the epoch; where attempts repeat one, the latest"),
    "time": Column(TIME, "when it was recorded", "UTC"),
}
"""The columns of `epochs`."""

PARAMS: Mapping[str, Column] = {
    "number": _TRIAL,
    "name": Column("string", "name of a setting of `colournet train`"),
    "value": Column("string", "its value as text: numbers in full, `true` or `false`, classes as `deer+dog` or `none`"),
    "numeric": Column("float64", "its value as a number, 1 for true and 0 for false; NaN for words", "the setting's"),
    "origin": Column(
        "string", "`searched`, `fixed` by the space, or `default`, which an unmet condition leads to as well"
    ),
}
"""The columns of `params`: long, one row a trial and setting."""

ATTEMPTS: Mapping[str, Column] = {
    "number": _TRIAL,
    "attempt": Column("int64", "number of the attempt, from 1; a missing one was lost before it told of itself"),
    "host": Column("string", "machine that it ran on"),
    "pid": Column("int64", "its process there"),
    "device": Column("string", "device that it computed on: `cpu`, `cuda:0`, ..."),
    "started": Column(TIME, "when it began", "UTC"),
    "ended": Column(TIME, "when it ended, NaT while it runs; where its driver died, when it was last heard of", "UTC"),
    "resumed_from_epoch": Column("int64", "epochs behind the checkpoint that it went on from, 0 for none", "epochs"),
    "outcome": Column("string", "`completed`, `pruned` or `failed` with its trial; `interrupted`; `running`"),
    "reason": Column("string", f"why it {_FAILED} or {_INTERRUPTED}"),
    "message": Column("string", "what there was to say of that"),
    "first_epoch": Column("Int64", "first epoch that it trained, NA if none", "epochs"),
    "last_epoch": Column("Int64", "last epoch that it trained, NA if none", "epochs"),
    "epochs_trained": Column("int64", "epochs that it trained, those that another attempt repeats included", "epochs"),
    "epochs_filled_in": Column(
        "int64", "epochs that an earlier attempt trained and the record got from this one", "epochs"
    ),
    "seconds": Column("float64", "time spent in the epochs that it trained", _SECONDS),
}
"""The columns of `attempts`."""

TABLES: Mapping[str, tuple[str, Mapping[str, Column]]] = {
    "trials": ("One row a trial, in order of their numbers.", TRIALS),
    "epochs": ("One row a trial and epoch, in order of both.", EPOCHS),
    "params": ("One row a trial and setting, whether searched or not; the seed stands in `trials`.", PARAMS),
    "attempts": ("One row for each time that a worker began a trial, in order of trial and attempt.", ATTEMPTS),
}
"""What a row of each table is, and its columns."""


def dictionary() -> str:
    """The data dictionary, docs/data-dictionary.md, as Markdown; `python -m study.analysis.columns` prints it."""
    parts = [_INTRODUCTION]
    for name, (row, columns) in TABLES.items():
        parts += [f"## `{name}`", row, _rows({**STUDY, **columns})]
        if name == "trials":
            parts += [_SETTINGS.format(always=len(CONFIG)), _settings()]
    return "\n\n".join(parts) + "\n"


def dtypes(columns: Mapping[str, Column]) -> dict[str, str]:
    """The dtype of each column."""
    return {name: column.dtype for name, column in columns.items()}


_INTRODUCTION = """# Data dictionary

The tidy tables of a study, as `study.analysis.frames` gives them and `study export` writes them. Times are UTC; in CSV and
JSON Lines they are written as the record writes them, and what is not known is empty or null. This file is made of
`study/analysis/columns.py`; a test keeps it so."""

_SETTINGS = """The configuration follows, one column a setting: the first {always} of these always, every other one where a study
searches it. A list of classes is written as `deer+dog`, an empty one as `none`."""


def _rows(columns: Mapping[str, Column]) -> str:
    head = "| column | dtype | unit | meaning |\n|---|---|---|---|\n"
    return head + "\n".join(
        f"| `{name}` | {column.dtype} | {column.unit} | {column.meaning} |" for name, column in columns.items()
    )


def _settings() -> str:
    docs = field_docs()
    names = [*CONFIG, *(name for name in docs if name not in CONFIG and name != "seed")]
    return "| setting | meaning |\n|---|---|\n" + "\n".join(f"| `{name}` | {docs[name]} |" for name in names)


if __name__ == "__main__":
    print(dictionary(), end="")
