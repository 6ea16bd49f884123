"""The folder layout of CycleGAN: two domains of unpaired images, trainA, trainB, testA and testB."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vid2vid_cli.conditioning import FRAME_CONDITIONER
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.dataset_builder.dataset_layouts import SPLIT_BY_PHASE
from vid2vid_cli.dataset_builder.foreign_datasets import ForeignDataset, InputSequence

Domain = Literal["A", "B"]


def parse_domain(folder: Path, domain: Domain | None) -> ForeignDataset | None:
    """The images of one domain of a folder in that layout: test images are the validation split; or None.

    Raises ConfigError if a domain is given for another folder, or none for a folder in that layout.
    """
    is_layout = all((folder / f"train{name}").is_dir() for name in ("A", "B"))
    if not is_layout:
        if domain is not None:
            raise ConfigError(
                f"--domain {domain}: {folder} does not contain the folders trainA and trainB.",
                "Leave --domain out, or give a folder in the layout of CycleGAN.",
            )
        return None
    if domain is None:
        commands = [shell_command("vid2vid", "prepare", "--domain", name, folder) for name in ("A", "B")]
        raise ConfigError(
            f"{folder} contains two domains, and each becomes a dataset.", f"{commands[0]} and {commands[1]}"
        )
    sequences = tuple(
        InputSequence(folder / f"{phase}{domain}", {}, split, is_single_shot=True)
        for phase, split in SPLIT_BY_PHASE.items()
        if (folder / f"{phase}{domain}").is_dir()
    )
    names = " and ".join(sequence.path.name for sequence in sequences if sequence.path is not None)
    remark = f"{folder} is a dataset of CycleGAN: domain {domain} is read from {names}."
    return ForeignDataset((FRAME_CONDITIONER,), sequences, (remark,))
