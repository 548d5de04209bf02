"""Downloads that can be broken off and resumed, and that are checked before anyone sees them."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from colournet.errors import DataError
from colournet.waiting import paused

_CHUNK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 30.0  # of silence, not of the whole download
_RESUME_HINT = "run the command again to resume, or set COLOURNET_DATA to a folder that holds a copy"


def fetch(url: str, target: Path, *, md5: str, progress: bool = True) -> None:
    """Download `url` to `target`, unless a file with this MD5 is there already.

    What arrives is kept beside it as `<target>.part`, from which the next call resumes; `target` appears only whole and
    checked. Two processes must not fetch the same target at once: see `locked`. Raises `DataError` if the address is
    not http or https, the network or the server fails, the MD5 differs (the part is deleted), or the disk cannot be
    written.
    """
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url}: cannot be downloaded: not an http or https address")
    part = target.with_suffix(target.suffix + ".part")
    try:
        if has_md5(target, md5):
            return
        if not has_md5(part, md5):
            target.parent.mkdir(parents=True, exist_ok=True)
            _download(url, part, progress=progress)
            _verify(part, md5=md5, url=url)
        part.replace(target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror or error}") from error


def has_md5(path: Path, md5: str) -> bool:
    """Whether `path` is a file with this MD5, given as 32 lower-case hexadecimal digits."""
    return path.is_file() and _md5(path) == md5


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for the length of a `with` block, waiting while another process holds it.

    The lock ends with its process, however that dies; the empty file stays. No lock is taken on Windows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if sys.platform != "win32":
            import fcntl  # not on Windows

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(url: str, part: Path, *, progress: bool) -> None:
    with _open(url, part) as response, paused(), _bar(progress) as bar:
        start = part.stat().st_size if _resumes(response, part) else 0
        total = _total_bytes(response, start)
        task = bar.add_task(url.rpartition("/")[2], completed=start, total=total)
        received = start
        with part.open("ab" if start else "wb") as file:
            for chunk in _chunks(response, url):
                file.write(chunk)
                received += len(chunk)
                bar.update(task, completed=received)
    if total is not None and received < total:
        raise DataError(f"{url}: the connection broke after {received:,} of {total:,} bytes", hint=_RESUME_HINT)


def _open(url: str, part: Path) -> http.client.HTTPResponse:
    """Ask for the bytes that `part` lacks, or for all of them where the server has none beyond its length (416)."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            part.unlink()
            return _open(url, part)
        raise DataError(f"{url}: the server answers {error.code} {error.reason}", hint=_RESUME_HINT) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(f"{url}: cannot be downloaded: {reason}", hint=_RESUME_HINT) from error
    return response


def _resumes(response: http.client.HTTPResponse, part: Path) -> bool:
    """Whether the server sends just what `part` lacks; many ignore the wish and send everything."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return False
    return (response.headers.get("Content-Range") or "").startswith(f"bytes {part.stat().st_size}-")


def _total_bytes(response: http.client.HTTPResponse, start: int) -> int | None:
    return None if response.length is None else start + response.length


def _chunks(response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
    try:
        while chunk := response.read1(_CHUNK_BYTES):
            yield chunk
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DataError(f"{url}: the connection broke: {error}", hint=_RESUME_HINT) from error


def _bar(progress: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not (progress and sys.stderr.isatty()))


def _verify(part: Path, *, md5: str, url: str) -> None:
    found = _md5(part)
    if found != md5:
        part.unlink()
        raise DataError(
            f"{url}: the downloaded file has the MD5 {found} instead of {md5}",
            hint="run the command again; if it fails again, set COLOURNET_DATA to a folder that holds a good copy",
        )
