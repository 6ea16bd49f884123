"""The conditioner `edges`: what it is, without importing anything heavy."""

from vid2vid_cli.conditioning import ConditionerSpec

SPEC = ConditionerSpec(
    name="edges",
    summary="Edges of the picture: Canny with thresholds that follow the footage, soft gradients, or a sketch.",
    output="drawing",
    implementation="vid2vid_edges.conditioner:Edges",
)
