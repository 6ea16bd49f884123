"""Spec of the conditioner `pose`; imports no heavy library."""

from vid2vid_cli.conditioning import ConditionerSpec, Requirement, WeightFile

POSE_WEIGHTS = WeightFile(
    name="pose_landmarker_full.task",
    sha256="25fa25e04a77635c0bd1e7eca021014bc41f36edcec7cf813639f0c8c7b7da50",
    size_bytes=9397712,
    licence="Apache-2.0",
    source="MediaPipe pose detector and full pose landmarks by Google; bundled with vid2vid-cli.",
)
HAND_WEIGHTS = WeightFile(
    name="hand_landmarks_detector.tflite",
    sha256="11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    size_bytes=5478917,
    licence="Apache-2.0",
    source="MediaPipe hand landmarks by Google, from hand_landmarker.task; bundled with vid2vid-cli.",
)

SPEC = ConditionerSpec(
    name="pose",
    summary="Body joints drawn as OpenPose's skeleton; transfer adapts them to the target's body.",
    output="points",
    implementation="vid2vid_pose.conditioner:Pose",
    requires=(
        Requirement(
            "mediapipe",
            'pip install "vid2vid-cli[pose]"',
            is_optional=True,
            note="Default backend; its model is bundled with vid2vid-cli (Apache-2.0).",
        ),
        Requirement(
            "ai_edge_litert",
            'pip install "vid2vid-cli[pose]"',
            is_optional=True,
            note="Hands with the default backend; its model is bundled with vid2vid-cli (Apache-2.0).",
        ),
        Requirement(
            "onnxruntime",
            'pip install "vid2vid-cli[onnx]"',
            is_optional=True,
            note="Runs a DWPose or RTMPose model that you provide: --conditioner-option pose.weights=FILE.onnx.",
        ),
    ),
    weights=(POSE_WEIGHTS, HAND_WEIGHTS),
)
