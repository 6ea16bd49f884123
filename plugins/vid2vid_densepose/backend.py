"""DensePose through detectron2, which the user has installed: configuration, weights, and its answers as ours."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import Bytes, LabelFilesError, MissingPackageError, MissingWeightsError
from vid2vid_densepose import SPEC
from vid2vid_densepose.body_boxes import Body

ZOO = "https://dl.fbaipublicfiles.com/densepose"
MODEL = "densepose_rcnn_R_50_FPN_s1x"
WEIGHTS = f"{ZOO}/{MODEL}/165712039/model_final_162be9.pkl"
PAGE = "https://github.com/facebookresearch/detectron2/blob/main/projects/DensePose/doc/DENSEPOSE_IUV.md"

# The settings of that model, where they are not detectron2's own defaults.
R_50_FPN_S1X: dict[str, Any] = {
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


class Detectron:
    """A `Finder`: detectron2's predictor with a DensePose model.

    Raises: MissingPackageError, MissingWeightsError, LabelFilesError (a model that gives no I, U, V).
    """

    def __init__(self, weights: Path | None, config: Path | None, threshold: float) -> None:
        check_packages()
        if weights is None:
            raise MissingWeightsError(
                "DensePose needs the weights of a model, and none were named.",
                f"Download {WEIGHTS} (Meta's, CC BY-SA 3.0) and add --option densepose.weights=model_final_162be9.pkl. "
                f"Other models, with densepose.config as well: {PAGE}",
            )
        for option, path in (("weights", weights), ("config", config)):
            if path is not None and not path.expanduser().is_file():
                raise MissingWeightsError(
                    f"{path} does not exist (densepose.{option}).", f"--option densepose.{option}=FILE"
                )
        from detectron2.engine import DefaultPredictor

        self._predictor = DefaultPredictor(settings(str(weights.expanduser()), config, threshold))

    def __call__(self, frame: Bytes) -> list[Body]:
        """Everybody on a frame."""
        bgr = np.ascontiguousarray(frame[:, :, ::-1])
        return bodies_of(self._predictor(bgr)["instances"])


def check_packages() -> None:
    """Raise MissingPackageError where detectron2 or its DensePose is not installed."""
    missing = [requirement for requirement in SPEC.requires if find_spec(requirement.module) is None]
    if missing:
        names = " and ".join(requirement.module for requirement in missing)
        commands = " && ".join(requirement.install for requirement in missing)
        raise MissingPackageError(
            f"DensePose needs {names}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            f"{commands}. {missing[0].note}",
        )


def settings(weights: str, config: Path | None, threshold: float) -> Any:
    """detectron2's configuration of a DensePose model; without `config` that of R_50_FPN_s1x."""
    import torch
    from densepose import add_densepose_config
    from detectron2.config import get_cfg

    cfg = get_cfg()
    add_densepose_config(cfg)
    if config is not None:
        cfg.merge_from_file(str(config.expanduser()))
    else:
        cfg.merge_from_list([word for pair in R_50_FPN_S1X.items() for word in pair])
    cfg.MODEL.WEIGHTS = weights
    cfg.MODEL.DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = threshold
    cfg.freeze()
    return cfg


def bodies_of(instances: Any) -> list[Body]:
    """What DensePose found on a frame: its parts and U, V in each box, at the size of the box."""
    from densepose.vis.extractor import DensePoseResultExtractor

    if len(instances) == 0:
        return []
    try:
        results, boxes = DensePoseResultExtractor()(instances)
    except KeyError as error:  # continuous surface embeddings
        raise LabelFilesError(
            "This DensePose model gives embeddings and not I, U and V.", f"Use one of the models of {PAGE}"
        ) from error
    if results is None:
        return []
    scores = instances.scores.cpu().numpy()
    found = []
    for result, box, score in zip(results, boxes.cpu().numpy(), scores, strict=True):
        x, y, width, height = (float(value) for value in box)
        parts = result.labels.cpu().numpy().astype(np.uint8)
        uv = result.uv.cpu().numpy().astype(np.float32)
        found.append(Body((x, y, x + width, y + height), float(score), parts, uv))
    return found
