"""On the cluster: answers what a client asks of a study's folder, as a small job, on its standard output.

`python -m study.launch.answers KIND RESULTS NAME [TRIAL]`. The job's log is how the answer travels; it stays until the client has
read it and stops the job, then the log is emptied. Neither Ray nor torch is loaded. Standard library only.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from colournet.errors import UserError
from study.errors import AnswerError
from study.launch.away import Away
from study.launch.storage import Storage
from study.layout import StudyLayout
from study.records import ENDED
from study.store import StudyFolder
from study.summary import study_json, study_text

ANSWER = b"\n--study-answer "
HAVE = "have.json"
"""The file in the job's folder that says what the client has: for each path its SHA-256, and whether it wants `weights`."""
LISTING = "listing.json"
"""The entry of a pack that names what the folder has: for each path its SHA-256."""

_WAIT_SECONDS = 600
_WEIGHTS = ".safetensors"
_LEFT_OUT = ("export", "figures", "report.html")


def show(results: Path, name: str) -> bytes:
    """The study's state, for people and for machines."""
    folder = StudyFolder.open(results, name)
    record = folder.read()
    text = study_text(folder, record, with_trials=False)
    return json.dumps({"text": text, "study": study_json(folder, record)}).encode()


def log(results: Path, name: str, trial: str) -> bytes:
    """The log of a trial."""
    return trial_log(StudyFolder.open(results, name), int(trial)).encode()


def trial_log(folder: StudyFolder, number: int) -> str:
    """The log of a trial, from the study's storage while it lies there.

    Raises `RecordError` if there is no such trial; the text says where it has no log here.
    """
    trial = folder.read().trial(number)
    layout, place = folder.layout.trial(number), Away(folder).place(number)
    try:
        if place is not None and trial.state not in ENDED:
            return Storage(place).read(layout.log.name).decode(errors="replace")
        return layout.log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        why = "it has left none here" if trial.attempt else "no worker has begun it"
        return f"{folder.name}: trial {number} has no log, {why}\n"


def study_log(folder: StudyFolder) -> str:
    """What Ray and its processes printed."""
    try:
        return folder.layout.log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{folder.name}: has no log\n"


def pack(results: Path, name: str) -> bytes:
    """A zip file of what the client has not, or has otherwise."""
    wanted = json.loads(Path(HAVE).read_bytes())
    return make_pack(StudyFolder.open(results, name).layout, have=wanted["have"], weights=wanted["weights"])


def make_pack(layout: StudyLayout, *, have: Mapping[str, str], weights: bool) -> bytes:
    """A zip file of the study's files that differ from `have`, by SHA-256, and a listing of all there are.

    Records are read first and up to their last whole line, as a reader may while the study runs. Weights go along where they
    are asked for, or the client has some of the same name.
    """
    listing: dict[str, str] = {}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in _files(layout, lambda path: weights or not path.endswith(_WEIGHTS) or path in have):
            listing[path] = hashlib.sha256(data).hexdigest()
            if have.get(path) != listing[path]:
                kind = zipfile.ZIP_STORED if path.endswith((_WEIGHTS, ".png")) else zipfile.ZIP_DEFLATED
                archive.writestr(path, data, compress_type=kind)
        archive.writestr(LISTING, json.dumps(listing))
    return content.getvalue()


def _files(layout: StudyLayout, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """The files of a study by their paths, records first; of `best/` all or nothing."""
    paths = sorted(fetchable(layout), key=lambda path: (not path.endswith(layout.events.name), path))
    before = _read(layout.best.metrics)
    best = {}
    for path in filter(is_wanted, paths):
        data = _read(layout.root / path)
        if data is None:
            continue
        if path.startswith(f"{layout.best.root.name}/"):
            best[path] = data
            continue
        yield path, data[: data.rfind(b"\n") + 1] if path.endswith(layout.events.name) else data
    if before == _read(layout.best.metrics):  # else it was being replaced
        yield from best.items()


def fetchable(layout: StudyLayout) -> list[str]:
    """The paths in a study's folder that travel: all but locks, scratch, links, and what can be made again from the rest."""
    found = []
    for folder, folders, names in os.walk(layout.root):
        here = Path(folder)
        at_root = here == layout.root
        folders[:] = [name for name in folders if not name.startswith(".") and not (at_root and name in _LEFT_OUT)]
        for name in names:
            is_scratch = name.startswith((".", layout.lock.name)) or name.endswith(".part")
            if not (is_scratch or (at_root and name in _LEFT_OUT) or (here / name).is_symlink()):
                found.append((here / name).relative_to(layout.root).as_posix())
    return found


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


_KINDS: Mapping[str, Callable[..., bytes]] = {"show": show, "log": log, "pack": pack}


def answer(kind: str, results: str, *arguments: str) -> bytes:
    """The whole answer: a line with its SHA-256, its length and whether it is an error, then its bytes."""
    try:
        told, data = "ok", _KINDS[kind](Path(results).expanduser(), *arguments)
    except UserError as error:
        told, data = "error", json.dumps({"message": error.message, "hint": error.hint}).encode()
    head = f"{hashlib.sha256(data).hexdigest()} {len(data)} {told}\n"
    return ANSWER + head.encode() + data


def read_answer(printed: bytes) -> bytes | None:
    """The answer in what a job has printed, None while it is not whole. Raises `AnswerError` if it is an error."""
    _, found, rest = printed.partition(ANSWER)
    head, newline, data = rest.partition(b"\n")
    if not (found and newline):
        return None
    digest, length, told = head.decode().split()
    data = data[: int(length)]
    if hashlib.sha256(data).hexdigest() != digest:
        return None
    if told == "error":
        error: dict[str, Any] = json.loads(data)
        raise AnswerError(str(error["message"]), hint=error["hint"])
    return data


def main() -> None:
    """Answer, and wait until the client has the answer."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    sys.stdout.buffer.write(answer(*sys.argv[1:]))
    sys.stdout.buffer.flush()
    signal.sigtimedwait({signal.SIGTERM}, _WAIT_SECONDS)
    if stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
        os.ftruncate(sys.stdout.fileno(), 0)


if __name__ == "__main__":
    main()
