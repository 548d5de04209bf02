"""The one log file of a trial: when each attempt began, a line an epoch, how it ended. Standard library only."""

from __future__ import annotations

import contextlib
import socket
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from study.launch.messages import Report, Tell
from study.secrets import redacted


def logged(tell: Tell, path: Path) -> Tell:
    """Write down each report before it is told, and that the trial was told to stop; where that cannot be written, it is not."""

    def write_and_tell(report: Report) -> None:
        write_report(path, report)
        try:
            tell(report)
        except SystemExit:  # how Tune ends a trial that is to stop; the record says why
            write_stop(path, report["attempt"])
            raise

    return write_and_tell


def write_report(path: Path, report: Report) -> None:
    """Add the line of a report."""
    write(path, _LINES[report["event"]](report))


def write_stop(path: Path, attempt: int) -> None:
    """Add that the trial was told to stop."""
    write(path, f"attempt {attempt}: told to stop, pruned or to go on later")


def write(path: Path, text: str) -> None:
    """Add a line, or several, with the time, secrets taken out."""
    with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as log:
        log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, {redacted(text)}\n")


def write_error(path: Path, attempt: int) -> None:
    """Add the traceback of the error that is being handled."""
    write(path, f"attempt {attempt}: an error\n{traceback.format_exc().rstrip()}")


def _started(report: Mapping[str, Any]) -> str:
    behind = f", goes on from epoch {report['resumed_from_epoch']}" if report["resumed_from_epoch"] else ""
    behind += f", one of a stack of {report['fused']}" if "fused" in report else ""
    where = f"on {socket.gethostname()} ({report['device']}), process {report['pid']}"
    return f"attempt {report['attempt']}: begins {where}, {report['parameters']} weights{behind}"


def _epoch(report: Mapping[str, Any]) -> str:
    losses = ", ".join(f"{name} {_number(report[name])}" for name in ("train_loss", "val_loss", "val_accuracy"))
    return f"attempt {report['attempt']}: epoch {report['epoch']}: {losses}, {report['seconds']:.1f} s"


def _finished(report: Mapping[str, Any]) -> str:
    return f"attempt {report['attempt']}: has trained all its epochs"


def _failed(report: Mapping[str, Any]) -> str:
    return f"attempt {report['attempt']}: fails ({report['reason']}): {report['message']}"


def _number(value: float | None) -> str:
    return "nan" if value is None else f"{value:.6g}"


_LINES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "started": _started,
    "epoch": _epoch,
    "finished": _finished,
    "failed": _failed,
}
