"""Small colour scenes of the ten classes, drawn in memory from a seed: a data set that needs no download.

Each scene is a figure with a coat, before a sky, a distance and a ground, under some light, with texture and noise.
What they look like is data (`colournet._scene_recipes`); this module only paints. Grey alone tells little about colour
here, because sky, grass and coat are equally bright; place, texture and shape tell more; some of it stays a guess.

The bytes depend on the arguments only. Scenes come in blocks of 16, each block from its own PCG64 stream and always
drawn whole, so that an image does not depend on how many are asked for. Every operation is one that IEEE 754 rounds
exactly (no sine, no power, no sum whose order is free), so that all platforms draw the same.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from colournet._scene_figures import Part
from colournet._scene_recipes import RECIPES, Range, Recipe, Surface
from colournet.errors import ConfigError, did_you_mean

MIN_SIZE_PIXELS = 16

_BLOCK = 16
_LIFT, _CONTRAST, _SATURATION = 22.0, 0.68, 1.8  # of the film: see `_Canvas.develop`

Values = Float64[np.ndarray, " n"]
Plane = Float64[np.ndarray, "n h w"]
Picture = Float64[np.ndarray, "n 3 h w"]
Each = Float64[np.ndarray, "n 1 1"]  # one value an image, ready to meet a `Plane`
Spot = tuple[Each, Each]


def draw(
    category: str, count: int, *, seed: int, split: str = "train", size: int = 32
) -> UInt8[np.ndarray, "{count} 3 {size} {size}"]:
    """Draw `count` scenes of a class as RGB in 0 to 255.

    The first k images are those of `draw(category, k, ...)`. Another seed, category or split (any word) gives
    independent images; another size gives other images too. Raises `ConfigError` for an unknown category, a negative
    seed, a count below 1 or a size below 16 pixels.
    """
    if category not in RECIPES:
        raise ConfigError(f"scenes: there is no category {category!r}", hint=did_you_mean(category, RECIPES))
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("size", size, MIN_SIZE_PIXELS)):
        if value < least:
            raise ConfigError(f"scenes: {name} must be at least {least}, got {value}")
    stream = [list(RECIPES).index(category), zlib.crc32(split.encode())]
    blocks = []
    for index in range(-(-count // _BLOCK)):
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([*stream, index, seed])))
        blocks.append(_Canvas(size, generator=generator).paint(RECIPES[category]))
    return np.concatenate(blocks)[:count]


@dataclass(frozen=True)
class _Pose:
    """Where the figures stand, one value an image: centre and foot in the image, slope, body units to image units."""

    x: Values
    y: Values
    slope: Values
    width: Values  # negative where a figure faces left
    height: Values


class _Canvas:
    """A block of scenes in the making, and the only place that draws random numbers."""

    def __init__(self, size: int, *, generator: np.random.Generator) -> None:
        self.size = size
        self.generator = generator
        axis = (np.arange(size) + 0.5) * (2.0 / size) - 1.0
        self.x = np.broadcast_to(axis[None, None, :], (_BLOCK, size, size))
        self.y = np.broadcast_to(axis[None, :, None], (_BLOCK, size, size))
        self.rgb = np.zeros((_BLOCK, 3, size, size))

    def paint(self, recipe: Recipe) -> UInt8[np.ndarray, "n 3 h w"]:
        """Paint background, figure, light and noise; all colours are whole numbers in the end."""
        sunshine = self.between((0.0, 1.0))  # 0 overcast: soft shadows, less light
        pose = self.pose(recipe)
        self.paint_backdrop(recipe, sunshine)
        if recipe.shadow:
            self.paint_shadow(recipe.shadow, pose, 0.15 + 0.45 * sunshine)
        self.paint_figure(recipe, pose)
        self.develop()
        return np.clip(np.rint(self.rgb), 0.0, 255.0).astype(np.uint8)

    def between(self, bounds: Range) -> Values:
        """One uniform number an image."""
        return bounds[0] + (bounds[1] - bounds[0]) * self.generator.random(_BLOCK)

    def one_of(self, count: int) -> Int64[np.ndarray, " n"]:
        """One index below `count` an image."""
        return np.floor(count * self.generator.random(_BLOCK)).astype(np.int64)

    def noise(self, cells: int) -> Plane:
        """Smooth value noise in [-1, 1] on a random lattice of `cells` by `cells`."""
        lattice = 2.0 * self.generator.random((_BLOCK, cells + 1, cells + 1)) - 1.0
        place = (np.arange(self.size) + 0.5) * (cells / self.size)
        left = np.floor(place).astype(np.int64)
        part = place - left
        part = part * part * (3.0 - 2.0 * part)
        rows = lattice[:, left] + part[:, None] * (lattice[:, left + 1] - lattice[:, left])
        return np.asarray(rows[:, :, left] + part * (rows[:, :, left + 1] - rows[:, :, left]))

    def lay(self, colour: Picture, mask: Plane) -> None:
        """Cover the scene with `colour` where `mask` is 1, and mix where it is between 0 and 1."""
        self.rgb += mask[:, None] * (colour - self.rgb)

    def pose(self, recipe: Recipe) -> _Pose:
        """Place a figure in each image; half of them face left."""
        scale, stretch = self.between(recipe.scale), self.between((0.92, 1.08))
        facing = np.where(self.between((0.0, 1.0)) < 0.5, 1.0, -1.0)
        return _Pose(
            x=self.between((-0.25, 0.25)),
            y=self.between(recipe.foot),
            slope=self.between((-recipe.tilt, recipe.tilt)),
            width=facing * scale * stretch,
            height=scale / stretch,
        )

    def paint_backdrop(self, recipe: Recipe, sunshine: Values) -> None:
        """Sky, then the distance with its rough outline, then the ground below a slightly sloping horizon."""
        horizon = _spread(self.between(recipe.horizon)) + _spread(self.between((-0.08, 0.08))) * self.x
        rise = _spread(self.between(recipe.rise)) * (1.0 + 0.5 * self.noise(7)[:, :1])
        far_from_horizon = np.minimum(np.abs(self.y - horizon), 1.0)
        edge = 0.5 * self.size
        self.lay(self.surface(recipe.backdrop.sky, far_from_horizon, sunshine), np.ones_like(self.x))
        for surface, top in ((recipe.backdrop.distance, horizon - rise), (recipe.backdrop.ground, horizon)):
            mask = np.clip((self.y - top) * edge + 0.5, 0.0, 1.0)
            self.lay(self.surface(surface, far_from_horizon, sunshine), mask)

    def surface(self, surface: Surface, depth: Plane, sunshine: Values) -> Picture:
        """Colour of a surface everywhere: its gradient over `depth`, patches, grain and brightness."""
        tint = self.one_of(len(surface.tints))
        ends = np.array([(look.horizon, look.away) for look in surface.tints], dtype=np.float64)[tint]
        horizon, away = ends[:, 0, :, None, None], ends[:, 1, :, None, None]
        colour = horizon + depth[:, None] * (away - horizon)
        cover = _spread(self.between((0.0, surface.cover)))
        clumps = 0.75 * self.noise(5) + 0.25 * self.noise(11)
        patch = np.clip(0.5 + 2.5 * (clumps - 1.0 + 2.0 * cover), 0.0, 1.0)
        colour += (0.8 * patch)[:, None] * (np.array(surface.patch, dtype=np.float64)[:, None, None] - colour)
        grain = (
            _spread(np.array([look.grain for look in surface.tints])[tint])
            * (1.0 - 0.6 * patch)
            * (2.0 * self.generator.random(self.x.shape) - 1.0)
        )
        brightness = _spread(self.between((0.85, 1.1)) + 0.06 * sunshine)
        return np.asarray(colour * ((1.0 + grain) * brightness)[:, None])

    def body_frame(self, pose: _Pose) -> tuple[Plane, Plane]:
        """Body coordinates of every pixel, x forwards and y down, the ground at y = 0."""
        length = np.sqrt(1.0 + pose.slope * pose.slope)
        along, across = _spread(1.0 / length), _spread(pose.slope / length)
        x, y = self.x - _spread(pose.x), self.y - _spread(pose.y)
        return (along * x + across * y) / _spread(pose.width), (along * y - across * x) / _spread(pose.height)

    def paint_shadow(self, half_width: float, pose: _Pose, strength: Values) -> None:
        """Darken a flat ellipse under the figure."""
        x, y = self.body_frame(pose)
        inside = np.clip(1.6 - 1.6 * np.sqrt((x / half_width) ** 2 + (y / 0.14) ** 2), 0.0, 1.0)
        self.rgb *= 1.0 - (_spread(strength) * inside)[:, None]

    def paint_figure(self, recipe: Recipe, pose: _Pose) -> None:
        """Paint the parts in their order, each role in the colour of the image's coat."""
        x, y = self.body_frame(pose)
        coat = self.one_of(len(recipe.coats))
        mottle = (recipe.mottle * coat / max(len(recipe.coats) - 1, 1))[:, None, None] * self.noise(9)
        hue = self.between((0.85, 1.15))[:, None] * (1.0 + 0.04 * (2.0 * self.generator.random((_BLOCK, 3)) - 1.0))
        swing = {joint: self.between((-1.0, 1.0)) for joint in sorted({part.joint for part in recipe.parts})}
        softness = 0.5 * self.size * pose.height[:, None, None]
        for role, parts in groupby(recipe.parts, key=lambda part: part.role):
            distances = [_distance(part, swing[part.joint], x, y) for part in parts]
            distance = np.minimum.reduce(distances)
            colour = hue * np.array([colours[role] for colours in recipe.coats], dtype=np.float64)[coat]
            light = 0.8 + np.clip(-1.6 * distance, 0.0, 0.2) - 0.25 * np.clip(y + 0.6, -0.6, 0.6) + mottle
            self.lay(colour[:, :, None, None] * light[:, None], np.clip(0.5 - distance * softness, 0.0, 1.0))

    def develop(self) -> None:
        """Develop the picture: soft contrast, strong colours, any exposure, a slight cast, and noise.

        Soft contrast and an exposure that only the whole scene tells are what makes the grey of one pixel ambiguous.
        """
        grey = ((self.rgb[:, 0] + self.rgb[:, 1] + self.rgb[:, 2]) / 3.0)[:, None]
        self.rgb = _LIFT + _CONTRAST * grey + _SATURATION * (self.rgb - grey)
        brightness = self.between((0.68, 1.32))[:, None]
        cast = 1.0 + 0.03 * (2.0 * self.generator.random((_BLOCK, 3)) - 1.0)
        self.rgb *= (brightness * cast)[:, :, None, None]
        # Noise: eight levels wide in brightness, six in each channel on its own.
        self.rgb += 8.0 * (self.generator.random((_BLOCK, 1, self.size, self.size)) - 0.5)
        self.rgb += 6.0 * (self.generator.random(self.rgb.shape) - 0.5)


def _spread(values: Values) -> Each:
    return values[:, None, None]


def _distance(part: Part, swing: Values, x: Plane, y: Plane) -> Plane:
    """Signed distance of the points (x, y) to a part in body units, negative inside (exact but for polygon corners)."""
    swings = part.swings or ((0.0, 0.0),) * len(part.points)
    joints = [
        (_spread(px + swing * dx), _spread(py + swing * dy))
        for (px, py), (dx, dy) in zip(part.points, swings, strict=True)
    ]
    if len(joints) > 2:
        return _polygon_distance(joints, x, y) - part.radii[0]
    return _stroke_distance(joints[0], joints[-1], part.radii, x, y)


def _stroke_distance(start: Spot, end: Spot, radii: Range, x: Plane, y: Plane) -> Plane:
    """Distance to a line whose radius goes from `radii[0]` to `radii[1]`. Reference: Quilez, 2D distance functions."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = np.clip((px * dx + py * dy) / np.maximum(dx * dx + dy * dy, 1e-9), 0.0, 1.0)
    px, py = px - along * dx, py - along * dy
    return np.asarray(np.sqrt(px * px + py * py) - (radii[0] + along * (radii[1] - radii[0])))


def _polygon_distance(corners: list[Spot], x: Plane, y: Plane) -> Plane:
    """Distance to the convex polygon with these corners, clockwise as seen: the largest over its edges' lines."""
    sides = []
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        dx, dy = bx - ax, by - ay
        sides.append(((x - ax) * dy - (y - ay) * dx) / np.sqrt(dx * dx + dy * dy))
    return np.asarray(np.maximum.reduce(sides))
