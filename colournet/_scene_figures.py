"""The figures of `colournet.scenes`: animals and vehicles as strokes, discs and convex polygons.

A figure lives in body coordinates: x points where it faces, y points down, and it stands (or floats) on y = 0; one unit
is about half its length.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


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


HORSE = (
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
DEER = (
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
DOG = _quadruped(
    height=0.56,
    length=0.75,
    girth=0.2,
    neck=(0.22, -0.26),
    snout=(0.24, 0.06),
    head=0.16,
    tail=(-0.22, -0.26),
    leg=0.07,
)
CAT = _quadruped(
    height=0.46, length=0.7, girth=0.2, neck=(0.2, -0.2), snout=(0.08, 0.04), head=0.19, tail=(-0.16, -0.46), leg=0.065
)

BIRD = (
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
FROG = (
    Part("body", ((-0.15, -0.28), (0.4, -0.42)), (0.3, 0.24)),
    Part("body", ((-0.3, -0.25), (-0.5, -0.08)), (0.26, 0.1), ((0.0, 0.0), (0.12, 0.02)), "leg"),
    Part("body", ((-0.5, -0.07), (0.05, -0.05)), (0.08, 0.06), ((0.12, 0.02), (0.05, 0.0)), "leg"),
    Part("body", ((0.3, -0.3), (0.45, -0.04)), (0.1, 0.06), ((0.0, 0.0), (0.12, 0.0)), "arm"),
    Part("belly", ((0.2, -0.2), (0.5, -0.33)), (0.09, 0.1)),
    _disc("body", 0.4, -0.64, 0.13),
    _disc("eye", 0.42, -0.66, 0.07),
)
AIRPLANE = (
    Part("wing", ((0.1, -0.05), (-0.25, -0.5)), (0.1, 0.04), ((0.0, 0.0), (0.1, 0.15)), "wing"),
    Part("stripe", ((-0.95, -0.5), (-0.78, -0.5), (-0.5, -0.08), (-0.88, -0.04)), (0.02, 0.02)),
    Part("body", ((-0.85, -0.04), (0.75, 0.0)), (0.09, 0.14)),
    Part("stripe", ((-0.8, 0.0), (0.6, 0.03)), (0.035, 0.045)),
    Part("glass", ((0.72, -0.07), (0.8, -0.04)), (0.05, 0.04)),
    Part("wing", ((0.12, 0.07), (-0.3, 0.5)), (0.12, 0.05), ((0.0, 0.0), (0.1, 0.15)), "wing"),
    Part("wing", ((-0.75, 0.0), (-0.92, 0.16)), (0.06, 0.03)),
)
AUTOMOBILE = (
    Part("body", ((-0.45, -0.76), (0.25, -0.76), (0.6, -0.4), (-0.75, -0.4)), (0.04, 0.04)),
    Part("glass", ((-0.4, -0.69), (-0.1, -0.69), (-0.1, -0.46), (-0.6, -0.46)), (0.01, 0.01)),
    Part("glass", ((-0.02, -0.69), (0.22, -0.69), (0.45, -0.46), (-0.02, -0.46)), (0.01, 0.01)),
    Part("body", ((-0.88, -0.46), (0.6, -0.46), (0.95, -0.36), (0.98, -0.14), (-0.92, -0.14)), (0.04, 0.04)),
    _disc("lamp", 0.92, -0.3, 0.06),
    *(_disc("tyre", x, -0.16, 0.19) for x in (-0.54, 0.56)),
    *(_disc("hub", x, -0.16, 0.08) for x in (-0.54, 0.56)),
)
TRUCK = (
    _box("cargo", -0.95, -1.05, 0.32, -0.22),
    Part("cab", ((0.4, -0.84), (0.72, -0.84), (0.92, -0.5), (0.95, -0.18), (0.4, -0.18)), (0.03, 0.03)),
    Part("glass", ((0.52, -0.76), (0.69, -0.76), (0.82, -0.52), (0.52, -0.52)), (0.01, 0.01)),
    _box("tyre", -0.9, -0.2, 0.5, -0.14),
    *(_disc("tyre", x, -0.15, 0.16) for x in (-0.7, -0.36, 0.66)),
    *(_disc("hub", x, -0.15, 0.06) for x in (-0.7, -0.36, 0.66)),
)
SHIP = (
    _box("funnel", -0.22, -0.86, -0.02, -0.5),
    _box("deck", -0.6, -0.58, 0.4, -0.26),
    _box("deck", 0.1, -0.74, 0.34, -0.5),
    Part("glass", ((-0.5, -0.44), (0.3, -0.44)), (0.04, 0.04)),
    Part("tyre", ((0.55, -0.26), (0.55, -0.95)), (0.03, 0.02)),
    Part("hull", ((-0.95, -0.26), (1.05, -0.32), (0.75, 0.06), (-0.8, 0.06)), (0.02, 0.02)),
    Part("keel", ((-0.84, -0.03), (0.86, -0.03), (0.76, 0.06), (-0.8, 0.06)), (0.01, 0.01)),
)
