"""Options of the conditioner `landmarks`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from vid2vid_cli.conditioning import Options, PersonOption, input_path_option, render_option


class LandmarkOptions(Options):
    """Options of the conditioner, set with `--conditioner-option landmarks.KEY=VALUE`."""

    backend: Literal["auto", "mediapipe", "dlib"] = Field(
        "auto", description="Face detector. auto: mediapipe if it is installed, otherwise dlib."
    )
    person: PersonOption = Field(
        "largest",
        description="Face to track: largest, centre, or N, the N-th from the left in the first frame with N faces.",
    )
    smoothing: float = Field(
        0.01, ge=0, le=0.1, description="Amplitude of the jitter to remove, in eye distances; 0 disables smoothing."
    )
    distance_maps: bool = Field(True, description="Add a distance map for each of the 14 curves as a channel.")
    iris: bool = Field(
        True,
        description="Detect the irises and draw them in a channel of their own: the direction of the gaze. Files of "
        "points and drawing=published have none.",
    )
    torso: bool = Field(
        True,
        description="Track the torso below the face by optical flow and draw it as a line: shoulders move by "
        "themselves. Files of 68 points have none, and drawing=published does not show it.",
    )
    background_edges: bool = Field(
        False, description="Draw Canny edges outside the face, so that the condition describes the background."
    )
    drawing: Literal["antialiased", "published"] = render_option(
        "antialiased",
        "antialiased: at the output resolution; published: NVIDIA's drawing, in whole pixels of the frame, which is "
        "then cropped and resized.",
    )
    input_dir: Path | None = input_path_option(
        "Folder with one file of 68 points per frame, text (x,y per line) or JSON; used instead of a detector."
    )
    legacy_values: ClassVar[Mapping[str, Any]] = {"iris": False, "torso": False}

    @model_validator(mode="before")
    @classmethod
    def _disable_other_points_for_files(cls, values: Any) -> Any:
        """Without a detector only the points of the files are drawn; a channel of irises would always be empty."""
        if isinstance(values, dict) and values.get("input_dir") is not None:
            return {"iris": False, "torso": False, **values}
        return values
