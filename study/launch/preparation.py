"""What a study's trials are to read, and what is decided with it, when a study begins: the data and the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colournet import floors
from colournet.config import TrainConfig
from colournet.data import DataBundle, prepare
from study import provenance
from study.errors import StudyError
from study.space import Space
from study.store import StudyFolder


def prepare_bundle(space: Space, data_dir: Path | None) -> DataBundle:
    """Load what any trial of the space may ask for, and check that it suffices.

    Test images are not read, unless the space's protocol validates on them.
    """
    extras = {name for classes in space.taken("extra_classes") for name in classes}
    base = TrainConfig.from_mapping(
        {name: value for name, value in space.fixed.items() if name not in ("model", "dilation", "extra_classes")}
    )
    palettes = space.palettes
    base = base.replace(num_colours=palettes[0].num_colours, colour_space=palettes[0].colour_space)
    bundle = prepare(base, data_dir=data_dir, extra_classes=extras, palettes=palettes)
    for count in space.taken("train_images"):
        bundle.for_run(base.replace(train_images=count))  # raises if there are fewer
    return bundle


def make_manifest(space: Space, bundle: DataBundle, *, trials: int) -> dict[str, Any]:
    """What is decided when a study of `space` begins, JSON-ready."""
    train_images = bundle.train_images[bundle.category]
    base = TrainConfig.from_mapping(
        {name: space.fixed[name] for name in ("dataset", "protocol", "data_seed") if name in space.fixed}
    )
    return {
        "question": space.question,
        "trials": trials,
        "seed": space.seed,
        "objective": {"metric": space.objective.metric, "goal": space.objective.goal, "epoch": "best"},
        "sampler": {"kind": space.sampler.kind, **space.sampler.options},
        "pruner": {"kind": space.pruner.kind, **space.pruner.options},
        "space_sha256": space.fingerprint,
        "data": {
            "dataset": base.dataset,
            "category": bundle.category,
            "protocol": base.protocol,
            "data_seed": base.data_seed,
            "train_images": len(train_images),
            "validation_images": len(bundle.validation_images),
            "fingerprint": bundle.fingerprint,
        },
        "palettes": {str(name): palette.round(4).tolist() for name, palette in bundle.palettes.items()},
        "floors": {
            str(name): floors.measure(train_images, bundle.validation_images, palette)
            for name, palette in bundle.palettes.items()
        },
        "provenance": provenance.collect(),
    }


def check_data(folder: StudyFolder, bundle: DataBundle) -> None:
    """Raise `StudyError` if the data are not those that the study began with: its numbers could not be compared."""
    if bundle.fingerprint != folder.manifest["data"]["fingerprint"]:
        raise StudyError(
            f"{folder.title}: the images or palettes are not those that the study began with",
            hint=f"point --data-dir at the same data; {folder.layout.manifest} tells which they were",
        )
