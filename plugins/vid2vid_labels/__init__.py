"""Spec of the conditioner `labels`; imports no heavy library."""

from vid2vid_cli.conditioning import ConditionerSpec

SPEC = ConditionerSpec(
    name="labels",
    summary="Existing label video: class ids, colour-coded classes, instance outlines, or RGB images.",
    output="labels",
    implementation="vid2vid_labels.conditioner:Labels",
)
