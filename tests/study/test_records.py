"""The record: the state machine of a trial, and reading what was written."""

import json

import pytest

from study.errors import RecordError
from study.records import StudyRecord, best_first, serialize
from tests.study.helpers import PARAMS, epoch, session, started


def make(*events: tuple[object, ...]) -> list[bytes]:
    lines = []
    for kind, trial, fields in events:
        named = {} if trial is None else {"trial": trial}
        lines.append(serialize({"event": kind, "time": "2026-01-01T00:00:00.000Z", **named, **fields}))  # type: ignore[dict-item]
    return lines


LAUNCHED = ("launched", None, session())
ASKED = ("asked", 0, {"params": PARAMS, "seed": 5})
STARTED = ("started", 0, started())
EPOCH_1 = ("epoch", 0, epoch(1, 2.0))
EPOCH_2 = ("epoch", 0, epoch(2, 1.0))
COMPLETED = ("completed", 0, {"attempt": 1, "value": 1.0, "epoch": 2, "checkpoint": "trials/0000/attempt-1/x"})
PRUNED = ("pruned", 0, {"attempt": 1, "value": 2.0, "epoch": 1})
FAILED = ("failed", 0, {"attempt": 1, "reason": "error", "message": "no"})


def read(*events: tuple[object, ...]) -> StudyRecord:
    return StudyRecord.read(make(*events), source="events.jsonl")


def test_a_completed_trial_is_told_whole() -> None:
    """From asked to completed, every fact of a trial is found again."""
    trial = read(LAUNCHED, ASKED, STARTED, EPOCH_1, EPOCH_2, COMPLETED).trial(0)

    assert (trial.state, trial.value, trial.best_epoch, trial.last_epoch) == ("completed", 1.0, 2, 2)
    assert (trial.params, trial.seed, trial.parameters, trial.device) == (PARAMS, 5, 100, "cpu")
    assert trial.seconds == 3.0


def test_a_test_score_is_told_where_there_is_one() -> None:
    """A trial that was scored on the test images has those scores, null where one is no number; all others have none."""
    scored = ("completed", 0, {**COMPLETED[2], "test_loss": 0.5, "test_accuracy": 0.9, "test_mse": None})

    assert read(LAUNCHED, ASKED, STARTED, EPOCH_1, EPOCH_2, scored).trial(0).test == {
        "test_loss": 0.5,
        "test_accuracy": 0.9,
        "test_mse": None,
    }
    assert read(LAUNCHED, ASKED, STARTED, EPOCH_1, EPOCH_2, COMPLETED).trial(0).test == {}


REFUSED = {
    "a trial that was never asked": [LAUNCHED, STARTED],
    "a number out of turn": [LAUNCHED, ("asked", 1, ASKED[2])],
    "an epoch before the start": [LAUNCHED, ASKED, EPOCH_1],
    "an end after the end": [LAUNCHED, ASKED, STARTED, EPOCH_1, PRUNED, FAILED],
    "an epoch after the end": [LAUNCHED, ASKED, STARTED, EPOCH_1, PRUNED, EPOCH_2],
    "a best epoch that is not there": [LAUNCHED, ASKED, STARTED, EPOCH_1, COMPLETED],
    "the same attempt twice": [LAUNCHED, ASKED, STARTED, STARTED],
    "an unknown event": [LAUNCHED, ("vanished", 0, {})],
    "a missing field": [LAUNCHED, ("asked", 0, {"params": PARAMS})],
    "text for a count": [LAUNCHED, ASKED, ("started", 0, started("x"))],  # type: ignore[arg-type]
    "true for a count": [LAUNCHED, ASKED, ("started", 0, started(True))],
    "a number below zero": [LAUNCHED, ASKED, STARTED, ("epoch", 0, epoch(-1, 2.0))],
    "text for a loss": [LAUNCHED, ASKED, STARTED, ("epoch", 0, {**epoch(1, 2.0), "val_loss": "2.0"})],
    "text for seconds": [LAUNCHED, ASKED, STARTED, ("epoch", 0, epoch(1, 2.0, seconds="fast"))],
    "text for a test score": [
        LAUNCHED,
        ASKED,
        STARTED,
        EPOCH_1,
        EPOCH_2,
        ("completed", 0, {**COMPLETED[2], "test_loss": "1"}),
    ],
    "an integer that no float holds": [LAUNCHED, ASKED, STARTED, ("epoch", 0, epoch(1, 2.0, seconds=10**400))],
    "parameters that are no table": [LAUNCHED, ("asked", 0, {"params": [["model", "cnn"]], "seed": 5})],
    "a parameter that is a table": [LAUNCHED, ("asked", 0, {"params": {"model": {}}, "seed": 5})],
    "a time that is none": [LAUNCHED, ("note", None, {"text": "x", "time": "yesterday"})],
    "a trial that is true": [LAUNCHED, ASKED, ("started", 0, {**started(), "trial": True})],
}


@pytest.mark.parametrize("case", REFUSED)
def test_impossible_records_are_refused(case: str) -> None:
    """What cannot have happened is refused in one sentence that names the line, with a hint."""
    with pytest.raises(RecordError, match=rf"^events\.jsonl, line {len(REFUSED[case])}: ") as caught:
        read(*REFUSED[case])

    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_later_attempt_wins() -> None:
    """Where a retry repeats an epoch, the later attempt's numbers count, once."""
    record = read(
        LAUNCHED, ASKED, STARTED, EPOCH_1, EPOCH_2, ("started", 0, started(2)), ("epoch", 0, epoch(2, 0.5, attempt=2))
    )

    trial = record.trial(0)
    assert [event["val_loss"] for event in trial.epochs.values()] == [2.0, 0.5]
    assert trial.attempt == 2


def test_a_new_driver_finds_orphans_interrupted() -> None:
    """What was running when a driver died is interrupted once the next one starts, and goes on under its number."""
    record = read(LAUNCHED, ASKED, STARTED, EPOCH_1, ("resumed", None, session()))

    assert record.trial(0).state == "interrupted"
    assert [trial.number for trial in record.unfinished] == [0]


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_last_line_is_reported_and_left_out(cut: int) -> None:
    """A record cut within its last line reads as if that line were not there, and says how much was left out."""
    lines = make(LAUNCHED, ASKED, STARTED, EPOCH_1)
    torn = lines[-1][:cut]

    record = StudyRecord.read([*lines[:-1], torn], source="events.jsonl")

    assert record.torn_bytes == len(torn)
    assert record.trial(0).epochs == {}


@pytest.mark.parametrize("line", [b"\n", b"null\n", b"[1]\n", b"{\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_garbage_is_one_sentence(line: bytes) -> None:
    """A line that is no event is told with its number, whatever it holds."""
    with pytest.raises(RecordError, match=r"^events\.jsonl, line 2: ") as caught:
        StudyRecord.read([*make(LAUNCHED), line], source="events.jsonl")

    assert "\n" not in caught.value.message


def test_no_line_holds_a_number_that_json_lacks() -> None:
    """NaN is refused by the writer: a reader in any language must understand every line."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        serialize({"event": "note", "text": float("nan")})


def test_lines_are_plain_json() -> None:
    """One line is one JSON object that the standard library reads."""
    (line,) = make(LAUNCHED)

    assert json.loads(line)["trials"] == 4


def test_the_best_is_first_and_ties_go_to_the_earlier() -> None:
    """Trials are ranked by value towards the goal; of equals, the lower number."""
    events: list[tuple[object, ...]] = [LAUNCHED]
    for number, value in enumerate([2.0, 1.0, 1.0, 3.0]):
        events += [
            ("asked", number, ASKED[2]),
            ("started", number, started()),
            ("epoch", number, epoch(1, value)),
            ("completed", number, {"attempt": 1, "value": value, "epoch": 1, "checkpoint": "x"}),
        ]
    trials = read(*events).trials.values()

    assert [trial.number for trial in best_first(trials, goal="minimize")] == [1, 2, 0, 3]
    assert [trial.number for trial in best_first(trials, goal="maximize")] == [3, 0, 1, 2]
