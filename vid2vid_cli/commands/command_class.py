"""The classes of all commands: errors for unknown commands and options, for KEY=VALUE and for URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from vid2vid_cli.core.paths import check_no_url

MIN_SIMILARITY = 0.75
"""With difflib's default of 0.6, `report` and `export` would be similar to `import`."""
MAX_SUGGESTIONS = 3
MIN_PREFIX = 3
"""Characters of a name that are enough to suggest it."""
_KEY_VALUE_PATTERN = re.compile(r"-{0,2}([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)


class CommandGroup(typer.core.TyperGroup):
    """A group of commands, which suggests only commands with nearly the typed name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first argument names; otherwise a usage error that suggests or lists commands."""
        name = args[0]
        if name in self.commands or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        names = [candidate for candidate, command in self.commands.items() if not command.hidden]
        suggestion = suggest_close_name(name, names) or f"The commands are {', '.join(names)}."
        ctx.fail(f"No such command {name!r}. {suggestion}")


class Command(typer.core.TyperCommand):
    """A command. Its errors explain how options and settings are written, and that URLs are not read."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments into `ctx.params`."""
        ctx.allow_extra_args = True  # they are reported below
        try:
            super().parse_args(ctx, args)
        except typer.TyperException as error:
            self._improve_unknown_option(error)
            raise
        if not ctx.resilient_parsing:
            self._check_words(ctx)
        return list(ctx.args)

    def _improve_unknown_option(self, error: Any) -> None:
        """Replace the suggestions of click's NoSuchOption by close names, and by settings."""
        if not hasattr(error, "possibilities"):
            return
        flags = list(self._iter_flags())
        flag = str(error.option_name)
        name = flag.lstrip("-")
        suggestion = suggest_close_name(
            name, [flag.lstrip("-") for flag in flags if flag.startswith("--")], prefix="--"
        )
        error.possibilities = None
        if suggestion:
            error.message += f". {suggestion}"
        elif "--set" in flags and len(name) > 1:
            error.message += f"; {_describe_setting(name, '')}"

    def _check_words(self, ctx: Any) -> None:
        """Report positional KEY=VALUE, arguments that are too many, and URLs in place of files."""
        words = [*_iter_words(self._argument_values(ctx)), *ctx.args]
        answers = [
            self._describe_key_value(match[1], match[2])
            for word in words
            if (match := _KEY_VALUE_PATTERN.fullmatch(word)) and not Path(word).exists()
        ]
        if answers:
            ctx.fail(" ".join(answers))
        if ctx.args:
            ctx.fail(f"Unexpected arguments: {' '.join(ctx.args)}.")
        for value in _iter_words(list(ctx.params.values())):
            check_no_url(value)

    def _argument_values(self, ctx: Any) -> list[object]:
        return [ctx.params.get(param.name) for param in self.params if param.param_type_name == "argument"]

    def _describe_key_value(self, key: str, value: str) -> str:
        """How the user writes `key=value`: as an option of the command, or as a setting."""
        flags = list(self._iter_flags())
        flag = f"--{key.replace('_', '-')}"
        if flag in flags:
            return f"{key}={value}: options are written {flag} {value}."
        if "--set" in flags:
            return f"{key}={value}: {_describe_setting(key, value)}"
        return f"{key}={value} does not exist, and options are written --NAME VALUE."

    def _iter_flags(self) -> Iterator[str]:
        return (flag for param in self.params for flag in (*param.opts, *param.secondary_opts))


def suggest_close_name(name: str, candidates: Sequence[str], prefix: str = "") -> str:
    """`Did you mean ...?` with candidates that begin with `name`, or have its first letter and nearly its spelling.

    `prefix` is put before each candidate.
    """
    typed = name.lower()
    names = [candidate for candidate in candidates if candidate.startswith(typed)] if len(name) >= MIN_PREFIX else []
    if not names:
        same_letter = [candidate for candidate in candidates if candidate[:1] == typed[:1]]
        names = get_close_matches(typed, same_letter, MAX_SUGGESTIONS, MIN_SIMILARITY)
    return f"Did you mean {' or '.join(prefix + name for name in names[:MAX_SUGGESTIONS])}?" if names else ""


def _describe_setting(key: str, value: str) -> str:
    """How a setting is given, and the settings that `key` may mean."""
    from vid2vid_cli.config.resolve import setting_keys, suggest_settings

    name = key.replace("-", "_")
    if name in setting_keys():
        return f"settings are given with --set {name}={value or 'VALUE'}."
    similar = suggest_settings(name)
    text = "settings are given with --set KEY=VALUE"
    if similar:
        return f"{text}, such as {' or '.join(f'--set {setting}=VALUE' for setting in similar)}."
    return f"{text}; `vid2vid presets show tiny` lists them."


def _iter_words(values: Sequence[object]) -> Iterator[str]:
    """The text of all strings and paths among values and lists of values."""
    for value in values:
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(item, (str, Path)):
                yield str(item)
