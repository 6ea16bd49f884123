"""How large a model is: parameters, and memory counted on no device, before anything is bought or begun.

The networks are run on fake tensors, which have sizes and no contents; what is alive at once is counted. Workspaces of
cuDNN, the flow teacher and the allocator's gaps are not in it: on a GPU some tenth to a fifth comes on top.
"""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.types import ClipBatch, ConditionLayout
from vid2vid_cli.engine.build import build_generator, build_state, parameter_count
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.runtime import Machine, Precision
from vid2vid_cli.engine.step import Trainer, update
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.perceptual import PerceptualLoss


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors made within that are alive, and their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


class _Fake(FakeTensorMode):  # type: ignore[no-untyped-call]
    """Networks made within can be copied: the copy belongs to the same mode."""

    def __deepcopy__(self, memo: object) -> _Fake:
        return self


@dataclass(frozen=True)
class Footprint:
    """What a model takes."""

    parameters: Mapping[str, int]
    """Of each network; the generator's scales one by one."""
    training: int
    """Bytes at the peak of an update: weights, gradients, Adam, the average and activations."""
    synthesis: int
    """Bytes at the peak of one frame."""


def footprint(config: Config, layout: ConditionLayout, height: int, width: int) -> Footprint:
    """Counted for one GPU, in the precision of the settings; `auto` counts as bf16.

    The perceptual network is counted where it is wanted and torchvision is installed. Activations of the region
    discriminators, some hundredth of the others', are left out.
    """
    precision: Precision = "fp32" if config.engine.precision == "fp32" else "bf16"
    machine = Machine(torch.device("cpu"), precision, False)  # fake tensors take no room there either
    with warnings.catch_warnings(), _Fake(), LiveBytes() as live:
        warnings.filterwarnings("ignore", message=".*FakeTensor.*")  # copying a fake weight looks at its address
        parameters, training = _training(config, layout, (height, width), machine, live)
        gc.collect()
        live.peak = live.now
        generator = build_generator(config.generator, layout)
        labels = config.generator.draws == "labels"
        conditions = [torch.empty(1, 0 if labels else layout.shown, height, width) for _ in range(2)]
        begin = torch.empty(1, generator.past, layout.channels, height, width) if labels else None
        with torch.no_grad(), machine.autocast():
            for _ in rollout(generator, conditions, begin=begin):
                pass
        return Footprint(parameters, training, live.peak)


def _training(
    config: Config, layout: ConditionLayout, size: tuple[int, int], machine: Machine, live: LiveBytes
) -> tuple[dict[str, int], int]:
    """Parameters by network, and the bytes at the peak of an update."""
    state = build_state(config, layout, machine)
    without_regions = config.losses.model_copy(update={"region_adversarial": 0.0, "region_feature_matching": 0.0})
    trainer = Trainer(config.model_copy(update={"losses": without_regions}), machine, _still, _perceptual(config))
    frames = config.schedule.frames_per_update
    shape = (config.schedule.batch, max(config.given + frames, 2))
    batch = ClipBatch(torch.empty(*shape, layout.channels, *size), torch.empty(*shape, 3, *size))
    batch = batch.of_labels() if config.generator.draws == "labels" else batch
    # Adam's two means, which are there from the second step on.
    for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
        for weight in (weight for group in optimizer.param_groups for weight in group["params"]):
            weight.grad = torch.zeros_like(weight)
        optimizer.step()
    live.peak = live.now
    update(trainer, state, batch)
    one = state.generator
    parts = one.networks if isinstance(one, CompositeGenerator) else [one]
    counts = {f"generator, scale {index}": parameter_count(part) for index, part in enumerate(parts)}
    others = {name: parameter_count(part) for name, part in state.networks().items() if name != "generator"}
    return {**counts, **{name: count for name, count in others.items() if count}}, live.peak


def _still(previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
    """A teacher to whom nothing moves."""
    count, _, height, width = current.shape
    return current.new_zeros(count, 2, height, width), current.new_ones(count, 1, height, width)


def _perceptual(config: Config) -> PerceptualLoss | None:
    if not config.losses.perceptual or find_spec("torchvision") is None:
        return None
    from torchvision.models import vgg19

    return PerceptualLoss(vgg19(weights=None).features)
