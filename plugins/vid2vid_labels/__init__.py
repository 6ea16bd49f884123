"""The conditioner `labels`: what it is, without importing anything heavy."""

from vid2vid_cli.conditioning import ConditionerSpec

SPEC = ConditionerSpec(
    name="labels",
    summary="Label video that exists already: class ids, colour codes, instance outlines, or drawings as they are.",
    output="labels",
    implementation="vid2vid_labels.conditioner:Labels",
)
