"""The folder layouts of datasets prepared for other programs.

vid2vid     <phase>_A/<sequence>/*  <phase>_B/...  <phase>_inst/...        labels, images, instances
            <phase>_keypoints/...   <phase>_img/...                        68-point text files, images
            <phase>_openpose/...    <phase>_densepose/...  <phase>_img/... OpenPose JSON, IUV maps, images
pix2pixHD   <phase>_label/*  <phase>_inst/*  <phase>_img/*                 without sequences
imaginaire  images/<sequence>/*  seg_maps/...  instance_maps/...  poses-openpose/...  pose_maps-densepose/...
            landmarks-dlib68/...  all of them also inside train/ and val/

A phase is train, val or test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vid2vid_cli.media.probe import IMAGE_SUFFIXES

SequenceSplit = Literal["", "train", "val"]
"""The split of a sequence; "" if the layout has no phases."""
SPLIT_BY_PHASE: Mapping[str, SequenceSplit] = {"train": "train", "val": "val", "test": "val"}
SUPPORTED_LAYOUTS = (
    "Supported layouts: vid2vid (train_A/SEQUENCE, train_B/SEQUENCE; also _inst, _keypoints, _openpose, "
    "_densepose, _img), pix2pixHD (train_label, train_img, train_inst) and imaginaire (images/SEQUENCE, "
    "seg_maps/SEQUENCE; also instance_maps, poses-openpose, pose_maps-densepose, landmarks-dlib68); with --domain also "
    "CycleGAN (trainA, trainB, testA, testB)."
)


@dataclass(frozen=True)
class FolderRole:
    """The kind of files in a folder of a layout."""

    conditioner: str
    """Name of the conditioner that reads the files; "" for images."""
    option: str
    """Its input option."""
    suffixes: tuple[str, ...]


SORTED_IMAGE_SUFFIXES = tuple(sorted(IMAGE_SUFFIXES))
FRAMES_ROLE = FolderRole("", "", SORTED_IMAGE_SUFFIXES)
LABELS_ROLE = FolderRole("labels", "input_dir", SORTED_IMAGE_SUFFIXES)
INSTANCES_ROLE = FolderRole("labels", "instances", SORTED_IMAGE_SUFFIXES)
DENSEPOSE_ROLE = FolderRole("densepose", "input_dir", SORTED_IMAGE_SUFFIXES)
POSE_ROLE = FolderRole("pose", "input_dir", (".json",))
LANDMARKS_ROLE = FolderRole("landmarks", "input_dir", (".txt", ".json"))
CONDITIONER_ORDER = ("pose", "densepose", "labels", "landmarks")
"""Order of the conditioners, and of their condition channels."""

VID2VID_FOLDERS: Mapping[str, FolderRole] = {
    "B": FRAMES_ROLE,
    "img": FRAMES_ROLE,
    "A": LABELS_ROLE,
    "label": LABELS_ROLE,
    "inst": INSTANCES_ROLE,
    "keypoints": LANDMARKS_ROLE,
    "openpose": POSE_ROLE,
    "densepose": DENSEPOSE_ROLE,
}
IMAGINAIRE_FOLDERS: Mapping[str, FolderRole] = {
    "images": FRAMES_ROLE,
    "seg_maps": LABELS_ROLE,
    "instance_maps": INSTANCES_ROLE,
    "poses-openpose": POSE_ROLE,
    "pose_maps-densepose": DENSEPOSE_ROLE,
    "landmarks-dlib68": LANDMARKS_ROLE,
}
