"""Every reader of files and options gets damaged and hostile input. The only outcomes are a value or the error class.

The inputs are derived from the test's name, so each run tries the same ones.
"""

from __future__ import annotations

import json
import struct
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.test_manifest import make_manifest
from engine.test_checkpoint import make_generator, make_metadata
from helpers.factories import CPU, tiny_config, tiny_state
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines.test_styles import make_style_bank
from vid2vid_labels.class_lists import read_classes
from vid2vid_landmarks.point_files import read_points
from vid2vid_pose.openpose import read_people

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.annotation_json import annotation_from_json, annotation_to_json
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.parsing import check_file_name, parse_fraction, parse_json, parse_yaml
from vid2vid_cli.data.annotations import AnnotationFolder
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.dataset_builder.clip_files import ClipPaths
from vid2vid_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.event_log import read_event_log, read_last_step
from vid2vid_cli.engine.run_folder import RunFolder, find_run_datasets
from vid2vid_cli.engine.state_files import STATE_FILE_NAME, load_train_state, read_pointer, save_train_state
from vid2vid_cli.engine.weight_files import save_weights
from vid2vid_cli.rendering.parse_edits import parse_edits
from vid2vid_cli.rendering.style_options import parse_styles
from vid2vid_cli.requests import parsers
from vid2vid_cli.requests.render import StyleOptions
from vid2vid_cli.tools.inspect import inspect_path

MAX_SECONDS = 5
"""Limit of one input, far above any that is refused in time."""
fuzz = settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2**31, 2**63, 10**30, -(10**400), 1e-320, 1e300, float("nan"), float("inf")]),
    st.sampled_from(["", "..", "../x", "/etc", "a\x00b", "1/0", "1e9999999", "nan", "9" * 5000, "é" * 300, "\u202e"]),
    st.text(max_size=8),
    st.recursive(st.integers(-2, 2), lambda inner: st.lists(inner, max_size=3), max_leaves=5),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)
OPTION_TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="0123456789.:-@%,=xshm/eE+#ab ", max_size=24),
    st.sampled_from(["9" * 5000, "1e9999999", "[" * 5000, "a@" + "9" * 400 + "-", "1:" * 50, "a=b@1-" + "9" * 99]),
)


@st.composite
def damaged_documents(draw: st.DrawFn, document: Any) -> Any:
    """The document with one or two values, at any depth, replaced by odd ones or left out."""
    damaged = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 2))):
        parent, key = damaged, draw(st.sampled_from(_keys(damaged)))
        while _keys(parent[key]) and draw(st.booleans()):
            parent = parent[key]
            key = draw(st.sampled_from(_keys(parent)))
        if draw(st.integers(0, 3)):
            parent[key] = draw(ODD_VALUES)
        elif len(parent) > 1:
            del parent[key]
    return damaged


def _keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes truncated, in another encoding, nested a thousand times, or with some changed."""
    kind = draw(st.sampled_from(["cut", "change", "nest", "encode", "random"]))
    if kind == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if kind == "nest":
        return draw(st.sampled_from([b"[", b'{"a":', b"- ", b"a: &x [*x]\n"])) * 1000 + content
    if kind == "encode":
        return content.decode("latin-1").encode(draw(st.sampled_from(["utf-16", "utf-8-sig", "utf-32"])))
    if kind == "random":
        return draw(st.binary(max_size=60))
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        changed[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


def damaged_files(document: Any) -> st.SearchStrategy[bytes]:
    """JSON files: damaged documents, and damaged bytes of the valid one."""
    documents = st.one_of(damaged_documents(document), ODD_VALUES).map(lambda damaged: json.dumps(damaged).encode())
    return st.one_of(documents, damaged_bytes(json.dumps(document).encode()))


def attempt(read: Callable[[], object], accepted: type[Exception] = Vid2VidError) -> None:
    """Call a reader; any error but `accepted` fails the test, and so does a reader that takes long."""
    start = time.perf_counter()
    with suppress(accepted):
        read()
    assert time.perf_counter() - start < MAX_SECONDS


def with_content(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@fuzz
@given(content=damaged_files(make_manifest().model_dump(mode="json")))
def test_read_manifest(tmp_path: Path, content: bytes) -> None:
    with_content(tmp_path / "dataset.json", content)
    attempt(lambda: read_manifest(tmp_path))
    attempt(lambda: inspect_path(tmp_path))


CLIP_RESULT = {"num_frames": 50, "cuts": [3, 9], "crc32": 1}


@fuzz
@given(content=damaged_files(CLIP_RESULT))
def test_read_clip_result(tmp_path: Path, content: bytes) -> None:
    paths = ClipPaths("000", tmp_path / "clips" / "000", tmp_path / "work")
    with_content(paths.result_path, content)
    attempt(lambda: paths.check_parts([load_conditioner("edges")], (6, 8)))


CONFIG = {
    **tiny_config().model_dump(mode="json", include={"schema_version", "conditioners", "data", "generator"}),
    "conditioner_options": {"pose": {"joint_dropout": 0.1}},
}
"""Written as JSON, which is YAML."""
RECORD = {"dataset": "/data/a", "preset": "tiny", "precision": "fp32", "device": "cpu", "licence": ""}


@fuzz
@given(config=damaged_files(CONFIG), record=damaged_files(RECORD))
def test_run_folder(tmp_path: Path, config: bytes, record: bytes) -> None:
    with_content(tmp_path / "run" / "config.yaml", config)
    with_content(tmp_path / "run" / "run.json", record)
    run = RunFolder(tmp_path / "run")
    attempt(run.load_config)
    attempt(run.load_record)
    attempt(lambda: find_run_datasets(run))
    attempt(lambda: inspect_path(run.path))


@fuzz
@given(content=st.binary(max_size=40))
def test_read_pointer(tmp_path: Path, content: bytes) -> None:
    with_content(tmp_path / "last", content)
    attempt(lambda: read_pointer(tmp_path, "last"))


@fuzz
@given(content=damaged_files(CONFIG))
def test_resolve_config_reads_preset(tmp_path: Path, content: bytes) -> None:
    path = with_content(tmp_path / "preset.yaml", content)
    attempt(lambda: resolve_config(str(path), None))


@fuzz
@given(key=st.sampled_from(["data.height", "generator.kind", "conditioners", "x", ""]), text=OPTION_TEXTS)
def test_resolve_config_reads_set_option(key: str, text: str) -> None:
    attempt(lambda: resolve_config("tiny", None, [f"{key}={text}"]))
    attempt(lambda: resolve_config("tiny", None, [text]))


EVENT = {"event": "step", "step": 3, "losses": {"l1": 0.5}, "max_steps": 9, "elapsed_seconds": 2.0}


@fuzz
@given(lines=st.lists(damaged_files(EVENT), max_size=3))
def test_read_event_log(tmp_path: Path, lines: list[bytes]) -> None:
    with_content(tmp_path / "events.jsonl", b"\n".join([json.dumps(EVENT).encode(), *lines]))
    attempt(lambda: list(read_event_log(tmp_path)))
    attempt(lambda: read_last_step(tmp_path))


METADATA = make_metadata(style_bank=make_style_bank()).model_dump(mode="json")


@fuzz
@given(metadata=damaged_documents(METADATA))
def test_load_metadata(tmp_path: Path, metadata: Any) -> None:
    path = tmp_path / "a.ckpt"
    save_weights(path, {"w": torch.zeros(2)}, json.dumps(metadata))
    attempt(lambda: load_metadata(path))
    attempt(lambda: load_checkpoint(path, CPU))
    attempt(lambda: inspect_path(path))


TENSOR_TABLE = {
    "__metadata__": {"vid2vid": json.dumps(make_metadata().model_dump(mode="json")), "sha256": "0" * 64},
    "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
}


@fuzz
@given(header=damaged_files(TENSOR_TABLE))
def test_checkpoint_header(tmp_path: Path, header: bytes) -> None:
    path = with_content(tmp_path / "a.ckpt", struct.pack("<Q", len(header)) + header + bytes(8))
    attempt(lambda: load_checkpoint(path, CPU))
    attempt(lambda: inspect_path(path))


def _file_bytes(write: Callable[[Path], object]) -> bytes:
    """The content of a file that is written once, for all tests of the module."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "file")
        return (Path(folder) / "file").read_bytes()


@fuzz
@given(content=damaged_bytes(_file_bytes(lambda path: save_checkpoint(path, make_generator(), make_metadata()))))
def test_load_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = with_content(tmp_path / "a.ckpt", content)
    attempt(lambda: load_checkpoint(path, CPU))


@settings(fuzz, max_examples=8)
@given(data=st.data())
def test_load_train_state(tmp_path: Path, data: st.DataObject) -> None:
    state = tiny_state(tiny_config(temporal_discriminator={"frame_strides": ()}))[1]
    path = save_train_state(tmp_path, state, {}) / STATE_FILE_NAME
    path.write_bytes(data.draw(damaged_bytes(path.read_bytes())))
    attempt(lambda: load_train_state(path.parent, state, CPU))


POINTS = {"quality": np.ones(5, np.float32), "body": np.ones((5, 3, 2), np.float32)}


@fuzz
@given(content=damaged_bytes(_file_bytes(lambda path: np.savez(path.open("wb"), **POINTS))))
def test_annotation_folder(tmp_path: Path, content: bytes) -> None:
    with_content(tmp_path / "points.npz", content)
    attempt(lambda: AnnotationFolder(tmp_path, 5, (6, 8)).load(0))


PERSON = {"pose_keypoints_2d": [10.5, 20, 0.5] * 25, "face_keypoints_2d": [1, 2, 0.5] * 70}


@fuzz
@given(content=damaged_files({"version": 1.3, "people": [PERSON]}))
def test_read_people(tmp_path: Path, content: bytes) -> None:
    attempt(lambda: read_people(with_content(tmp_path / "a.json", content)))


@fuzz
@given(content=damaged_files([[index, index] for index in range(68)]), text=damaged_bytes(b"1.5,2\n" * 68))
def test_read_points(tmp_path: Path, content: bytes, text: bytes) -> None:
    attempt(lambda: read_points(with_content(tmp_path / "a.json", content)))
    attempt(lambda: read_points(with_content(tmp_path / "a.txt", text)))


CLASSES = [{"id": 3, "name": "road", "colour": [1, 2, 3]}, {"name": "car", "colour": "#aabbcc"}]


@fuzz
@given(
    json_content=damaged_files(CLASSES),
    yaml_content=damaged_files(CLASSES),
    text_content=damaged_bytes(b"0 car 1 2 3\n"),
)
def test_class_lists(tmp_path: Path, json_content: bytes, yaml_content: bytes, text_content: bytes) -> None:
    for name, content in (("a.json", json_content), ("a.yaml", yaml_content), ("a.txt", text_content)):
        path = with_content(tmp_path / name, content)
        attempt(lambda path=path: read_classes(path), ValueError)
        attempt(lambda path=path: load_conditioner("labels", {"classes": str(path)}))


@fuzz
@given(
    name=st.sampled_from(["labels", "pose", "landmarks", "edges", "segmentation", "densepose"]),
    value=st.one_of(ODD_VALUES, OPTION_TEXTS),
    index=st.integers(0, 30),
)
def test_conditioner_options(name: str, value: Any, index: int) -> None:
    option_names = list(type(load_conditioner(name).options).model_fields)
    attempt(lambda: load_conditioner(name, {option_names[index % len(option_names)]: value}))


@fuzz
@given(text=OPTION_TEXTS)
def test_label_edits(text: str) -> None:
    def read() -> None:
        for edit in (*parse_edits([text, f"a=b@{text}"], []), *parse_edits([], [text])):
            edit.edit_region(40, 56, Fraction(30000, 1001))

    attempt(read)
    attempt(lambda: parse_edits([], [f"a@{text}"])[0].edit_region(40, 56, Fraction(25)))


@fuzz
@given(text=OPTION_TEXTS, number=st.from_regex(r"[0-9]{0,9}[./:]?[0-9]{0,9}(e[-+]?[0-9]{1,9})?", fullmatch=True))
def test_option_parsers(text: str, number: str) -> None:
    """Their errors are ValueErrors with a message, which the command line reports as wrong usage."""
    for value in (text, number):
        for parse in (parsers.frame_rate, parsers.timestamp, parsers.duration, parsers.image_size, parsers.device):
            attempt(lambda parse=parse, value=value: parse(value), ValueError)
        attempt(lambda value=value: parsers.conditioner_options([value]), ValueError)
        for parse in (parse_fraction, parse_json, parse_yaml, check_file_name):
            attempt(lambda parse=parse, value=value: parse(value), ValueError)


@fuzz
@given(text=OPTION_TEXTS)
def test_style_options(text: str) -> None:
    metadata = make_metadata(style_bank=make_style_bank())
    for assignment in (text, f"car={text}", f"car#{text}=1"):
        attempt(lambda assignment=assignment: parse_styles(StyleOptions(assignments=(assignment,)), metadata))


ANNOTATION = Annotation(4, 5, 0.5, {"body": np.ones((3, 2), np.float32)}, {"ids": np.ones((4, 5), np.uint8)})


@fuzz
@given(document=damaged_documents(annotation_to_json(ANNOTATION)))
def test_annotation_from_json(document: Any) -> None:
    attempt(lambda: annotation_from_json(document), ValueError)


def test_attempt_fails_for_other_errors() -> None:
    with pytest.raises(KeyError):
        attempt(lambda: {}["x"])
