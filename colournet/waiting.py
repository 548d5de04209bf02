"""What a command says while it works in silence: nothing for a while, then what it does. Standard library only."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

PATIENCE_SECONDS = {"terminal": 2.0, "file": 10.0}
_TICK_SECONDS = 0.5
_LINE_SECONDS = 60.0
_pauses = 0


@contextmanager
def waiting(doing: str, *, file: TextIO | None = None) -> Iterator[None]:
    """Say what is being done on stderr, or on `file`, while the block runs, if it runs for long.

    On a terminal that is after two seconds, a line that counts them and goes away; elsewhere after ten, then every minute.
    """
    out, done = file or sys.stderr, threading.Event()
    teller = threading.Thread(target=_tell, args=(doing, out, done), daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


@contextmanager
def paused() -> Iterator[None]:
    """Say nothing while the block runs, which shows a bar of its own."""
    global _pauses
    _pauses += 1
    try:
        yield
    finally:
        _pauses -= 1


def _tell(doing: str, out: TextIO, done: threading.Event) -> None:
    began = time.monotonic()
    with contextlib.suppress(OSError, ValueError):  # whoever read it is gone
        on_terminal = out.isatty()
        if done.wait(PATIENCE_SECONDS["terminal" if on_terminal else "file"]):
            return
        while True:
            seconds = time.monotonic() - began
            if not _pauses:
                out.write(f"\r{doing}, {seconds:.0f} s" if on_terminal else f"{doing}, {seconds:.0f} s\n")
                out.flush()
            if done.wait(_TICK_SECONDS if on_terminal else _LINE_SECONDS):
                break
        if on_terminal:
            out.write("\r\x1b[K")
            out.flush()
