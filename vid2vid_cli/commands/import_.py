"""`vid2vid import`: converts networks of other programs to checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from vid2vid_cli.commands import options
from vid2vid_cli.commands.command_class import Command, CommandGroup
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.prepare import ImportGeneratorRequest, ImportRequest

if TYPE_CHECKING:
    from vid2vid_cli.nvidia_import.importer import ImportResult

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Convert networks of other programs to checkpoints: nvidia, pix2pix, cyclegan.",
)


@app.callback()
def root() -> None:
    """Convert networks of other programs to checkpoints."""


@app.command(cls=Command, no_args_is_help=True)
@expand_request
def nvidia(
    request: ImportRequest,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Convert the network files of NVIDIA's vid2vid to a checkpoint.

    The checkpoint gives the same output as the original network.

    Discriminators and a training configuration are written too, for further training:
      vid2vid train --config NAME.yaml --from NAME.ckpt

    NVIDIA's weights are licensed under CC BY-NC-SA 4.0, for non-commercial use only.

    Example: vid2vid import nvidia checkpoints/label2city_1024_g1 --preset street
    """
    from vid2vid_cli.nvidia_import.importer import import_release, plan_import
    from vid2vid_cli.terminal import Terminal

    with Terminal("import nvidia", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.print_plan(plan_import(request))
            return
        result = import_release(request, terminal.emit)
        json_fields = {
            "initial_frame": None if result.image_generator_path is None else str(result.image_generator_path),
            "config": None if result.config_path is None else str(result.config_path),
            "parameter_counts": result.parameter_counts,
        }
        next_command = shell_command("vid2vid", "inspect", result.path)
        terminal.print_result(result.path, _summary(request, result), next_command, json_fields)


@app.command(cls=Command, no_args_is_help=True)
@expand_request
def pix2pix(request: ImportGeneratorRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Convert a generator of pytorch-CycleGAN-and-pix2pix, trained with pix2pix, to a checkpoint.

    Example: vid2vid import pix2pix latest_net_G.pth --conditioner edges
    """
    _import_generator("import pix2pix", request, as_json=json, quiet=quiet)


@app.command(cls=Command, no_args_is_help=True)
@expand_request
def cyclegan(request: ImportGeneratorRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Convert a generator of pytorch-CycleGAN-and-pix2pix, trained with CycleGAN, to a checkpoint.

    Example: vid2vid import cyclegan latest_net_G_A.pth
    """
    _import_generator("import cyclegan", request, as_json=json, quiet=quiet)


def _import_generator(command: str, request: ImportGeneratorRequest, *, as_json: bool, quiet: bool) -> None:
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.translation_import.importer import import_generator

    with Terminal(command, as_json=as_json, quiet=quiet) as terminal:
        result = import_generator(request, terminal.emit)
        summary = f"{result.architecture}: {result.num_parameters / 1e6:.3f} million parameters"
        next_command = shell_command("vid2vid", "inspect", result.path)
        terminal.print_result(result.path, summary, next_command, {"num_parameters": result.num_parameters})


def _summary(request: ImportRequest, result: ImportResult) -> str:
    lines = [f"{file:<24} {count / 1e6:.2f} million parameters" for file, count in result.parameter_counts.items()]
    if result.config_path is not None:
        lines.append(f"configuration for further training: {result.config_path}")
    if result.image_generator_path is not None:
        lines.append(f"generator of the initial frame: {result.image_generator_path}")
    synthesize_command = shell_command("vid2vid", "synthesize", result.path)
    if request.preset == "street":  # labels need no preparation
        lines.append(f"to render labels: {synthesize_command} LABELS -O labels.instances=INSTANCES")
    else:
        lines.append(f"to prepare a dataset: {result.prepare_command}")
        lines.append(f"to render it: {synthesize_command} datasets/VIDEO")
    return "\n".join(lines)
