"""The model of the motion of other subjects, with which a training on few frames of a new subject starts."""

from __future__ import annotations

import json
from pathlib import Path

from vid2vid_cli.core.checkpoint_header import damaged_error
from vid2vid_cli.core.errors import RunError
from vid2vid_cli.core.parsing import parse_json
from vid2vid_cli.data.linear_motion import LinearMotion
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.run_folder import RunFolder, resolve_checkpoint
from vid2vid_cli.media.files import write_text
from vid2vid_cli.training.job import TrainJob

FILE_NAME = "motion_prior.json"


def find_motion_prior(job: TrainJob, init_from: Path | None) -> LinearMotion | None:
    """The model in the `.ckpt` of the initial weights, or that of a resumed run; None if there is none.

    Also None for other conditioners, whose points differ. Raises TruncatedCheckpointError (invalid model in the
    `.ckpt`), RunError (in the run folder).
    """
    if not job.config.generator.num_references:
        return None
    if job.resumed_record is not None:
        path = job.run_path / FILE_NAME
        try:
            return LinearMotion.from_json(parse_json(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RunError(f"{path} is damaged: {error}", "Start a new run: vid2vid train") from None
    if init_from is None:
        return None
    try:
        checkpoint = resolve_checkpoint(init_from)
    except RunError:  # an unfinished run, whose state contains the weights
        return None
    metadata = load_metadata(checkpoint)
    names = [conditioner.spec.name for conditioner in job.training_data.conditioners]
    if metadata.references is None or [conditioner.name for conditioner in metadata.conditioners] != names:
        return None
    data = metadata.references.common_motion or metadata.references.motion
    try:
        return None if data is None else LinearMotion.from_json(data)
    except ValueError as error:
        raise damaged_error(checkpoint, f"invalid metadata, references: {error}") from None


def save_motion_prior(run: RunFolder, prior: LinearMotion | None) -> None:
    """Write the model to the run folder, so that a resumed run aligns its references alike."""
    if prior is not None:
        write_text(run.path / FILE_NAME, json.dumps(prior.to_json()))
