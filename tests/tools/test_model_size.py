"""Sizes of models without a dataset."""

from __future__ import annotations

import pytest

from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.tools.model_size import report_model_size


@pytest.mark.parametrize(("model", "millions"), [("cyclegan", 22.76), ("discogan", 11.02)])
def test_report_model_size_of_unpaired_models(model: str, millions: float) -> None:
    """Two ResNets of 11.378 million parameters, as published; the conditions are frames of three channels."""
    report = report_model_size(resolve_config("cyclegan", None, [f"model={model}"]).config)
    counts = dict(report.model_size.parameter_counts)
    assert report.num_channels == 3
    assert counts["generator, scale 0"] / 1e6 == pytest.approx(millions, abs=0.01)
    assert counts["discriminators"] / 1e6 == pytest.approx(5.53, abs=0.01)
