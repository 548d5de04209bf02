"""Colour science on tensors: sRGB, linear light, CIE XYZ, CIE L*a*b* (D65), and the colour difference CIEDE2000.

Colours lie along the third last dimension, as in images. All of it is differentiable, with finite gradients also at black,
on the grey axis and between equal colours. An 8-bit value is divided by 255 here, as the standard says, not by the 256 of the
assignment (`colournet.palette.SCALE`).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

WHITE_8BIT = 255
"""The 8-bit value of white: what 8-bit colours are divided by here."""

# sRGB's primaries under D65 (IEC 61966-2-1, to the six digits of its derivation): rows X, Y, Z of linear R, G, B.
_XYZ_OF_RGB = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_EPSILON = 6 / 29  # CIE 15:2004: below its cube the cube root is continued by its tangent
_CHROMA_7 = 25.0**7


def srgb_to_lab(rgb: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """Convert sRGB in [0, 1] to CIE L*a*b* under D65: L in [0, 100], a in [-87, 99], b in [-108, 95].

    References: IEC 61966-2-1:1999, CIE 15:2004. Grey has a = b = 0 up to rounding.
    """
    return xyz_to_lab(linear_to_xyz(srgb_to_linear(rgb)))


def lab_to_srgb(lab: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """Convert CIE L*a*b* under D65 to sRGB: the inverse of `srgb_to_lab`.

    What no screen can show comes out below 0 or above 1, to be clipped by whoever shows it.
    """
    return linear_to_srgb(xyz_to_linear(lab_to_xyz(lab)))


def bytes_to_lab(images: UInt8[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """Convert 8-bit sRGB (255 is white) to CIE L*a*b* under D65."""
    return srgb_to_lab(images.to(torch.float32) / WHITE_8BIT)


def lab_to_bytes(lab: Float[Tensor, "*batch 3 h w"]) -> UInt8[Tensor, "*batch 3 h w"]:
    """Convert CIE L*a*b* under D65 to the nearest 8-bit sRGB, clipped channel by channel to what a screen can show."""
    return (lab_to_srgb(lab) * WHITE_8BIT).round().clamp(0, WHITE_8BIT).to(torch.uint8)


def srgb_to_linear(rgb: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Undo the sRGB transfer curve: values in [0, 1] to linear light in [0, 1]. Reference: IEC 61966-2-1:1999."""
    bent = ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(rgb > 0.04045, bent, rgb / 12.92)


def linear_to_srgb(linear: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Apply the sRGB transfer curve: linear light in [0, 1] to values in [0, 1]; its straight part goes on below 0."""
    bent = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, bent, linear * 12.92)


def linear_to_xyz(linear: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """Convert linear sRGB in [0, 1] to CIE XYZ, where white has Y = 1. Reference: IEC 61966-2-1:1999."""
    return _mix(_matrix(linear), linear)


def xyz_to_linear(xyz: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """Convert CIE XYZ to linear sRGB: the inverse of `linear_to_xyz`."""
    return _mix(torch.linalg.inv(_matrix(xyz)), xyz)


def xyz_to_lab(xyz: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """Convert CIE XYZ (white has Y = 1) to CIE L*a*b* under D65. Reference: CIE 15:2004, section 8.2.1."""
    x, y, z = _compress(xyz / _white(xyz)).unbind(dim=-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def grey_to_lightness(grey: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The L, in [0, 100], of sRGB with R = G = B = grey in [0, 1]."""
    return 116 * _compress(srgb_to_linear(grey)) - 16


def lab_to_xyz(lab: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """Convert CIE L*a*b* under D65 to CIE XYZ: the inverse of `xyz_to_lab`."""
    lightness, a, b = lab.unbind(dim=-3)
    y = (lightness + 16) / 116
    root = torch.stack([y + a / 500, y, y - b / 200], dim=-3)
    return torch.where(root > _EPSILON, root**3, 3 * _EPSILON**2 * (root - 4 / 29)) * _white(lab)


def ciede2000(one: Float[Tensor, "*batch 3 h w"], other: Float[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch h w"]:
    """The colour difference CIEDE2000 of two CIE L*a*b* images, pixel by pixel: 0 for equal ones, 100 from black to white.

    About 1 can just be seen. All weights (kL, kC, kH) are 1. Reference: Sharma, Wu and Dalal, The CIEDE2000
    color-difference formula, Color Research and Application 30 (2005), from which come the symbols.
    """
    (l1, a1, b1), (l2, a2, b2) = one.unbind(dim=-3), other.unbind(dim=-3)
    stretch = 1.5 - 0.5 * _saturation((_length(a1, b1) + _length(a2, b2)) / 2)
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = _length(a1, b1), _length(a2, b2)
    h1, h2 = _angle(a1, b1), _angle(a2, b2)
    coloured = (c1 * c2) > 0
    apart = (h1 - h2).abs() > math.pi
    turn = torch.where(coloured, h2 - h1, 0)
    turn = turn - torch.where(coloured & apart, 2 * math.pi * torch.sign(turn), 0)
    d_hue = 2 * (c1 * c2 + (~coloured)).sqrt() * torch.sin(turn / 2)  # of grey, the sine is 0
    half_turn = torch.where(coloured & apart, torch.where(h1 + h2 < 2 * math.pi, math.pi, -math.pi), 0)
    hue = torch.where(coloured, (h1 + h2) / 2 + half_turn, h1 + h2)
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2

    lifted = (light - 50) ** 2
    s_light = 1 + 0.015 * lifted / (20 + lifted).sqrt()
    s_chroma = 1 + 0.045 * chroma
    s_hue = 1 + 0.015 * chroma * _hue_weight(hue)
    dl, dc, dh = (l2 - l1) / s_light, (c2 - c1) / s_chroma, d_hue / s_hue
    blue = 30 * torch.exp(-(((torch.rad2deg(hue) - 275) / 25) ** 2))
    rotation = -torch.sin(2 * torch.deg2rad(blue)) * 2 * _saturation(chroma)
    return _root(dl**2 + dc**2 + dh**2 + rotation * dc * dh)


def _compress(scaled: Tensor) -> Tensor:
    """The cube root, which near black is continued by its tangent. Reference: CIE 15:2004, section 8.2.1."""
    root = scaled.clamp(min=_EPSILON**3) ** (1 / 3)
    return torch.where(scaled > _EPSILON**3, root, scaled / (3 * _EPSILON**2) + 4 / 29)


def _hue_weight(hue: Tensor) -> Tensor:
    """Sharma's T."""
    degree = math.pi / 180
    return (
        1
        - 0.17 * torch.cos(hue - 30 * degree)
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + 6 * degree)
        - 0.20 * torch.cos(4 * hue - 63 * degree)
    )


def _saturation(chroma: Tensor) -> Tensor:
    """The square root of C^7 / (C^7 + 25^7), whose gradient at 0 is 0."""
    return chroma**3.5 / (chroma**7 + _CHROMA_7).sqrt()


def _angle(a: Tensor, b: Tensor) -> Tensor:
    """The hue in [0, 2 pi); of grey 0, with no gradient."""
    grey = (a == 0) & (b == 0)
    return torch.where(grey, 0, torch.atan2(b, a + grey) % (2 * math.pi))


def _length(a: Tensor, b: Tensor) -> Tensor:
    return _root(a**2 + b**2)


def _root(squared: Tensor) -> Tensor:
    """The square root, whose gradient at 0 is taken as 0."""
    positive = squared > 0
    return torch.where(positive, torch.where(positive, squared, 1).sqrt(), 0)


def _matrix(like: Tensor) -> Tensor:
    return torch.tensor(_XYZ_OF_RGB, dtype=like.dtype, device=like.device)


def _white(like: Tensor) -> Tensor:
    """XYZ of sRGB's white by the matrix itself, so that grey is exactly grey."""
    return _matrix(like).sum(dim=1)[:, None, None]


def _mix(matrix: Tensor, image: Tensor) -> Tensor:
    return torch.einsum("ij,...jhw->...ihw", matrix, image)
