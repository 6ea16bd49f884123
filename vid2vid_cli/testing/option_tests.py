"""Contract tests for `ConditionerSpec` and `Options`."""

# ruff: noqa: D102  (the test names describe the tests)
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning.conditioner import Conditioner
from vid2vid_cli.conditioning.registry import load_unchecked_conditioner
from vid2vid_cli.testing.checks import change_option, run_python
from vid2vid_cli.testing.contract_setup import ContractSetup

HEAVY_MODULES = ("torch", "torchvision", "cv2", "numpy", "av", "pydantic")
"""Modules that a spec must not import, in addition to the packages it requires."""

_SPEC_IMPORTS_SCRIPT = """
import json, sys
from vid2vid_cli.conditioning.registry import find_conditioners
plugins = {plugin.name: plugin for plugin in find_conditioners()}
assert plugins[sys.argv[1]].spec is not None, plugins[sys.argv[1]]
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""


class OptionTests(ContractSetup):
    """Tests that need no frame."""

    def test_spec_imports_no_heavy_library(self) -> None:
        modules = json.dumps([*HEAVY_MODULES, *(requirement.module for requirement in self.spec().requires)])
        imported = run_python(_SPEC_IMPORTS_SCRIPT, self.name, modules)
        assert imported == [], f"the spec imports {', '.join(imported)}: import it in the module of the conditioner"

    def test_spec_is_documented(self) -> None:
        spec = self.spec()
        assert spec.name == self.name, f"the spec is named {spec.name!r}, but its entry point is {self.name!r}"
        assert spec.summary.endswith("."), f"the summary must be a sentence: {spec.summary!r}"
        assert spec.output, "output is empty: set points, labels or image"
        assert spec.licence, "licence is empty"
        assert all(requirement.install_command for requirement in spec.requires), "a requirement has no install_command"

    def test_weights_are_verifiable(self) -> None:
        for weights in self.spec().weights:
            has_full_hash = re.fullmatch("[0-9a-f]{64}", weights.sha256) is not None
            has_named_hash = len(weights.sha256) >= 8 and f"-{weights.sha256}." in weights.name
            assert has_full_hash or has_named_hash, (
                f"{weights.name}: sha256 must have 64 hex digits: {weights.sha256!r}"
            )
            assert weights.size_bytes > 0, f"{weights.name}: size_bytes must be positive"
            assert weights.licence, f"{weights.name}: licence is empty"
            assert weights.source, f"{weights.name}: source is empty"

    def test_options_round_trip_json(self) -> None:
        options = self.make_conditioner().options
        assert type(options).model_validate(json.loads(options.model_dump_json())) == options

    def test_options_have_descriptions(self) -> None:
        fields = type(self.make_conditioner().options).model_fields
        undescribed = [name for name, field in fields.items() if not field.description]
        assert undescribed == [], f"options without description: {', '.join(undescribed)}"

    def test_options_have_defaults(self) -> None:
        fields = type(self.make_conditioner().options).model_fields
        required = [name for name, field in fields.items() if field.is_required()]
        assert required == [], f"options without default: {', '.join(required)}"

    def test_input_option_exists(self) -> None:
        conditioner = self.make_conditioner()
        input_options = conditioner.options.names_with_role("input")
        assert conditioner.input_option in ("", *input_options), (
            f"input_option is {conditioner.input_option!r}, but the input path options are {input_options}"
        )

    def test_input_options_are_not_persistent(self) -> None:
        options = self.make_conditioner().options
        persistent_values = options.persistent_values()
        assert json.loads(json.dumps(persistent_values)) == persistent_values, "persistent_values() must be JSON data"
        assert set(persistent_values) == {*options.names_with_role("detection"), *options.names_with_role("rendering")}
        for name in options.names_with_role("input"):
            assert type(options).model_fields[name].get_default() is None, (
                f"{name}: the default of an input path option must be None"
            )

    def test_fingerprint_depends_on_options(self) -> None:
        fingerprint = self.make_conditioner().fingerprint()
        assert fingerprint == self.make_conditioner().fingerprint(), (
            "two conditioners with the same options have different fingerprints"
        )
        assert fingerprint == json.loads(json.dumps(fingerprint)), "the fingerprint must be JSON data"
        if self.alternative_options:
            changed_conditioner = load_unchecked_conditioner(
                self.name, {**self.options, **self.input_options(), **self.alternative_options}
            )
            assert changed_conditioner.fingerprint() != fingerprint, "alternative_options do not change the fingerprint"

    def test_fingerprint_ignores_render_options(self) -> None:
        conditioner = self.make_conditioner()
        fingerprint = conditioner.fingerprint()
        for name in conditioner.options.names_with_role("rendering"):
            changed_options = change_option(conditioner.options, name)
            if changed_options is not None:
                assert type(conditioner)(changed_options).fingerprint() == fingerprint, (
                    f"the fingerprint depends on the render option {name}"
                )

    def test_fingerprint_ignores_input_paths(self) -> None:
        conditioner = self.make_conditioner()
        for name in conditioner.options.names_with_role("input"):
            first_conditioner, second_conditioner = (
                _with_option(conditioner, name, Path(path)) for path in ("first", "second")
            )
            assert first_conditioner.fingerprint() == second_conditioner.fingerprint(), (
                f"the fingerprint depends on the input path option {name}"
            )

    def test_bind_returns_a_copy(self) -> None:
        conditioner, video_context = self.make_conditioner(), self.video_context(self.clip())
        bound = conditioner.bind(video_context)
        assert bound.video_context == video_context, "bind must set the video context of the copy"
        assert conditioner.video_context is None, "bind must not modify the original"
        assert type(bound) is type(conditioner)
        assert bound.options == conditioner.options
        assert bound.num_channels == conditioner.num_channels


def _with_option(conditioner: Conditioner, name: str, value: Any) -> Conditioner:
    options = conditioner.options
    return type(conditioner)(type(options).model_validate({**options.model_dump(), name: value}))
