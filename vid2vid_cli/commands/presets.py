"""`vid2vid presets`: the settings that come with vid2vid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vid2vid_cli.commands import options

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
    json: options.Json = False,
) -> None:
    """Show every setting of a preset, and where each value comes from.

    Example: vid2vid presets show face --set generator.width=32
    """
    from vid2vid_cli.config.resolve import load_layers
    from vid2vid_cli.terminal import Terminal

    resolved = load_layers(name, config, sets or (), {})
    rows = [(key, _value(value), "" if origin == "default" else origin) for key, value, origin in resolved.rows()]
    data = {"config": resolved.config.model_dump(mode="json"), "origins": dict(resolved.origins)}
    with Terminal("presets show", as_json=json) as terminal:
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


def _value(value: object) -> str:
    """A value as it is written in YAML."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value).replace("'", "")
