"""optuna-dashboard over a study's record: it follows the record, and nothing it does can change anything."""

from __future__ import annotations

import ipaddress
import json
import socket
import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from importlib.util import find_spec
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from study.errors import RecordError, StudyError
from study.launch.record_storage import RecordStorage
from study.store import StudyFolder

DEFAULT_PORT = 8080

_READING = ("GET", "HEAD", "OPTIONS")

_Environment = dict[str, Any]
_App = Callable[[_Environment, Callable[..., Any]], Iterable[bytes]]


class Dashboard:
    """A server for one study, which listens from when it is made until `serve` ends.

    Without a port it takes 8080, or a free one where that is taken; 0 means a free one. Raises `StudyError` where
    optuna-dashboard is missing or the address cannot be listened on, `RecordError` if the record cannot be read.
    """

    def __init__(
        self, folder: StudyFolder, *, host: str, port: int | None, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """`tell` is called with a sentence for whoever started it."""
        if find_spec("optuna_dashboard") is None:
            raise StudyError(
                "the dashboard needs the package optuna-dashboard", hint="pip install 'colournet-study[dashboard]'"
            )
        from optuna_dashboard import wsgi

        storage = RecordStorage(folder)
        storage.refresh()
        self._server = _listen(host, port, _Following(storage, wsgi(storage), tell))
        self.url = f"http://{_in_url(host)}:{self._server.server_port}/dashboard/studies/{storage.study_id}"
        """The study's page."""
        tell("the dashboard shows the record and cannot change it: what is entered there is refused")
        if not _is_loopback(host):
            tell(f"warning: {host} can be reached from other machines, and whoever reaches it sees the study")

    def serve(self) -> None:
        """Answer requests until Ctrl-C, or `stop` in another thread; then listen no more."""
        with self._server, warnings.catch_warnings(), suppress(KeyboardInterrupt):
            warnings.simplefilter("ignore")  # what Optuna has to say of its importances is for no one here
            self._server.serve_forever()

    def stop(self) -> None:
        """Have `serve` end, which must have begun."""
        self._server.shutdown()


class _Following:
    """Brings the storage up to date before each request, and lets none through that would write."""

    def __init__(self, storage: RecordStorage, app: _App, tell: Callable[[str], None]) -> None:
        self._storage = storage
        self._app = app
        self._tell = tell
        self._told: str | None = None

    def __call__(self, environment: _Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environment["REQUEST_METHOD"] not in _READING:
            return _refuse(start_response)
        try:
            self._storage.refresh()
        except RecordError as error:  # what was read before is still shown
            if error.message != self._told:
                self._told = error.message
                self._tell(f"warning: {error.message}; what is shown is what was read before")
        return self._app(environment, start_response)


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each request: browsers open connections in advance, and one of those would hold up all others."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing of single requests."""


def _listen(host: str, port: int | None, app: _App) -> WSGIServer:
    wanted = DEFAULT_PORT if port is None else port
    try:
        return _bind(host, wanted, app)
    except OSError as error:
        if port is None:
            return _listen(host, 0, app)
        raise StudyError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}",
            hint="leave --port out for a free one" if port else "see --host",
        ) from error


def _bind(host: str, port: int, app: _App) -> WSGIServer:
    server = _ServerV6 if ":" in host else _Server
    return make_server(host, port, app, server_class=server, handler_class=_Quiet)


def _refuse(start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = json.dumps({"reason": "This shows a study's record, which cannot be changed here."}).encode()
    status = HTTPStatus.FORBIDDEN
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
