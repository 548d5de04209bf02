"""Notes who reads the data and who loads torch, in any process that has this folder on PYTHONPATH.

Python imports a `sitecustomize` before anything else. Each line of the file that STUDY_COUNTS names is a process and what it did.
"""

import os
import sys
from pathlib import Path

_COUNTS = os.environ.get("STUDY_COUNTS")


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    """Note a file of CIFAR-10 that is opened, and a first import of torch."""
    if event == "open" and "cifar-10-batches-py" in str(arguments[0]):
        _note(f"read {Path(str(arguments[0])).name}")
    elif event == "import" and arguments[0] == "torch":
        _note("import torch")


def _note(what: str) -> None:
    descriptor = os.open(str(_COUNTS), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{os.getpid()} {what}\n".encode())
    os.close(descriptor)


if _COUNTS is not None:
    sys.addaudithook(_hook)
