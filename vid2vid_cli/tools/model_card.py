"""The model card of a checkpoint on the hub: what it generates, what it contains, consent and licences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vid2vid_cli.conditioning.registry import find_conditioners
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.progress import format_duration
from vid2vid_cli.media.published_weights import EFFICIENTNET_LITE0_WEIGHTS, VGG19_WEIGHTS

CARD_NAME, PREVIEW_NAME = "README.md", "preview.png"
CONSENT_STATEMENT = (
    "The publisher states that everyone who can be recognised in the footage has agreed to the publication of this "
    "model, and of the frames that its files and the preview contain."
)
_PERCEPTUAL_WEIGHTS = {"efficientnet_lite0": EFFICIENTNET_LITE0_WEIGHTS, "vgg19": VGG19_WEIGHTS}
_NOT_METRICS = {"steps", "seconds", "dataset", "all_datasets", "dataset_b", "preset", "files", "footage_seconds"}


def describe_frames(metadata: CheckpointMetadata) -> str:
    """Whether the file contains frames of the footage."""
    count = 0 if metadata.references is None else len(metadata.references.annotations)
    if count:
        return (
            f"The file contains {count} frames of the training video as JPEG images: pictures of the person or scene, "
            "which anyone who has the file can extract."
        )
    return "The file contains no frames of the footage, but the weights can reproduce what the footage shows."


@dataclass(frozen=True)
class EvaluationTable:
    """The metrics of a checkpoint as `evaluate` has measured them."""

    description: str
    """The frames that were measured."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def build_model_card(
    metadata: CheckpointMetadata,
    repository: str,
    *,
    licence: str,
    has_preview: bool,
    version: str,
    evaluation: EvaluationTable | None = None,
) -> str:
    """The model card as Markdown, with the front matter that the hub reads."""
    names = [conditioner.name for conditioner in metadata.conditioners]
    tags = ["vid2vid", "video-to-video", "synthetic-media", *dict.fromkeys(names)]
    front_matter = ["---", "library_name: vid2vid"]
    front_matter += [f"license: {json.dumps(licence)}"] if licence else []
    front_matter += ["tags:", *(f"- {json.dumps(tag)}" for tag in tags), "---", ""]
    lines = [
        f"# {_escape(metadata.name)}",
        "",
        "A video-to-video model of [vid2vid](https://pypi.org/project/vid2vid-cli/): it generates synthetic video of "
        f"one person or scene from {_escape(' and '.join(names) or 'frames')}.",
        "",
        *([f"![Sample frames of the training: condition, real, generated]({PREVIEW_NAME})", ""] if has_preview else []),
        "```",
        'pip install "vid2vid-cli[hub]"',
        f"vid2vid transfer VIDEO --target hf:{repository}",
        "```",
        "",
        "## Synthetic media",
        "",
        "What this model generates is synthetic. Label it as such wherever it is shown; the metadata of videos that "
        "vid2vid writes do.",
        "",
        "## Consent and contents",
        "",
        CONSENT_STATEMENT,
        "",
        describe_frames(metadata),
        "",
        "## Model",
        "",
        *_table(("property", "value"), _property_rows(metadata)),
        "",
        *([] if evaluation is None else _evaluation_section(evaluation)),
        "## Licences",
        "",
        f"Weights: {_escape(licence) or 'the publisher has named no licence'}.",
        "",
        *_table(("used in training or needed for input", "licence", "source"), list(_licence_rows(metadata))),
        "",
        f"Written by vid2vid-cli {version}.",
    ]
    return "\n".join([*front_matter, *lines]) + "\n"


def _evaluation_section(evaluation: EvaluationTable) -> list[str]:
    description = f"`vid2vid evaluate` on {_escape(evaluation.description)}."
    return ["## Evaluation", "", description, "", *_table(evaluation.header, evaluation.rows), ""]


def _property_rows(metadata: CheckpointMetadata) -> list[tuple[str, str]]:
    training, (height, width) = metadata.training, metadata.output_size
    seconds = training.get("footage_seconds")
    rows = [
        ("model", f"{metadata.model}, generator {metadata.generator.kind}"),
        ("conditioners", ", ".join(f"{each.name} ({each.channels} channels)" for each in metadata.conditioners)),
        ("generated frames", f"{width}x{height} at {metadata.fps} frames per second"),
        ("footage", format_duration(seconds) if isinstance(seconds, int | float) else "length not recorded"),
        ("training", f"{training.get('steps', '?')} steps, {_training_time(training)}"),
    ]
    metrics = {key: value for key, value in training.items() if key not in _NOT_METRICS}
    rows += [(key, f"{value:.4g}") for key, value in metrics.items() if isinstance(value, int | float)]
    return [*rows, ("file", f"written by {metadata.created_by}")]


def _training_time(training: Mapping[str, object]) -> str:
    seconds = training.get("seconds")
    return format_duration(seconds) if isinstance(seconds, int | float) else "time not recorded"


def _licence_rows(metadata: CheckpointMetadata) -> list[tuple[str, str, str]]:
    """The initial weights, the perceptual network, and the conditioners with their weight files."""
    rows = []
    if licence := str(metadata.training.get("licence", "")):
        rows.append(("initial weights", licence, ""))
    network = _PERCEPTUAL_WEIGHTS.get(str(metadata.training.get("perceptual_network", "")))
    if network is not None:
        rows.append((network.name, network.licence, network.source))
    specs = {plugin.name: plugin.spec for plugin in find_conditioners()}
    for name in dict.fromkeys(conditioner.name for conditioner in metadata.conditioners):
        spec = specs.get(name)
        if spec is None:
            rows.append((f"conditioner {name}", "unknown: it is not installed where this card was written", ""))
            continue
        rows.append((f"conditioner {name}", spec.licence, ""))
        rows += [(file.name, file.licence, file.source) for file in spec.weights]
    return rows


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [header, ["---"] * len(header), *([_escape(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def _escape(text: str) -> str:
    """Text from files as plain text of one line in Markdown."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
