"""Published weight files of the metrics of the extra [metrics]. Standard library only."""

from __future__ import annotations

from vid2vid_cli.media.published_weights import WeightFile

ALEXNET_WEIGHTS = WeightFile(
    name="alexnet-owt-7be5be79.pth",
    sha256="7be5be79",
    size_bytes=244_408_911,
    licence="torchvision's terms; trained on ImageNet",
    source="torchvision's AlexNet, for evaluate --metric lpips.",
    url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
)
INCEPTION_WEIGHTS = WeightFile(
    name="weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d",
    size_bytes=95_628_359,
    licence="Apache-2.0; trained on ImageNet",
    source="TensorFlow's InceptionV3, converted by torch-fidelity, for evaluate --metric fid and kid.",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
)
METRIC_WEIGHTS = (ALEXNET_WEIGHTS, INCEPTION_WEIGHTS)
I3D_FILE_NAME = "i3d_pretrained_400.pt"
I3D_URL = "https://github.com/songweige/TATS/raw/main/tats/fvd/i3d_pretrained_400.pt"
"""cd-fvd's I3D. No checksum of it is published, so it is not fetched."""
