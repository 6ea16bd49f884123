"""`vid2vid plugins`: which conditioners there are, what each still needs, and how to write and try one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vid2vid_cli.commands import options, parsers

if TYPE_CHECKING:
    from vid2vid_cli.tools.contract_runner import Trial

app = typer.Typer(no_args_is_help=True, help="Conditioners: list, show, new, test.")

MARKS = {"kept": "ok", "not tried": "-", "broken": "BROKEN"}

Name = Annotated[str, typer.Argument(metavar="NAME", help="A conditioner.", show_default=False)]


@app.command("list")
def list_(json: options.Json = False) -> None:
    """List the conditioners: those that are ready, and what the others need."""
    from vid2vid_cli.conditioning.registry import find_conditioners
    from vid2vid_cli.terminal import Terminal

    keys = ("name", "status", "summary", "problem", "remedy", "origin")
    rows = []
    for one in find_conditioners():
        summary = one.spec.summary if one.spec else ""
        rows.append((one.name, one.status, summary, one.problem, one.remedy, str(one.origin)))
    with Terminal("plugins list", as_json=json) as terminal:
        terminal.rows(rows, [dict(zip(keys, row, strict=True)) for row in rows], keys)


@app.command()
def show(name: Name, json: options.Json = False) -> None:
    """Show what a conditioner yields, which options it takes, and what it needs.

    Options are of three kinds: "finding" says how things are found, and another value wants another `prepare`;
    "drawing" may be changed in training (train --set conditioner_options.NAME.KEY=VALUE); "files" names files made
    beside one video.

    Example: vid2vid plugins show landmarks
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.conditioner_info import OPTION_HEADER, describe_conditioner

    with Terminal("plugins show", as_json=json) as terminal:
        seen = describe_conditioner(name)
        terminal.rows(seen.rows, seen.to_json())
        if seen.options and not json:
            terminal.rows(seen.option_rows(name), {}, OPTION_HEADER)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it, such as depth.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where to put its folder, vid2vid-NAME.")
    ] = Path(),
    json: options.Json = False,
) -> None:
    """Write the package of a new conditioner: one that works, with its tests, for you to change.

    Example: vid2vid plugins new depth
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.plugin_scaffold import new_plugin

    with Terminal("plugins new", as_json=json) as terminal:
        made = new_plugin(name, out)
        files = [str(path) for path in made.files]
        install = shlex.join(["pip", "install", "-e", f"{_typed(made.path)}[dev]"])
        commands = [install, f"vid2vid plugins test {name}", f"vid2vid prepare -c {name} video.mp4"]
        terminal.done(made.path, f"Wrote {', '.join(files)}.", commands[0], {"files": files, "then": commands[1:]})
        for command in commands[1:]:
            terminal.next(command)


@app.command("test")
def try_(
    name: Name,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME.KEY=VALUE", help="An option to try it with.")
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option(
            metavar="VIDEO", help="Footage that shows what it finds. Default: a drawn head.", show_default=False
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Try every duty of a conditioner: exit code 0 if all are kept. Needs pytest.

    One that reads label files is tried on the video they belong to.

    Examples:
      vid2vid plugins test depth
      vid2vid plugins test labels --option labels.dir=maps --clip video.mp4
    """
    extras = parsers.conditioner_options(option or (), (name,)).get(name, {})
    from vid2vid_cli.core.errors import PluginError
    from vid2vid_cli.engine.events import Noticed
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.contract_runner import try_contract

    with Terminal("plugins test", as_json=json, quiet=quiet) as terminal:
        trial = try_contract(name, extras, clip, terminal.tell)
        counts = {outcome: sum(duty.outcome == outcome for duty in trial.duties) for outcome in MARKS}
        data = {"conditioner": name, **counts, "duties": [duty.to_json() for duty in trial.duties]}
        terminal.tell(Noticed(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) + "."))
        terminal.rows(_rows(trial), data)
        broken = [duty.name for duty in trial.duties if duty.outcome == "broken"]
        if broken:
            few = "; ".join(broken[:3]) + (f"; and {len(broken) - 3} more" if broken[3:] else "")
            message = f"{name} breaks {len(broken)} of its {len(trial.duties)} duties: {few}."
            raise PluginError(message, "Read the reasons above, mend the plugin, and try again.")
        terminal.next(f"vid2vid prepare -c {name} video.mp4")


def _rows(trial: Trial) -> list[tuple[str, str, str]]:
    """What was kept first, what needs attention last, next to the error message; a reason is given once."""
    rows, told = [], ""
    for duty in sorted(trial.duties, key=lambda duty: (list(MARKS).index(duty.outcome), duty.reason)):
        where = f"[{duty.where}]" if duty.where else ""
        reason = " ".join([*duty.reason.split(), where]).strip()
        rows.append((MARKS[duty.outcome], duty.name, "(the same)" if reason and reason == told else reason))
        told = reason
    return rows


def _typed(path: Path) -> str:
    """A folder as pip wants it: a bare name would be looked for in the index."""
    return str(path) if path.is_absolute() or path.parts[:1] == ("..",) else f"./{path}"
