"""Spec of the conditioner `landmarks`; imports no heavy library."""

from vid2vid_cli.conditioning import ConditionerSpec, Requirement, WeightFile

MESH_WEIGHTS = WeightFile(
    name="face_mesh_478.task",
    sha256="9f2c1681d902ca9316119fd3b44ca53a84eb43d350897b00984d7753276a8592",
    size_bytes=2731400,
    licence="Apache-2.0",
    source="MediaPipe face detector and attention mesh (refined lips and eyes) by Google; bundled with vid2vid-cli.",
)
IRIS_WEIGHTS = WeightFile(
    name="iris_landmark.tflite",
    sha256="d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
    size_bytes=2640568,
    licence="Apache-2.0",
    source="MediaPipe iris landmarks by Google; bundled with vid2vid-cli.",
)

SPEC = ConditionerSpec(
    name="landmarks",
    summary="68 facial landmarks drawn as curves with distance maps; transfer adapts them to the target's face.",
    output="points",
    implementation="vid2vid_landmarks.conditioner:Landmarks",
    requires=(
        Requirement(
            "mediapipe",
            'pip install "vid2vid-cli[landmarks]"',
            is_optional=True,
            note="Default backend; its model is bundled with vid2vid-cli (Apache-2.0).",
        ),
        Requirement(
            "ai_edge_litert",
            'pip install "vid2vid-cli[landmarks]"',
            is_optional=True,
            note="Irises; the model is bundled with vid2vid-cli (Apache-2.0).",
            option="iris",
        ),
        Requirement(
            "dlib",
            'pip install "vid2vid-cli[dlib]"',
            is_optional=True,
            note="Alternative backend: --conditioner-option landmarks.backend=dlib.",
        ),
        Requirement(
            "face_recognition_models",
            'pip install "vid2vid-cli[dlib]"',
            is_optional=True,
            note=(
                "Contains dlib's 68-point predictor, trained on iBUG 300-W. That data set excludes commercial use: "
                "ask its owners before using this backend commercially."
            ),
        ),
    ),
    weights=(MESH_WEIGHTS, IRIS_WEIGHTS),
    identifier="vid2vid_landmarks.identity:load_identifier",
)
