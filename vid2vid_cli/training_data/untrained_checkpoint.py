"""A `.ckpt` of an untrained generator, for measurements: the speed of a generator does not depend on its weights."""

from __future__ import annotations

from pathlib import Path

import torch

from vid2vid_cli.config.config import Config
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import save_checkpoint
from vid2vid_cli.training_data.open_data import open_training_data
from vid2vid_cli.training_data.reference_collection import record_references


def save_untrained_checkpoint(path: Path, dataset: Path, config: Config) -> None:
    """Write the generator of `config` with random weights and the statistics and reference frames of a dataset.

    Raises the errors of `open_training_data` and `save_checkpoint`.
    """
    training_data = open_training_data(dataset, config)
    torch.manual_seed(0)
    generator = build_generator(config.generator, training_data.condition_spec(config))
    source = training_data.build_sampler(config).reference_source
    references = None if source is None else record_references(source.bank)
    metadata = training_data.checkpoint_metadata(path.stem, config, {"steps": 0}, references=references)
    save_checkpoint(path, generator, metadata, reference_frames=None if source is None else source.bank.frames)
