"""Folders in the official layout of CIFAR-10, with a few random images."""

import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from colournet.config import CLASSES

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")


def write_folder(folder: Path, *, per_class: int, seed: int) -> None:
    """Write the seven official files, with `per_class` images of each class in each batch."""
    folder.mkdir(parents=True)
    for name, batch in make_batches(per_class=per_class, seed=seed):
        write_pickle(folder / name, batch)
    write_pickle(folder / "batches.meta", {b"label_names": [name.encode() for name in CLASSES], b"num_vis": 3072})


def make_batches(*, per_class: int, seed: int) -> Iterator[tuple[str, dict[bytes, Any]]]:
    """The name and content of each file that `write_folder` writes with the same arguments."""
    rng = np.random.default_rng(seed)
    for name in BATCHES:
        labels = rng.permutation(np.repeat(np.arange(10), per_class)).tolist()
        yield (
            name,
            {
                b"batch_label": name.encode(),
                b"labels": labels,
                b"data": rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8),
                b"filenames": [f"{label}_{number}.png".encode() for number, label in enumerate(labels)],
            },
        )


def write_pickle(path: Path, value: object) -> None:
    path.write_bytes(pickle.dumps(value, protocol=2))


def write_archive(archive: Path, folder: Path) -> None:
    """Pack the files of `folder` as the official archive does."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname="cifar-10-batches-py")
