"""What the fuzzing tests share: random changes of bytes, and what must be true of whatever is said of them."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import strategies as st

from colournet.errors import UserError
from study.doctor import diagnose

changes = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6)), min_size=1, max_size=3)


def changed(content: bytes, pieces: list[tuple[float, bytes, int]]) -> bytes:
    """Some bytes after changes: at each place so many are taken out and others put in."""
    for place, new, length in pieces:
        at = int(place * len(content))
        content = content[:at] + new + content[at + length :]
    return content


def check(error: UserError) -> None:
    """A refusal is one sentence."""
    assert error.message
    assert "\n" not in error.message


def examine(folder: Path) -> list[str]:
    """The kinds of what the doctor finds, each in one sentence."""
    diagnosis = diagnose(folder.parent, folder.name)
    json.dumps(diagnosis.to_mapping(), allow_nan=False)
    assert str(diagnosis)
    for finding in diagnosis.findings:
        assert finding.message
        assert "\n" not in finding.message
    return [finding.kind for finding in diagnosis.findings]
