"""What a palette is called says which it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colournet.config import COLOUR_SPACES, TrainConfig
from colournet.errors import ConfigError
from colournet.palette_name import SQUARED_ERRORS, PaletteName


@given(num_colours=st.integers(2, 65_536), colour_space=st.sampled_from(COLOUR_SPACES))
def test_round_trip(num_colours: int, colour_space: str) -> None:
    """A name that is written reads as the palette that it was, which is that of a config of these settings."""
    name = PaletteName(num_colours, colour_space)

    assert PaletteName.parse(str(name)) == name
    assert TrainConfig(num_colours=num_colours, colour_space=colour_space).palette_name == name


def test_old_names_stay() -> None:
    """A palette of RGB is called by its number of colours alone, as in studies that knew no other."""
    assert (str(PaletteName(24)), str(PaletteName(24, "lab"))) == ("24", "24-lab")
    assert (PaletteName(24).words, PaletteName(24, "lab").words) == ("24 colours", "24 chromas")


@pytest.mark.parametrize(
    "text", ["", "many", "1", "024", "65537", "24-", "24-rgb", "24-hsv", "24-LAB", "24lab", "-lab", "٢٤", "24\n", " 24"]
)
def test_no_name(text: str) -> None:
    """What names no palette is refused, and so is a second way of writing a name."""
    with pytest.raises(ConfigError):
        PaletteName.parse(text)


def test_every_space_has_a_squared_error() -> None:
    """Each colour space has a name for the squared error that is learned by in it, of its own."""
    assert tuple(SQUARED_ERRORS) == COLOUR_SPACES
    assert len(set(SQUARED_ERRORS.values())) == len(COLOUR_SPACES)
