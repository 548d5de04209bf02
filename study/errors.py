"""The study service's errors: one tree, drawn here, caught once in the command line's main."""

from __future__ import annotations

from colournet.errors import UserError


class StudyError(UserError):
    """Something about a study that the user can mend."""


class SpaceError(StudyError):
    """A search space is not what it should be."""


class RecordError(StudyError):
    """A results folder or its record is missing, damaged, or of another format."""


class FormatError(RecordError):
    """A results folder was written by another version of this program, in a format that this one does not read."""


class LockedError(StudyError):
    """Another driver is writing this study."""


class DiskError(StudyError):
    """A study's folder cannot be written: the disk is full, broken, or not ours."""


class LaunchError(StudyError):
    """A study could not be started or had to be given up."""


class AnswerError(StudyError):
    """A study's folder on a cluster could not be read there: what the cluster said of it."""


class InterruptedStudyError(StudyError):
    """The user stopped a study (Ctrl-C); it can be resumed."""

    exit_code = 130


class TerminatedStudyError(StudyError):
    """The system stopped a study (SIGTERM); it can be resumed."""

    exit_code = 143


class NotReproducedError(StudyError):
    """A configuration, trained again, gave other numbers than the record."""

    exit_code = 3


class DamagedStudyError(StudyError):
    """A study's folder is not as its record says, or its record is not whole."""

    exit_code = 3
