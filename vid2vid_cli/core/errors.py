"""All errors that are reported to the user. Each class has one exit code; the CLI prints its message and hint."""

from __future__ import annotations

INTERRUPT_EXIT_CODE, BROKEN_PIPE_EXIT_CODE = 130, 141
"""128 + the number of SIGINT and of SIGPIPE, as in shells."""


class Vid2VidError(Exception):
    """An error that the user can fix. `message`: what is wrong, in one sentence; `hint`: what to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of any library reports that a device or the machine has no memory left."""
    message = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in message
        or "can't allocate memory" in message
    )


class ReportedInterrupt(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP, after the command has printed its message."""


# 10-19: the input


class MissingFileError(Vid2VidError):
    """A named file or folder does not exist."""

    exit_code = 10


class NotAVideoError(Vid2VidError):
    """The file cannot be decoded as video or image."""

    exit_code = 11


class NoFramesError(Vid2VidError):
    """The video contains no frames."""

    exit_code = 12


class TruncatedVideoError(Vid2VidError):
    """The end of the video file, which contains the index, is missing."""

    exit_code = 13


class AudioOnlyError(Vid2VidError):
    """The file contains audio but no video."""

    exit_code = 14


class NoDetectionError(Vid2VidError):
    """A conditioner detected nothing on any frame."""

    exit_code = 15


class TooFewFramesError(Vid2VidError):
    """The video has too few frames for training."""

    exit_code = 16


class InputFileMismatchError(Vid2VidError):
    """Files that belong together do not match: number of frames, size, a frame without a file, files of one name."""

    exit_code = 17


class LabelFileError(Vid2VidError):
    """A label map, JSON or drawing contains invalid data, such as an id out of range or an unsupported version."""

    exit_code = 18


class CameraError(Vid2VidError):
    """A camera or a network stream cannot be opened, or delivers no more frames."""

    exit_code = 19


# 20-29: settings


class UnknownPresetError(Vid2VidError):
    """No preset has that name."""

    exit_code = 20


class ConfigError(Vid2VidError):
    """A setting does not exist or has an invalid value."""

    exit_code = 21


# 30-39: datasets, runs and checkpoints


class DatasetError(Vid2VidError):
    """The folder is not a dataset, or the dataset is damaged."""

    exit_code = 30


class DatasetMismatchError(Vid2VidError):
    """The dataset has other conditioners than the preset or the checkpoint requires."""

    exit_code = 31


class ForeignCheckpointError(Vid2VidError):
    """The file is not a vid2vid checkpoint, or has an unsupported format version."""

    exit_code = 32


class TruncatedCheckpointError(Vid2VidError):
    """The vid2vid checkpoint is truncated or damaged."""

    exit_code = 33


class RunError(Vid2VidError):
    """The folder is not a run, or the run or the unfinished video cannot be resumed."""

    exit_code = 34


class OutputExistsError(Vid2VidError):
    """The output path exists or is in use; nothing was overwritten."""

    exit_code = 35


class ExportCheckError(Vid2VidError):
    """An exported file does not generate the frames that its checkpoint generates."""

    exit_code = 36


# 40-49: the machine


class MissingPackageError(Vid2VidError):
    """An optional package is not installed; the hint is the exact pip command."""

    exit_code = 40


class MissingWeightsError(Vid2VidError):
    """A weight file is missing or is not the published one."""

    exit_code = 41


class PluginError(Vid2VidError):
    """No conditioner has that name, or its plugin fails to load."""

    exit_code = 42


class DiskFullError(Vid2VidError):
    """No space left on the device."""

    exit_code = 43


class PermissionDeniedError(Vid2VidError):
    """A file or folder cannot be read or written: permission denied."""

    exit_code = 44


class DeviceError(Vid2VidError):
    """The requested device does not exist, or its memory is full."""

    exit_code = 45


class WorkerLostError(Vid2VidError):
    """A process of a distributed training, or the one that annotates a source, has ended or cannot be reached."""

    exit_code = 46


# 50-59: training


class DivergenceError(Vid2VidError):
    """A loss or a weight became NaN or infinite; the last valid checkpoint is kept."""

    exit_code = 50


# 60-69: sharing


class HubError(Vid2VidError):
    """The hub cannot be reached, refuses access, or has no such repository, revision or checkpoint."""

    exit_code = 60
