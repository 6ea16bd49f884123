"""What the page offers, whatever the project contains: forms, conditioners and presets."""

from __future__ import annotations

from vid2vid_cli.conditioning.registry import DiscoveredPlugin, find_conditioners
from vid2vid_cli.conditioning.spec import FRAME_CONDITIONER
from vid2vid_cli.config.presets import preset_names, preset_summary
from vid2vid_cli.ui.forms import FORMS

OUTPUT_ORDER = ("points", "labels", "image")
"""Detectors of points are what most videos of people need."""


def describe_setup() -> dict[str, object]:
    """The forms, and the conditioners and presets of this installation."""
    plugins = sorted(find_conditioners(), key=_position)
    conditioners = [
        {
            "name": plugin.name,
            "summary": "" if plugin.spec is None else plugin.spec.summary,
            "is_ready": plugin.status == "ready",
            "problem": f"{plugin.problem}. {plugin.remedy}".strip(". ") if plugin.problem else "",
        }
        for plugin in plugins
    ]
    return {
        "forms": {name: form.to_json() for name, form in FORMS.items()},
        "conditioners": conditioners,
        "presets": [{"name": name, "summary": preset_summary(name)} for name in preset_names()],
    }


def _position(plugin: DiscoveredPlugin) -> tuple[bool, int]:
    """Sort key: by the kind of output, frames alone at the end."""
    output = "" if plugin.spec is None else plugin.spec.output
    order = OUTPUT_ORDER.index(output) if output in OUTPUT_ORDER else len(OUTPUT_ORDER)
    return plugin.name == FRAME_CONDITIONER, order
