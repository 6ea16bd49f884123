"""The base class of all configuration sections."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue


class ConfigSection(BaseModel):
    """A frozen section: unknown keys, NaN and infinity are refused, and defaults are validated like given values."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


def nvidia(options: str) -> dict[str, JsonValue]:
    """`json_schema_extra` of a field that has a counterpart in NVIDIA's vid2vid or pix2pixHD, for docs and hints."""
    return {"nvidia": options}
