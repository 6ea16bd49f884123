"""Entry point of `vid2vid` and `python -m vid2vid_cli`."""

import ctypes
import os
import sys

from vid2vid_cli.core.search_path import remove_working_folder

BLAS_THREADS_VARIABLE = "OPENBLAS_NUM_THREADS"
"""Number of threads of NumPy's OpenBLAS, which reads it when NumPy is imported."""
ARENAS_VARIABLE = "MALLOC_ARENA_MAX"
"""Maximum number of arenas of glibc's malloc, which reads it when the process starts."""
M_ARENA_MAX = -8
"""The same parameter of glibc's function mallopt."""
MAX_ARENAS = 2


def main() -> None:
    """Run the command line of this process and exit with its code. SIGTERM and SIGHUP have the effect of Ctrl-C."""
    remove_working_folder()  # before all other imports
    limit_blas_threads()
    limit_malloc_arenas()
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


def limit_malloc_arenas() -> None:
    """Two arenas of glibc's malloc in place of eight per core, unless the user has set another number.

    Frames are allocated in one thread and freed in another. With an arena per thread, memory grows with the length of
    a video. Other C libraries have no mallopt.
    """
    if ARENAS_VARIABLE not in os.environ and sys.platform == "linux":
        set_parameter = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_parameter is not None:
            set_parameter(M_ARENA_MAX, MAX_ARENAS)


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
