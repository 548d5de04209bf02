"""CIFAR-10 is found where the user says, and read without trusting its files."""

import hashlib
import io
import os
import pickle
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colournet import cifar10
from colournet.config import CLASSES
from colournet.errors import ConfigError, DataError
from tests.colournet.fake_cifar import BATCHES, make_batches, write_archive, write_folder, write_pickle

# As Python 2 wrote it: the array [255, 1] of uint8, its content as a string.
PYTHON_2_ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\nt"
    b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nU\x02\xff\x01tb."
)
# The same for the object array [None], whose dtype claims to hold plain numbers: eight bytes that are no pointer.
FORGED_ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\nt"
    b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'AAAAAAAA'\ntb."
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no named data, and no network."""

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setenv("COLOURNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLOURNET_DATA", raising=False)
    monkeypatch.setattr(cifar10, "fetch", no_network)
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small folder in the official layout."""
    folder = tmp_path / "data" / "cifar-10-batches-py"
    write_folder(folder, per_class=2, seed=0)
    return folder


@pytest.fixture
def archive(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder as an archive that counts as official."""
    archive = tmp_path / "packed" / "cifar-10-python.tar.gz"
    write_archive(archive, folder)
    make_official(archive, monkeypatch)
    return archive


def make_official(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "MD5", hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest())


def read_test(folder: Path) -> dict[str, np.ndarray]:
    return cifar10.read(folder, split="test", classes=CLASSES)


# --- reading


@pytest.mark.parametrize(("split", "names"), [("train", BATCHES[:5]), ("test", BATCHES[5:])])
def test_images_keep_their_order(folder: Path, split: str, names: tuple[str, ...]) -> None:
    """The images of a class come in the order of the files, and in each in its own order."""
    expected = [
        image.reshape(3, 32, 32)
        for name, batch in make_batches(per_class=2, seed=0)
        for image, label in zip(batch[b"data"], batch[b"labels"], strict=True)
        if name in names and label == CLASSES.index("horse")
    ]
    horses = cifar10.read(folder, split=split, classes=["horse"])["horse"]
    np.testing.assert_array_equal(horses, expected)


def test_each_class_is_asked_for(folder: Path) -> None:
    """Only the classes that are asked for are read, each once."""
    images = cifar10.read(folder, split="train", classes=["dog", "cat", "dog"])
    assert {name: array.shape for name, array in images.items()} == {"dog": (10, 3, 32, 32), "cat": (10, 3, 32, 32)}


def test_images_are_plain_contiguous_bytes(folder: Path) -> None:
    """Images are plain numpy arrays, contiguous even where the file has its columns first."""
    batch = next(batch for name, batch in make_batches(per_class=2, seed=0) if name == "test_batch")
    write_pickle(folder / "test_batch", {**batch, b"data": np.asfortranarray(batch[b"data"])})
    frogs = read_test(folder)["frog"]
    assert type(frogs) is np.ndarray
    assert frogs.flags.c_contiguous


def test_text_keys_are_read(folder: Path) -> None:
    """A batch whose keys are text, as copies written by Python 3 have them, is read too."""
    expected = read_test(folder)
    batch = next(batch for name, batch in make_batches(per_class=2, seed=0) if name == "test_batch")
    write_pickle(folder / "test_batch", {key.decode(): value for key, value in batch.items()})
    np.testing.assert_equal(read_test(folder), expected)


def test_an_unknown_class_is_named(folder: Path) -> None:
    """A class that does not exist is told with the nearest one that does."""
    with pytest.raises(ConfigError, match="no class 'hors'") as caught:
        cifar10.read(folder, split="test", classes=["hors"])
    assert caught.value.hint == "did you mean 'horse'?"


@pytest.mark.cifar
@pytest.mark.parametrize(("split", "count"), [("train", 5000), ("test", 1000)])
def test_the_true_data_have_their_counts(cifar_dir: Path, split: str, count: int) -> None:
    """CIFAR-10 has 5,000 training and 1,000 test images of each class."""
    images = cifar10.read(cifar10.locate(cifar_dir), split=split, classes=CLASSES)
    assert {name: array.shape for name, array in images.items()} == dict.fromkeys(CLASSES, (count, 3, 32, 32))


@pytest.mark.cifar
def test_true_ships_are_bluer_than_frogs(cifar_dir: Path) -> None:
    """Channels are red, green, blue and classes are what they are called: ships lie in the blue, frogs do not."""
    images = cifar10.read(cifar10.locate(cifar_dir), split="test", classes=["ship", "frog"])
    blueness = {name: array[:, 2].mean() - array[:, 0].mean() for name, array in images.items()}
    assert blueness["ship"] > 5 > -5 > blueness["frog"]


# --- damage


def test_a_missing_file_is_named(folder: Path) -> None:
    """A batch that is not there is named, with a hint."""
    (folder / "data_batch_3").unlink()
    with pytest.raises(DataError, match=r"data_batch_3: there is no such file") as caught:
        cifar10.read(folder, split="train", classes=["horse"])
    assert caught.value.hint


@pytest.mark.parametrize("kept", [0, 1, 30, 1000, -1])
def test_a_truncated_file_is_named(folder: Path, kept: int) -> None:
    """A batch that is cut off is named, wherever it is cut."""
    path = folder / "test_batch"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"test_batch: damaged, or not a pickle: ."):
        read_test(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html>",
        b"\x00" * 100,
        b"\xff" * 100,
        b"\x80\x02.",
        b"S'\\q'\n.",
        b"cnumpy\nndarray\n)R(K\x01)NI00\nNtb.",
    ],
)
def test_garbage_is_named(folder: Path, content: bytes) -> None:
    """A file that is something else altogether is named."""
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match="test_batch: "):
        read_test(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({b"data": np.zeros((20, 3071), np.uint8)}, "rows of 3072 bytes"),
        ({b"data": np.zeros((20, 3, 32, 32), np.uint8)}, "rows of 3072 bytes"),
        ({b"data": np.zeros((20, 3072), np.float32)}, "rows of 3072 bytes"),
        ({b"data": np.zeros((19, 3072), np.uint8)}, "19 images and 20 labels"),
        ({b"data": None}, "rows of 3072 bytes"),
        ({b"labels": [10] * 20}, "numbers from 0 to 9"),
        ({b"labels": [-1] * 20}, "numbers from 0 to 9"),
        ({b"labels": [1.0] * 20}, "numbers from 0 to 9"),
        ({b"labels": None}, "numbers from 0 to 9"),
    ],
)
def test_a_batch_of_another_make_is_refused(folder: Path, change: dict[bytes, object], reason: str) -> None:
    """What is a pickle but no batch is refused with the reason."""
    batch = next(batch for name, batch in make_batches(per_class=2, seed=0) if name == "test_batch")
    write_pickle(folder / "test_batch", {**batch, **change})
    with pytest.raises(DataError, match=f"test_batch: not a CIFAR-10 batch: .*{reason}"):
        read_test(folder)


def test_a_list_is_no_batch(folder: Path) -> None:
    """A pickle of something other than a dictionary is refused."""
    write_pickle(folder / "test_batch", [1, 2])
    with pytest.raises(DataError, match="no dictionary"):
        read_test(folder)


@pytest.fixture(scope="module")
def tiny_batch() -> bytes:
    """A valid batch in which most bytes matter: one black image."""
    return pickle.dumps({b"labels": [7], b"data": np.zeros((1, 3072), np.uint8), b"filenames": [b"a"]}, protocol=2)


@st.composite
def damages(draw: st.DrawFn) -> list[tuple[float, bool, bytes]]:
    """Bytes to put over or between those at some relative places, most of them away from the pixels."""
    place = st.one_of(st.floats(0, 0.09), st.floats(0.96, 1), st.floats(0, 1))
    return draw(st.lists(st.tuples(place, st.booleans(), st.binary(max_size=3)), min_size=1, max_size=4))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(damage=damages(), cut=st.none() | st.floats(0, 1))
def test_damaged_bytes_give_images_or_an_error(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_batch: bytes,
    damage: list[tuple[float, bool, bytes]],
    cut: float | None,
) -> None:
    """However a batch is damaged, either valid images come of it or a `DataError`."""
    content = bytearray(tiny_batch)
    for place, is_inserted, new in damage:
        start = int(place * len(content))
        content[start : start if is_inserted else start + len(new)] = new
    path = tmp_path_factory.getbasetemp() / "test_batch"
    path.write_bytes(content if cut is None else content[: int(cut * len(content))])
    message, images = "", {}
    try:
        images = read_test(path.parent)
    except DataError as error:
        message = error.message
    assert bool(images) != (str(path) in message)
    assert all(array.shape[1:] == (3, 32, 32) and array.dtype == np.uint8 for array in images.values())


# --- hostile pickles


class Calls:
    """Pickles as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(("function", "code"), [(os.system, "touch {}"), (eval, "open({!r}, 'w')")])
def test_a_pickle_runs_no_code(folder: Path, tmp_path: Path, function: object, code: str, protocol: int) -> None:
    """A pickle that calls a function is refused before anything is called."""
    trace = tmp_path / "trace"
    hostile = {b"data": Calls(function, code.format(str(trace))), b"labels": []}
    (folder / "test_batch").write_bytes(pickle.dumps(hostile, protocol=protocol))
    with pytest.raises(DataError, match=r"test_batch: tries to run code: asks for \w+\.(system|eval)"):
        read_test(folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    "name",
    ["numpy\nsave", "numpy\nndarray.tofile", "numpy.core.multiarray\nfromfile", "_codecs\nlookup", "builtins\ngetattr"],
)
def test_neighbours_of_allowed_names_are_refused(tmp_path: Path, name: str) -> None:
    """A module with one harmless name is not open for its others."""
    path = tmp_path / "file"
    path.write_bytes(b"c" + name.encode() + b"\n.")
    with pytest.raises(DataError, match=re.escape(f"asks for {name.replace(chr(10), '.')}")):
        cifar10.load_pickle(path)


def test_a_forged_dtype_makes_no_pointers(tmp_path: Path) -> None:
    """An object array that claims to hold plain bytes is refused; numpy would follow them as pointers."""
    path = tmp_path / "file"
    path.write_bytes(FORGED_ARRAY)
    with pytest.raises(DataError, match="content of the wrong type"):
        cifar10.load_pickle(path)


def test_content_must_fill_the_shape(tmp_path: Path) -> None:
    """An array that has fewer bytes than its shape takes is refused."""
    path = tmp_path / "file"
    path.write_bytes(PYTHON_2_ARRAY.replace(b"(I2\nt", b"(I3\nt"))
    with pytest.raises(DataError, match="content for another"):
        cifar10.load_pickle(path)


@pytest.mark.parametrize("name", ["_codecs\nencode", "numpy.core.multiarray\nscalar"])
def test_a_pickle_changes_no_function(tmp_path: Path, name: str) -> None:
    """A pickle cannot set attributes of the functions that it may call."""
    path = tmp_path / "file"
    path.write_bytes(b"c" + name.encode() + b"\n(N}S'_function'\nNstb.")
    with pytest.raises(DataError, match="tries to change a function"):
        cifar10.load_pickle(path)


def test_bytes_come_in_latin_1_only(tmp_path: Path) -> None:
    """`_codecs.encode` serves to write bytes as text, not to run other codecs."""
    path = tmp_path / "file"
    write_pickle(path, Calls(__import__("_codecs").encode, "text", "idna"))
    with pytest.raises(DataError, match="bytes as text in 'idna'"):
        cifar10.load_pickle(path)


def test_a_huge_memo_is_refused(tmp_path: Path) -> None:
    """Nine bytes that ask for 32 GB of memo are refused."""
    path = tmp_path / "file"
    path.write_bytes(b"\x80\x02}r\x00\x00\x00\x80.")
    with pytest.raises(DataError, match="memo entry 2147483648"):
        cifar10.load_pickle(path)


def test_a_huge_file_is_not_opened(tmp_path: Path) -> None:
    """A file of more than 200 MB is refused by its size alone."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(200_000_001)
    with pytest.raises(DataError, match="too large, more than 200 MB"):
        cifar10.load_pickle(path)


# --- other pickles


@pytest.mark.parametrize("encoding", ["bytes", "latin1"])
def test_arrays_of_python_2_are_read(tmp_path: Path, encoding: str) -> None:
    """An array that Python 2 wrote is read, whatever becomes of its strings."""
    path = tmp_path / "file"
    path.write_bytes(PYTHON_2_ARRAY)
    np.testing.assert_array_equal(cifar10.load_pickle(path, encoding=encoding), np.array([255, 1], np.uint8))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL))
def test_object_arrays_are_read(tmp_path: Path, protocol: int) -> None:
    """An array of objects, a float64 array and a float64 number, is read from the middle of a file."""
    table = np.arange(6, dtype=">f8").reshape(2, 3)
    pair = np.empty(2, object)
    pair[:] = [table, np.float64(0.5)]
    (tmp_path / "file").write_bytes(b"header" + pickle.dumps(pair, protocol=protocol))
    found = cifar10.load_pickle(tmp_path / "file", offset=6, encoding="latin1")
    assert isinstance(found, np.ndarray)
    assert found.shape == (2,)
    np.testing.assert_array_equal(found[0], table)
    assert found[1] == 0.5


# --- locating


def test_the_folder_itself_can_be_named(folder: Path) -> None:
    """`--data-dir` may name the folder with the batches."""
    assert cifar10.locate(folder) == folder


def test_the_parent_can_be_named(folder: Path) -> None:
    """`--data-dir` may name the folder around it."""
    assert cifar10.locate(folder.parent) == folder


def test_the_environment_can_name_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """COLOURNET_DATA serves where `--data-dir` is not given."""
    monkeypatch.setenv("COLOURNET_DATA", str(folder.parent))
    assert cifar10.locate(None) == folder


def test_the_option_wins_over_the_environment(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--data-dir` goes before COLOURNET_DATA."""
    monkeypatch.setenv("COLOURNET_DATA", str(tmp_path / "elsewhere"))
    assert cifar10.locate(folder) == folder


@pytest.mark.parametrize("place", ["empty", "missing", "x" * 300])
def test_a_named_place_without_data_is_an_error(tmp_path: Path, place: str) -> None:
    """Where a named place has no data nothing is downloaded instead."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=re.escape(str(tmp_path / place))) as caught:
        cifar10.locate(tmp_path / place)
    assert caught.value.hint


def test_a_named_archive_is_unpacked_into_the_cache(folder: Path, archive: Path, cache: Path) -> None:
    """A folder with the official archive serves; its seven files go into the cache."""
    found = cifar10.locate(archive.parent)
    assert found == cache / "cifar-10-batches-py"
    assert {path.name: path.read_bytes() for path in found.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_a_wrong_archive_is_refused(archive: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive with another MD5 is not unpacked."""
    monkeypatch.setattr(cifar10, "MD5", "0" * 32)
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: not the official archive"):
        cifar10.locate(archive.parent)
    assert not (cache / "cifar-10-batches-py").exists()


def test_the_archive_is_downloaded_once(archive: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is named the archive comes from its publisher, the first time only."""
    asked: list[str] = []

    def fetch(url: str, target: Path, *, md5: str, progress: bool) -> None:
        asked.append(f"{url} {md5 == cifar10.MD5} {progress}")
        shutil.copy(archive, target)

    monkeypatch.setattr(cifar10, "fetch", fetch)
    first = cifar10.locate(None, progress=False)
    assert first == cifar10.locate(None, progress=False) == cache / "cifar-10-batches-py"
    assert asked == ["https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz True False"]


def test_the_cache_follows_the_desktop_standard(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without COLOURNET_CACHE the cache is a folder of XDG_CACHE_HOME."""
    monkeypatch.delenv("COLOURNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cifar10.locate(archive.parent) == tmp_path / "xdg" / "colournet" / "cifar-10-batches-py"


def test_the_cache_lies_in_the_home_folder(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither variable is set the cache is in ~/.cache."""
    monkeypatch.delenv("COLOURNET_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cifar10.locate(archive.parent) == tmp_path / "home" / ".cache" / "colournet" / "cifar-10-batches-py"


def test_a_cache_that_cannot_be_written_is_an_error(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache below a file is told as such."""
    monkeypatch.setenv("COLOURNET_CACHE", str(archive / "cache"))
    with pytest.raises(DataError, match="cannot be read or written") as caught:
        cifar10.locate(archive.parent)
    assert "COLOURNET_CACHE" in str(caught.value.hint)


def test_a_half_emptied_cache_is_filled_again(archive: Path, cache: Path) -> None:
    """A cache that lost a file is unpacked anew."""
    cifar10.locate(archive.parent)
    (cache / "cifar-10-batches-py" / "data_batch_2").unlink()
    cifar10.read(cifar10.locate(archive.parent), split="train", classes=["horse"])


def test_unpacking_is_all_or_nothing(archive: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacking that is broken off leaves no folder that could be taken for the data."""

    def break_off(source: object, target: io.BufferedWriter) -> None:
        target.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", break_off)
        with pytest.raises(KeyboardInterrupt):
            cifar10.locate(archive.parent)
    assert [path.name for path in cache.iterdir()] == ["lock"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_regular_files_are_unpacked(
    archive: Path, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    """A link or other oddity under the name of a batch is not unpacked."""
    (folder / "test_batch").unlink()
    write_archive(archive, folder)
    odd = tarfile.TarInfo("cifar-10-batches-py/test_batch")
    odd.type, odd.linkname = kind, "cifar-10-batches-py/data_batch_1"
    append(archive, odd)
    make_official(archive, monkeypatch)
    with pytest.raises(DataError, match="lacks some of"):
        cifar10.locate(archive.parent)


@pytest.mark.parametrize("name", ["../evil", "cifar-10-batches-py/../../evil", "cifar-10-batches-py/evil", "evil"])
def test_only_known_names_are_unpacked(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Other members of the archive go nowhere."""
    append(archive, tarfile.TarInfo(name))
    make_official(archive, monkeypatch)
    cifar10.locate(archive.parent)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_a_damaged_archive_is_an_error(archive: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """An archive that cannot be unpacked is named."""
    archive.write_bytes(content)
    make_official(archive, monkeypatch)
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: damaged, or not an archive"):
        cifar10.locate(archive.parent)


def append(archive: Path, member: tarfile.TarInfo) -> None:
    """Add an empty member to a compressed archive."""
    with tarfile.open(archive, "r:gz") as old:
        members = [(each, old.extractfile(each) if each.isreg() else None) for each in old]
        with tarfile.open(archive.with_suffix(".new"), "w:gz") as new:
            for each, content in [*members, (member, None)]:
                new.addfile(each, content)
    archive.with_suffix(".new").replace(archive)
