"""The reference frames of successive frames as inputs of a generator, computed ahead of the generator's thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.core.types import EmbeddedStaticReferences, FrameReferences
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_loading import ReferenceLoader, SelectedReferences
from vid2vid_cli.data.reference_selection import ReferenceSelector
from vid2vid_cli.engine.rollout import SequentialGenerator
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.traced_generator import TracedGenerator


class ReferenceInputs:
    """Selects, aligns, loads and embeds the references of successive frames of a clip."""

    def __init__(self, bank: ReferenceBank, generator: SequentialGenerator, runtime: Runtime) -> None:
        self._selector, self._loader = ReferenceSelector(bank), ReferenceLoader(bank, runtime.device)
        self._runtime = runtime
        # On a GPU, the kernels of all threads run one after another; a compiled or exported generator is one graph.
        self._blend = generator.generator.reference_blend if isinstance(generator, TracedGenerator) else None
        self._static: tuple[Tensor, EmbeddedStaticReferences] | None = None
        """Static images of the last frame, and what the generator computes of them."""

    def select(self, annotations: Sequence[Annotation], views: Sequence[View]) -> SelectedReferences:
        """The references of the next frame; needed for every frame, because later ones depend on earlier ones."""
        return self._selector(annotations, views)

    def load(self, selected: SelectedReferences, height: int, width: int) -> FrameReferences:
        """The selected references as inputs for a frame of (height, width), a batch of one.

        What the generator computes of them alone is computed here, if that may take place in another thread.
        """
        with self._runtime.inference():  # its number of threads holds for loading too
            references = self._loader.load(selected)
            if self._blend is None:
                return references
            if self._static is None or self._static[0] is not references.static_images:
                self._static = references.static_images, self._blend.embed_static(references.static_images)
            embedded = self._blend.embed(references, height, width, self._static[1])
            return replace(references, embedded=embedded)
