"""What the pipelines say while they work. Standard library only; the terminal and the journal listen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Advanced:
    """A stage of work has come this far."""

    stage: str
    done: int
    total: int | None
    """None while the length is unknown."""
    unit: str = "frames"


@dataclass(frozen=True)
class Stepped:
    """One training step is done."""

    step: int
    steps: int | None
    """None where a time budget ends the training."""
    losses: Mapping[str, float]
    seconds: float
    """Since training began in this process."""
    budget: float | None = None
    """Seconds in all, where training is bounded by time."""
    waited: float = 0.0
    """Seconds in which this process had no clip to learn from, because none was drawn yet."""


@dataclass(frozen=True)
class Noticed:
    """Something worth knowing."""

    message: str


@dataclass(frozen=True)
class Warned:
    """Something the user may have to act on."""

    message: str


@dataclass(frozen=True)
class Wrote:
    """A file or folder is complete."""

    path: str
    what: str
    details: Mapping[str, object] = field(default_factory=dict)


Event = Advanced | Stepped | Noticed | Warned | Wrote
Tell = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that does nothing."""
