"""Entry point of `vid2vid` and `python -m vid2vid_cli`."""

import os
import sys

from vid2vid_cli.core.malloc import limit_arenas
from vid2vid_cli.core.search_path import remove_working_folder

BLAS_THREADS_VARIABLE = "OPENBLAS_NUM_THREADS"
"""Number of threads of NumPy's OpenBLAS, which reads it when NumPy is imported."""


def main() -> None:
    """Run the command line of this process and exit with its code. SIGTERM and SIGHUP have the effect of Ctrl-C."""
    remove_working_folder()  # before all other imports
    limit_blas_threads()
    limit_arenas()
    from vid2vid_cli.core.errors import BROKEN_PIPE_EXIT_CODE, INTERRUPT_EXIT_CODE

    try:
        handle_termination_signals()
        from vid2vid_cli.cli import run_command_line

        exit_code = run_command_line(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:  # while modules are imported
        sys.stderr.write("Stopped.\n")
        exit_code = INTERRUPT_EXIT_CODE
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has ended
        exit_code = BROKEN_PIPE_EXIT_CODE
    if exit_code == BROKEN_PIPE_EXIT_CODE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout once more at its end
    sys.exit(exit_code)


def limit_blas_threads() -> None:
    """One thread for NumPy's matrix products, which are small here, unless the user has set another number.

    After each product, OpenBLAS's other threads wait for the next one by spinning: in `transfer` on two cores they took
    57 of 144 ms of CPU time a frame. torch has its own threads.
    """
    os.environ.setdefault(BLAS_THREADS_VARIABLE, "1")


def handle_termination_signals() -> None:
    """Raise KeyboardInterrupt on SIGTERM and SIGHUP, unless they are ignored, as by `nohup`."""
    import signal

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _raise_interrupt)


def _raise_interrupt(signal_number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
