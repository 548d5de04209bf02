"""Photos of every kind are read as grey and alpha, upright, or refused in a sentence."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from colournet import photos
from colournet.errors import DataError
from colournet.photos import Photo, read_photo, write_photo


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def mean_of(rgb: np.ndarray) -> np.ndarray:
    """The grey of 8-bit colours in steps of 1 / 65536."""
    return np.rint(rgb[..., :3].mean(axis=2) * 256).astype(np.uint16)


def test_colour(tmp_path: Path) -> None:
    """The grey is the mean of R, G and B, finer than 8 bits."""
    rgb = picture(7, 5)

    photo = read_photo(save(Image.fromarray(rgb), tmp_path / "photo.png"))

    assert (photo.grey == mean_of(rgb)).all()
    assert photo.alpha is None
    assert photo.size == (7, 5)


def test_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture read in strips is read whole, and no strip is larger than allowed."""
    rgb = picture(50, 9)
    path = save(Image.fromarray(rgb), tmp_path / "photo.png")
    monkeypatch.setattr(photos, "_STRIP_PIXELS", 30)
    sizes = []
    crop = Image.Image.crop
    monkeypatch.setattr(
        Image.Image, "crop", lambda image, box: sizes.append((box[2] - box[0]) * (box[3] - box[1])) or crop(image, box)
    )

    photo = read_photo(path)

    assert (photo.grey == mean_of(rgb)).all()
    assert len(sizes) == 17
    assert max(sizes) <= 30


@pytest.mark.parametrize(("format_name", "tolerance"), [("PNG", 0), ("JPEG", 2000), ("WEBP", 2500)])
def test_formats(format_name: str, tolerance: int, tmp_path: Path) -> None:
    """PNG, JPEG and WebP are read, whatever the file is called."""
    rgb = np.repeat(np.repeat(picture(2, 3), 16, axis=0), 16, axis=1)
    path = tmp_path / "photo.anything"
    path.write_bytes(encode(Image.fromarray(rgb), format_name, quality=95))

    difference = read_photo(path).grey.astype(int) - mean_of(rgb)

    assert np.median(np.abs(difference)) <= tolerance


def encode(image: Image.Image, format_name: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_name, **({} if format_name == "PNG" else options))
    return stream.getvalue()


@pytest.mark.parametrize("orientation", range(9))
def test_orientation(orientation: int, tmp_path: Path) -> None:
    """Grey and alpha are turned as the EXIF orientation asks."""
    image = Image.fromarray(picture(4, 6, 4))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(image, tmp_path / "photo.png", exif=exif)

    photo = read_photo(path)

    with Image.open(path) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    assert (photo.grey == mean_of(upright)).all()
    assert photo.alpha is not None
    assert (photo.alpha == upright[..., 3]).all()


def test_16_bit_grey(tmp_path: Path) -> None:
    """16-bit grey keeps its 16 bits."""
    levels = np.arange(60_000, 60_012, dtype=np.uint16).reshape(3, 4)

    photo = read_photo(save(Image.fromarray(levels), tmp_path / "photo.png"))

    assert (photo.grey == levels).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK"])
def test_modes(mode: str, tmp_path: Path) -> None:
    """Palettes, transparency, grey, black and white, and printers' colours are read."""
    rgba = np.concatenate([np.repeat(picture(8, 8, 1), 3, axis=2), picture(8, 8, 1)], axis=2)
    image = Image.fromarray(rgba).convert("RGBA" if mode in ("PA", "RGBA") else "LA" if mode == "LA" else "RGB")
    image = image.convert("P" if mode == "PA" else mode)
    path = tmp_path / "photo"
    path.write_bytes(encode(image, "JPEG" if mode == "CMYK" else "PNG", quality=100))

    photo = read_photo(path)

    assert photo.size == (8, 8)
    assert (photo.alpha is not None) == (mode in ("LA", "PA", "RGBA"))


def test_opaque_alpha(tmp_path: Path) -> None:
    """Alpha that hides nothing is left out."""
    rgba = picture(4, 4, 4)
    rgba[..., 3] = 255

    assert read_photo(save(Image.fromarray(rgba), tmp_path / "photo.png")).alpha is None


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
def test_damage(format_name: str, tmp_path: Path) -> None:
    """A picture cut short or with changed bytes is refused in one sentence, or read; nothing else is raised."""
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encode(Image.fromarray(picture(16, 24)), format_name, exif=exif)
    generator = np.random.default_rng(0)
    path = tmp_path / "photo"
    told = []

    for number in range(200):
        content = bytearray(whole[: generator.integers(len(whole))] if number % 2 == 0 else whole)
        for place in generator.integers(max(len(content), 1), size=3 if content else 0):
            content[place] = generator.integers(256)
        path.write_bytes(content)
        try:
            read_photo(path)
        except DataError as error:
            told.append(error.message)

    assert len(told) > 50
    assert not any("\n" in message for message in told)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"<svg/>", b"%!PS-Adobe-3.0"], ids=["empty", "gif", "svg", "ps"])
def test_other_formats(content: bytes, tmp_path: Path) -> None:
    """Other formats are not even tried: some are programs."""
    path = tmp_path / "photo.png"
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"photo.png: not a PNG, JPEG or WebP picture"):
        read_photo(path)


@pytest.mark.parametrize("limit", [30, 59])
def test_bomb(limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture beyond Pillow's limit, or twice that, is refused in one sentence."""
    path = save(Image.new("L", (10, 10)), tmp_path / "photo.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)

    with pytest.raises(DataError, match="has more than 0 million pixels, the limit"):
        read_photo(path)


def test_missing(tmp_path: Path) -> None:
    """A picture that is not there is told as such, and so is a folder."""
    for path in (tmp_path / "no.png", tmp_path):
        with pytest.raises(DataError, match="there is no such file"):
            read_photo(path)


def test_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture painted in strips is written whole, with the photo's alpha, as 8-bit PNG."""
    monkeypatch.setattr(photos, "_STRIP_PIXELS", 20)
    rgba = picture(11, 6, 4)
    asked = []

    def paint(top: int, bottom: int) -> np.ndarray:
        asked.append(bottom - top)
        return rgba[top:bottom, :, :3]

    write_photo(tmp_path / "new" / "photo.png", Photo(mean_of(rgba), rgba[..., 3]), paint)

    with Image.open(tmp_path / "new" / "photo.png") as written:
        assert (np.asarray(written) == rgba).all()
    assert asked == [3, 3, 3, 2]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["photo.png"]


def test_cannot_be_written(tmp_path: Path) -> None:
    """Where no file can be made, a sentence says so."""
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match="cannot be written"):
        write_photo(tmp_path / "file" / "a.png", Photo(np.zeros((1, 1), np.uint16), None), lambda *_: picture(1, 1))
