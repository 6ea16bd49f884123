"""Spec of the conditioner `none`; imports no heavy library."""

from vid2vid_cli.conditioning import FRAME_CONDITIONER, ConditionerSpec

SPEC = ConditionerSpec(
    name=FRAME_CONDITIONER,
    summary="Nothing is extracted: frames alone, for models whose input is the frame itself.",
    output="image",
    implementation="vid2vid_none.conditioner:FrameCondition",
)
