"""Starting the processes of a training, and meeting in them: torchrun's side of `engine/distributed.py`."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from vid2vid_cli.core.errors import DeviceError, LostProcessError
from vid2vid_cli.engine.distributed import EndedElsewhereError, Group, reaching, too_few_gpus

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

PATIENCE = timedelta(hours=1)
"""How long a process is waited for that is still there: the first one may be saving, or drawing samples."""
LAST_SECONDS = 600
"""How long the processes may take to save after Ctrl-C."""
HANDLED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
"""What torchrun listens to."""
INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


@contextmanager
def join() -> Iterator[Group]:
    """Meet the other processes that torchrun has started, and leave them whatever happens; alone, do nothing.

    An error is noted where torchrun looks for what went wrong first. Raises LostProcessError.
    """
    group = Group.around()
    if group.world == 1:
        yield group
        return
    cuda = torch.cuda.is_available()
    if cuda and group.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(group.local_rank)
    with reaching():
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield group
    except (EndedElsewhereError, LostProcessError):
        raise
    except Exception as error:
        from torch.distributed.elastic.multiprocessing.errors import get_error_handler

        get_error_handler().record_exception(error)
        raise
    finally:
        dist.destroy_process_group()


def process_count(gpus: int | None, device: str) -> int:
    """How many processes share the work: as many as torchrun has started, or else `gpus` of this machine.

    Raises DeviceError where this machine has not so many.
    """
    group = Group.around()
    if group.world > 1 or gpus is None:
        return group.world
    if gpus > 1 and device not in ("auto", "cuda", "cpu"):
        raise DeviceError(f"{device!r} is not for {gpus} processes.", "Use --device auto, cuda or cpu.")
    if device not in ("auto", "cuda"):
        return gpus
    there = torch.cuda.device_count()
    if gpus > there:
        raise too_few_gpus(gpus, there)
    return gpus


def launch(count: int, arguments: Sequence[str]) -> None:
    """Run `vid2vid ARGUMENTS` in `count` processes of this machine by torchrun; only the first one's words are shown.

    Raises SystemExit with the exit code of the first process where that has said why it failed, or after Ctrl-C, once
    all have ended; LostProcessError where another one failed, with the exit code of that one.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    logging.disable(logging.ERROR)  # the processes speak for themselves
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(LAST_SECONDS))
    with TemporaryDirectory(prefix="vid2vid-") as notes:
        words = ["--standalone", f"--nproc-per-node={count}", "--local-ranks-filter=0", f"--log-dir={notes}"]
        try:
            run(parse_args([*words, "-m", "vid2vid_cli", *arguments]))  # type: ignore[no-untyped-call]
        except ChildFailedError as error:
            raise _why(error.failures, count) from None
        except SignalException:
            raise SystemExit(INTERRUPTED) from None
        finally:
            logging.disable(logging.NOTSET)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _why(failures: dict[int, ProcessFailure], count: int) -> BaseException:
    """The failure that was the first: of those that did not merely lose another process, or were told to end."""

    def followed(rank: int) -> tuple[bool, int]:
        return failures[rank].exitcode in (LostProcessError.exit_code, -signal.SIGTERM), rank

    rank = min(failures, key=followed)
    failed = failures[rank]
    if rank == 0 and failed.exitcode > 0:
        return SystemExit(failed.exitcode)
    told = failed.message if isinstance(failed.message, str) else failed.message["message"]
    how = f"was ended by {failed.signal_name()}" if failed.exitcode < 0 else f"failed: {told}"
    hint = "Continue from the last checkpoint, if there is one: vid2vid train --resume"
    error = LostProcessError(f"Process {rank + 1} of {count} {how}.", hint)
    error.exit_code = failed.exitcode if failed.exitcode > 0 else error.exit_code
    return error
