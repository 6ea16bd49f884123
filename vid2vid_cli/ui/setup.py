"""What the page offers, whatever the project contains: forms, conditioners and presets."""

from __future__ import annotations

from vid2vid_cli.conditioning.registry import find_conditioners
from vid2vid_cli.conditioning.spec import FRAME_CONDITIONER
from vid2vid_cli.config.presets import preset_names, preset_summary
from vid2vid_cli.ui.forms import FORMS


def describe_setup() -> dict[str, object]:
    """The forms, and the conditioners and presets of this installation."""
    conditioners = [
        {
            "name": plugin.name,
            "summary": "" if plugin.spec is None else plugin.spec.summary,
            "is_ready": plugin.status == "ready",
            "problem": f"{plugin.problem}. {plugin.remedy}".strip(". ") if plugin.problem else "",
        }
        for plugin in find_conditioners()
    ]
    return {
        "forms": {name: form.to_json() for name, form in FORMS.items()},
        "conditioners": sorted(conditioners, key=lambda row: (row["name"] == FRAME_CONDITIONER, not row["is_ready"])),
        "presets": [{"name": name, "summary": preset_summary(name)} for name in preset_names()],
    }
