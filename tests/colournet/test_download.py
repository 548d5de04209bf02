"""Downloads from a real HTTP server on the loopback interface, good and bad."""

import hashlib
import io
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.progress import Progress

from colournet import download
from colournet.download import fetch
from colournet.errors import DataError

CONTENT = bytes(range(256)) * 2000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
HALF = len(CONTENT) // 2


@dataclass
class Site:
    """What the server has and how it behaves; `asked` holds the Range header of every request, or None."""

    url: str = ""
    content: bytes = CONTENT
    knows_ranges: bool = True
    status: int | None = None
    breaks_after: int | None = None
    is_silent: bool = False
    asked: list[str | None] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """Serves the one file of a `Site`."""

    site: Site

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.site.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.site.knows_ranges else 0
        if self.site.is_silent:
            self.site.released.wait(10)
        elif self.site.status:
            self.send_error(self.site.status)
        elif start and start >= len(self.site.content):
            self.send_error(416)
        else:
            self._send(start, len(self.site.content))

    def _send(self, start: int, size: int) -> None:
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(size - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        self.wfile.write(self.site.content[start : self.site.breaks_after])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A running server; change the fields to make it misbehave."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site})) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}/data.tar.gz"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        site.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the file shall go, in a folder that does not exist yet."""
    return tmp_path / "cache" / "data.tar.gz"


@pytest.fixture
def part(target: Path) -> Path:
    """Where its first bytes are kept."""
    target.parent.mkdir()
    return target.parent / "data.tar.gz.part"


def test_a_file_is_downloaded(site: Site, target: Path) -> None:
    """The file arrives whole, and nothing else stays."""
    fetch(site.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_good_file_is_not_downloaded_again(site: Site, target: Path) -> None:
    """A target that is there and has the right MD5 costs no request."""
    fetch(site.url, target, md5=MD5)
    fetch(site.url, target, md5=MD5)
    assert site.asked == [None]


def test_a_bad_file_is_downloaded_again(site: Site, target: Path, part: Path) -> None:
    """A target with another MD5 is replaced."""
    target.write_bytes(b"bad")
    fetch(site.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


def test_a_broken_connection_is_told(site: Site, target: Path) -> None:
    """A connection that ends too soon is an error that says how far it came and what to do."""
    site.breaks_after = HALF
    with pytest.raises(DataError, match="broke after 256,000 of 512,000 bytes") as caught:
        fetch(site.url, target, md5=MD5)
    assert "resume" in str(caught.value.hint)
    assert "COLOURNET_DATA" in str(caught.value.hint)
    assert not target.exists()


def test_a_broken_download_resumes(site: Site, target: Path) -> None:
    """The next call asks only for the bytes that are missing."""
    site.breaks_after = HALF
    with pytest.raises(DataError):
        fetch(site.url, target, md5=MD5)
    site.breaks_after = None
    fetch(site.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert site.asked == [None, f"bytes={HALF}-"]


def test_an_interrupted_download_resumes(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in mid-download keeps what has arrived, and the next call goes on from there."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(site.url, target, md5=MD5)
    arrived = target.with_name("data.tar.gz.part").stat().st_size
    fetch(site.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert 0 < arrived < len(CONTENT)
    assert site.asked == [None, f"bytes={arrived}-"]


def test_a_server_without_ranges_starts_anew(site: Site, target: Path, part: Path) -> None:
    """A server that answers a wish for the rest with everything is not appended to what is there."""
    site.knows_ranges = False
    part.write_bytes(CONTENT[:HALF])
    fetch(site.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_too_long_starts_anew(site: Site, target: Path, part: Path) -> None:
    """Where the server has nothing beyond what is there (416), the part is no part of this file."""
    part.write_bytes(CONTENT + b"more")
    fetch(site.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert site.asked == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_complete_part_needs_no_request(site: Site, target: Path, part: Path) -> None:
    """A download that was killed after its last byte is only checked and renamed."""
    part.write_bytes(CONTENT)
    fetch(site.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert site.asked == []


@pytest.mark.parametrize("first", [b"", b"other"])
def test_a_wrong_md5_is_refused(site: Site, target: Path, part: Path, first: bytes) -> None:
    """A file that is not what it should be is deleted, so that the next call starts anew."""
    part.write_bytes(first)
    site.content = CONTENT[:-1] + b"x" if not first else CONTENT
    with pytest.raises(DataError, match=f"has the MD5 .* instead of {MD5}") as caught:
        fetch(site.url, target, md5=MD5)
    assert caught.value.hint
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusal_is_told(site: Site, target: Path, part: Path, status: int) -> None:
    """The server's error is told, and what has arrived before is kept."""
    site.status = status
    part.write_bytes(CONTENT[:HALF])
    with pytest.raises(DataError, match=f"the server answers {status}"):
        fetch(site.url, target, md5=MD5)
    assert part.read_bytes() == CONTENT[:HALF]


def test_no_server_is_told(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot be reached is an error with a hint."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_address[1]
    with pytest.raises(DataError, match=r"cannot be downloaded: .*refused") as caught:
        fetch(f"http://127.0.0.1:{port}/file", target, md5=MD5)
    assert "COLOURNET_DATA" in str(caught.value.hint)


def test_a_silent_server_is_given_up(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never answers does not hold the download for ever."""
    monkeypatch.setattr(download, "_TIMEOUT_SECONDS", 0.2)
    site.is_silent = True
    with pytest.raises(DataError, match="timed out"):
        fetch(site.url, target, md5=MD5)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/file", "data.tar.gz"])
def test_other_schemes_are_refused(target: Path, url: str) -> None:
    """Only http and https addresses are downloaded."""
    with pytest.raises(DataError, match="not an http or https address"):
        fetch(url, target, md5=MD5)


def test_a_disk_that_refuses_is_told(site: Site, tmp_path: Path) -> None:
    """A target below a file cannot be written, and the error says so."""
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        fetch(site.url, tmp_path / "file" / "data.tar.gz", md5=MD5)


@pytest.mark.parametrize(("is_terminal", "progress"), [(True, True), (True, False), (False, True)])
def test_progress_is_shown_on_terminals(
    site: Site, target: Path, monkeypatch: pytest.MonkeyPatch, is_terminal: bool, progress: bool
) -> None:
    """A progress bar goes to standard error, if that is a terminal and the caller wants one."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    fetch(site.url, target, md5=MD5, progress=progress)
    assert ("data.tar.gz" in screen.getvalue()) == (is_terminal and progress)


def test_a_lock_makes_others_wait(tmp_path: Path) -> None:
    """Who comes second gets the lock only when the first has let it go."""
    events: list[str] = []

    def wait() -> None:
        with download.locked(tmp_path / "lock"):
            events.append("second")

    with download.locked(tmp_path / "lock"):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.1)
        events.append("first")
    thread.join(10)
    assert events == ["first", "second"]
