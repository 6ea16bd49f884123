"""Spec of the conditioner `onnx`; imports no heavy library."""

from vid2vid_cli.conditioning import ConditionerSpec, Requirement, WeightFile

INSTALL_COMMAND = 'pip install "vid2vid-cli[onnx]"'

DEPTH_ANYTHING_WEIGHTS = WeightFile(
    name="depth-anything-v2-small.onnx",
    sha256="afb6a5c28f3b6bf1618c6e43f02073ef9dfdc70e937502d51603e57b0a1df10c",
    size_bytes=99_060_839,
    licence="Apache-2.0",
    source="Depth Anything V2 Small, exported by onnx-community; for onnx.kind=depth.",
    url="https://huggingface.co/onnx-community/depth-anything-v2-small/resolve/"
    "4472b7362082ad9968fee890ca0f1e5aca36b93d/onnx/model.onnx",
)
MIDAS_WEIGHTS = WeightFile(
    name="midas-v2.1-small.onnx",
    sha256="2d8c6cb8f415229daf1eb041024208e2608c9f98e17c81cc7c6ecb449c56fd58",
    size_bytes=66_764_249,
    licence="MIT",
    source="MiDaS v2.1 small by Intel ISL; for onnx.kind=depth.",
    url="https://github.com/isl-org/MiDaS/releases/download/v2_1/model-small.onnx",
)
PUBLISHED_WEIGHTS = (DEPTH_ANYTHING_WEIGHTS, MIDAS_WEIGHTS)

SPEC = ConditionerSpec(
    name="onnx",
    summary="The output of any image-to-map network as ONNX: depth, normals, line art, edges, labels or an image.",
    output="image",
    implementation="vid2vid_onnx.conditioner:OnnxMap",
    requires=(
        Requirement(
            "onnxruntime",
            INSTALL_COMMAND,
            note="Set a network: --conditioner-option onnx.model=FILE.onnx, or =depth-anything-v2-small.onnx.",
        ),
    ),
    weights=PUBLISHED_WEIGHTS,
)
