"""The published weight files of the package and of all plugins: their state, and their download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.conditioning.registry import find_conditioners
from vid2vid_cli.conditioning.spec import WeightFile
from vid2vid_cli.core.errors import MissingWeightsError
from vid2vid_cli.core.suggest import suggest_names
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ProgressEvent
from vid2vid_cli.media.metric_weights import METRIC_WEIGHTS
from vid2vid_cli.media.published_weights import (
    EFFICIENTNET_LITE0_WEIGHTS,
    VGG19_WEIGHTS,
    WeightState,
    fetch_weight_file,
    find_weight_file,
    weight_file_state,
)
from vid2vid_cli.tools.conditioner_info import format_bytes

TABLE_HEADER = ("name", "used by", "size", "licence", "state", "path")
PERCEPTUAL_LOSS, METRICS = "losses.perceptual", "evaluate --metric"


@dataclass(frozen=True, kw_only=True)
class ListedWeights:
    """A weight file, what uses it, and its path and state on this machine."""

    file: WeightFile
    used_by: str
    """A setting, or the name of a conditioner."""
    path: Path | None
    state: WeightState

    def table_row(self) -> tuple[str, ...]:
        """The cells of TABLE_HEADER; a missing file has its source in place of the path."""
        location = self.file.source if self.path is None else str(self.path)
        return (
            self.file.name,
            self.used_by,
            format_bytes(self.file.size_bytes),
            self.file.licence,
            self.state,
            location,
        )

    def wrapped_row(self) -> tuple[str, ...]:
        """The same for `Terminal.print_wrapped`: state, name, use, location."""
        name, used_by, size, licence, state, location = self.table_row()
        return state, name, f"{used_by}, {size}, {licence}", location

    def to_json(self) -> dict[str, object]:
        """Convert to JSON types."""
        return {
            "name": self.file.name,
            "used_by": self.used_by,
            "size_bytes": self.file.size_bytes,
            "licence": self.file.licence,
            "sha256": self.file.sha256,
            "source": self.file.source,
            "url": self.file.url or None,
            "state": self.state,
            "path": None if self.path is None else str(self.path),
        }


def list_weights() -> list[ListedWeights]:
    """All weight files, of the package first. Every file that exists is read, to verify its sha256."""
    entries = [(file, PERCEPTUAL_LOSS, "") for file in (VGG19_WEIGHTS, EFFICIENTNET_LITE0_WEIGHTS)]
    entries += [(file, METRICS, "") for file in METRIC_WEIGHTS]
    for plugin in find_conditioners():
        if plugin.spec is not None:
            package = plugin.spec.implementation.partition(".")[0]
            entries += [(file, plugin.name, package) for file in plugin.spec.weights]
    listed = []
    for file, used_by, package in entries:
        path = find_weight_file(file, package)
        listed.append(ListedWeights(file=file, used_by=used_by, path=path, state=weight_file_state(file, path)))
    return listed


def fetch_weights(names: Sequence[str], emit: EventHandler) -> list[ListedWeights]:
    """Download the missing files whose names begin with one of `names`; without names, all that have an address.

    Raises MissingWeightsError (no such file, a damaged one, one that cannot be downloaded, or a failed download).
    """
    listed = list_weights()
    for name in names:
        if not any(item.file.name.startswith(name) for item in listed):
            known = [item.file.name.partition("-")[0] for item in listed]
            raise MissingWeightsError(
                f"No weight file has a name that begins with {name}.",
                f"{suggest_names(name, known)} vid2vid weights list shows them.".strip(),
            )
    chosen = [item for item in listed if item.file.name.startswith(tuple(names)) or (not names and item.file.url)]
    for item in chosen:
        if item.state == "damaged":
            remedy = "then run this command again." if item.file.url else item.file.source
            raise MissingWeightsError(
                f"{item.path} is damaged: it does not have the published sha256.", f"Delete it, {remedy}"
            )
        if item.state == "present":
            emit(InfoEvent(f"{item.file.name} is present: {item.path}"))
    fetched = [fetch_with_progress(item.file, emit) if item.state == "missing" else item.path for item in chosen]
    return [
        ListedWeights(file=item.file, used_by=item.used_by, path=path, state="present")
        for item, path in zip(chosen, fetched, strict=True)
    ]


def fetch_with_progress(file: WeightFile, emit: EventHandler) -> Path:
    """`fetch_weight_file` with events: address and size, then the progress in MB."""
    if file.url:
        emit(InfoEvent(f"downloading {file.url} ({format_bytes(file.size_bytes)}; {file.licence})"))

    def report(num_bytes: int, total_bytes: int) -> None:
        emit(ProgressEvent(f"download {file.name}", -(-num_bytes // 1_000_000), -(-total_bytes // 1_000_000), "MB"))

    return fetch_weight_file(file, report)
