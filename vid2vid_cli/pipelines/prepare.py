"""`prepare`: from ordinary video to a dataset folder. Ends, killed or not, without anything half-made in view."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vid2vid_cli.conditioning import Conditioner, ConditionerSpec
from vid2vid_cli.conditioning.person import with_person
from vid2vid_cli.conditioning.registry import find_conditioners, load_conditioner
from vid2vid_cli.core.errors import (
    ConfigError,
    DiskFullError,
    FilesMismatchError,
    LabelFilesError,
    NoFramesError,
    NothingFoundError,
    TooShortError,
)
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.manifest import Manifest, read_manifest, write_manifest
from vid2vid_cli.dataset_builder.clip import ClipFiles, Clipped, prepare_clip
from vid2vid_cli.dataset_builder.inputs import open_videos
from vid2vid_cli.dataset_builder.job import Job, PrepareRequest, make_job
from vid2vid_cli.dataset_builder.live_preview import LivePreview
from vid2vid_cli.dataset_builder.manifest_entries import bare_manifest, with_findings
from vid2vid_cli.dataset_builder.output_folder import Claim, Place, choose_place, default_folder
from vid2vid_cli.dataset_builder.previews import write_preview, write_sheet
from vid2vid_cli.engine.dry_run import Plan
from vid2vid_cli.engine.events import Advanced, Noticed, Tell, Warned, Wrote
from vid2vid_cli.processes.worker_process import Beside

__all__ = ["PrepareRequest", "Prepared", "plan_prepare", "prepare", "prepare_with"]

STAGE = "prepare"
HOPELESS = (TooShortError, NothingFoundError, NoFramesError, FilesMismatchError, LabelFilesError)
"""Errors after which nothing can be continued: what mends them makes other content."""
LONG = 100
"""Frames from which on a second process is worth its start, about a second of one core."""
SAID_CUTS = 6
"""Cuts whose times are said."""
SELDOM = 0.9
"""A conditioner that finds something on a smaller part of the frames is worth a warning."""


@dataclass(frozen=True)
class Prepared:
    """A finished dataset."""

    path: Path
    frames: int
    found: Mapping[str, tuple[int, int]]
    """Conditioner -> frames on which it found something, frames in all."""
    seconds: float
    """0 where it had been prepared before."""


def plan_prepare(request: PrepareRequest) -> Plan:
    """What `prepare` would do, for --dry-run; reads the videos and writes nothing. Raises as `prepare`."""
    job = make_job(request, _load(request))
    place = _place(job)
    expected = job.expected()
    said = {"new": str(place.final), "finished": f"{place.final} (already prepared)"}
    rows = [("understood as", remark) for remark in job.remarks]
    rows += [("video", str(item.path)) for item in job.inputs]
    rows += [("conditioner", f"{item.spec.name} ({item.spec.summary})") for item in job.conditioners]
    rows += [
        ("frames", f"about {expected}" if expected else "unknown"),
        ("size", f"{job.size[1]}x{job.size[0]}"),
        ("fps", str(job.fps)),
        ("stored as", {"jpg": "JPEG, quality 95 (--png: exactly)", "png": "PNG"}[job.frame_format]),
        ("held out", _held_out(job)),
        ("cuts", "each shot becomes a clip" if any(map(job.is_searched, job.inputs)) else "not looked for"),
        ("dataset", said.get(place.state, f"{place.final} (continued from {place.partial})")),
    ]
    return Plan(tuple(rows))


def prepare(request: PrepareRequest, tell: Tell) -> Prepared:
    """Make a dataset of one or many videos with the conditioners named; continue one that was interrupted.

    Raises: MissingFileError and its like (bad video), TooShortError (1 frame), NothingFoundError (nothing on any
    frame), FilesMismatchError and LabelFilesError (labels beside the video), ConfigError, PluginError,
    MissingPackageError, MissingWeightsError, ExistsError (overwrite of something that is no dataset, or another process
    at work), DiskFullError, PermissionDeniedError.
    """
    return prepare_with(request, _load(request), tell)


def prepare_with(request: PrepareRequest, conditioners: Sequence[Conditioner], tell: Tell) -> Prepared:
    """`prepare` with conditioners that are already made; the request's names and options are not looked at."""
    began = time.monotonic()
    job = make_job(request, conditioners)
    for remark in job.remarks:
        tell(Noticed(remark))
    place = _place(job)
    if place.state == "finished":
        manifest = read_manifest(place.final)
        tell(Noticed(f"{place.final} was already prepared from the same video with the same settings."))
        return Prepared(place.final, manifest.frames, _found(manifest), 0.0)
    wanted = _wanted(job)
    if place.final != wanted:
        tell(Noticed(f"{wanted} holds something else and is kept; this dataset becomes {place.final}."))
    with Claim(place, job.identity) as claim:
        try:
            manifest = _fill(job, place, tell)
        except BaseException as error:
            if isinstance(error, HOPELESS) or not _safe_frames(job, place):
                claim.discard()
            if isinstance(error, DiskFullError):
                hint = "Free some space and give the same command again: it continues where it was."
                raise DiskFullError(error.message, hint) from error
            raise
        claim.finish()
    prepared = Prepared(place.final, manifest.frames, _found(manifest), time.monotonic() - began)
    tell(Wrote(str(place.final), "dataset", {"frames": prepared.frames, "found": dict(prepared.found)}))
    return prepared


def _load(request: PrepareRequest) -> list[Conditioner]:
    names = tuple(dict.fromkeys(request.conditioners or open_videos(request.videos).conditioners))
    if not names:
        known = ", ".join(found.name for found in find_conditioners())
        raise ConfigError("No conditioner was named.", f"Name at least one with --conditioner: {known}.")
    strange = set(request.options) - set(names)
    if strange:
        raise ConfigError(
            f"Options were given for {', '.join(sorted(strange))}, which is not among the conditioners.",
            f"Add --conditioner {sorted(strange)[0]}, or leave the options out.",
        )
    options = with_person(request.options, names, request.person)
    return [load_conditioner(name, options.get(name)) for name in names]


def _held_out(job: Job) -> str:
    whole = sum(item.part == "holdout" for item in job.inputs)
    return f"{whole} of the videos" if whole else f"the last {job.request.holdout:.0%} of each shot"


def _wanted(job: Job) -> Path:
    return job.request.out or default_folder(job.request.videos)


def _place(job: Job) -> Place:
    return choose_place(_wanted(job), job.identity, overwrite=job.request.overwrite)


def _found(manifest: Manifest) -> dict[str, tuple[int, int]]:
    return {record.name: (record.quality.found, record.quality.total) for record in manifest.conditioners}


def _safe_frames(job: Job, place: Place) -> int:
    """How many frames an unfinished dataset has for good."""
    return sum(ClipFiles.of(place, index).done(job.conditioners) for index in range(len(job.inputs)))


def _fill(job: Job, place: Place, tell: Tell) -> Manifest:
    """Everything a dataset holds, into the unfinished folder."""
    files = [ClipFiles.of(place, index) for index in range(len(job.inputs))]
    done = _safe_frames(job, place)
    if done:
        tell(Noticed(f"continuing: {done} of {job.expected() or 'unknown'} frames were done"))
    path = place.partial / "preview.mp4"
    with ExitStack() as stack:
        beside = stack.enter_context(Beside()) if (job.expected() or LONG) - done >= LONG else None
        if beside is not None:
            beside.call(cv2.setNumThreads, 1)  # it has several pictures at hand; more threads only change places
        preview = None if done else stack.enter_context(LivePreview(path, job, beside))
        videos = _videos(job, files, tell, preview, beside)
        bare = Dataset(place.partial, bare_manifest(job, place.final.name, files, videos))
        _check_found(job, bare, tell)
        manifest = with_findings(job, bare)
        dataset = Dataset(place.partial, manifest)
        write_sheet(dataset, job.conditioners, place.partial / "contact_sheet.png")
        if preview is not None:
            preview.finish()
    if preview is None:
        write_preview(dataset, job, path, tell)
    write_manifest(place.partial, manifest)
    return manifest


def _videos(
    job: Job, files: Sequence[ClipFiles], tell: Tell, preview: LivePreview | None, beside: Beside | None
) -> list[Clipped]:
    """Every video, one after the other. Raises TooShortError where nothing moves."""
    expected, before = job.expected(), 0
    videos: list[Clipped] = []
    for item, clip in zip(job.inputs, files, strict=True):

        def advanced(now: int, before: int = before) -> None:
            tell(Advanced(STAGE, before + now, expected))

        video = prepare_clip(job, item, clip, advanced, tell, preview, beside)
        if video.frames < 2:
            raise TooShortError(
                f"{item.path} gives only {video.frames} frame; two are the least there is motion in.",
                "Give a longer video, or a larger stretch with --start, --end and --max-frames.",
            )
        if video.cuts:
            at = [f"{float(cut / job.fps):.2f}" for cut in video.cuts]
            said = ", ".join(at if len(at) <= SAID_CUTS else [*at[:SAID_CUTS], "..."])
            tell(Noticed(f"{item.path}: {len(video.shots)} shots, cut at {said} s; each becomes a clip."))
        videos.append(video)
        before += video.frames
    if not any(frames > 1 for video in videos for _, frames in video.shots):
        raise TooShortError(
            f"Every frame of {job.inputs[0].path} seems to be a shot of its own; there is no motion to learn from.",
            "Where it is one shot after all: --no-cuts",
        )
    return videos


def _check_found(job: Job, dataset: Dataset, tell: Tell) -> None:
    """Raise NothingFoundError for a video on which a conditioner found nothing; warn where it found little."""
    for source, item in enumerate(job.inputs):
        clips = [index for index, clip in enumerate(dataset.manifest.clips) if clip.source == source]
        for conditioner in job.conditioners:
            spec = conditioner.spec
            quality = np.concatenate([dataset.quality(clip, spec.name) for clip in clips])
            found, frames = int((quality > 0).sum()), len(quality)
            if not found:
                raise NothingFoundError(
                    f"{nothing_found(spec)} on any of the {frames} frames of {item.path}.",
                    f"Look at the video; `vid2vid plugins show {spec.name}` lists options that may help.",
                )
            if found < SELDOM * frames:
                tell(Warned(f"{spec.name} found something on {found} of {frames} frames of {item.path} only."))


def nothing_found(spec: ConditionerSpec) -> str:
    """`no face was found`, where the plugin's own words say what it looks for."""
    words = set(re.findall(r"[a-z]+", f"{spec.name} {spec.summary}".lower()))
    for thing, signs in {
        "face": {"face", "faces", "facial"},
        "person": {"person", "people", "body", "bodies", "skeleton"},
        "hand": {"hand", "hands"},
    }.items():
        if words & signs:
            return f"No {thing} was found"
    return f"The conditioner {spec.name} found nothing"
