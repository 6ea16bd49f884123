"""Re-identification: whether a detection is a person who was absent, by appearance, place and size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vid2vid_cli.conditioning.track import MAX_IDENTITY_COST, Detection, Track, identity_cost

MAX_BRIEF_GAP_FRAMES = 3
"""Frames without a detection after which a person is absent: motion alone does not identify the person any more."""
MIN_RETURN_HITS = 3
"""Detections of a new track before it is identified with an absent person; the first ones may show a part only."""
IDENTITY_MARGIN = 0.1
"""Difference of identity costs below which a tracked person is preferred to one of the gallery."""
MAX_GALLERY_SIZE = 16
"""Number of people that a gallery keeps; the earliest ones are dropped."""


class Gallery:
    """People of a shot who were not selected and are no longer tracked. Many detectors find them only at intervals."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []

    def add(self, track: Track) -> None:
        """Add a person whose track ends."""
        self._tracks = [*self._tracks[1 - MAX_GALLERY_SIZE :], track]

    def find(self, detection: Detection) -> tuple[Track, float] | None:
        """Return the most similar person and the identity cost; None if there is no similar one."""
        costs = [(identity_cost(track, detection), index) for index, track in enumerate(self._tracks)]
        cost, index = min(costs, default=(MAX_IDENTITY_COST, 0))
        return None if cost >= MAX_IDENTITY_COST else (self._tracks[index], cost)

    def remove(self, track: Track) -> None:
        """Remove a person who is tracked again."""
        self._tracks = [other for other in self._tracks if other is not track]


def is_absent(track: Track) -> bool:
    """Whether a selected person has been missing for so long that only re-identification finds them."""
    return track.slot is not None and track.missing_frames > MAX_BRIEF_GAP_FRAMES


def is_other_person(track: Track, detection: Detection, gallery_match: tuple[Track, float] | None) -> bool:
    """Whether a detection near a track shows another person: one of the gallery, or a stranger after an absence."""
    cost = identity_cost(track, detection)
    if track.missing_frames > MAX_BRIEF_GAP_FRAMES and cost >= MAX_IDENTITY_COST:
        return True
    return gallery_match is not None and gallery_match[1] + IDENTITY_MARGIN < cost


def find_absent_person(tracks: Iterable[Track], track: Track, detection: Detection) -> Track | None:
    """Return the absent selected person whom a track may show; None if there is none.

    A person who was visible at the same time as the absent one is another person.
    """
    costs = {
        id(absent): (identity_cost(absent, detection), absent)
        for absent in tracks
        if is_absent(absent) and track.slot is None and track.first_frame > absent.last_frame
    }
    cost, absent_track = min(costs.values(), key=lambda item: item[0], default=(MAX_IDENTITY_COST, None))
    return absent_track if cost < MAX_IDENTITY_COST else None


def find_gallery_person(gallery: Gallery, tracks: Sequence[Track], detection: Detection) -> Track | None:
    """Return the person of the gallery whom a new detection shows, unless an absent selected person fits better."""
    match = gallery.find(detection)
    if match is None or any(identity_cost(track, detection) <= match[1] for track in tracks if is_absent(track)):
        return None
    return match[0]


def merge_returned_people(
    tracks: list[Track], matches: Mapping[int, int], detections: Mapping[int, Detection], max_missing_frames: int
) -> list[Track]:
    """Return the tracks with each absent selected person replaced by the new track that shows them.

    `matches` is track id -> index of its detection on this frame. Before the end of `max_missing_frames` a person can
    only have reappeared nearby, where the old track is continued.
    """
    replaced: list[Track] = []
    for track in tracks:
        if id(track) not in matches or track.hits < MIN_RETURN_HITS:
            continue
        remaining = [other for other in tracks if other not in replaced]
        absent = find_absent_person(remaining, track, detections[matches[id(track)]])
        if absent is not None and absent.missing_frames > max_missing_frames:
            track.slot, track.first_frame = absent.slot, absent.first_frame
            track.appearance, track.hits = absent.appearance, track.hits + absent.hits
            replaced.append(absent)
    return [track for track in tracks if not any(track is absent for absent in replaced)]
