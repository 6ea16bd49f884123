"""DensePose with detectron2: configuration, weights and conversion of the results."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import LabelFileError, MissingPackageError, MissingWeightsError, UInt8Array, expand_home
from vid2vid_densepose import SPEC
from vid2vid_densepose.body_boxes import DetectedPerson

MODEL_ZOO_URL = "https://dl.fbaipublicfiles.com/densepose"
MODEL_NAME = "densepose_rcnn_R_50_FPN_s1x"
WEIGHTS_URL = f"{MODEL_ZOO_URL}/{MODEL_NAME}/165712039/model_final_162be9.pkl"
DOCUMENTATION_URL = "https://github.com/facebookresearch/detectron2/blob/main/projects/DensePose/doc/DENSEPOSE_IUV.md"

# Settings of MODEL_NAME that differ from detectron2's defaults.
R_50_FPN_S1X_CONFIG: dict[str, Any] = {
    "MODEL.META_ARCHITECTURE": "GeneralizedRCNN",
    "MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone",
    "MODEL.RESNETS.DEPTH": 50,
    "MODEL.RESNETS.OUT_FEATURES": ["res2", "res3", "res4", "res5"],
    "MODEL.FPN.IN_FEATURES": ["res2", "res3", "res4", "res5"],
    "MODEL.ANCHOR_GENERATOR.SIZES": [[32], [64], [128], [256], [512]],
    "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": [[0.5, 1.0, 2.0]],
    "MODEL.RPN.IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"],
    "MODEL.RPN.PRE_NMS_TOPK_TEST": 1000,
    "MODEL.RPN.POST_NMS_TOPK_TEST": 1000,
    "MODEL.DENSEPOSE_ON": True,
    "MODEL.ROI_HEADS.NAME": "DensePoseROIHeads",
    "MODEL.ROI_HEADS.IN_FEATURES": ["p2", "p3", "p4", "p5"],
    "MODEL.ROI_HEADS.NUM_CLASSES": 1,
    "MODEL.ROI_BOX_HEAD.NAME": "FastRCNNConvFCHead",
    "MODEL.ROI_BOX_HEAD.NUM_FC": 2,
    "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
    "MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO": 2,
    "MODEL.ROI_BOX_HEAD.POOLER_TYPE": "ROIAlign",
    "MODEL.ROI_DENSEPOSE_HEAD.NAME": "DensePoseV1ConvXHead",
    "MODEL.ROI_DENSEPOSE_HEAD.POOLER_TYPE": "ROIAlign",
}


class Detectron2Detector:
    """A `PersonDetector` that uses detectron2's predictor with a DensePose model.

    Raises: MissingPackageError, MissingWeightsError, LabelFileError (the model does not return I, U, V).
    """

    def __init__(self, weights: Path | None, config: Path | None, min_confidence: float) -> None:
        check_packages()
        if weights is None:
            raise MissingWeightsError(
                "DensePose needs weights, but densepose.weights is not set.",
                f"Download {WEIGHTS_URL} (Meta, CC BY-SA 3.0) and set "
                "--conditioner-option densepose.weights=model_final_162be9.pkl. "
                f"Other models also need densepose.config: {DOCUMENTATION_URL}",
            )
        for option, path in (("weights", weights), ("config", config)):
            if path is not None and not expand_home(path).is_file():
                raise MissingWeightsError(
                    f"{path} does not exist (densepose.{option}).", f"--conditioner-option densepose.{option}=FILE"
                )
        from detectron2.engine import DefaultPredictor

        self._predictor = DefaultPredictor(build_config(str(expand_home(weights)), config, min_confidence))

    def __call__(self, frame: UInt8Array) -> list[DetectedPerson]:
        """Return all people on a frame (h, w, 3) uint8 RGB."""
        bgr = np.ascontiguousarray(frame[:, :, ::-1])
        return extract_people(self._predictor(bgr)["instances"])


def check_packages() -> None:
    """Raise MissingPackageError if detectron2 or its DensePose project is not installed."""
    missing = [requirement for requirement in SPEC.requires if find_spec(requirement.module) is None]
    if missing:
        names = " and ".join(requirement.module for requirement in missing)
        commands = " && ".join(requirement.install_command for requirement in missing)
        raise MissingPackageError(
            f"DensePose needs {names}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            f"{commands}. {missing[0].note}",
        )


def build_config(weights: str, config: Path | None, min_confidence: float) -> Any:
    """Return detectron2's configuration of a DensePose model; R_50_FPN_s1x if `config` is None."""
    import torch
    from densepose import add_densepose_config
    from detectron2.config import get_cfg

    cfg = get_cfg()
    add_densepose_config(cfg)
    if config is not None:
        cfg.merge_from_file(str(expand_home(config)))
    else:
        cfg.merge_from_list([item for pair in R_50_FPN_S1X_CONFIG.items() for item in pair])
    cfg.MODEL.WEIGHTS = weights
    cfg.MODEL.DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = min_confidence
    cfg.freeze()
    return cfg


def extract_people(instances: Any) -> list[DetectedPerson]:
    """Convert the instances of a frame: body parts and U, V for each box, at the size of the box."""
    from densepose.vis.extractor import DensePoseResultExtractor

    if len(instances) == 0:
        return []
    try:
        results, boxes = DensePoseResultExtractor()(instances)
    except KeyError as error:  # a model with continuous surface embeddings
        raise LabelFileError(
            "This DensePose model returns embeddings instead of I, U and V.", f"Use a model of {DOCUMENTATION_URL}"
        ) from error
    if results is None:
        return []
    scores = instances.scores.cpu().numpy()
    people = []
    for result, box, score in zip(results, boxes.cpu().numpy(), scores, strict=True):
        x, y, width, height = (float(value) for value in box)
        parts = result.labels.cpu().numpy().astype(np.uint8)
        uv = result.uv.cpu().numpy().astype(np.float32)
        people.append(DetectedPerson((x, y, x + width, y + height), float(score), parts, uv))
    return people
