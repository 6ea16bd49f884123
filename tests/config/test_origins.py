from __future__ import annotations

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.origins import record_origins, setting_rows
from vid2vid_cli.config.resolve import resolve_config


def test_record_origins_names_layers_and_adjustments() -> None:
    resolved = resolve_config("tiny", None, ["losses.l1=3"], {"--seed": ("runtime.seed", 5)})
    used = resolved.config.with_settings({"schedule.image_warmup_steps": 7})
    origins = record_origins(resolved.config, used, resolved.origins)
    assert origins["losses.l1"] == "--set"
    assert origins["runtime.seed"] == "--seed"
    assert origins["data.height"] == "preset tiny"
    assert origins["schedule.image_warmup_steps"].startswith("adjusted")
    assert "checkpoint.keep_last" not in origins


def test_record_origins_of_a_request_without_origins() -> None:
    config = Config().with_settings({"data.height": 64})
    assert record_origins(config, config, {}) == {"data.height": "request"}


def test_setting_rows_contain_all_settings() -> None:
    rows = {key: (value, origin) for key, value, origin in setting_rows(Config(), {"data.height": "--set"})}
    assert rows["data.height"][1] == "--set"
    assert rows["schedule.lr_decay_start"] == ("null", "default")
