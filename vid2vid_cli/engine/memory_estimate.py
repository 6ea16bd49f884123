"""Parameter count and peak memory of a configuration, estimated without a device.

The networks run on fake tensors, which have shapes but no data, and the bytes of all live tensors are counted. cuDNN
workspaces, the flow estimator and allocator fragmentation are not included: on a GPU add 10 to 20 percent.
"""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.geometry import GRID_STEP
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch, ClipReferences
from vid2vid_cli.engine.build import count_parameters
from vid2vid_cli.engine.families.registry import build_train_state, model_family
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.runtime import Precision, Runtime
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.perceptual import PerceptualLoss, build_perceptual_network
from vid2vid_cli.networks.savp import SavpGenerator


class LiveMemoryCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of live tensors that were created in this context, and their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.current = self.peak = 0
        self._tracked: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._track(tensor.untyped_storage())
        return result

    def _track(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._tracked:
            return
        size = storage.nbytes()
        self._tracked.add(key)
        self.current += size
        self.peak = max(self.peak, self.current)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._tracked.discard(key)
        self.current -= size


class _CopyableFakeTensorMode(FakeTensorMode):  # type: ignore[no-untyped-call]
    """A fake tensor mode whose networks can be deep-copied: the copy belongs to the same mode."""

    def __deepcopy__(self, memo: object) -> _CopyableFakeTensorMode:
        return self


@dataclass(frozen=True)
class ModelSize:
    """Parameter counts and peak memory of a model."""

    parameter_counts: Mapping[str, int]
    """Parameters of each network; one entry per scale of the generator."""
    training_bytes: int
    """Peak during an update: weights, gradients, optimiser states, EMA and activations."""
    synthesis_bytes: int
    """Peak during the generation of one frame."""


def estimate_model_size(config: Config, condition_spec: ConditionSpec, height: int, width: int) -> ModelSize:
    """Estimate the size for one GPU at `runtime.precision`; `auto` counts as bf16.

    The perceptual network is included if its loss is enabled. Activations of the region
    discriminators, about one percent of the total, are not included.
    """
    precision: Precision = "fp32" if config.runtime.precision == "fp32" else "bf16"
    runtime = Runtime(torch.device("cpu"), precision, False)  # fake tensors use no memory on the CPU either
    with warnings.catch_warnings(), _CopyableFakeTensorMode(), LiveMemoryCounter() as memory:
        warnings.filterwarnings("ignore", message=".*FakeTensor.*")  # copying a fake weight reads its address
        parameter_counts, training_bytes = _estimate_training(config, condition_spec, (height, width), runtime, memory)
        gc.collect()
        memory.peak = memory.current
        generator = model_family(config.model).build_generator(config.generator, condition_spec)
        if isinstance(generator, SavpGenerator):
            _predict_frames(generator, runtime, height, width)
            return ModelSize(parameter_counts, training_bytes, memory.peak)
        predicts_labels = config.generator.target == "labels"
        conditions = [
            torch.empty(1, 0 if predicts_labels else condition_spec.input_channels, height, width) for _ in range(2)
        ]
        initial_frames = (
            torch.empty(1, generator.past_frames, condition_spec.channels, height, width) if predicts_labels else None
        )
        with torch.no_grad(), runtime.autocast():
            references = _empty_references(config, 1, len(conditions), (height, width))
            for _ in rollout(
                generator,
                conditions,
                initial_frames=initial_frames,
                references=None if references is None else references.unbind(),
            ):
                pass
        return ModelSize(parameter_counts, training_bytes, memory.peak)


def _estimate_training(
    config: Config, condition_spec: ConditionSpec, size: tuple[int, int], runtime: Runtime, memory: LiveMemoryCounter
) -> tuple[dict[str, int], int]:
    """Parameters by network, and peak bytes during an update."""
    state = build_train_state(config, condition_spec, runtime)
    context = TrainContext(
        config.with_settings({"losses.region_adversarial": 0.0, "losses.region_feature_matching": 0.0}),
        runtime,
        _zero_motion,
        perceptual_loss=_untrained_perceptual_loss(config),
    )
    frames = config.schedule.frames_per_update
    num_frames = max(config.num_initial_frames + frames, 2)
    if config.is_unpaired or config.model == "savp":  # one update per clip
        num_frames = config.num_initial_frames + config.schedule.clip_length
    batch_shape = (config.schedule.batch_size, num_frames)
    batch = ClipBatch(
        torch.empty(*batch_shape, condition_spec.channels, *size),
        torch.empty(*batch_shape, 3, *size),
        references=_empty_references(config, *batch_shape, size),
        attributes=torch.zeros(*batch_shape, len(config.generator.attributes)) if config.model == "fader" else None,
    )
    batch = batch.as_label_prediction() if config.generator.target == "labels" else batch
    # Create Adam's moments, which exist from the second step on.
    for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
        for weight in (weight for group in optimizer.param_groups for weight in group["params"]):
            weight.grad = torch.zeros_like(weight)
        optimizer.step()
    memory.peak = memory.current
    model_family(config.model).train_on_clips(context, state, batch)
    generator = state.generator
    scale_networks = generator.scale_networks if isinstance(generator, CompositeGenerator) else [generator]
    counts = {f"generator, scale {index}": count_parameters(network) for index, network in enumerate(scale_networks)}
    other_counts = {
        name: count_parameters(network) for name, network in state.trainable_networks().items() if name != "generator"
    }
    return {**counts, **{name: count for name, count in other_counts.items() if count}}, memory.peak


@torch.no_grad()
def _predict_frames(generator: SavpGenerator, runtime: Runtime, height: int, width: int) -> None:
    """Two steps of a prediction."""
    frame = torch.empty(1, 3, height, width)
    clip_state = generator.start(frame)
    with runtime.autocast():
        for _ in range(2):
            frame, clip_state = generator(frame, torch.empty(1, generator.latent_channels), clip_state)


def _zero_motion(previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
    """A flow estimator that returns zero flow."""
    count, _, height, width = current.shape
    return current.new_zeros(count, 2, height, width), current.new_ones(count, 1, height, width)


def _untrained_perceptual_loss(config: Config) -> PerceptualLoss | None:
    """The network of a training on a GPU, with random weights; None if the loss is disabled."""
    if not config.losses.perceptual:
        return None
    network = config.losses.perceptual_network
    return build_perceptual_network("vgg19" if network == "auto" else network)


def _empty_references(config: Config, batch_size: int, num_frames: int, size: tuple[int, int]) -> ClipReferences | None:
    """References of a batch at twice the resolution of the frames; None for a model without references."""
    num_references = config.generator.num_references
    if not num_references:
        return None
    grid_size = [len(range(0, side - 1 + GRID_STEP, GRID_STEP)) for side in size]
    height, width = size
    return ClipReferences(
        torch.empty(batch_size, num_references, 3, 2 * height, 2 * width),
        torch.empty(batch_size, num_references, 3, height, width),
        torch.zeros(batch_size, num_frames, num_references, dtype=torch.int64),
        torch.empty(batch_size, num_frames, num_references, 2, *grid_size),
        torch.empty(batch_size, num_frames, num_references),
        torch.empty(batch_size, num_frames, num_references, 2, *grid_size),
    )
