"""Several processes that learn one model: torchrun starts them, torch.distributed joins them.

Each generates its share of the clips of a batch, and the gradients are averaged after each backward pass, one call per
optimiser. Why not by DistributedDataParallel around the rollout: it must be told, or find out, which weights take part,
and here that changes within a step: judges are frozen while the generator learns, coarse scales for some time
(schedule.fix_global), and a region is on the frames of one process and not on those of another. It would also average
means of unequal counts (see `Group.shares`). What is given up is that it sends while it still computes.

Words (whether to go on, numbers to be told) go through gloo between CPUs, also where gradients go through nccl between
GPUs: a process that has ended is noticed there at once, and no GPU is waited for.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from vid2vid_cli.core.errors import ConfigError, DeviceError, LostProcessError

Answer = TypeVar("Answer")

GO_ON, STOP, FAILED = 0, 1, 2


class EndedElsewhereError(Exception):
    """Another process has ended the training and says why; this one has nothing to add."""


class Shared(Protocol):
    """What all processes must have alike."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and primitives only."""
        ...

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """The inverse."""
        ...


@dataclass(frozen=True)
class Group:
    """The processes that learn one model together, as one of them sees them; by itself it does nothing at all."""

    rank: int = 0
    world: int = 1
    """How many there are, on all machines."""
    local_rank: int = 0
    """Which of this machine's it is."""

    @classmethod
    def around(cls) -> Group:
        """As torchrun's environment says; no process is spoken to."""
        rank, world, local = (int(os.environ.get(name, value)) for name, value in _ENVIRONMENT.items())
        return cls(rank, world, local) if world > 1 else cls()

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes, saves and talks."""
        return self.rank == 0

    def clips(self, batch: int) -> range:
        """Which clips of a batch are this process's own. Raises ConfigError where they cannot be dealt out evenly."""
        if batch % self.world:
            below = batch - batch % self.world
            fitting = " or ".join(str(count) for count in (below, below + self.world) if count)
            raise ConfigError(
                f"schedule.batch={batch} clips cannot be dealt out evenly to {self.world} processes.",
                f"--set schedule.batch={fitting}",
            )
        return range(self.rank, batch, self.world)

    def device(self, wanted: str) -> str:
        """The device of this process: its own GPU. Raises DeviceError where there are not so many."""
        if self.world == 1:
            return wanted
        if wanted not in ("auto", "cpu", "cuda"):
            raise DeviceError(f"{wanted!r} is not for {self.world} processes.", "Use --device auto, cuda or cpu.")
        there = torch.cuda.device_count()
        if wanted == "cpu" or (wanted == "auto" and not there):
            return "cpu"
        if self.local_rank >= there:
            raise too_few_gpus(self.local_rank + 1, there)
        return f"cuda:{self.local_rank}"

    def average(self, optimizer: torch.optim.Optimizer) -> None:
        """Make each gradient the mean over the processes; where one has none it is 0, and where all, it stays none.

        Raises LostProcessError.
        """
        if self.world == 1:
            return
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        learning = torch.tensor([weight.grad is not None for weight in weights], dtype=torch.uint8)
        with reaching():
            dist.all_reduce(learning, dist.ReduceOp.MAX)
        weights = [weight for weight, anywhere in zip(weights, learning.tolist(), strict=True) if anywhere]
        if not weights:
            return
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        # This copy is short-lived and made when activations are gone: it does not raise the peak of memory.
        flat = torch.cat([weight.grad.reshape(-1) for weight in weights])
        with reaching():
            dist.all_reduce(flat)
        flat /= self.world
        means = flat.split([weight.numel() for weight in weights])  # type: ignore[no-untyped-call]
        for weight, mean in zip(weights, means, strict=True):
            weight.grad.copy_(mean.view_as(weight))

    def shares(self, counts: Mapping[str, Tensor | int], like: Tensor) -> dict[str, Tensor | float]:
        """What a mean over `counts[name]` things of this process weighs, so that processes together mean over all.

        n * world / N, as the average over processes of (n world / N) (sum / n) is the sum of sums over N: a mask that
        is nearly empty here, or a face that is on other frames, counts as it would in one process. A count of 0 weighs
        nothing. `like` says where they are computed.
        """
        if self.world == 1:
            return dict.fromkeys(counts, 1.0)
        here = torch.stack([torch.as_tensor(count, dtype=like.dtype, device=like.device) for count in counts.values()])
        everywhere = here.clone()
        with reaching():
            dist.all_reduce(everywhere)
        return dict(zip(counts, (here * self.world / everywhere.clamp(min=1.0)).unbind(), strict=True))

    def means(self, told: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
        """Numbers by name, averaged over the processes place by place; one that is missing somewhere is 0 there."""
        if self.world == 1:
            return [dict(numbers) for numbers in told]
        gathered: list[Any] = [None] * self.world
        with reaching():
            dist.all_gather_object(gathered, list(told))
        means = []
        for numbers in zip(*gathered, strict=True):
            names = dict.fromkeys(name for own in numbers for name in own)
            means.append({name: sum(own.get(name, 0.0) for own in numbers) / self.world for name in names})
        return means

    def go_on(self, asked: Callable[[], bool]) -> bool:
        """Whether every process answers True, known to all of them.

        Where `asked` raises in one, all the others raise EndedElsewhereError, or the leading one LostProcessError.
        """
        try:
            word = GO_ON if asked() else STOP
        except BaseException:
            with suppress(LostProcessError):
                self._most(FAILED)
            raise
        most = self._most(word)
        if most == FAILED:
            raise self._ended()
        return most == GO_ON

    def decide(self, question: Callable[[], Answer]) -> Answer:
        """What the leading process answers, for all; it is asked nowhere else.

        Where it raises there, all the others raise EndedElsewhereError.
        """
        if self.world == 1:
            return question()
        said: list[Any] = [None, None]
        try:
            if self.leads:
                said = [GO_ON, question()]
        except BaseException:
            with suppress(LostProcessError):
                _broadcast([FAILED, None])
            raise
        _broadcast(said)
        if said[0] == FAILED:
            raise self._ended()
        answer: Answer = said[1]
        return answer

    def share(self, state: Shared, device: torch.device) -> None:
        """Give all processes the state of the leading one. Read as it is from a file: nothing in it is executed."""
        if self.world == 1:
            return
        packed = io.BytesIO()
        if self.leads:
            torch.save(state.state_dict(), packed)
        said = [packed.getvalue()]
        _broadcast(said)
        if not self.leads:
            state.load_state_dict(torch.load(io.BytesIO(said[0]), map_location=device, weights_only=True))

    def _most(self, word: int) -> int:
        if self.world == 1:
            return word
        words = torch.tensor([word])
        with reaching():
            dist.all_reduce(words, dist.ReduceOp.MAX)
        return int(words)

    def _ended(self) -> Exception:
        return LostProcessError(*LOST) if self.leads else EndedElsewhereError()


ALONE = Group()
LOST = (
    "Another process of this training has ended, and so must all.",
    "See what it said; then continue from the last checkpoint: vid2vid train --resume",
)
_ENVIRONMENT = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0}


def too_few_gpus(wanted: int, there: int) -> DeviceError:
    """The error of asking for more than there are."""
    few = f"--gpus {there}, or " if there else ""
    return DeviceError(
        f"This machine has {there or 'no'} CUDA GPU{'s' * (there > 1)}, and {wanted} are needed.",
        f"Use {few}--device cpu, which runs as many processes on the CPU.",
    )


def _broadcast(said: list[Any]) -> None:
    with reaching():
        dist.broadcast_object_list(said)


@contextmanager
def reaching() -> Iterator[None]:
    """Speaking to other processes: that one cannot be reached is a situation, and no bug."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcessError(*LOST) from error
