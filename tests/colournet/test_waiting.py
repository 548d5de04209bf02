"""What a command says while it works in silence."""

from __future__ import annotations

import io
import threading

import pytest

from colournet import waiting as module
from colournet.waiting import paused, waiting


class Heard(io.StringIO):
    """A stream that tells when something was written to it."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self.heard = threading.Event()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        self.heard.set()
        return super().write(text)


def test_what_is_soon_done_says_nothing() -> None:
    """A block that ends at once leaves no trace."""
    out = Heard(is_terminal=False)

    with waiting("working", file=out):
        pass

    assert out.getvalue() == ""


@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_takes_long_is_told(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    """It is told once the patience is over: as a line, or on a terminal as one that goes away."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", {"terminal": 0.01, "file": 0.01})
    out = Heard(is_terminal=is_terminal)

    with waiting("working", file=out):
        assert out.heard.wait(30)

    assert out.getvalue().startswith("\rworking, 0 s" if is_terminal else "working, 0 s\n")
    assert out.getvalue().endswith("\r\x1b[K" if is_terminal else "s\n")


def test_a_bar_silences_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """While something else shows its own progress nothing is written between; after it, it goes on."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", {"terminal": 0.01, "file": 0.01})
    monkeypatch.setattr(module, "_LINE_SECONDS", 0.01)
    out = Heard(is_terminal=False)

    with paused(), waiting("working", file=out):
        assert not out.heard.wait(0.2)
    with waiting("working", file=out):
        assert out.heard.wait(30)


def test_a_reader_that_is_gone_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that cannot be written to ends the telling, not the work."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", {"terminal": 0.01, "file": 0.0})
    out = Heard(is_terminal=False)
    out.close()

    with waiting("working", file=out):
        done = True

    assert done
