"""optuna-dashboard over a record, by its HTTP API while the record grows, and as a command."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from colournet.errors import UserError
from study.cli import cli
from study.errors import StudyError
from study.launch import dashboard as dashboard_module
from study.launch.dashboard import Dashboard
from study.store import RecordWriter, StudyFolder
from tests.conftest import Start
from tests.study.helpers import PARAMS, epoch, make_folder, session, started

_PATIENCE_SECONDS = 60.0


@contextmanager
def served(folder: StudyFolder, **options: Any) -> Iterator[str]:
    """Serve a study in a thread; answer the server's address."""
    server = Dashboard(folder, **{"host": "127.0.0.1", "port": 0, **options})
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server.url.partition("/dashboard")[0]
    finally:
        server.stop()
        thread.join()


def get(address: str, path: str = "/api/studies/0?after=0") -> Any:
    with urllib.request.urlopen(address + path, timeout=30) as answer:
        return json.load(answer)


def send(address: str, method: str, path: str, **body: Any) -> int:
    """The status of a request that would write."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address + path, json.dumps(body).encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def wait_for(address: str, is_so: Callable[[Any], bool]) -> Any:
    """What the dashboard tells as soon as it is so; its own cache may be some seconds old."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_so(told := get(address)):
        assert time.monotonic() < deadline, told
        time.sleep(0.2)
    return told


def states(told: Any) -> list[str]:
    return [trial["state"] for trial in told["trials"]]


def begin(writer: RecordWriter, *numbers: int) -> None:
    """Ask for trials, start them, and record an epoch of each."""
    for number in numbers:
        writer.append("asked", number, params=PARAMS, seed=number)
        writer.append("started", number, **started())
        writer.append("epoch", number, **epoch(1, 2.0 + number))


def finish(folder: StudyFolder) -> None:
    """Record a completed trial, a pruned one, a diverged one, and one that is left running."""
    with folder.write() as writer:
        writer.append("launched", **session())
        begin(writer, 0, 1, 2, 3)
        end(writer)


def end(writer: RecordWriter) -> None:
    writer.append("completed", 0, attempt=1, value=2.0, epoch=1, checkpoint="trials/0000/attempt-1/best")
    writer.append("pruned", 1, attempt=1, value=3.0, epoch=1)
    writer.append("epoch", 2, **epoch(2, None))
    writer.append("failed", 2, attempt=1, reason="diverged", message="<script>alert(1)</script>")


def test_the_dashboard_follows_a_study_that_ends_and_is_resumed(tmp_path: Path) -> None:
    """States, intermediate values, attributes and the best trial are the record's, before, at and after its first end."""
    folder = make_folder(tmp_path)
    with served(folder) as address:
        assert get(address)["trials"] == []
        with folder.write() as writer:
            writer.append("launched", **session())
            begin(writer, 0, 1, 2)
            wait_for(address, lambda told: states(told) == ["Running"] * 3)
            end(writer)
        told = wait_for(address, lambda told: states(told) == ["Complete", "Pruned", "Fail"])
        with folder.write() as writer:
            writer.append("resumed", **session())
            begin(writer, 3)
            wait_for(address, lambda told: states(told)[3:] == ["Running"])
            writer.append("completed", 3, attempt=1, value=0.5, epoch=1, checkpoint="trials/0003/attempt-1/best")
        best = wait_for(address, lambda told: states(told)[3:] == ["Complete"])["best_trials"]

    diverged = told["trials"][2]
    assert [trial["number"] for trial in best] == [3]
    assert [trial.get("values") for trial in told["trials"]] == [[2.0], [3.0], None]
    assert diverged["intermediate_values"] == [{"step": 1, "value": 4.0}, {"step": 2, "value": "nan"}]
    assert {"key": "message", "value": "<script>alert(1)</script>"} in diverged["user_attrs"]
    assert {"key": "seed", "value": "2"} in diverged["user_attrs"]
    assert {param["name"]: param["param_external_value"] for param in diverged["params"]}["model"] == "cnn"
    assert told["objective_names"] == ["val_loss"]
    assert {"key": "question", "value": "Does it work?"} in told["user_attrs"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/api/studies/0", {}),
        ("POST", "/api/studies", {"study_name": "mine", "directions": ["minimize"]}),
        ("POST", "/api/studies/0/rename", {"study_name": "mine"}),
        ("PUT", "/api/studies/0/note", {"version": 1, "body": "mine"}),
        ("PUT", "/api/studies/0/3/note", {"version": 1, "body": "mine"}),
        ("POST", "/api/trials/3/tell", {"state": "Complete", "values": [0.0]}),
        ("POST", "/api/trials/3/user-attrs", {"user_attrs": {"mine": 1}}),
    ],
)
def test_nothing_that_the_dashboard_can_write_changes_anything(
    tmp_path: Path, method: str, path: str, body: dict[str, Any]
) -> None:
    """Studies, notes, results and attributes are refused, the page goes on, and no byte of the folder is another one."""
    folder = make_folder(tmp_path)
    finish(folder)
    before = {path: path.read_bytes() for path in folder.layout.root.rglob("*") if path.is_file()}

    with served(folder) as address:
        told = get(address)
        assert send(address, method, path, **body) == 403
        assert get(address) == told
        assert [study["study_name"] for study in get(address, "/api/studies")["study_summaries"]] == ["little"]

    assert {path: path.read_bytes() for path in folder.layout.root.rglob("*") if path.is_file()} == before


def test_every_page_of_the_dashboard_can_be_asked_for(tmp_path: Path) -> None:
    """Importances, the table as CSV, and the page itself are answered, as are questions about what is not there."""
    folder = make_folder(tmp_path)
    with folder.write() as writer:
        writer.append("launched", **session())
        for number in range(8):
            writer.append("asked", number, params={**PARAMS, "epochs": 2 + number % 3}, seed=number)
            writer.append("started", number, **started())
            writer.append("epoch", number, **epoch(1, 2.0 + number))
            writer.append("completed", number, attempt=1, value=2.0 + number, epoch=1, checkpoint="trials/x")

    with served(folder) as address:
        importances = get(address, "/api/studies/0/param_importances")["param_importances"][0]
        with urllib.request.urlopen(f"{address}/csv/0", timeout=30) as answer:
            rows = answer.read().decode().splitlines()
        assert send(address, "GET", "/dashboard/studies/0") == 200
        assert send(address, "GET", "/api/studies/7") == 404

    assert {entry["name"] for entry in importances} >= {"epochs"}
    assert len(rows) == 9
    assert rows[0].startswith("Number,State,")


def test_a_record_that_is_damaged_while_it_is_served_is_told_once(tmp_path: Path) -> None:
    """The page goes on with what was read before the damage, and whoever started it is told, once."""
    folder, said = make_folder(tmp_path), list[str]()
    finish(folder)
    with served(folder, tell=said.append) as address:
        with folder.layout.events.open("ab") as events:
            events.write(b"{}\n")
        found = [get(address) for _ in range(3)]

    assert [states(told) for told in found] == [["Complete", "Pruned", "Fail", "Running"]] * 3
    assert [text for text in said if "unknown event" in text] == said[1:]
    assert len(said) == 2


def test_a_record_that_is_damaged_from_the_start_is_not_served(tmp_path: Path) -> None:
    """A study that cannot be read is told as every command tells it."""
    folder = make_folder(tmp_path)
    folder.layout.events.write_text("{}\n")

    with pytest.raises(UserError, match="line 1: unknown event"):
        Dashboard(folder, host="127.0.0.1", port=0)


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    """A port that was asked for and is taken is a sentence with a hint."""
    make_folder(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["dashboard", "little", "--results", str(tmp_path), "--port", str(port)]
        error = CliRunner().invoke(cli, arguments).exception

    assert isinstance(error, UserError)
    assert error.message == f"cannot listen on 127.0.0.1, port {port}: {os.strerror(errno.EADDRINUSE)}"
    assert error.hint == "leave --port out for a free one"


def test_the_default_port_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no port was asked for, one that is taken is no error: a free one is."""
    folder = make_folder(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(dashboard_module, "DEFAULT_PORT", port)
        with served(folder, port=None) as address:
            assert not address.endswith(f":{port}")
            assert get(address)["name"] == "little"


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_told(tmp_path: Path, host: str) -> None:
    """A host that is not this machine, or none at all, is a sentence with a hint."""
    with pytest.raises(StudyError, match=f"cannot listen on {host}") as caught:
        Dashboard(make_folder(tmp_path), host=host, port=None)

    assert caught.value.hint == "see --host"


def test_listening_to_other_machines_is_warned_of(tmp_path: Path) -> None:
    """Only whoever asks for it listens beyond this machine, and is told so."""
    folder, alone, open_to_all = make_folder(tmp_path), list[str](), list[str]()

    with served(folder, tell=alone.append), served(folder, host="0.0.0.0", tell=open_to_all.append):
        pass

    assert len(alone) == 1
    assert "cannot change it" in alone[0]
    assert "0.0.0.0 can be reached from other machines" in open_to_all[1]


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where optuna-dashboard is not installed, the command says what to install."""
    make_folder(tmp_path)
    monkeypatch.setattr(dashboard_module, "find_spec", lambda _: None)

    error = CliRunner().invoke(cli, ["dashboard", "little", "--results", str(tmp_path)]).exception

    assert isinstance(error, UserError)
    assert "optuna-dashboard" in error.message
    assert error.hint == "pip install 'colournet-study[dashboard]'"


def test_the_command_prints_where_it_serves_until_ctrl_c(tmp_path: Path, study_command: Start) -> None:
    """The address is all of stdout, what there is to say is on stderr, and Ctrl-C is the ordinary end."""
    finish(make_folder(tmp_path / "results"))
    process = study_command("dashboard", "little", "--port", "0")
    assert process.stdout is not None
    url = process.stdout.readline().strip()

    told = get(url.partition("/dashboard")[0])
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert states(told) == ["Complete", "Pruned", "Fail", "Running"]
    assert (process.returncode, out) == (0, "")
    assert err == "the dashboard shows the record and cannot change it: what is entered there is refused\n"
