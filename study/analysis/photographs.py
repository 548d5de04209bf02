"""The photographs that trials left, read from their PNGs: the same images by every trial of a study, or along one trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from colournet import pictures
from study.analysis import summaries
from study.analysis.loaded import Loaded

Images = NDArray[np.uint8]
"""n x 3 x height x width, 0 to 255."""


@dataclass(frozen=True)
class Strip:
    """A row of images with its name."""

    name: str
    images: Images


def best_of_each(study: Loaded, by: str) -> pd.DataFrame:
    """The best completed trial of each level of a field that has left samples, in the order of the levels."""
    ranked = summaries.ranked(study.trials, goal=study.measure.goal)
    has_samples = ranked["number"].map(lambda number: study.folder.layout.trial(number).samples.is_file())
    best = ranked[has_samples.astype(bool)].drop_duplicates(by)
    order = {level: place for place, level in enumerate(summaries.levels_of(study.trials, by))}
    return best.sort_values(by, key=lambda levels: levels.map(order))


def by_trial(study: Loaded, numbers: Sequence[int]) -> list[Strip]:
    """Grey, truth, and the colourings by some trials, named by their numbers; nothing where no picture can be read.

    A trial whose samples show other photographs than the first one's is left out.
    """
    strips: list[Strip] = []
    for number in numbers:
        try:
            grey, truth, coloured = pictures.read_samples(study.folder.layout.trial(number).samples)
        except (OSError, ValueError):
            continue
        if not strips:
            strips = [Strip("grey", grey), Strip("truth", truth)]
        if np.array_equal(strips[1].images, truth):
            strips.append(Strip(str(number), coloured))
    return strips


def by_epoch(study: Loaded, number: int) -> list[Strip]:
    """Grey, truth, and a trial's colourings after 1, 5, 10, 25, ... epochs, named by them; nothing without a picture."""
    layout = study.folder.layout.trial(number)
    strips = by_trial(study, [number])[:2]
    for epoch in layout.pictured() if strips else []:
        try:
            strips.append(Strip(str(epoch), pictures.read_strip(layout.picture(epoch))))
        except (OSError, ValueError):
            continue
    return strips if len(strips) > 2 else []
