"""What the ten classes of `colournet.scenes` look like: coats, surfaces and places, as data.

Colours are RGB in 0 to 255 before light, film and noise. Places are in image units, from -1 (top, left) to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from colournet import _scene_figures
from colournet._scene_figures import Part

RGB = tuple[int, int, int]
Range = tuple[float, float]


@dataclass(frozen=True)
class Tint:
    """One look of a surface."""

    horizon: RGB
    """Colour at the horizon."""

    away: RGB
    """Colour far from it, above or below."""

    grain: float
    """Amplitude of the pixel texture, relative to the brightness; slight, for it betrays the tint in a grey picture."""


@dataclass(frozen=True)
class Surface:
    """What sky, distance or ground is made of."""

    tints: tuple[Tint, ...]
    """Of which each image takes one."""

    patch: RGB
    """Colour of its smooth patches: clouds, soil, foam."""

    cover: float
    """Largest share of the surface that patches take, 0 to 1."""


@dataclass(frozen=True)
class Backdrop:
    """What stands behind a figure, from top to bottom."""

    sky: Surface
    distance: Surface
    ground: Surface


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One class: a figure, its coats, and where it is seen."""

    parts: tuple[Part, ...]
    """Painted in this order; neighbours of one role melt into one shape."""

    coats: tuple[Mapping[str, RGB], ...]
    """Colours by role, of which each image takes one."""

    backdrop: Backdrop

    horizon: Range
    """Height of the line between distance and ground."""

    rise: Range
    """How far the distance rises above the horizon."""

    foot: Range
    """Height in the image of the figure's y = 0."""

    scale: Range
    """Image units of one body unit."""

    mottle: float = 0.0
    """Largest amplitude of the coat's own pattern, which grows from none on the first coat listed to this on the last."""

    tilt: float = 0.06
    """Largest slope of the figure, either way."""

    shadow: float = 0.6
    """Half width of the shadow on the ground in body units; 0 for none."""


_WHITE, _DARK, _GLASS, _KHAKI = (226, 226, 226), (38, 38, 42), (92, 112, 128), (92, 104, 92)

_BLUE, _PALE = Tint((178, 204, 226), (84, 132, 196), 0.0), Tint((200, 216, 228), (124, 166, 212), 0.0)
_OVERCAST, _SUNSET = Tint((208, 208, 210), (158, 161, 168), 0.006), Tint((226, 172, 124), (126, 112, 142), 0.0)
_SKY = Surface((_BLUE, _BLUE, _BLUE, _PALE, _PALE, _OVERCAST, _SUNSET), (222, 224, 228), 0.6)
_GREEN_TREES, _PINES = Tint((84, 112, 66), (50, 78, 44), 0.018), Tint((96, 124, 88), (70, 92, 64), 0.012)
_AUTUMN = Tint((150, 104, 52), (108, 72, 40), 0.032)
_TREES = Surface((_GREEN_TREES, _GREEN_TREES, _PINES, _AUTUMN), (40, 52, 36), 0.5)
_LUSH, _SPRING = Tint((120, 156, 80), (62, 108, 40), 0.01), Tint((140, 164, 88), (82, 128, 48), 0.014)
_DRY = Tint((184, 160, 96), (148, 120, 64), 0.026)
_GRASS = Surface((_LUSH, _SPRING, _DRY), (148, 112, 84), 0.45)
_MOSS, _LEAVES = Tint((120, 128, 66), (92, 100, 48), 0.014), Tint((150, 112, 64), (112, 78, 46), 0.03)
_FOREST_FLOOR = Surface((_MOSS, _LEAVES), (94, 84, 68), 0.5)
_HEATH, _RIDGE = Tint((104, 128, 112), (92, 112, 132), 0.004), Tint((128, 122, 96), (104, 110, 120), 0.01)
_HILLS = Surface((_HEATH, _RIDGE), (88, 104, 84), 0.4)
_BRICK, _PLASTER = Tint((160, 96, 80), (140, 84, 72), 0.014), Tint((176, 166, 150), (150, 144, 136), 0.004)
_PARK = Tint((90, 110, 74), (62, 88, 50), 0.022)
_TOWN = Surface((_BRICK, _PLASTER, _PARK), (108, 104, 110), 0.6)
_ASPHALT, _TARMAC = Tint((136, 136, 138), (94, 94, 98), 0.006), Tint((120, 118, 124), (84, 82, 86), 0.003)
_TRACK = Tint((154, 142, 126), (118, 106, 92), 0.014)
_ROAD = Surface((_ASPHALT, _TARMAC, _TRACK), (164, 160, 150), 0.3)
_OCEAN, _LAGOON = Tint((120, 160, 178), (44, 92, 132), 0.01), Tint((108, 152, 150), (40, 96, 98), 0.005)
_STORM = Tint((144, 152, 160), (84, 98, 110), 0.02)
_SEA = Surface((_OCEAN, _OCEAN, _LAGOON, _STORM), (186, 200, 206), 0.3)
_CREAM, _SMOKE = Tint((196, 178, 148), (178, 160, 132), 0.002), Tint((150, 166, 180), (124, 142, 160), 0.005)
_TERRACOTTA, _CHALK = Tint((176, 120, 104), (150, 98, 86), 0.01), Tint((200, 200, 196), (170, 170, 168), 0.0)
_WALL = Surface((_CREAM, _SMOKE, _TERRACOTTA, _CHALK), (120, 98, 82), 0.3)
_OAK, _CARPET = Tint((158, 116, 76), (134, 92, 56), 0.006), Tint((132, 60, 58), (110, 44, 46), 0.02)
_STONE = Tint((130, 138, 126), (104, 112, 104), 0.012)
_FLOOR = Surface((_OAK, _CARPET, _STONE), (188, 168, 140), 0.3)
_WEED, _WATER = Tint((92, 120, 84), (62, 92, 60), 0.014), Tint((88, 108, 112), (52, 76, 84), 0.006)
_MUD = Tint((124, 106, 78), (90, 76, 54), 0.024)
_POND = Surface((_WEED, _WATER, _MUD), (70, 128, 48), 0.6)

_MEADOW, _FOREST = Backdrop(_SKY, _TREES, _GRASS), Backdrop(_SKY, _TREES, _FOREST_FLOOR)
_AIRFIELD, _BAY = Backdrop(_SKY, _HILLS, _GRASS), Backdrop(_SKY, _HILLS, _SEA)
_STREET, _ROOM = Backdrop(_SKY, _TOWN, _ROAD), Backdrop(_WALL, _WALL, _FLOOR)
_GARDEN, _SHORE = Backdrop(_WALL, _TREES, _GRASS), Backdrop(_FOREST_FLOOR, _FOREST_FLOOR, _POND)


def _fur(body: RGB, mane: RGB, socks: RGB) -> Mapping[str, RGB]:
    return {"body": body, "mane": mane, "socks": socks}


def _lacquer(body: RGB) -> Mapping[str, RGB]:
    trim = {"tyre": _DARK, "hub": (168, 170, 174), "glass": _GLASS, "lamp": (236, 226, 170)}
    return {"body": body, "cab": body, **trim}


def _plumage(body: RGB, wing: RGB, breast: RGB) -> Mapping[str, RGB]:
    return {"body": body, "wing": wing, "breast": breast, "legs": (196, 140, 60), "eye": _DARK}


def _skin(body: RGB, belly: RGB) -> Mapping[str, RGB]:
    return {"body": body, "belly": belly, "eye": _DARK}


def _livery(body: RGB, stripe: RGB) -> Mapping[str, RGB]:
    return {"body": body, "stripe": stripe, "wing": (164, 168, 174), "glass": _DARK}


def _haulage(cab: RGB, cargo: RGB) -> Mapping[str, RGB]:
    return {**_lacquer(cab), "cargo": cargo}


def _paintwork(hull: RGB, funnel: RGB) -> Mapping[str, RGB]:
    return {"hull": hull, "keel": (150, 60, 52), "deck": _WHITE, "funnel": funnel, "glass": _GLASS, "tyre": _DARK}


_RED, _NAVY, _GREEN, _YELLOW, _SILVER = (176, 44, 40), (44, 66, 128), (52, 104, 66), (214, 176, 60), (160, 164, 170)
_HORSE_COATS = (
    _fur((128, 76, 46), (38, 30, 28), (48, 36, 32)),  # bay
    _fur((158, 90, 50), (168, 104, 62), (196, 186, 176)),  # chestnut
    _fur((92, 58, 42), (44, 34, 32), (72, 52, 42)),  # brown
    _fur((196, 152, 94), (224, 206, 176), (206, 190, 164)),  # palomino
    _fur((62, 56, 58), (34, 32, 34), (48, 44, 46)),  # black
    _fur((150, 150, 154), (108, 108, 114), (96, 96, 102)),  # grey
    _fur((216, 212, 206), (204, 196, 186), (190, 184, 178)),  # white
)
_DEER_COATS = (
    _fur((150, 98, 60), (112, 86, 62), (98, 70, 48)),
    _fur((168, 112, 66), (132, 104, 74), (128, 90, 58)),
    _fur((116, 94, 74), (88, 74, 60), (82, 66, 54)),
)
_PET_COATS = (
    _fur((182, 128, 72), (166, 112, 60), (206, 176, 136)),
    _fur((112, 76, 52), (84, 56, 40), (150, 116, 84)),
    _fur((56, 52, 52), (44, 40, 42), (142, 100, 62)),
    _fur((132, 130, 130), (100, 98, 100), (180, 178, 176)),
    _fur((218, 212, 202), (196, 172, 140), (208, 200, 188)),
)

RECIPES: Mapping[str, Recipe] = {
    "airplane": Recipe(
        parts=_scene_figures.AIRPLANE,
        coats=(_livery(_WHITE, _NAVY), _livery(_WHITE, _RED), _livery(_SILVER, _GREEN), _livery(_KHAKI, _DARK)),
        backdrop=_AIRFIELD,
        horizon=(0.7, 1.7),
        rise=(0.1, 0.3),
        foot=(-0.35, 0.25),
        scale=(0.65, 0.95),
        tilt=0.35,
        shadow=0.0,
    ),
    "automobile": Recipe(
        parts=_scene_figures.AUTOMOBILE,
        coats=tuple(map(_lacquer, (_RED, _NAVY, _GREEN, _YELLOW, _SILVER, _WHITE, _DARK))),
        backdrop=_STREET,
        horizon=(-0.2, 0.25),
        rise=(0.2, 0.9),
        foot=(0.5, 0.8),
        scale=(0.7, 0.95),
        shadow=0.95,
    ),
    "bird": Recipe(
        parts=_scene_figures.BIRD,
        coats=(
            _plumage((122, 96, 70), (92, 70, 52), (192, 168, 136)),
            _plumage((70, 104, 160), (50, 72, 120), (206, 142, 92)),
            _plumage((176, 64, 48), (112, 56, 48), (196, 110, 84)),
            _plumage((60, 60, 66), (42, 42, 48), (206, 206, 204)),
        ),
        mottle=0.12,
        backdrop=_MEADOW,
        horizon=(0.2, 0.8),
        rise=(0.1, 0.9),
        foot=(0.45, 0.8),
        scale=(0.75, 1.15),
        tilt=0.2,
        shadow=0.3,
    ),
    "cat": Recipe(
        parts=_scene_figures.CAT,
        coats=_PET_COATS,
        mottle=0.25,
        backdrop=_ROOM,
        horizon=(-0.1, 0.4),
        rise=(0.0, 0.3),
        foot=(0.5, 0.85),
        scale=(0.95, 1.3),
    ),
    "deer": Recipe(
        parts=_scene_figures.DEER,
        coats=_DEER_COATS,
        mottle=0.12,
        backdrop=_FOREST,
        horizon=(-0.1, 0.3),
        rise=(0.4, 1.2),
        foot=(0.55, 0.85),
        scale=(0.65, 0.9),
    ),
    "dog": Recipe(
        parts=_scene_figures.DOG,
        coats=_PET_COATS,
        mottle=0.12,
        backdrop=_GARDEN,
        horizon=(-0.3, 0.2),
        rise=(0.2, 0.8),
        foot=(0.5, 0.85),
        scale=(0.85, 1.2),
    ),
    "frog": Recipe(
        parts=_scene_figures.FROG,
        coats=(
            _skin((96, 132, 56), (182, 178, 120)),
            _skin((124, 104, 66), (176, 160, 124)),
            _skin((70, 152, 72), (208, 204, 150)),
        ),
        mottle=0.3,
        backdrop=_SHORE,
        horizon=(-1.1, -0.4),
        rise=(0.0, 0.4),
        foot=(0.35, 0.7),
        scale=(0.95, 1.4),
        tilt=0.25,
    ),
    "horse": Recipe(
        parts=_scene_figures.HORSE,
        coats=_HORSE_COATS,
        mottle=0.16,
        backdrop=_MEADOW,
        horizon=(-0.25, 0.35),
        rise=(0.05, 0.55),
        foot=(0.6, 0.9),
        scale=(0.7, 0.95),
    ),
    "ship": Recipe(
        parts=_scene_figures.SHIP,
        coats=(
            _paintwork(_NAVY, _RED),
            _paintwork(_WHITE, _YELLOW),
            _paintwork(_DARK, _RED),
            _paintwork(_GREEN, _SILVER),
        ),
        backdrop=_BAY,
        horizon=(-0.15, 0.25),
        rise=(0.0, 0.25),
        foot=(0.3, 0.6),
        scale=(0.65, 0.95),
        shadow=0.9,
    ),
    "truck": Recipe(
        parts=_scene_figures.TRUCK,
        coats=(_haulage(_RED, _WHITE), _haulage(_NAVY, _SILVER), _haulage(_WHITE, _GREEN), _haulage(_YELLOW, _NAVY)),
        backdrop=_STREET,
        horizon=(-0.15, 0.3),
        rise=(0.1, 0.7),
        foot=(0.55, 0.85),
        scale=(0.75, 0.95),
        shadow=0.95,
    ),
}
