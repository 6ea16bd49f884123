"""Every error a user can meet. Each class is one situation, with one exit code; the CLI prints message and hint."""

from __future__ import annotations


class Vid2VidError(Exception):
    """Something a user can mend: what went wrong in one sentence, and `hint`, what to do about it."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# 10-19: the input


class MissingFileError(Vid2VidError):
    """A named file or folder does not exist."""

    exit_code = 10


class NotAVideoError(Vid2VidError):
    """The file is not something frames can be read from."""

    exit_code = 11


class NoFramesError(Vid2VidError):
    """A video that holds no frame."""

    exit_code = 12


class TruncatedVideoError(Vid2VidError):
    """A video whose end, and with it the index, is missing, so that nothing can be read."""

    exit_code = 13


class AudioOnlyError(Vid2VidError):
    """Sound without a picture."""

    exit_code = 14


class NothingFoundError(Vid2VidError):
    """A conditioner found nothing on any frame: no face, no person."""

    exit_code = 15


class TooShortError(Vid2VidError):
    """Too few frames to learn from."""

    exit_code = 16


class FilesMismatchError(Vid2VidError):
    """Files made beside a video do not belong to it: another number of frames, another shape."""

    exit_code = 17


class LabelFilesError(Vid2VidError):
    """A label map, JSON or drawing that holds something it must not: an id out of range, another version."""

    exit_code = 18


# 20-29: settings


class UnknownPresetError(Vid2VidError):
    """No preset of that name."""

    exit_code = 20


class ConfigError(Vid2VidError):
    """A setting that does not exist or whose value does not fit."""

    exit_code = 21


# 30-39: what we wrote earlier


class DatasetError(Vid2VidError):
    """Not a dataset, or a damaged one."""

    exit_code = 30


class DatasetMismatchError(Vid2VidError):
    """A dataset of another conditioner than the preset or the checkpoint needs."""

    exit_code = 31


class ForeignCheckpointError(Vid2VidError):
    """A file that is not a vid2vid checkpoint."""

    exit_code = 32


class TruncatedCheckpointError(Vid2VidError):
    """A vid2vid checkpoint that was cut off or changed."""

    exit_code = 33


class RunError(Vid2VidError):
    """Not a run folder, or one that cannot be resumed."""

    exit_code = 34


class ExistsError(Vid2VidError):
    """The output exists and is something else; nothing was overwritten."""

    exit_code = 35


# 40-49: the machine


class MissingPackageError(Vid2VidError):
    """An optional package is not installed; the hint is the exact pip command."""

    exit_code = 40


class MissingWeightsError(Vid2VidError):
    """A weight file is absent or is not the published one."""

    exit_code = 41


class PluginError(Vid2VidError):
    """No such conditioner, or a plugin that is broken."""

    exit_code = 42


class DiskFullError(Vid2VidError):
    """No space left on the device."""

    exit_code = 43


class PermissionDeniedError(Vid2VidError):
    """The place cannot be written to or read from."""

    exit_code = 44


class DeviceError(Vid2VidError):
    """The wanted device is not there, or its memory is full."""

    exit_code = 45


class LostProcessError(Vid2VidError):
    """One of several processes that train together has ended or cannot be reached."""

    exit_code = 46


# 50-59: training


class DivergedError(Vid2VidError):
    """A loss became NaN or infinite; the last good checkpoint is kept."""

    exit_code = 50
