"""Records the learning curves that searches are simulated on: every combination of choices, at a few learning rates each.

    python -m benchmarks.curves --data-dir data

goes on where an earlier call was stopped, a line for each configuration that is done, to `benchmarks/recorded/curves.jsonl`.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from study.parameters import Value
from study.space import Space

FOLDER = Path(__file__).parent / "recorded"
SPACE = FOLDER / "space.toml"
CURVES = FOLDER / "curves.jsonl"

_LEVELS = (0, 1, 2, 3, 5, 4)
"""The sixths of the learning rate's range, on a logarithmic scale, in the order in which all combinations get a rate there."""
_VALIDATION_IMAGES = 100
_MADE_BY = ("commit", "dirty", "versions", "platform", "cpu")
_GOLDEN = (math.sqrt(5) - 1) / 2


def main() -> None:
    """Train what is not recorded yet, one configuration after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", type=Path, default=CURVES)
    options = parser.parse_args()
    space = Space.load(SPACE)
    done = _begin(options.out, space)
    bundle = _bundle(space, options.data_dir)
    for number, params in enumerate(configurations(space)):
        if number >= done:
            _append(options.out, {"params": params, "seed": number, **_curve(space, params, number, bundle)})


def configurations(space: Space) -> Iterator[dict[str, Value]]:
    """All combinations of the choices at a first learning rate each, then at a second one, and so on.

    A combination has a rate in each sixth of the range, at a place of its own, so that all of them together leave no gap.
    """
    choices = {name: parameter.choices for name, parameter in space.search.items() if parameter.kind == "choice"}
    rate = space.search["learning_rate"]
    span = math.log(rate.highest / rate.low)
    for level in _LEVELS:
        for cell, values in enumerate(product(*choices.values())):
            place = (cell * _GOLDEN % 1 + level) / len(_LEVELS)
            yield {**dict(zip(choices, values, strict=True)), "learning_rate": rate.low * math.exp(span * place)}


def _begin(path: Path, space: Space) -> int:
    """Make the file with what it was made by, or cut a torn last line of it; answer how many configurations it has."""
    if not path.exists():
        from study import provenance

        made_by = {name: told for name, told in provenance.collect().items() if name in _MADE_BY}
        _append(path, {"made_by": made_by, "space_sha256": space.fingerprint, "validation_images": _VALIDATION_IMAGES})
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    path.write_bytes(whole)
    return whole.count(b"\n") - 1


def _append(path: Path, told: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(told, separators=(",", ":")) + "\n")


def _bundle(space: Space, data_dir: Path | None) -> Any:
    """The data, with fewer images to validate on."""
    from colournet.config import TrainConfig
    from colournet.data import prepare

    bundle = prepare(TrainConfig.from_mapping(space.fixed), data_dir=data_dir)
    labels = {name: found[:_VALIDATION_IMAGES] for name, found in bundle.validation_labels.items()}
    images = bundle.validation_images[:_VALIDATION_IMAGES]
    return dataclasses.replace(bundle, validation_images=images, validation_labels=labels)


def _curve(space: Space, params: dict[str, Value], seed: int, bundle: Any) -> dict[str, Any]:
    """The validation loss after each epoch, None once it is not finite, and the mean CPU seconds of an epoch."""
    from colournet.errors import DivergedError
    from colournet.metrics import EpochMetrics
    from colournet.training import train

    config, losses = space.config(params, seed=seed), list[float | None]()

    def note(metrics: EpochMetrics) -> None:
        losses.append(round(metrics.val_loss, 5) if metrics.is_finite else None)

    began = time.thread_time()
    with contextlib.suppress(DivergedError):
        train(config, bundle.for_run(config), on_epoch=note)
    return {"seconds": round((time.thread_time() - began) / len(losses), 4), "val_loss": losses}


if __name__ == "__main__":
    main()
