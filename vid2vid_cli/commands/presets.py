"""`vid2vid presets`: the settings that come with vid2vid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vid2vid_cli.commands import options

if TYPE_CHECKING:
    from vid2vid_cli.config.config import Config

app = typer.Typer(no_args_is_help=True, help="Ready-made settings: list, show, copy, validate.")

Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A preset, or a .yaml file.", show_default=False)]


@app.command("list")
def list_(json: options.Json = False) -> None:
    """List the presets."""
    from vid2vid_cli.config.presets import preset_names, preset_summary
    from vid2vid_cli.terminal import Terminal

    rows = [(name, preset_summary(name)) for name in preset_names()]
    with Terminal("presets list", as_json=json) as terminal:
        terminal.rows(rows, [{"name": name, "summary": summary} for name, summary in rows])
        terminal.next("vid2vid presets show tiny")


@app.command()
def show(
    name: Name,
    sets: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="As `train --set`.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="As `train --config`.")] = None,
    count: Annotated[
        bool, typer.Option("--count/--no-count", help="Count parameters and memory, which takes some seconds.")
    ] = True,
    json: options.Json = False,
) -> None:
    """Show every setting of a preset, where each value comes from, and how large the model is.

    Example: vid2vid presets show face --set generator.width=32
    """
    from vid2vid_cli.config.resolve import load_layers
    from vid2vid_cli.terminal import Terminal

    resolved = load_layers(name, config, sets or (), {})
    rows = [(key, _value(value), "" if origin == "default" else origin) for key, value, origin in resolved.rows()]
    data: dict[str, Any] = {"config": resolved.config.model_dump(mode="json"), "origins": dict(resolved.origins)}
    with Terminal("presets show", as_json=json) as terminal:
        if count:
            counted, data["counted"] = _counted(resolved.config)
            rows += counted
        terminal.rows(rows, data, ("setting", "value", "from"))


@app.command()
def copy(
    name: Name,
    to: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Default: my-NAME.yaml here.", show_default=False)
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Copy a preset, with its comments, to a file of your own.

    Example: vid2vid presets copy face mine.yaml
    """
    from vid2vid_cli.config.presets import copy_preset
    from vid2vid_cli.terminal import Terminal

    path = copy_preset(name, to, overwrite=overwrite)
    with Terminal("presets copy", as_json=json) as terminal:
        terminal.done(path, "", f"vid2vid train --preset {path}", {})


@app.command()
def validate(name: Name, json: options.Json = False) -> None:
    """Check every key and value of a preset or of a file of settings.

    Example: vid2vid presets validate mine.yaml
    """
    from vid2vid_cli.config.resolve import load_layers
    from vid2vid_cli.terminal import Terminal

    resolved = load_layers(name, None, (), {})
    own = sum(origin != "default" for origin in resolved.origins.values())
    with Terminal("presets validate", as_json=json) as terminal:
        terminal.rows([(name, f"valid; {own} settings of its own")], {"name": name, "valid": True, "own": own})


def _counted(config: Config) -> tuple[list[tuple[str, str, str]], dict[str, Any]]:
    """Rows for people, and the same as data."""
    from dataclasses import asdict

    from vid2vid_cli.tools.model_size import sizing

    size = sizing(config)
    height, width = size.picture
    seen = f"{size.channels} condition channels"
    rows = [("picture", f"{width}x{height}", "counted")]
    rows += [(name, f"{count / 1e6:.2f} million parameters", "") for name, count in size.found.parameters.items()]
    rows += [
        ("memory, training", _size(size.found.training), f"counted, {seen}"),
        ("memory, synthesis", _size(size.found.synthesis), "counted"),
    ]
    return rows, asdict(size)


def _size(bytes_: int) -> str:
    return f"{bytes_ / 2**30:.1f} GiB" if bytes_ >= 2**30 else f"{bytes_ / 2**20:.0f} MiB"


def _value(value: object) -> str:
    """A value as it is written in YAML."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value).replace("'", "")
