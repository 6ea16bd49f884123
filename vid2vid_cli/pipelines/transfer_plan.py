"""`transfer --dry-run`."""

from __future__ import annotations

from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.rendering.checkpoint_file import check_direction, direction_rows, open_checkpoint
from vid2vid_cli.rendering.initial_frame import choose_initial_frame
from vid2vid_cli.rendering.label_edits import build_label_edits
from vid2vid_cli.rendering.layers import check_layers
from vid2vid_cli.rendering.model_loader import check_hardware
from vid2vid_cli.rendering.output_path import choose_render_path, output_rows, transfer_file_name
from vid2vid_cli.rendering.style_options import parse_styles
from vid2vid_cli.rendering.transfer_render import choose_paste_options, choose_transfer_format
from vid2vid_cli.rendering.transfer_source import open_transfer_source
from vid2vid_cli.requests.render import TransferRequest


def plan_transfer(request: TransferRequest) -> DryRun:
    """The plan of `transfer`; writes nothing. Raises the errors of `transfer` that do not depend on frames."""
    checkpoint = open_checkpoint(request.target, "frames")
    check_direction(checkpoint, request.direction)
    metadata = checkpoint.metadata
    check_layers(request.save, metadata, checkpoint.path)
    source = open_transfer_source(request, metadata)
    check_hardware(checkpoint, request)
    parse_styles(request.style_options, metadata)
    paste = choose_paste_options(request, source)
    output_format = choose_transfer_format(request)
    label_edits = build_label_edits([source], request.replace, request.remove)
    initial_frame = choose_initial_frame(request.initial_frame, metadata, checkpoint.path, has_real_frames=False)
    retargeted_names = [
        conditioner.spec.name
        for conditioner in source.conditioners
        if conditioner.supports_retargeting and request.retarget
    ]
    return DryRun(
        (
            ("source", f"{request.source}, about {source.reader.num_frames} frames at {source.reader.fps} fps"),
            ("target", checkpoint.size_text),
            *direction_rows(metadata, request.direction),
            ("conditioners", ", ".join(conditioner.name for conditioner in metadata.conditioners)),
            ("retargeted", ", ".join(retargeted_names) or "no"),
            *label_edits.dry_run_rows(),
            *initial_frame.dry_run_rows(),
            *request.style_options.dry_run_rows(),
            *(() if paste is None else (("background", paste.describe(source.decoded_reader)),)),
            *output_rows(
                choose_render_path(request, transfer_file_name(request.source, metadata, output_format), output_format),
                output_format,
                resume=request.resume,
            ),
        )
    )
