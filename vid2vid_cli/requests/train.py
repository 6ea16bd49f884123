"""The request of `train`."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from vid2vid_cli.core.paths import PathCheckedRequest
from vid2vid_cli.requests import parsers
from vid2vid_cli.requests.option import Option
from vid2vid_cli.requests.shared import Device, OutputPath, Overwrite

if TYPE_CHECKING:
    from vid2vid_cli.config.config import Config

DURATION_PANEL = "Duration"


def _default_config() -> "Config":
    from vid2vid_cli.config.config import Config

    return Config()


@dataclass(frozen=True)
class TrainRequest(PathCheckedRequest):
    """Options of `train`, with the resolved configuration."""

    config: "Config" = field(default_factory=_default_config)
    """Ignored when a run is resumed, except for the number of steps."""
    preset: Annotated[
        str,
        Option(
            "Preset; `vid2vid presets list` lists them. Default: by the dataset's conditioners and this machine.",
            ("--preset", "-p"),
            "NAME|FILE",
        ),
    ] = ""
    data: Annotated[
        Path | tuple[Path, ...] | None,
        Option(
            "Dataset folder. Repeat to train one model on several datasets with the same conditioners; data.weights "
            "sets their shares. Default: the newest under datasets/ that matches the preset.",
            ("--data",),
            "DATASET",
            collect=parsers.paths,
        ),
    ] = None
    out: OutputPath = None
    _: KW_ONLY
    data_b: Annotated[
        Path | None,
        Option("The other domain (B) of an unpaired model, such as cyclegan; --data is domain A.", (), "DATASET"),
    ] = None
    resume: Path | str | None = None
    """A run folder, or "newest"."""
    init_from: Annotated[
        Path | None,
        Option(
            "Initialise matching weights of all networks from another run or checkpoint, e.g. to continue at a higher "
            "resolution, or with another dataset.",
            ("--from",),
            "RUN|CKPT",
        ),
    ] = None
    max_steps: Annotated[
        int | None,
        Option("Total training steps, including those before a resume.", ("--steps",), "N", DURATION_PANEL, min=1),
    ] = None
    max_seconds: Annotated[
        float | None,
        Option(
            "Stop after this time: 90s, 5m or 1h30m.", ("--max-time",), "TIME", DURATION_PANEL, parse=parsers.duration
        ),
    ] = None
    chosen_settings: frozenset[str] | None = None
    """Keys of the settings that the user gave; None: those of `config` are all the user's choice."""
    setting_origins: Mapping[str, str] = field(default_factory=dict)
    """Dotted key -> origin of its value in `config`, for the record of the run."""
    device: Device = "auto"
    preset_reason: str = ""
    """Why `preset` was chosen; "" if it was given."""
    num_processes: int = 1
    """For `plan_train`; in `train` the environment of torchrun sets the number."""
    overwrite: Overwrite = False
    command: str = "vid2vid train"
    """The command line that the run folder records."""

    @property
    def datasets(self) -> tuple[Path, ...]:
        """The dataset folders; () for the newest one."""
        return (self.data,) if isinstance(self.data, Path) else self.data or ()
