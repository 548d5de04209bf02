"""Which search space a study goes on with: the record says so, the folder's file is its copy. Standard library only."""

from __future__ import annotations

from colournet import files
from study.errors import RecordError
from study.records import StudyRecord
from study.space import Space
from study.store import StudyFolder


def in_force(folder: StudyFolder, record: StudyRecord) -> Space:
    """The space that the trials so far were asked of.

    A file that holds an earlier space of the record, since a driver died before it wrote the newer one, is written anew.
    Raises `RecordError` where a record that tells of no space has another file beside it than at its beginning.
    """
    if record.spaces:
        space = Space.parse(record.spaces[-1], default_name=folder.layout.space.stem)
        if folder.space.text in record.spaces[:-1]:
            write(folder, space)
        return space
    if folder.space.fingerprint != folder.manifest.get("space_sha256", folder.space.fingerprint):
        raise RecordError(
            f"{folder.layout.space}: is not the search space that the study began with",
            hint="restore it from a copy; --space names another one",
        )
    return folder.space


def write(folder: StudyFolder, space: Space) -> None:
    """Make the folder's file that of a space, byte for byte, if it is not."""
    if folder.space.text != space.text:
        with files.replacing(folder.layout.space) as part:
            part.write_bytes(space.text.encode())
