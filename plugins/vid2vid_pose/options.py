"""Options of the conditioner `pose`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from vid2vid_cli.conditioning import Options, PersonOption, input_path_option, render_option
from vid2vid_pose.backends import BackendChoice
from vid2vid_pose.drawing import PoseFormat


class PoseOptions(Options):
    """Options of the conditioner, set with `--conditioner-option pose.KEY=VALUE`."""

    backend: BackendChoice = Field(
        "auto",
        description="Pose detector. auto: onnx (onnxruntime) if `weights` is set, otherwise mediapipe.",
    )
    person: PersonOption = Field(
        "largest",
        description="Person to track: largest, centre, or N, the N-th from the left in the first frame with N people.",
    )
    num_people: int = Field(
        1, ge=1, le=4, description="Number of people to track and draw; the first is the one selected by `person`."
    )
    smoothing: float | None = Field(
        None,
        ge=0,
        le=0.1,
        description="Amplitude of the jitter to remove, as a share of the person's size; 0 disables smoothing. "
        "Default: 0.006, and 0 for files.",
    )
    detection_interval: int = Field(
        1,
        ge=1,
        le=4,
        description="Detect people on every N-th frame only, which is faster, and interpolate their points "
        "on the frames between; 2 suits 25 frames per second and more. Without effect on input_dir.",
    )
    weights: Path | None = Field(
        None,
        description="DWPose or RTMPose model for the backend onnx (SimCC outputs; 17, 26 or 133 points).",
    )
    hands_model: Path | None = Field(
        None, description="Another hand_landmarker.task of MediaPipe than the bundled one, for the backend mediapipe."
    )
    face_model: Path | None = Field(
        None, description="MediaPipe's face_landmarker.task; adds faces to the backend mediapipe."
    )
    input_dir: Path | None = input_path_option(
        "Used instead of a detector: a folder of OpenPose's JSON, one file per frame, or a video or folder of images "
        "of one skeleton drawn on black in OpenPose's colours."
    )
    format: PoseFormat = render_option(
        "body_25", "Skeleton: body_25 (OpenPose's BODY_25) or coco_18 (OpenPose's COCO model, joints drawn as dots)."
    )
    body_only: bool = render_option(False, "Draw torso, arms, legs and feet only: no eyes, ears, hands or face.")
    hands: bool = render_option(True, "Draw the hands if they were detected. false in `prepare`: detect none.")
    detect_hands: bool | None = Field(
        None, description="Detect hands with the backend mediapipe. Default: as `hands`.", validate_default=True
    )
    face: bool = render_option(True, "Draw the face if it was detected.")
    min_confidence: float = render_option(0.05, "Minimum confidence of the points that are drawn.", ge=0, le=1)
    joint_dropout: float = render_option(
        0.0, "Training: probability of dropping each joint, hand and face from a clip.", ge=0, le=1
    )
    head_jitter: float = render_option(
        0.0,
        "Training: standard deviation of the offset of head joints and face, as a share of the person's size.",
        ge=0,
        le=0.2,
    )

    @field_validator("detect_hands", mode="before")
    @classmethod
    def _detect_hands_that_are_drawn(cls, value: Any, info: ValidationInfo) -> Any:
        """Resolved here, so that a training that does not draw the hands of a dataset keeps its annotations."""
        return info.data.get("hands", True) if value is None else value
