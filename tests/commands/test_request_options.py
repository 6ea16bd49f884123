"""Request dataclasses as command-line options."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_origin

import pytest
import typer

from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.requests.export import ExportRequest
from vid2vid_cli.requests.measure import EvaluateModelsRequest, PredictRequest, ShowStylesRequest
from vid2vid_cli.requests.prepare import DemoRequest, ImportRequest, PrepareRequest
from vid2vid_cli.requests.render import StyleOptions, SynthesizeRequest, TransferRequest
from vid2vid_cli.requests.train import TrainRequest

REQUESTS = (
    *(
        EvaluateModelsRequest,
        ExportRequest,
        PredictRequest,
        ShowStylesRequest,
        DemoRequest,
        ImportRequest,
        PrepareRequest,
    ),
    *(SynthesizeRequest, TransferRequest, TrainRequest),
)


def transfer_command(results: list[Any]) -> Any:
    def command(request: TransferRequest, extra: bool = False) -> None:
        results.append((request, extra))

    command.__annotations__ = {"request": TransferRequest, "extra": bool}
    return expand_request(command)


def run(command: Any, *args: str) -> int:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    try:
        app(args=list(args), prog_name="x")
    except SystemExit as exit_exception:
        return int(exit_exception.code or 0)
    return 0


@pytest.mark.parametrize("request_class", REQUESTS)
def test_requests_have_metadata_on_command_line_fields(request_class: type) -> None:
    plain_fields = {f.name for f in fields(request_class) if get_origin(f.type) is not Annotated}
    nested_fields = {f.name for f in fields(request_class) if is_dataclass(f.type)}
    internal_fields = {"command"}
    if request_class is TrainRequest:
        internal_fields |= {"config", "chosen_settings", "setting_origins", "resume", "num_processes", "preset_reason"}
    if request_class is PrepareRequest:
        internal_fields.add("num_spread_frames")  # set by `adapt --frames`
    assert plain_fields - nested_fields - {"command"} == internal_fields - {"command"}


def test_expand_request_defaults_equal_request_defaults() -> None:
    results: list[Any] = []
    assert run(transfer_command(results), "a.mp4", "--target", "b.ckpt") == 0
    assert results == [(TransferRequest(Path("a.mp4"), Path("b.ckpt")), False)]


def test_expand_request_converts_values() -> None:
    results: list[Any] = []
    args = (
        "a.mp4 -t b.ckpt --start 1:30 -O pose.a=1 -O pose.b=2 --remove x --remove y --style car=3 --no-compare --extra"
    )
    assert run(transfer_command(results), *args.split()) == 0
    expected = TransferRequest(
        Path("a.mp4"),
        Path("b.ckpt"),
        start=90.0,
        options={"pose": {"a": "1", "b": "2"}},
        remove=("x", "y"),
        style_options=StyleOptions(assignments=("car=3",)),
        compare=False,
    )
    assert results == [(expected, True)]


@pytest.mark.parametrize("args", [["--start", "soon"], ["-O", "pose"], ["--device", "gpu"], ["--max-frames", "0"]])
def test_expand_request_rejects_invalid_values(args: list[str]) -> None:
    results: list[Any] = []
    assert run(transfer_command(results), "a.mp4", "-t", "b.ckpt", *args) == 2
    assert results == []


def test_expand_request_keeps_order_of_parameters() -> None:
    names = list(inspect.signature(transfer_command([])).parameters)
    assert names[:3] == ["source", "target", "out"]
    assert names[-1] == "extra"
