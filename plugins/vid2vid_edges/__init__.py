"""Spec of the conditioner `edges`; imports no heavy library."""

from vid2vid_cli.conditioning import ConditionerSpec

SPEC = ConditionerSpec(
    name="edges",
    summary="Edges: Canny with adaptive thresholds, soft gradients, or a line sketch.",
    output="image",
    implementation="vid2vid_edges.conditioner:Edges",
)
