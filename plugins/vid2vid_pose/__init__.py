"""The conditioner `pose`: what it is, without importing anything heavy."""

from vid2vid_cli.conditioning import ConditionerSpec, Requirement, WeightFile

POSE = WeightFile(
    name="pose_landmarker_full.task",
    sha256="25fa25e04a77635c0bd1e7eca021014bc41f36edcec7cf813639f0c8c7b7da50",
    size=9397712,
    licence="Apache-2.0",
    source="MediaPipe pose detector and full pose landmarks by Google; part of vid2vid-cli.",
)

SPEC = ConditionerSpec(
    name="pose",
    summary="The joints of a body, drawn as OpenPose's skeleton; transfer fits them to the target's body.",
    output="points",
    implementation="vid2vid_pose.conditioner:Pose",
    requires=(
        Requirement(
            "mediapipe",
            'pip install "vid2vid-cli[pose]"',
            optional=True,
            note="The default backend; its model comes with vid2vid-cli (Apache-2.0).",
        ),
        Requirement(
            "onnxruntime",
            'pip install "vid2vid-cli[onnx]"',
            optional=True,
            note="For a DWPose or RTMPose model of your own: --option pose.weights=FILE.onnx.",
        ),
    ),
    weights=(POSE,),
)
