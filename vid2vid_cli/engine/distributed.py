"""Data-parallel training: torchrun starts the processes, torch.distributed connects them.

Each process generates its shard of a batch; gradients are averaged after each backward pass, one all-reduce per
optimiser. DistributedDataParallel is not used, because the set of weights with gradients changes within a step:
discriminators are frozen in the generator's update, coarse scales for some steps (schedule.freeze_coarse_steps), and a
region may be visible in one process and not in another. It would also average means over unequal counts (see
`ProcessGroup.global_mean_weights`). The cost is that communication does not overlap with the backward pass.

Messages (votes, metrics, state) use gloo on the CPU, also if gradients use NCCL between GPUs: gloo reports a process
that has ended immediately, and messages need no GPU synchronisation.
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

from vid2vid_cli.core.errors import ConfigError, DeviceError, WorkerLostError

Result = TypeVar("Result")

CONTINUE, STOP, FAILED = 0, 1, 2


class RankStoppedError(Exception):
    """Another process has ended the training and reports the reason."""


class Stateful(Protocol):
    """An object whose state is broadcast to all processes."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and primitives only."""
        ...

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a `state_dict`."""
        ...


@dataclass(frozen=True)
class ProcessGroup:
    """This process's view of the process group; a no-op if `world_size` is 1."""

    rank: int = 0
    world_size: int = 1
    """Number of processes on all machines."""
    local_rank: int = 0
    """Rank among the processes of this machine."""

    @classmethod
    def from_env(cls) -> ProcessGroup:
        """Read torchrun's environment variables; does not communicate."""
        rank, world_size, local_rank = (int(os.environ.get(name, value)) for name, value in _ENV_DEFAULTS.items())
        return cls(rank, world_size, local_rank) if world_size > 1 else cls()

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and emits events."""
        return self.rank == 0

    def shard(self, batch_size: int) -> range:
        """Indices of this process's clips in a batch. Raises ConfigError if the batch size is not divisible."""
        if batch_size % self.world_size:
            lower_size = batch_size - batch_size % self.world_size
            valid_sizes = " or ".join(str(count) for count in (lower_size, lower_size + self.world_size) if count)
            raise ConfigError(
                f"schedule.batch_size={batch_size} is not divisible by the number of processes, {self.world_size}.",
                f"Use --set schedule.batch_size={valid_sizes}.",
            )
        return range(self.rank, batch_size, self.world_size)

    def local_device(self, requested: str) -> str:
        """The device of this process: `requested`, or its own GPU. Raises DeviceError if there are too few GPUs."""
        if self.world_size == 1:
            return requested
        if requested not in ("auto", "cpu", "cuda"):
            raise shared_device_error(requested, self.world_size)
        num_gpus = torch.cuda.device_count()
        if requested == "cpu" or (requested == "auto" and not num_gpus):
            return "cpu"
        if self.local_rank >= num_gpus:
            raise too_few_gpus_error(self.local_rank + 1, num_gpus)
        return f"cuda:{self.local_rank}"

    def all_reduce_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        """Replace each gradient by the mean over the processes; a missing gradient counts as 0 if any process has one.

        Raises WorkerLostError.
        """
        if self.world_size == 1:
            return
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        has_gradient = torch.tensor([weight.grad is not None for weight in parameters], dtype=torch.uint8)
        with peer_errors():
            dist.all_reduce(has_gradient, dist.ReduceOp.MAX)
        parameters = [weight for weight, is_used in zip(parameters, has_gradient.tolist(), strict=True) if is_used]
        if not parameters:
            return
        for weight in parameters:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        # This temporary copy is created after the activations are freed: it does not increase the peak memory.
        flat_gradients = torch.cat([weight.grad.reshape(-1) for weight in parameters])
        with peer_errors():
            dist.all_reduce(flat_gradients)
        flat_gradients /= self.world_size
        mean_gradients = flat_gradients.split([weight.numel() for weight in parameters])  # type: ignore[no-untyped-call]
        for weight, mean_gradient in zip(parameters, mean_gradients, strict=True):
            weight.grad.copy_(mean_gradient.view_as(weight))

    def global_mean_weights(self, counts: Mapping[str, Tensor | int], like: Tensor) -> dict[str, Tensor | float]:
        """Weights of this process's means over `counts[name]` items, so that the processes average to the global mean.

        The weight is n * world_size / N for n local and N global items, because the average over processes of
        (n * world_size / N) * (sum / n) is the sum of all items divided by N. It is 0 for a count of 0. The weights
        have the dtype and device of `like`.
        """
        if self.world_size == 1:
            return dict.fromkeys(counts, 1.0)
        local_counts = torch.stack(
            [torch.as_tensor(count, dtype=like.dtype, device=like.device) for count in counts.values()]
        )
        global_counts = local_counts.clone()
        with peer_errors():
            dist.all_reduce(global_counts)
        return dict(zip(counts, (local_counts * self.world_size / global_counts.clamp(min=1.0)).unbind(), strict=True))

    def reduce_metrics(self, metrics: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
        """The entries of `metrics`, averaged over the processes; a name that a process lacks counts as 0 there."""
        if self.world_size == 1:
            return [dict(rank_metrics) for rank_metrics in metrics]
        gathered: list[Any] = [None] * self.world_size
        with peer_errors():
            dist.all_gather_object(gathered, list(metrics))
        reduced = []
        for rank_entries in zip(*gathered, strict=True):
            names = dict.fromkeys(name for entry in rank_entries for name in entry)
            reduced.append(
                {name: sum(entry.get(name, 0.0) for entry in rank_entries) / self.world_size for name in names}
            )
        return reduced

    def all_agree(self, predicate: Callable[[], bool]) -> bool:
        """Whether `predicate` is true in all processes.

        If it raises in one process, the others raise RankStoppedError, the main process WorkerLostError.
        """
        try:
            vote = CONTINUE if predicate() else STOP
        except BaseException:
            with suppress(WorkerLostError):
                self._all_reduce_max(FAILED)
            raise
        max_vote = self._all_reduce_max(vote)
        if max_vote == FAILED:
            raise self._stopped_error()
        return max_vote == CONTINUE

    def run_on_main(self, function: Callable[[], Result]) -> Result:
        """Call `function` in the main process and return its result in all processes.

        If it raises there, the other processes raise RankStoppedError.
        """
        if self.world_size == 1:
            return function()
        message: list[Any] = [None, None]
        try:
            if self.is_main:
                message = [CONTINUE, function()]
        except BaseException:
            with suppress(WorkerLostError):
                _broadcast_objects([FAILED, None])
            raise
        _broadcast_objects(message)
        if message[0] == FAILED:
            raise self._stopped_error()
        result: Result = message[1]
        return result

    def broadcast_state(self, state: Stateful, device: torch.device) -> None:
        """Copy the state of the main process to all processes, with torch.load(weights_only=True)."""
        if self.world_size == 1:
            return
        buffer = io.BytesIO()
        if self.is_main:
            torch.save(state.state_dict(), buffer)
        message = [buffer.getvalue()]
        _broadcast_objects(message)
        if not self.is_main:
            state.load_state_dict(torch.load(io.BytesIO(message[0]), map_location=device, weights_only=True))

    def _all_reduce_max(self, vote: int) -> int:
        if self.world_size == 1:
            return vote
        votes = torch.tensor([vote])
        with peer_errors():
            dist.all_reduce(votes, dist.ReduceOp.MAX)
        return int(votes)

    def _stopped_error(self) -> Exception:
        return WorkerLostError(*WORKER_LOST_MESSAGE) if self.is_main else RankStoppedError()


SINGLE_PROCESS = ProcessGroup()
WORKER_LOST_MESSAGE = (
    "Another process of this training has ended, so the training stopped.",
    "Check its error message, then continue from the last checkpoint: vid2vid train --resume",
)
_ENV_DEFAULTS = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0}


def too_few_gpus_error(num_requested: int, num_available: int) -> DeviceError:
    """The error for more GPUs than this machine has."""
    gpus_option = f"--gpus {num_available}, or " if num_available else ""
    return DeviceError(
        f"{num_requested} GPUs are required, but this machine has {num_available}.",
        f"Use {gpus_option}--device cpu, which runs the processes on the CPU.",
    )


def shared_device_error(requested: str, num_processes: int) -> DeviceError:
    """The error for a single device in a training with several processes."""
    return DeviceError(
        f"--device {requested} cannot be used with {num_processes} processes.", "Use --device auto, cuda or cpu."
    )


def _broadcast_objects(objects: list[Any]) -> None:
    with peer_errors():
        dist.broadcast_object_list(objects)


@contextmanager
def peer_errors() -> Iterator[None]:
    """Convert communication errors to WorkerLostError."""
    try:
        yield
    except RuntimeError as error:
        raise WorkerLostError(*WORKER_LOST_MESSAGE) from error
