"""Faults on demand, in any process that has this folder on PYTHONPATH: the program under test stays as it is.

A file in the folder that STUDY_FAULTS names asks for one fault and is taken away by the process that commits it; a
folder of that name asks for the fault wherever it can be committed.
Python imports a `sitecustomize` before anything else; the hook below sees the file operations of all Python code.
"""

import contextlib
import errno
import os
import sys
import time
from pathlib import Path

_FAULTS = os.environ.get("STUDY_FAULTS")
_HOUR = 3600.0


def _take(fault: str) -> bool:
    """Whether this process is to commit a fault: of several that see its file, one takes it away."""
    path = Path(str(_FAULTS)) / fault
    with contextlib.suppress(OSError):
        path.unlink()
        return True
    return path.is_dir()


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    """Strike where a checkpoint is about to replace the last one."""
    if event != "os.rename" or not str(arguments[1]).endswith("last.safetensors"):
        return
    if _take("error"):
        raise RuntimeError("an error on demand")
    if _take("out_of_memory"):
        raise MemoryError("out of memory on demand")
    if _take("disk_full"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[1]))
    if _take("hang"):
        time.sleep(_HOUR)
    if _take("exit"):
        os._exit(1)


if _FAULTS:
    sys.addaudithook(_hook)
