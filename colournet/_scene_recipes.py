"""What the ten classes of `colournet.scenes` look like: shapes, coats and backdrops, as data.

A figure lives in body coordinates: x points where it faces, y points down, and it stands (or floats) on y = 0; one unit
is about half its length. Colours are RGB in 0 to 255 before light and noise. Surfaces are seen against the horizon:
each colour is a pair, first at the horizon, then far from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

RGB = tuple[int, int, int]
Point = tuple[float, float]
Range = tuple[float, float]


@dataclass(frozen=True)
class Part:
    """One shape of a figure."""

    role: str
    """Which colour of the coat paints it."""

    points: tuple[Point, ...]
    """One: a disc. Two: a stroke. More: a convex polygon, clockwise as seen."""

    radii: tuple[float, float] = (0.0, 0.0)
    """Radius at the first and the last point of a disc or stroke; the first rounds the corners of a polygon."""

    swings: tuple[Point, ...] = ()
    """How far each point moves at the most, either way; empty for a stiff part."""

    joint: str = ""
    """Parts with the same joint swing together."""


@dataclass(frozen=True)
class Tint:
    """One look of a surface."""

    horizon: RGB
    """Colour at the horizon."""

    away: RGB
    """Colour far from it, above or below."""

    grain: float
    """Amplitude of the pixel texture, relative to the brightness: what betrays the tint in a grey picture."""


@dataclass(frozen=True)
class Surface:
    """What sky, distance or ground is made of."""

    tints: tuple[Tint, ...]
    """Of which each image takes one."""

    patch: RGB
    """Colour of its smooth patches: clouds, soil, foam."""

    cover: float
    """Largest share of the surface that patches take, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One class: a figure, its coats, and where it is seen. Places are in image units, -1 (top, left) to 1."""

    parts: tuple[Part, ...]
    """Painted in this order; neighbours of one role melt into one shape."""

    coats: tuple[Mapping[str, RGB], ...]
    """Colours by role, of which each image takes one."""

    mottle: float
    """Largest amplitude of the coat's own pattern; the lightest coats show it, the first coat least."""

    sky: Surface
    far: Surface
    ground: Surface

    horizon: Range
    """Height of the line between distance and ground."""

    rise: Range
    """How far the distance rises above the horizon."""

    foot: Range
    """Height in the image of the figure's y = 0."""

    scale: Range
    """Image units of one body unit."""

    tilt: float = 0.06
    """Largest slope of the figure, either way."""

    shadow: float = 0.6
    """Half width of the shadow on the ground in body units; 0 for none."""


def _box(role: str, left: float, top: float, right: float, bottom: float) -> Part:
    return Part(role, ((left, top), (right, top), (right, bottom), (left, bottom)), (0.03, 0.03))


def _disc(role: str, x: float, y: float, radius: float) -> Part:
    return Part(role, ((x, y),), (radius, radius))


def _legs(*, x: float, height: float, radius: float) -> tuple[Part, ...]:
    """A pair of legs under `x`, which step apart, with darker or lighter socks below."""
    parts = []
    for name, offset in ((f"left{x}", -0.07), (f"right{x}", 0.07)):
        knee, foot = (x + offset, -0.45 * height), (x + 1.3 * offset, -radius)
        half, full = (0.09 * height, 0.0), (0.22 * height, 0.0)
        parts.append(Part("body", ((x, -height), knee), (1.5 * radius, radius), ((0.0, 0.0), half), name))
        parts.append(Part("socks", (knee, foot), (radius, 0.8 * radius), (half, full), name))
    return tuple(sorted(parts, key=lambda part: part.role, reverse=True))


def _quadruped(
    *, height: float, length: float, girth: float, neck: Point, snout: Point, head: float, tail: Point, leg: float
) -> tuple[Part, ...]:
    """An animal on four legs: its spine `height` above the ground and `length` long; `neck` and `snout` are offsets."""
    hip, chest, nod = (-length / 2, -height), (length / 2, -height), (0.12, 0.22)
    nape = (chest[0] + neck[0], chest[1] + neck[1])
    nose = (nape[0] + snout[0], nape[1] + snout[1])
    dock = (hip[0] - 0.8 * girth, hip[1] - 0.5 * girth)
    tip = (dock[0] + tail[0], dock[1] + tail[1])
    return (
        *_legs(x=hip[0], height=height, radius=leg),
        *_legs(x=chest[0], height=height, radius=leg),
        Part("mane", (dock, tip), (0.06, 0.045), ((0.0, 0.0), (0.14, 0.06)), "tail"),
        Part("body", (hip, chest), (girth, 0.95 * girth)),
        Part("body", (chest, nape), (0.8 * girth, 0.9 * head), ((0.0, 0.0), nod), "neck"),
        Part("body", (nape, nose), (head, 0.7 * head), (nod, nod), "neck"),
        Part(
            "mane",
            ((nape[0] - 0.05, nape[1] - head), (nape[0] - 0.07, nape[1] - 1.9 * head)),
            (0.05, 0.03),
            (nod, nod),
            "neck",
        ),
        Part("socks", (nose,), (0.55 * head, 0.55 * head), (nod,), "neck"),
    )


def _mane(withers: Point, nape: Point) -> Part:
    return Part("mane", (withers, nape), (0.05, 0.07), ((0.0, 0.0), (0.12, 0.22)), "neck")


def _antler(x: float, y: float, lean: float) -> Part:
    return Part("mane", ((x, y), (x + lean, y - 0.34)), (0.04, 0.025), ((0.12, 0.22), (0.12, 0.22)), "neck")


_HORSE = (
    *_quadruped(
        height=0.78,
        length=0.9,
        girth=0.23,
        neck=(0.3, -0.42),
        snout=(0.24, 0.2),
        head=0.12,
        tail=(-0.14, 0.5),
        leg=0.06,
    ),
    _mane((0.36, -1.0), (0.68, -1.32)),
)
_DEER = (
    *_quadruped(
        height=0.82,
        length=0.75,
        girth=0.19,
        neck=(0.24, -0.46),
        snout=(0.2, 0.11),
        head=0.1,
        tail=(-0.04, 0.12),
        leg=0.045,
    ),
    _antler(0.58, -1.36, -0.18),
    _antler(0.62, -1.36, 0.12),
)
_DOG = _quadruped(
    height=0.56,
    length=0.75,
    girth=0.2,
    neck=(0.22, -0.26),
    snout=(0.24, 0.06),
    head=0.16,
    tail=(-0.22, -0.26),
    leg=0.07,
)
_CAT = _quadruped(
    height=0.46, length=0.7, girth=0.2, neck=(0.2, -0.2), snout=(0.08, 0.04), head=0.19, tail=(-0.16, -0.46), leg=0.065
)

_BIRD = (
    Part("legs", ((0.0, -0.3), (0.04, 0.0)), (0.03, 0.03)),
    Part("legs", ((0.14, -0.3), (0.18, 0.0)), (0.03, 0.03)),
    Part("wing", ((-0.3, -0.5), (-0.85, -0.32)), (0.12, 0.06), ((0.0, 0.0), (0.0, 0.15)), "tail"),
    Part("legs", ((0.52, -0.86), (0.76, -0.82)), (0.05, 0.015)),
    Part("body", ((-0.2, -0.46), (0.25, -0.56)), (0.24, 0.27)),
    Part("body", ((0.25, -0.6), (0.42, -0.86)), (0.2, 0.18)),
    Part("breast", ((0.1, -0.38), (0.36, -0.55)), (0.13, 0.15)),
    Part("wing", ((0.1, -0.58), (-0.5, -0.44)), (0.16, 0.06), ((0.0, 0.0), (0.1, 0.3)), "wing"),
    _disc("eye", 0.47, -0.9, 0.045),
)
_FROG = (
    Part("body", ((-0.15, -0.28), (0.4, -0.42)), (0.3, 0.24)),
    Part("body", ((-0.3, -0.25), (-0.5, -0.08)), (0.26, 0.1), ((0.0, 0.0), (0.12, 0.02)), "leg"),
    Part("body", ((-0.5, -0.07), (0.05, -0.05)), (0.08, 0.06), ((0.12, 0.02), (0.05, 0.0)), "leg"),
    Part("body", ((0.3, -0.3), (0.45, -0.04)), (0.1, 0.06), ((0.0, 0.0), (0.12, 0.0)), "arm"),
    Part("belly", ((0.2, -0.2), (0.5, -0.33)), (0.09, 0.1)),
    _disc("body", 0.4, -0.64, 0.13),
    _disc("eye", 0.42, -0.66, 0.07),
)
_AIRPLANE = (
    Part("wing", ((0.1, -0.05), (-0.25, -0.5)), (0.1, 0.04), ((0.0, 0.0), (0.1, 0.15)), "wing"),
    Part("stripe", ((-0.95, -0.5), (-0.78, -0.5), (-0.5, -0.08), (-0.88, -0.04)), (0.02, 0.02)),
    Part("body", ((-0.85, -0.04), (0.75, 0.0)), (0.09, 0.14)),
    Part("stripe", ((-0.8, 0.0), (0.6, 0.03)), (0.035, 0.045)),
    Part("glass", ((0.72, -0.07), (0.8, -0.04)), (0.05, 0.04)),
    Part("wing", ((0.12, 0.07), (-0.3, 0.5)), (0.12, 0.05), ((0.0, 0.0), (0.1, 0.15)), "wing"),
    Part("wing", ((-0.75, 0.0), (-0.92, 0.16)), (0.06, 0.03)),
)
_AUTOMOBILE = (
    Part("body", ((-0.45, -0.76), (0.25, -0.76), (0.6, -0.4), (-0.75, -0.4)), (0.04, 0.04)),
    Part("glass", ((-0.4, -0.69), (-0.1, -0.69), (-0.1, -0.46), (-0.6, -0.46)), (0.01, 0.01)),
    Part("glass", ((-0.02, -0.69), (0.22, -0.69), (0.45, -0.46), (-0.02, -0.46)), (0.01, 0.01)),
    Part("body", ((-0.88, -0.46), (0.6, -0.46), (0.95, -0.36), (0.98, -0.14), (-0.92, -0.14)), (0.04, 0.04)),
    _disc("lamp", 0.92, -0.3, 0.06),
    *(_disc("tyre", x, -0.16, 0.19) for x in (-0.54, 0.56)),
    *(_disc("hub", x, -0.16, 0.08) for x in (-0.54, 0.56)),
)
_TRUCK = (
    _box("cargo", -0.95, -1.05, 0.32, -0.22),
    Part("cab", ((0.4, -0.84), (0.72, -0.84), (0.92, -0.5), (0.95, -0.18), (0.4, -0.18)), (0.03, 0.03)),
    Part("glass", ((0.52, -0.76), (0.69, -0.76), (0.82, -0.52), (0.52, -0.52)), (0.01, 0.01)),
    _box("tyre", -0.9, -0.2, 0.5, -0.14),
    *(_disc("tyre", x, -0.15, 0.16) for x in (-0.7, -0.36, 0.66)),
    *(_disc("hub", x, -0.15, 0.06) for x in (-0.7, -0.36, 0.66)),
)
_SHIP = (
    _box("funnel", -0.22, -0.86, -0.02, -0.5),
    _box("deck", -0.6, -0.58, 0.4, -0.26),
    _box("deck", 0.1, -0.74, 0.34, -0.5),
    Part("glass", ((-0.5, -0.44), (0.3, -0.44)), (0.04, 0.04)),
    Part("tyre", ((0.55, -0.26), (0.55, -0.95)), (0.03, 0.02)),
    Part("hull", ((-0.95, -0.26), (1.05, -0.32), (0.75, 0.06), (-0.8, 0.06)), (0.02, 0.02)),
    Part("keel", ((-0.84, -0.03), (0.86, -0.03), (0.76, 0.06), (-0.8, 0.06)), (0.01, 0.01)),
)

_WHITE, _DARK, _GLASS = (226, 226, 226), (38, 38, 42), (92, 112, 128)

_BLUE, _PALE = Tint((178, 204, 226), (84, 132, 196), 0.0), Tint((200, 216, 228), (124, 166, 212), 0.0)
_OVERCAST, _SUNSET = Tint((208, 208, 210), (158, 161, 168), 0.06), Tint((226, 172, 124), (126, 112, 142), 0.0)
_SKY = Surface((_BLUE, _BLUE, _BLUE, _PALE, _PALE, _OVERCAST, _SUNSET), (222, 224, 228), 0.6)
_GREEN_TREES, _PINES = Tint((84, 112, 66), (50, 78, 44), 0.18), Tint((96, 124, 88), (70, 92, 64), 0.12)
_AUTUMN = Tint((150, 104, 52), (108, 72, 40), 0.32)
_TREES = Surface((_GREEN_TREES, _GREEN_TREES, _PINES, _AUTUMN), (40, 52, 36), 0.5)
_LUSH, _SPRING = Tint((120, 156, 80), (62, 108, 40), 0.1), Tint((140, 164, 88), (82, 128, 48), 0.14)
_DRY = Tint((184, 160, 96), (148, 120, 64), 0.26)
_GRASS = Surface((_LUSH, _SPRING, _DRY), (148, 112, 84), 0.45)
_MOSS, _LEAVES = Tint((120, 128, 66), (92, 100, 48), 0.14), Tint((150, 112, 64), (112, 78, 46), 0.3)
_FOREST_FLOOR = Surface((_MOSS, _LEAVES), (94, 84, 68), 0.5)
_HILLS = Surface(
    (Tint((104, 128, 112), (92, 112, 132), 0.04), Tint((128, 122, 96), (104, 110, 120), 0.1)), (88, 104, 84), 0.4
)
_BRICK, _PLASTER, _PARK = (
    Tint((160, 96, 80), (140, 84, 72), 0.14),
    Tint((176, 166, 150), (150, 144, 136), 0.04),
    Tint((90, 110, 74), (62, 88, 50), 0.22),
)
_TOWN = Surface((_BRICK, _PLASTER, _PARK), (108, 104, 110), 0.6)
_ASPHALT, _TARMAC, _TRACK = (
    Tint((136, 136, 138), (94, 94, 98), 0.06),
    Tint((120, 118, 124), (84, 82, 86), 0.03),
    Tint((154, 142, 126), (118, 106, 92), 0.14),
)
_ROAD = Surface((_ASPHALT, _TARMAC, _TRACK), (164, 160, 150), 0.3)
_OCEAN, _LAGOON, _STORM = (
    Tint((120, 160, 178), (44, 92, 132), 0.1),
    Tint((108, 152, 150), (40, 96, 98), 0.05),
    Tint((144, 152, 160), (84, 98, 110), 0.2),
)
_SEA = Surface((_OCEAN, _OCEAN, _LAGOON, _STORM), (186, 200, 206), 0.3)
_CREAM, _SMOKE = Tint((196, 178, 148), (178, 160, 132), 0.02), Tint((150, 166, 180), (124, 142, 160), 0.05)
_TERRACOTTA, _CHALK = Tint((176, 120, 104), (150, 98, 86), 0.1), Tint((200, 200, 196), (170, 170, 168), 0.0)
_WALL = Surface((_CREAM, _SMOKE, _TERRACOTTA, _CHALK), (120, 98, 82), 0.3)
_OAK, _CARPET, _STONE = (
    Tint((158, 116, 76), (134, 92, 56), 0.06),
    Tint((132, 60, 58), (110, 44, 46), 0.2),
    Tint((130, 138, 126), (104, 112, 104), 0.12),
)
_FLOOR = Surface((_OAK, _CARPET, _STONE), (188, 168, 140), 0.3)
_POND = Surface(
    (
        Tint((92, 120, 84), (62, 92, 60), 0.14),
        Tint((88, 108, 112), (52, 76, 84), 0.06),
        Tint((124, 106, 78), (90, 76, 54), 0.24),
    ),
    (70, 128, 48),
    0.6,
)


def _fur(body: RGB, mane: RGB, socks: RGB) -> Mapping[str, RGB]:
    return {"body": body, "mane": mane, "socks": socks}


def _lacquer(body: RGB) -> Mapping[str, RGB]:
    return {
        "body": body,
        "cab": body,
        "stripe": body,
        "tyre": _DARK,
        "hub": (168, 170, 174),
        "glass": _GLASS,
        "lamp": (236, 226, 170),
    }


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

_MEADOW = {"sky": _SKY, "far": _TREES, "ground": _GRASS}
_STREET = {"sky": _SKY, "far": _TOWN, "ground": _ROAD}

RECIPES: Mapping[str, Recipe] = {
    "airplane": Recipe(
        parts=_AIRPLANE,
        coats=(_livery(_WHITE, _NAVY), _livery(_WHITE, _RED), _livery(_SILVER, _GREEN), _livery((92, 104, 92), (76, 86, 76))),
        mottle=0.0, sky=_SKY, far=_HILLS, ground=_GRASS,
        horizon=(0.7, 1.7), rise=(0.1, 0.3), foot=(-0.35, 0.25), scale=(0.65, 0.95), tilt=0.35, shadow=0.0,
    ),
    "automobile": Recipe(
        parts=_AUTOMOBILE, coats=tuple(map(_lacquer, (_RED, _NAVY, _GREEN, _YELLOW, _SILVER, _WHITE, _DARK))), mottle=0.0,
        **_STREET, horizon=(-0.2, 0.25), rise=(0.2, 0.9), foot=(0.5, 0.8), scale=(0.7, 0.95), shadow=0.95,
    ),
    "bird": Recipe(
        parts=_BIRD,
        coats=(
            _plumage((122, 96, 70), (92, 70, 52), (192, 168, 136)), _plumage((70, 104, 160), (50, 72, 120), (206, 142, 92)),
            _plumage((176, 64, 48), (112, 56, 48), (196, 110, 84)), _plumage((60, 60, 66), (42, 42, 48), (206, 206, 204)),
        ),
        mottle=0.12, **_MEADOW, horizon=(0.2, 0.8), rise=(0.1, 0.9), foot=(0.45, 0.8), scale=(0.75, 1.15), tilt=0.2, shadow=0.3,
    ),
    "cat": Recipe(
        parts=_CAT, coats=_PET_COATS, mottle=0.25, sky=_WALL, far=_WALL, ground=_FLOOR,
        horizon=(-0.1, 0.4), rise=(0.0, 0.3), foot=(0.5, 0.85), scale=(0.95, 1.3),
    ),
    "deer": Recipe(
        parts=_DEER, coats=_DEER_COATS, mottle=0.12, sky=_SKY, far=_TREES, ground=_FOREST_FLOOR,
        horizon=(-0.1, 0.3), rise=(0.4, 1.2), foot=(0.55, 0.85), scale=(0.65, 0.9),
    ),
    "dog": Recipe(
        parts=_DOG, coats=_PET_COATS, mottle=0.12, sky=_WALL, far=_TREES, ground=_GRASS,
        horizon=(-0.3, 0.2), rise=(0.2, 0.8), foot=(0.5, 0.85), scale=(0.85, 1.2),
    ),
    "frog": Recipe(
        parts=_FROG,
        coats=(_skin((96, 132, 56), (182, 178, 120)), _skin((124, 104, 66), (176, 160, 124)), _skin((70, 152, 72), (208, 204, 150))),
        mottle=0.3, sky=_FOREST_FLOOR, far=_FOREST_FLOOR, ground=_POND,
        horizon=(-1.1, -0.4), rise=(0.0, 0.4), foot=(0.35, 0.7), scale=(0.95, 1.4), tilt=0.25,
    ),
    "horse": Recipe(
        parts=_HORSE, coats=_HORSE_COATS, mottle=0.16, **_MEADOW,
        horizon=(-0.25, 0.35), rise=(0.05, 0.55), foot=(0.6, 0.9), scale=(0.7, 0.95),
    ),
    "ship": Recipe(
        parts=_SHIP, coats=(_paintwork(_NAVY, _RED), _paintwork(_WHITE, _YELLOW), _paintwork(_DARK, _RED), _paintwork(_GREEN, _SILVER)),
        mottle=0.0, sky=_SKY, far=_HILLS, ground=_SEA,
        horizon=(-0.15, 0.25), rise=(0.0, 0.25), foot=(0.3, 0.6), scale=(0.65, 0.95), shadow=0.9,
    ),
    "truck": Recipe(
        parts=_TRUCK, coats=(_haulage(_RED, _WHITE), _haulage(_NAVY, _SILVER), _haulage(_WHITE, _GREEN), _haulage(_YELLOW, _NAVY)),
        mottle=0.0, **_STREET, horizon=(-0.15, 0.3), rise=(0.1, 0.7), foot=(0.55, 0.85), scale=(0.75, 0.95), shadow=0.95,
    ),
}  # fmt: skip
