"""A video of drawn skeletons as the source of `synthesize` for a checkpoint of the conditioner pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers.synthetic_people import person_keypoints
from helpers.video_files import write_video
from vid2vid_pose.drawing import SkeletonStyle, draw_skeletons

from vid2vid_cli.conditioning import View
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.data.cropping import crop_view
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, ConditionerConfig
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.rendering.label_video import open_label_sources


def test_drawn_skeletons_are_a_source_of_pose(tmp_path: Path) -> None:
    bodies = [person_keypoints(100 + 4 * index, 40, 200) for index in range(6)]
    view = View.from_box((0, 0, 240, 256), 256, 240)
    frames = [np.rint(draw_skeletons({"body": body}, view, SkeletonStyle())).astype(np.uint8) for body in bodies]
    path = write_video(tmp_path / "walk_labels.mp4", frames)
    pose_config = ConditionerConfig(name="pose", options={}, channels=3, statistics={})
    metadata = CheckpointMetadata(
        name="ada",
        generator=GeneratorConfig(),
        conditioners=(pose_config,),
        crop="center",
        view=crop_view(256, 240, (64, 60), "center", {}).to_json(),
        height=256,
        width=240,
        fps="25",
        training={},
        created_by="a test",
    )
    (source,) = open_label_sources(path, metadata, Path("ada.ckpt"), {})
    assert not source.has_frames
    scan = source.scan(ignore_events)
    assert scan.first_annotations[0].quality > 0.8
    neck_positions = [frame.annotations[0].points["body"][1, 0] for frame in source.annotate()]
    assert np.allclose(neck_positions, [body[1, 0] for body in bodies], atol=2)
    assert any("6 of 6 frames" in notice for notice in source.notices)
