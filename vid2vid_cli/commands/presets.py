"""`vid2vid presets`: lists, shows, copies and validates presets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vid2vid_cli.commands import completion, options
from vid2vid_cli.commands.command_class import Command, CommandGroup
from vid2vid_cli.core.paths import shell_command

if TYPE_CHECKING:
    from vid2vid_cli.config.config import Config

app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="List, show, copy and validate presets.")

PresetArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="A preset, or a .yaml file.",
        show_default=False,
        autocompletion=completion.complete_presets,
    ),
]


@app.command("list", cls=Command)
def list_presets(json: options.Json = False) -> None:
    """List the presets with a summary of each."""
    from vid2vid_cli.config.presets import preset_names, preset_summary
    from vid2vid_cli.terminal import Terminal

    rows = [(name, preset_summary(name)) for name in preset_names()]
    with Terminal("presets list", as_json=json) as terminal:
        terminal.print_table(rows, [{"name": name, "summary": summary} for name, summary in rows])
        terminal.print_next("vid2vid presets show tiny")


@app.command(cls=Command)
def show(
    name: PresetArgument,
    sets: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="Override one setting, as in `train`.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML file with settings, as in `train`.")] = None,
    size: Annotated[
        bool,
        typer.Option("--size/--no-size", help="Estimate the number of parameters and the memory (takes seconds)."),
    ] = True,
    json: options.Json = False,
) -> None:
    """Show every setting of a preset with its origin, and the size of the model.

    Example: vid2vid presets show face --set generator.base_channels=32
    """
    from vid2vid_cli.config.resolve import resolve_config
    from vid2vid_cli.engine.events import ProgressEvent
    from vid2vid_cli.terminal import Terminal

    resolved = resolve_config(name, config, sets or (), {})
    rows = [
        (key, _format_yaml_value(value), "" if origin == "default" else origin)
        for key, value, origin in resolved.iter_rows()
    ]
    data: dict[str, Any] = {"config": resolved.config.model_dump(mode="json"), "origins": dict(resolved.origins)}
    with Terminal("presets show", as_json=json) as terminal:
        if size:
            if not json:
                terminal.emit(ProgressEvent("model size", 0, None, "estimates"))
            size_rows, data["model_size"] = _model_size_rows(resolved.config)
            rows += size_rows
        terminal.print_table(rows, data, ("setting", "value", "origin"))


@app.command(cls=Command)
def copy(
    name: PresetArgument,
    to: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Output file. Default: my-NAME.yaml.", show_default=False)
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Copy a preset, with its comments, to a new file.

    Example: vid2vid presets copy face mine.yaml
    """
    from vid2vid_cli.config.presets import copy_preset
    from vid2vid_cli.config.resolve import resolve_config
    from vid2vid_cli.data.dataset import DATASETS_FOLDER, find_newest_dataset
    from vid2vid_cli.terminal import Terminal

    path = copy_preset(name, to, overwrite=overwrite)
    config = resolve_config(str(path), None, (), {}).config
    has_dataset = find_newest_dataset(DATASETS_FOLDER, lambda item: config.accepts(item.conditioner_names)) is not None
    with Terminal("presets copy", as_json=json) as terminal:
        command = ("vid2vid", "train", "--preset") if has_dataset else ("vid2vid", "presets", "show")
        terminal.print_result(path, "", shell_command(*command, path), {})


@app.command(cls=Command)
def validate(name: PresetArgument, json: options.Json = False) -> None:
    """Check every key and value of a preset or YAML file.

    Example: vid2vid presets validate mine.yaml
    """
    from vid2vid_cli.config.resolve import resolve_config
    from vid2vid_cli.terminal import Terminal

    resolved = resolve_config(name, None, (), {})
    num_changed = sum(origin != "default" for origin in resolved.origins.values())
    with Terminal("presets validate", as_json=json) as terminal:
        terminal.print_table(
            [(name, f"valid; {num_changed} settings differ from the defaults")],
            {"name": name, "valid": True, "num_changed": num_changed},
        )


def _model_size_rows(config: Config) -> tuple[list[tuple[str, str, str]], dict[str, Any]]:
    """Table rows, and the same values for --json."""
    from dataclasses import asdict

    from vid2vid_cli.tools.model_size import report_model_size

    model_size = report_model_size(config)
    height, width = model_size.output_size
    channels_text = f"{model_size.num_channels} condition channels"
    rows = [("output size", f"{width}x{height}", "estimated")]
    rows += [
        (name, f"{count / 1e6:.2f} million parameters", "")
        for name, count in model_size.model_size.parameter_counts.items()
    ]
    rows += [
        ("training memory", _format_bytes(model_size.model_size.training_bytes), f"estimated, {channels_text}"),
        ("synthesis memory", _format_bytes(model_size.model_size.synthesis_bytes), "estimated"),
    ]
    return rows, asdict(model_size)


def _format_bytes(bytes_: int) -> str:
    return f"{bytes_ / 2**30:.1f} GiB" if bytes_ >= 2**30 else f"{bytes_ / 2**20:.0f} MiB"


def _format_yaml_value(value: object) -> str:
    """A value in YAML syntax."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value).replace("'", "")
