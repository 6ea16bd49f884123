"""The commands that the page has started: at most one training and one other command at a time, others wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from vid2vid_cli.ui.job import Job

MAX_WAITING, MAX_KEPT = 20, 40
"""Commands that may wait, and ended commands that the page lists."""
STOP_SECONDS = 60.0
"""Time for a command to finish its step and to save when the page ends."""
TRAINING_FORMS = ("train", "resume")


class TooManyJobsError(ValueError):
    """The queue is full. The text of the exception is for the user."""


class Jobs:
    """Runs commands in the project folder. Trainings run one after another; so do all other commands."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: list[Job] = []
        self.num_started = 0
        """Number of commands that were started or put in the queue."""
        self._lock = threading.Lock()
        self._running: dict[bool, Job] = {}
        """Whether it is a training -> the command that runs."""
        self._is_closed = False

    def start(self, form: str, arguments: Sequence[str]) -> Job:
        """Start a command, or put it in the queue. Raises TooManyJobsError."""
        with self._lock:
            if self._is_closed:
                raise TooManyJobsError("The program is ending.")
            if sum(job.state == "queued" for job in self._jobs) >= MAX_WAITING:
                raise TooManyJobsError(f"{MAX_WAITING} commands are waiting already. Remove one, or wait.")
            self.num_started += 1
            job = Job(self.num_started, form, arguments)
            self._jobs.append(job)
            for old_job in [job for job in self._jobs if not job.is_active][:-MAX_KEPT]:
                self._jobs.remove(old_job)
            self._start_next()
        return job

    def find(self, number: int) -> Job | None:
        """The command with a number."""
        with self._lock:
            return next((job for job in self._jobs if job.number == number), None)

    def to_json(self) -> list[dict[str, object]]:
        """All commands, the newest first."""
        with self._lock:
            jobs = list(reversed(self._jobs))
        return [job.to_json() for job in jobs]

    def close(self) -> None:
        """Stop all commands, and wait until they have ended; those that take too long are ended by force."""
        with self._lock:
            self._is_closed = True
            jobs = [job for job in self._jobs if job.is_active]
        for job in jobs:
            job.stop()
        end = time.monotonic() + STOP_SECONDS
        try:
            while any(job.is_active for job in jobs) and time.monotonic() < end:
                time.sleep(0.05)
        finally:  # also after a second Ctrl-C
            for job in jobs:
                job.kill()

    @property
    def num_active(self) -> int:
        """Number of commands that run or wait."""
        with self._lock:
            return sum(job.is_active for job in self._jobs)

    def _start_next(self) -> None:
        """Start the first waiting training if none runs, and so for other commands."""
        for job in self._jobs:
            is_training = job.form in TRAINING_FORMS
            if job.state == "queued" and is_training not in self._running and not self._is_closed:
                self._running[is_training] = job
                threading.Thread(target=self._run, args=(job, is_training), daemon=True, name="job").start()

    def _run(self, job: Job, is_training: bool) -> None:
        try:
            job.run(self._folder)
        finally:
            with self._lock:
                del self._running[is_training]
                self._start_next()
