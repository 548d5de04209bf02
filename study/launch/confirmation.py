"""Confirming a study: its best configurations and the default, trained again with fresh seeds and scored on test images.

A confirmation is a small study below the study, run by the same session; its trials come from a plan instead of Optuna.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colournet import data, floors
from colournet.config import TrainConfig
from colournet.data import DataBundle
from study.candidates import Confirmation
from study.errors import StudyError
from study.launch import ahead, preparation, session
from study.launch.cluster import Resources
from study.launch.dealer import check_stackable
from study.launch.local_ray import LocalRay
from study.launch.planned import Planned
from study.launch.session import Plan
from study.launch.source import Source
from study.launch.storage import below, of_study
from study.layout import StudyLayout, confirmation_name
from study.limits import Budget, Limits
from study.records import StudyRecord
from study.space import Space
from study.store import StudyFolder


def confirm(
    study: StudyFolder,
    *,
    top: int,
    seeds: int,
    data_dir: Path | None = None,
    resources: Resources | None = None,
    limits: Mapping[str, Any] | None = None,
    budget: Budget | None = None,
) -> StudyFolder:
    """Train the best `top` of a study and the default with `seeds` fresh seeds; answer the confirmation's own folder.

    Goes on with what is missing of a confirmation of the same numbers, and does nothing where nothing is. `limits` are those
    to change. Raises `StudyError` if no trial is completed or the data are not those of the search; else as `launch`.
    """
    root = study.layout.confirmations / confirmation_name(top, seeds)
    folder = StudyFolder(root) if StudyLayout(root).manifest.is_file() else None
    if folder is not None and folder.driver is None and folder.state(folder.read()) == "finished":
        return folder
    chosen = Confirmation.plan(study, study.read(), top=top, seeds=seeds) if folder is None else Confirmation.of(folder)
    resources = resources or Resources()
    check_stackable(study.space, fused=resources.fused)
    with ahead.starting(resources, trials=len(chosen.runs)) as local:
        bundle = _with_test_images(folder or study, data_dir)
        if folder is None:
            folder = _create(study, chosen, bundle, root.name, storage=resources.storage)
        else:
            _check_test_images(folder, bundle)
        try:
            return _run(folder, bundle, resources, limits or {}, budget or Budget(), local=local)
        finally:
            folder.discard_if_empty()
            with contextlib.suppress(OSError):  # it holds others
                study.layout.confirmations.rmdir()


def _with_test_images(study: StudyFolder, data_dir: Path | None) -> DataBundle:
    """What the search's trials read, and the test images, which no trial of a search sees."""
    bundle = session.read_data(study.space, data_dir)
    preparation.check_data(study, bundle)
    names = ("dataset", "category", "data_seed")
    config = TrainConfig.from_mapping({name: study.space.fixed[name] for name in names if name in study.space.fixed})
    return dataclasses.replace(bundle, test_images=data.read_test_images(config, data_dir=data_dir))


def _check_test_images(folder: StudyFolder, bundle: DataBundle) -> None:
    assert bundle.test_images is not None
    if data.fingerprint([bundle.test_images]) != folder.manifest["data"].get("test_fingerprint"):
        raise StudyError(
            f"{folder.title}: the test images are not those that the confirmation began with",
            hint=f"point --data-dir at the same data; {folder.layout.manifest} tells which they were",
        )


def _create(
    study: StudyFolder, chosen: Confirmation, bundle: DataBundle, name: str, *, storage: str | None
) -> StudyFolder:
    """The confirmation's folder; where its trials' files are kept is as it is with the study, unless another is named."""
    inherited = study.manifest.get("storage")
    place = of_study(storage, name) if storage else inherited and below(inherited, "confirmations", name)
    manifest = {**_manifest(study.space, chosen, bundle), **({"storage": place} if place else {})}
    return StudyFolder.create(study.layout.confirmations, name, space_text=study.space.text, manifest=manifest)


def _manifest(space: Space, chosen: Confirmation, bundle: DataBundle) -> dict[str, Any]:
    """That of a study, with what it confirms, and the floors of the test images, the table fitted on training pixels."""
    assert bundle.test_images is not None
    made = preparation.make_manifest(space, bundle, trials=len(chosen.runs))
    train_images = bundle.train_images[bundle.category]
    return {
        **made,
        "question": f"Did the best trial of {chosen.study} win by more than luck?",
        "sampler": {"kind": "planned"},
        "pruner": {"kind": "none"},
        "confirms": chosen.to_mapping(),
        "data": {
            **made["data"],
            "test_images": len(bundle.test_images),
            "test_fingerprint": data.fingerprint([bundle.test_images]),
        },
        "test_floors": {
            str(k): floors.measure(train_images, bundle.test_images, palette) for k, palette in bundle.palettes.items()
        },
    }


def _run(
    folder: StudyFolder,
    bundle: DataBundle,
    resources: Resources,
    limits: Mapping[str, Any],
    budget: Budget,
    *,
    local: LocalRay | None,
) -> StudyFolder:
    runs, record = Confirmation.of(folder).runs, folder.read()
    session.check_affordable(folder, record, len(runs), budget)
    plan = Plan(
        kind="resumed" if record.sessions else "launched",
        trials=len(runs),
        limits=Limits.from_mapping(record.limits).replace(**limits),
        budget=budget,
        space=folder.space,
        is_new=not record.sessions,
    )

    def make_source(_: Space, __: StudyFolder, record: StudyRecord) -> Source:
        return Planned(runs, asked=len(record.trials))

    return session.run(folder, bundle, plan, resources=resources, local=local, make_source=make_source)
