"""`vid2vid plugins`: lists, describes, creates and tests conditioners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vid2vid_cli.commands import completion, options
from vid2vid_cli.commands.command_class import Command, CommandGroup
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.parsers import conditioner_options

if TYPE_CHECKING:
    from vid2vid_cli.tools.contract_runner import ContractReport

app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="List, show, create and test conditioners.")

OUTCOME_MARKS = {"passed": "ok", "skipped": "-", "failed": "FAILED"}

ConditionerArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A conditioner.", show_default=False, autocompletion=completion.complete_conditioners
    ),
]


@app.command("list", cls=Command)
def list_conditioners(json: options.Json = False) -> None:
    """List the conditioners with their status and missing requirements."""
    from vid2vid_cli.conditioning.registry import find_conditioners
    from vid2vid_cli.terminal import Terminal

    keys = ("name", "status", "summary", "problem", "remedy", "origin")
    data, rows = [], []
    for plugin in find_conditioners():
        summary = plugin.spec.summary if plugin.spec else ""
        cells = (plugin.name, plugin.status, summary, plugin.problem, plugin.remedy, str(plugin.origin))
        data.append(dict(zip(keys, cells, strict=True)))
        rows.append((plugin.name, plugin.status, f"{summary} ({plugin.origin})".strip(), plugin.problem, plugin.remedy))
    with Terminal("plugins list", as_json=json) as terminal:
        terminal.print_wrapped(rows, data)


@app.command(cls=Command)
def show(name: ConditionerArgument, json: options.Json = False) -> None:
    """Show the output, options and requirements of a conditioner.

    Roles of options:
      detection: a new value needs a new `prepare`
      rendering: may change in training, train --set conditioner_options.NAME.KEY=VALUE
      input: names files that belong to one video

    Example: vid2vid plugins show landmarks
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.conditioner_info import describe_conditioner
    from vid2vid_cli.tools.option_info import OPTION_HEADER

    with Terminal("plugins show", as_json=json) as terminal:
        description = describe_conditioner(name)
        terminal.print_table(description.rows, description.to_json())
        if description.options and not json:
            terminal.print_table(description.option_rows(name), {}, OPTION_HEADER)


@app.command(cls=Command)
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the conditioner, such as depth.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Parent folder of the package vid2vid-NAME.")
    ] = Path(),
    json: options.Json = False,
) -> None:
    """Create the package of a new conditioner: a working example with tests.

    Example: vid2vid plugins new depth
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.plugin_scaffold import create_plugin

    with Terminal("plugins new", as_json=json) as terminal:
        result = create_plugin(name, out)
        files = [str(path) for path in result.files]
        install = shell_command("pip", "install", "-e", f"{_pip_path(result.path)}[dev]")
        test = shell_command("vid2vid", "plugins", "test", name)
        json_fields = {"files": files, "next_commands": [test]}
        terminal.print_result(result.path, f"Wrote {', '.join(files)}.", install, json_fields)
        terminal.print_next(test)


@app.command("test", cls=Command)
def run_contract_tests(
    name: ConditionerArgument,
    option: options.ConditionerOptions = None,
    clip: Annotated[
        Path | None,
        typer.Option(
            metavar="VIDEO",
            help="Video with something to detect. Default: a synthetic head.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run the conditioner contract tests. Exit code 0 if all pass. Needs pytest.

    A conditioner that reads label files is tested on the video of the files.

    Examples:
      vid2vid plugins test depth
      vid2vid plugins test labels -O labels.input_dir=maps --clip video.mp4
    """
    option_values = _options_of(name, option or [])
    from vid2vid_cli.core.errors import PluginError
    from vid2vid_cli.engine.events import InfoEvent
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.contract_runner import run_contract

    with Terminal("plugins test", as_json=json, quiet=quiet) as terminal:
        report = run_contract(name, option_values, clip, terminal.emit)
        counts = {outcome: sum(check.outcome == outcome for check in report.checks) for outcome in OUTCOME_MARKS}
        data = {"conditioner": name, **counts, "checks": [check.to_json() for check in report.checks]}
        terminal.emit(InfoEvent(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) + "."))
        terminal.print_table(_report_rows(report), data)
        failed_checks = [check.name for check in report.checks if check.outcome == "failed"]
        if failed_checks:
            more = f"; and {len(failed_checks) - 3} more" if failed_checks[3:] else ""
            names = "; ".join(failed_checks[:3]) + more
            raise PluginError(
                f"{name} fails {len(failed_checks)} of {len(report.checks)} checks: {names}.",
                "Fix the failures above and run the test again.",
            )
        option_words = [f"{name}.{key}={value}" for key, value in option_values.items()]
        terminal.print_next(
            shell_command("vid2vid", "plugins", "show", name)
            if clip is None
            else shell_command(
                "vid2vid", "prepare", "-c", name, *(word for text in option_words for word in ("-O", text)), clip
            )
        )


def _options_of(name: str, texts: list[str]) -> dict[str, str]:
    """The options of conditioner `name`. Raises BadParameter for invalid text and for other conditioners."""
    try:
        values = conditioner_options(texts)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--conditioner-option") from error
    for other_name in values.keys() - {name}:
        raise typer.BadParameter(f"{other_name} is not the conditioner {name}.", param_hint="--conditioner-option")
    return values.get(name, {})


def _report_rows(report: ContractReport) -> list[tuple[str, str, str]]:
    """One row per check, failures last; repeated reasons are abbreviated."""
    rows, previous_reason = [], ""
    for check in sorted(report.checks, key=lambda check: (list(OUTCOME_MARKS).index(check.outcome), check.reason)):
        location = f"[{check.location}]" if check.location else ""
        reason = " ".join([*check.reason.split(), location]).strip()
        is_repeated = bool(reason) and reason == previous_reason
        rows.append((OUTCOME_MARKS[check.outcome], check.name, "(the same)" if is_repeated else reason))
        previous_reason = reason
    return rows


def _pip_path(path: Path) -> str:
    """A path that pip does not mistake for the name of a package."""
    return str(path) if path.is_absolute() or path.parts[:1] == ("..",) else f"./{path}"
