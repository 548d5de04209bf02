"""What `colournet activations` does: one figure an image, the block outputs of several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from colournet import figures
from colournet.activation_figures import Column, activations_figure
from colournet.activations import block_outputs
from colournet.data import read_images
from colournet.errors import ConfigError
from colournet.evaluation import colourize
from colournet.palette import shown
from colournet.pictures import grey_copy
from colournet.together import NamedRun, check_same_images, label, open_runs


def show_activations(
    paths: Sequence[Path], indices: Sequence[int], *, split: str, out: Path, data_dir: Path | None = None
) -> list[Path]:
    """Draw the images with these indices, from 0, and answer the files: `out`, or `out` with `-INDEX` if there are several.

    Raises `ConfigError` if an index is out of range or the runs are about different images; as `open_runs`, `read_images`.
    """
    figures.check(out)
    runs = open_runs(paths)
    check_same_images(runs, split=split)
    images = read_images(runs[0].model.config, split=split, data_dir=data_dir)
    for index in indices:
        if not 0 <= index < len(images):
            raise ConfigError(f"--index {index}: the {split} images are numbered from 0 to {len(images) - 1}")
    written = []
    for index in indices:
        path = out if len(indices) == 1 else out.with_stem(f"{out.stem}-{index}")
        config = runs[0].model.config
        title = f"{split} image {index} of {config.dataset}, {config.category}"
        figures.save(
            activations_figure(
                [_column(run, images[index]) for run in runs],
                grey=grey_copy(images[index : index + 1])[0],
                truth=images[index],
                title=title,
            ),
            path,
        )
        written.append(path)
    return written


_MIDDLE_GREY = 0.55  # L is about 60, where most chroma can be shown


def _column(run: NamedRun, image: UInt8[np.ndarray, "3 h w"]) -> Column:
    config = run.model.config
    return Column(
        name=label(run),
        prediction=colourize(run.model, image[None])[0],
        blocks=block_outputs(run.model.network, image),
        colours=None if config.is_regression else shown(run.model.palette, grey=_MIDDLE_GREY),
    )
