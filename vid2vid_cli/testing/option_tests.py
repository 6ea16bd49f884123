"""Duties of the spec and the options: light, for people, and each option with one role."""

# ruff: noqa: D102  (the names of the tests say what they are)
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning.conditioner import Conditioner
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.testing.checks import another_value, run
from vid2vid_cli.testing.contract_setup import Setting

HEAVY = ("torch", "torchvision", "cv2", "numpy", "av", "pydantic")
"""What a spec must not import, besides the packages it requires."""

_SPEC_IS_LIGHT = """
import json, sys
from vid2vid_cli.conditioning.registry import find_conditioners
found = {entry.name: entry for entry in find_conditioners()}
assert found[sys.argv[1]].spec is not None, found[sys.argv[1]]
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


class OptionDuties(Setting):
    """What is known of a conditioner before it has seen a frame."""

    def test_spec_imports_nothing_heavy(self) -> None:
        modules = json.dumps([*HEAVY, *(requirement.module for requirement in self.spec().requires)])
        imported = run(_SPEC_IS_LIGHT, self.name, modules)
        assert imported == [], f"the spec imports {', '.join(imported)}: import that in the file of the conditioner"

    def test_spec_is_for_people(self) -> None:
        spec = self.spec()
        assert spec.name == self.name, f"the spec is called {spec.name!r}, and offered as {self.name!r}"
        assert spec.summary.endswith("."), f"the summary is a sentence: {spec.summary!r}"
        assert spec.output, "what it yields: points, labels or drawing"
        assert spec.licence, "the licence"
        assert all(requirement.install for requirement in spec.requires), "every requirement says what to type"

    def test_weights_can_be_recognised(self) -> None:
        for weights in self.spec().weights:
            whole = re.fullmatch("[0-9a-f]{64}", weights.sha256) is not None
            named = len(weights.sha256) >= 8 and f"-{weights.sha256}." in weights.name
            assert whole or named, f"{weights.name}: sha256 has 64 hex digits, unlike {weights.sha256!r}"
            assert weights.size > 0, f"{weights.name}: the size in bytes"
            assert weights.licence, f"{weights.name}: the licence"
            assert weights.source, f"{weights.name}: where it comes from"

    def test_options_survive_json(self) -> None:
        options = self.make().options
        assert type(options).model_validate(json.loads(options.model_dump_json())) == options

    def test_options_are_explained(self) -> None:
        fields = type(self.make().options).model_fields
        bare = [name for name, field in fields.items() if not field.description]
        assert bare == [], f"without description: {', '.join(bare)}"

    def test_all_options_may_be_left_out(self) -> None:
        fields = type(self.make().options).model_fields
        needed = [name for name, field in fields.items() if field.is_required()]
        assert needed == [], f"without default: {', '.join(needed)}"

    def test_reads_names_a_files_option(self) -> None:
        conditioner = self.make()
        files = conditioner.options.names("files")
        assert conditioner.reads in ("", *files), f"reads is {conditioner.reads!r}; the files_options are {files}"

    def test_files_of_a_video_are_not_remembered(self) -> None:
        options = self.make().options
        lasting = options.lasting()
        assert json.loads(json.dumps(lasting)) == lasting, "lasting() is plain JSON data"
        assert set(lasting) == {*options.names("finding"), *options.names("drawing")}
        for name in options.names("files"):
            assert type(options).model_fields[name].get_default() is None, f"{name}: None unless it is given"

    def test_fingerprint_depends_on_options(self) -> None:
        mine = self.make().fingerprint()
        assert mine == self.make().fingerprint(), "the same options, another fingerprint"
        assert mine == json.loads(json.dumps(mine)), "a fingerprint is plain JSON data"
        if self.other_options:
            other = load_conditioner(self.name, {**self.options, **self.written(), **self.other_options})
            assert other.fingerprint() != mine, "other_options give the same fingerprint"

    def test_fingerprint_does_not_depend_on_drawing(self) -> None:
        conditioner = self.make()
        mine = conditioner.fingerprint()
        for name in conditioner.options.names("drawing"):
            other = another_value(conditioner.options, name)
            if other is not None:
                assert type(conditioner)(other).fingerprint() == mine, f"the drawing option {name} is in it"

    def test_fingerprint_does_not_depend_on_paths(self) -> None:
        conditioner = self.make()
        for name in conditioner.options.names("files"):
            one, other = (_with(conditioner, name, Path(path)) for path in ("one", "other"))
            assert one.fingerprint() == other.fingerprint(), f"the files option {name} is in it"

    def test_of_gives_a_copy(self) -> None:
        conditioner, footage = self.make(), self.footage(self.clip())
        bound = conditioner.of(footage)
        assert bound.footage == footage, "the copy knows its video"
        assert conditioner.footage is None, "the original does not change"
        assert type(bound) is type(conditioner)
        assert bound.options == conditioner.options
        assert bound.channels == conditioner.channels


def _with(conditioner: Conditioner, name: str, value: Any) -> Conditioner:
    return type(conditioner)(conditioner.options.model_copy(update={name: value}))
