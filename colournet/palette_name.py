"""What palettes are called: how many colours, of which colour space. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from colournet.errors import ConfigError
from colournet.values import check_value

SQUARED_ERRORS = {"rgb": "mse", "lab": "chroma_mse"}
"""What the squared error by which a regression learns is called among scores, for each colour space."""

_NOUNS = {"rgb": "colours", "lab": "chromas"}


@dataclass(frozen=True, order=True)
class PaletteName:
    """One of the palettes of a set of images. As text `24`; of chroma `24-lab`."""

    num_colours: int
    colour_space: str = "rgb"

    def __str__(self) -> str:
        return f"{self.num_colours}" + ("" if self.colour_space == "rgb" else f"-{self.colour_space}")

    @classmethod
    def parse(cls, text: str) -> PaletteName:
        """The inverse of `str`. Raises `ConfigError` for anything else."""
        match = re.fullmatch(r"([1-9][0-9]{0,5})(?:-([a-z]+))?", text, flags=re.ASCII)
        if match is None or match[2] == "rgb":
            raise ConfigError(f"{text!r} names no palette", hint="write 24, or 24-lab for chroma")
        return cls(check_value("num_colours", int(match[1])), check_value("colour_space", match[2] or "rgb"))

    @property
    def words(self) -> str:
        """For people: `24 colours`, or `24 chromas`."""
        return f"{self.num_colours} {_NOUNS[self.colour_space]}"
