"""Spec of the conditioner `segmentation`; imports no heavy library."""

from vid2vid_cli.conditioning import ConditionerSpec, Requirement, WeightFile

INSTALL_COMMAND = 'pip install "vid2vid-cli[segmentation]"'

SELFIE_WEIGHTS = WeightFile(
    name="selfie_segmentation.tflite",
    sha256="9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    size_bytes=249505,
    licence="Apache-2.0",
    source="MediaPipe selfie segmentation by Google, for backend=selfie; part of vid2vid-cli.",
)

DOWNLOAD_URL = "https://download.pytorch.org/models/"
LICENCE_TERMS = "torchvision's terms; trained on COCO"
TORCHVISION_WEIGHTS = {
    model: WeightFile(
        name=f"{name}-{sha256}.pth",
        sha256=sha256,
        size_bytes=size,
        licence=LICENCE_TERMS,
        source=f"torchvision's DeepLabV3, model={model}; downloaded on first use: {DOWNLOAD_URL}{name}-{sha256}.pth",
        url=f"{DOWNLOAD_URL}{name}-{sha256}.pth",
    )
    for model, name, sha256, size in (
        ("mobilenet", "deeplabv3_mobilenet_v3_large", "fc3c493d", 44_355_000),
        ("resnet50", "deeplabv3_resnet50_coco", "cd0a2569", 168_312_000),
        ("resnet101", "deeplabv3_resnet101_coco", "586e9e4e", 244_546_000),
    )
}
"""The weights of each `segmentation.model`."""

SPEC = ConditionerSpec(
    name="segmentation",
    summary="Semantic segmentation: the 21 Pascal VOC classes with DeepLabV3, or a person mask for close-ups.",
    output="labels",
    implementation="vid2vid_segmentation.conditioner:Segmentation",
    requires=(
        Requirement(
            "torchvision",
            INSTALL_COMMAND,
            is_optional=True,
            note="Default backend; downloads its weights once (44 MB; resnet50 168 MB, resnet101 245 MB).",
        ),
        Requirement(
            "ai_edge_litert",
            INSTALL_COMMAND,
            is_optional=True,
            note="For TFLite files: --conditioner-option segmentation.weights=FILE.tflite.",
        ),
        Requirement(
            "mediapipe",
            INSTALL_COMMAND,
            is_optional=True,
            note="For --conditioner-option segmentation.backend=selfie; the model is part of vid2vid-cli (Apache-2.0).",
        ),
    ),
    weights=(SELFIE_WEIGHTS, *TORCHVISION_WEIGHTS.values()),
)
