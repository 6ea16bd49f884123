"""The conditioner `segmentation`: what it is, without importing anything heavy."""

from vid2vid_cli.conditioning import ConditionerSpec, Requirement, WeightFile

INSTALL = 'pip install "vid2vid-cli[segmentation]"'

SELFIE = WeightFile(
    name="selfie_segmentation.tflite",
    sha256="9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    size=249505,
    licence="Apache-2.0",
    source="MediaPipe selfie segmentation by Google, for backend=person; part of vid2vid-cli.",
)

PAGE = "https://download.pytorch.org/models/"
TERMS = "torchvision's terms; trained on COCO"
PUBLISHED = tuple(
    WeightFile(
        name=f"{name}-{sha256}.pth",
        sha256=sha256,
        size=size,
        licence=TERMS,
        source=f"torchvision's DeepLabV3 for model={model}, downloaded at first use from {PAGE}{name}-{sha256}.pth",
    )
    for model, name, sha256, size in (
        ("mobilenet", "deeplabv3_mobilenet_v3_large", "fc3c493d", 44_355_000),
        ("resnet50", "deeplabv3_resnet50_coco", "cd0a2569", 168_312_000),
        ("resnet101", "deeplabv3_resnet101_coco", "586e9e4e", 244_546_000),
    )
)

SPEC = ConditionerSpec(
    name="segmentation",
    summary="A class for every pixel: the 21 of Pascal VOC by DeepLabv3, or a mask for close-ups.",
    output="labels",
    implementation="vid2vid_segmentation.conditioner:Segmentation",
    requires=(
        Requirement(
            "torchvision",
            INSTALL,
            optional=True,
            note="The default backend; downloads its weights once (44 MB; resnet50 168 MB, resnet101 245 MB).",
        ),
        Requirement(
            "ai_edge_litert",
            INSTALL,
            optional=True,
            note="For a TFLite file of your own: --option segmentation.weights=FILE.tflite.",
        ),
        Requirement(
            "mediapipe",
            INSTALL,
            optional=True,
            note="For --option segmentation.backend=person, whose model comes with vid2vid-cli (Apache-2.0).",
        ),
    ),
    weights=(SELFIE, *PUBLISHED),
)
