"""Where trials' files are kept when nodes do not share the results folder: a shared path, `s3://` or `gs://`, by pyarrow.

A study has a folder of its own there, which its manifest names. It holds what is under way: a trial that has ended comes
home, into the study's folder beside the driver, and is deleted there. An object is written whole or not at all, and so is a
file of a shared path.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from colournet.errors import did_you_mean
from study.errors import StudyError
from study.layout import trial_name

if TYPE_CHECKING:
    from pyarrow import fs

_SECRET = ("access_key", "secret_key", "session_token", "credential", "password", "sas_token")
_SCHEMES = ("s3", "gs", "gcs", "file")
_S3_OPTIONS = ("region", "scheme", "endpoint_override")
_CONNECT_SECONDS, _REQUEST_SECONDS, _ATTEMPTS = 5, 20, 2


class StorageError(OSError):
    """The storage cannot be read or written now; no trial's fault."""


def check_uri(uri: str) -> str:
    """A storage as the record may hold it. Raises `StudyError` for one with credentials in it, or of no known kind.

    A relative path is taken from the working directory.
    """
    parts = urlsplit(uri)
    if (
        parts.username
        or parts.password
        or any(word in name.lower() for name, _ in parse_qsl(parts.query) for word in _SECRET)
    ):
        raise StudyError(
            f"--storage {parts.scheme}://...: holds credentials, which would be recorded",
            hint="leave them out: nodes take them from their environment (AWS_ACCESS_KEY_ID, ...) or their role",
        )
    if not parts.scheme:
        return Path(uri).expanduser().absolute().as_uri()
    if parts.scheme not in _SCHEMES:
        raise StudyError(
            f"--storage {uri}: of no known kind", hint="name a shared path, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
        )
    unknown = [name for name, _ in parse_qsl(parts.query) if parts.scheme == "s3" and name not in _S3_OPTIONS]
    if unknown:
        hint = did_you_mean(unknown[0], _S3_OPTIONS) or f"there are {', '.join(_S3_OPTIONS)}"
        raise StudyError(f"--storage {uri}: unknown option {unknown[0]!r}", hint=hint)
    return uri


def below(uri: str, *names: str) -> str:
    """The URI of something inside a folder, with the same options."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(path="/".join([parts.path.rstrip("/"), *names])))


def of_study(uri: str, name: str) -> str:
    """A folder for a new study, which no other study has, were it of the same name."""
    return below(check_uri(uri), f"{name}-{secrets.token_hex(4)}")


def of_trial(uri: str, number: int) -> str:
    """The folder of one trial inside that of its study."""
    return below(uri, "trials", trial_name(number))


class Storage:
    """One folder of a storage. Whatever goes wrong there raises `StorageError`, within a minute."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        with self._telling("reached"):
            self._system, self._root = _open(uri)

    def list(self) -> list[str]:
        """The names of the files in the folder and those in it, relative, in order."""
        from pyarrow import fs

        with self._telling("read"):
            found = self._system.get_file_info(fs.FileSelector(self._root, recursive=True, allow_not_found=True))
            names = [info.path[len(self._root) :].lstrip("/") for info in found if info.type == fs.FileType.File]
        return sorted(name for name in names if not name.endswith(".part"))

    def read(self, name: str) -> bytes:
        """A file. Raises `StorageError` if there is none."""
        with self._telling("read"), self._system.open_input_stream(self._path(name)) as file:
            return bytes(file.read())

    def write(self, name: str, content: bytes) -> None:
        """Put a file there, whole, in the place of one that there is."""
        path = self._path(name)
        with self._telling("written"):
            if self._system.type_name != "local":
                self._put(path, content)
                return
            self._system.create_dir(path.rpartition("/")[0], recursive=True)
            self._put(f"{path}.part", content)
            self._system.move(f"{path}.part", path)

    def delete(self, name: str = "") -> None:
        """Delete a file, or the whole folder; nothing happens if there is none."""
        from pyarrow import fs

        path = self._path(name)
        with self._telling("written"):
            kind = self._system.get_file_info(path).type
            if kind == fs.FileType.File:
                self._system.delete_file(path)
            elif kind == fs.FileType.Directory:
                self._system.delete_dir(path)

    def _put(self, path: str, content: bytes) -> None:
        with self._system.open_output_stream(path) as file:
            file.write(content)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextmanager
    def _telling(self, done: str) -> Iterator[None]:
        """Turn pyarrow's errors, which are of many kinds, into one."""
        try:
            yield
        except (OSError, ValueError, NotImplementedError) as error:
            first = (str(error) or type(error).__name__).splitlines()[0][:300]
            raise StorageError(f"{self.uri}: cannot be {done}: {first}") from error


def _open(uri: str) -> tuple[fs.FileSystem, str]:
    from pyarrow import fs

    parts = urlsplit(uri)
    if parts.scheme != "s3":
        found: tuple[Any, str] = fs.FileSystem.from_uri(uri)
        return found[0], found[1].rstrip("/")
    patience = {"connect_timeout": _CONNECT_SECONDS, "request_timeout": _REQUEST_SECONDS}
    retries = fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS)
    chosen = {**dict(parse_qsl(parts.query)), **patience, "retry_strategy": retries}
    system = fs.S3FileSystem(**chosen, allow_delayed_open=True)  # one request for a small file
    return system, f"{parts.netloc}{parts.path}".rstrip("/")


def check_same(recorded: str | None, wanted: str | None) -> None:
    """Raise `StudyError` if a study is to go on with another storage than it began with."""
    if wanted is not None and not (recorded or "").startswith(f"{check_uri(wanted).partition('?')[0].rstrip('/')}/"):
        raise StudyError(
            f"the study keeps its trials' files in {recorded or 'its own folder'}, got --storage {wanted}",
            hint="leave --storage out: the study remembers",
        )
