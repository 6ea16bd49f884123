"""Starts the processes of a distributed training with torchrun, and connects them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from vid2vid_cli.core.errors import INTERRUPT_EXIT_CODE, WorkerLostError
from vid2vid_cli.core.python_process import module_command
from vid2vid_cli.engine.distributed import (
    ProcessGroup,
    RankStoppedError,
    peer_errors,
    shared_device_error,
    too_few_gpus_error,
)

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

PROCESS_GROUP_TIMEOUT = timedelta(hours=1)
"""Timeout of collective operations: the others wait while the main process saves or generates samples."""
SHUTDOWN_TIMEOUT_SECONDS = 600
"""Time for saving after Ctrl-C."""
HANDLED_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)
]
"""Signals that torchrun handles."""
STORE_FILE_VARIABLE = "VID2VID_STORE_FILE"
"""File through which the processes of one machine find each other."""
SINGLE_MACHINE_ENVIRONMENT = {
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # otherwise torchrun opens a port on all network interfaces
    "NCCL_SOCKET_IFNAME": "lo",
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
}
"""Keeps the communication of the processes of one machine on its loopback interface."""


@contextmanager
def join_process_group() -> Iterator[ProcessGroup]:
    """Join the process group of torchrun, and leave it at the end; no effect in a single process.

    An error is recorded for torchrun, which reports the first one. Raises WorkerLostError.
    """
    group = ProcessGroup.from_env()
    if group.world_size == 1:
        yield group
        return
    has_cuda = torch.cuda.is_available()
    if has_cuda and group.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(group.local_rank)
    with peer_errors():
        _init_process_group(group, "cpu:gloo,cuda:nccl" if has_cuda else "gloo")
    try:
        yield group
    except (RankStoppedError, WorkerLostError):
        raise
    except Exception as error:
        from torch.distributed.elastic.multiprocessing.errors import get_error_handler

        get_error_handler().record_exception(error)
        raise
    finally:
        dist.destroy_process_group()


def _init_process_group(group: ProcessGroup, backend: str) -> None:
    """Connect through the store file of `launch_processes`, or through torchrun's store of several machines."""
    store_file = os.environ.get(STORE_FILE_VARIABLE)
    if store_file is None:
        dist.init_process_group(backend, timeout=PROCESS_GROUP_TIMEOUT)
        return
    store = dist.FileStore(store_file, group.world_size)  # type: ignore[attr-defined]
    dist.init_process_group(
        backend, timeout=PROCESS_GROUP_TIMEOUT, store=store, rank=group.rank, world_size=group.world_size
    )


def resolve_num_processes(num_gpus: int | None, device: str) -> int:
    """Number of training processes: those that torchrun has started, otherwise `num_gpus` of this machine.

    Raises DeviceError if this machine has fewer GPUs.
    """
    group = ProcessGroup.from_env()
    if group.world_size > 1 or num_gpus is None:
        return group.world_size
    if num_gpus > 1 and device not in ("auto", "cuda", "cpu"):
        raise shared_device_error(device, num_gpus)
    if device not in ("auto", "cuda"):
        return num_gpus
    num_available = torch.cuda.device_count()
    if num_gpus > num_available:
        raise too_few_gpus_error(num_gpus, num_available)
    return num_gpus


def launch_processes(num_processes: int, arguments: Sequence[str]) -> None:
    """Run `vid2vid ARGUMENTS` in `num_processes` processes with torchrun; only rank 0 writes to the terminal.

    The processes find each other through files and communicate on the loopback interface; no port is open to other
    machines.

    When all have ended, raises SystemExit with the exit code of rank 0 if that failed, or after Ctrl-C; WorkerLostError
    with the exit code of another rank if that failed.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    logging.disable(logging.ERROR)  # rank 0 reports its own errors
    handlers = {number: signal.getsignal(number) for number in HANDLED_SIGNALS}
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // num_processes)))
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SHUTDOWN_TIMEOUT_SECONDS))
    for name, value in SINGLE_MACHINE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with TemporaryDirectory(prefix="vid2vid-") as folder:  # readable by this user only
        os.environ[STORE_FILE_VARIABLE] = str(Path(folder) / "processes")
        torchrun_options = [
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={Path(folder) / 'torchrun'}",
            "--rdzv-conf=store_type=file",
            f"--nproc-per-node={num_processes}",
            "--local-ranks-filter=0",
            f"--log-dir={folder}",
            "--no-python",
        ]
        try:
            run(parse_args([*torchrun_options, *module_command("vid2vid_cli", *arguments)]))  # type: ignore[no-untyped-call]
        except ChildFailedError as error:
            raise _first_failure_error(error.failures, num_processes) from None
        except SignalException:
            raise SystemExit(INTERRUPT_EXIT_CODE) from None
        finally:
            logging.disable(logging.NOTSET)
            del os.environ[STORE_FILE_VARIABLE]
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _first_failure_error(failures: dict[int, ProcessFailure], num_processes: int) -> BaseException:
    """The error for the first failure that is not a consequence of another (a lost peer, or SIGTERM from torchrun)."""

    def failure_order(rank: int) -> tuple[bool, int]:
        return failures[rank].exitcode in (WorkerLostError.exit_code, -signal.SIGTERM), rank

    rank = min(failures, key=failure_order)
    failure = failures[rank]
    if rank == 0 and failure.exitcode > 0:
        return SystemExit(failure.exitcode)
    message = failure.message if isinstance(failure.message, str) else failure.message["message"]
    description = f"was killed by {failure.signal_name()}" if failure.exitcode < 0 else f"failed: {message}"
    hint = "Continue from the last checkpoint: vid2vid train --resume"
    error = WorkerLostError(f"Process {rank + 1} of {num_processes} {description}.", hint)
    error.exit_code = failure.exitcode if failure.exitcode > 0 else error.exit_code
    return error
