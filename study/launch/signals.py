"""SIGINT and SIGTERM: the first ends a study in order, the second at once.

A handler raises nothing: whatever it interrupted might catch that, and Ray, interrupted while it starts, may take the
process down with it. It leaves word, and the session looks for it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from study.errors import InterruptedStudyError, StudyError, TerminatedStudyError
from study.launch.ending import Ending

_SHOW_CURSOR = "\x1b[?25h"
_KINDS: dict[int, tuple[str, type[StudyError]]] = {
    signal.SIGINT: ("interrupted", InterruptedStudyError),
    signal.SIGTERM: ("terminated", TerminatedStudyError),
}


@dataclass
class Signals:
    """Whether a signal asked the study to stop, and what to do then."""

    study: str
    resume_command: str
    terminal: TextIO
    ending: Ending | None = None
    """What to tell; None before trials are handed out."""
    error: StudyError | None = None
    """The error to end with, None while nothing has asked."""

    def listen(self) -> None:
        """Take the signals, in a main thread; to be done again once Ray is up, which takes SIGTERM for itself."""
        if threading.current_thread() is threading.main_thread():
            for number in _KINDS:
                signal.signal(number, self._receive)

    def _receive(self, number: int, _: object) -> None:
        if self.error is not None:
            self._end_at_once(_KINDS[number][1].exit_code)
        self.error = self._asked(number)
        if self.ending is not None:
            self.ending.stop(_KINDS[number][0])
        if self.ending is None or not self.terminal.isatty():  # else the live table says so
            until = "ends once Ray has started" if self.ending is None else "running trials end their epoch"
            self._say(f"{self.error.message}; {until}, a second signal ends at once")

    def check(self) -> None:
        """Raise what a signal asked for before there were trials to stop."""
        if self.error is not None:
            raise self.error

    def abandon(self, error: StudyError) -> None:
        """Leave at once for an error, as nothing that is waited for will come; the record is whole."""
        cursor = _SHOW_CURSOR if self.terminal.isatty() else ""
        self._say(f"{cursor}error: {error.message}\n\nhint: {error.hint}")
        os._exit(error.exit_code)

    def _asked(self, number: int) -> StudyError:
        reason, kind = _KINDS[number]
        return kind(f"{self.study}: {reason}", hint=f"{self.resume_command} goes on with it")

    def _end_at_once(self, code: int) -> None:
        """Leave without another word to the record, which is whole after every event; Ray ends with this process."""
        cursor = _SHOW_CURSOR if self.terminal.isatty() else ""
        self._say(f"{cursor}\n{self.study}: ended at once; {self.resume_command} goes on with it")
        os._exit(code)

    def _say(self, text: str) -> None:
        """Write past the buffer, in which the signal may have interrupted a write."""
        os.write(self.terminal.fileno(), f"{text}\n".encode())


@contextmanager
def listening(study: str, resume_command: str, terminal: TextIO) -> Iterator[Signals]:
    """Turn SIGINT and SIGTERM into an orderly end while the block runs (in a main thread)."""
    signals = Signals(study, resume_command, terminal)
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.getsignal(number) for number in _KINDS}
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    signals.listen()
    try:
        yield signals
    except SystemExit as ended:  # Ray's own handler of SIGTERM, until ours is back
        if ended.code != signal.SIGTERM:
            raise
        raise signals._asked(signal.SIGTERM) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
