"""What is learned: a dataset, opened with its conditioners, and the square of it that the model sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.model import Config
from vid2vid_cli.core.errors import DatasetMismatchError, MissingFileError
from vid2vid_cli.data.clips import ClipSampler
from vid2vid_cli.data.dataset import Dataset, newest_dataset
from vid2vid_cli.data.framing import frame_view
from vid2vid_cli.data.manifest import Manifest
from vid2vid_cli.engine.checkpoint import CheckpointInfo, ConditionerUse

DATASETS = Path("datasets")


@dataclass(frozen=True)
class Subject:
    """A dataset ready to be learned from."""

    dataset: Dataset
    conditioners: tuple[Conditioner, ...]
    view: View

    @property
    def channels(self) -> int:
        """Condition channels of all conditioners together."""
        return sum(conditioner.channels for conditioner in self.conditioners)

    def sampler(self, config: Config) -> ClipSampler:
        """Clips as the settings want them. Raises TooShortError."""
        return ClipSampler(
            self.dataset,
            self.conditioners,
            self.view,
            seed=config.engine.seed,
            batch=config.schedule.batch,
            shift=config.data.shift,
            zoom=config.data.zoom,
        )

    def info(self, name: str, config: Config, training: dict[str, object]) -> CheckpointInfo:
        """What a checkpoint of this subject must remember."""
        manifest = self.dataset.manifest
        uses = tuple(
            ConditionerUse(
                name=conditioner.spec.name,
                options=conditioner.options.lasting(),
                channels=conditioner.channels,
                statistics=manifest.conditioner(conditioner.spec.name).statistics,
            )
            for conditioner in self.conditioners
        )
        return CheckpointInfo(
            name=name,
            generator=config.generator,
            conditioners=uses,
            crop=config.data.crop,
            view=self.view.to_json(),
            height=manifest.height,
            width=manifest.width,
            fps=manifest.fps,
            training=training,
            created_by=f"vid2vid-cli {__version__}",
        )


def choose_dataset(named: Path | None, config: Config, preset: str) -> Path:
    """The dataset named, or the newest under datasets/ that fits the settings.

    Raises MissingFileError (there is none), DatasetMismatchError (none of these conditioners).
    """
    if named is not None:
        return named
    found = newest_dataset(DATASETS, lambda manifest: fits(manifest, config))
    if found is not None:
        return found
    wanted = " and ".join(config.conditioners or ("landmarks",))
    remedy = f"Make one: vid2vid prepare --conditioner {(config.conditioners or ('landmarks',))[0]} video.mp4"
    if newest_dataset(DATASETS, lambda manifest: True) is not None:
        raise DatasetMismatchError(f"no dataset under {DATASETS}/ has {wanted}, as {preset or 'this'} needs.", remedy)
    raise MissingFileError(f"there is no dataset under {DATASETS}/ to learn from.", remedy)


def fits(manifest: Manifest, config: Config) -> bool:
    """Whether a dataset has the conditioners that the settings ask for."""
    return config.conditioners is None or manifest.conditioner_names == config.conditioners


def open_subject(folder: Path, config: Config) -> Subject:
    """Open a dataset. Raises MissingFileError, DatasetError, DatasetMismatchError, PluginError."""
    dataset = Dataset(folder)
    manifest = dataset.manifest
    if not fits(manifest, config):
        wanted = " and ".join(config.conditioners or ())
        raise DatasetMismatchError(
            f"{folder} was prepared with {' and '.join(manifest.conditioner_names)}, and the preset needs {wanted}.",
            f"Prepare it with --conditioner {wanted}, or train with --preset tiny, which takes any.",
        )
    conditioners = load_conditioners([(record.name, record.options) for record in manifest.conditioners])
    statistics = merged_statistics([record.statistics for record in manifest.conditioners])
    view = frame_view(manifest.height, manifest.width, config.data.size, config.data.crop, statistics)
    return Subject(dataset, conditioners, view)


def open_for_checkpoint(folder: Path, info: CheckpointInfo, checkpoint: Path) -> Subject:
    """Open a dataset as a checkpoint sees it: its conditioners, and its square of the dataset's frames.

    Raises MissingFileError, DatasetError, DatasetMismatchError (it lacks a conditioner), PluginError.
    """
    dataset = Dataset(folder)
    manifest = dataset.manifest
    have = manifest.conditioner_names
    for use in info.conditioners:
        if use.name not in have:
            raise DatasetMismatchError(
                f"{folder} was prepared with {' and '.join(have)}, and {checkpoint} needs {use.name}.",
                f"vid2vid prepare --conditioner {use.name} VIDEO",
            )
    conditioners = load_conditioners([(use.name, use.options) for use in info.conditioners])
    statistics = merged_statistics([manifest.conditioner(use.name).statistics for use in info.conditioners])
    view = frame_view(manifest.height, manifest.width, info.frame_view().height, info.crop, statistics)
    return Subject(dataset, conditioners, view)


def load_conditioners(uses: Sequence[tuple[str, dict[str, object]]]) -> tuple[Conditioner, ...]:
    """The conditioners of a dataset or a checkpoint, in their order. Raises PluginError, ConfigError."""
    return tuple(load_conditioner(name, options) for name, options in uses)


def merged_statistics(all_statistics: Sequence[dict[str, object]]) -> dict[str, object]:
    """The first focus that any conditioner names."""
    return next(({"focus": found["focus"]} for found in all_statistics if found.get("focus")), {})
