"""Kills `transfer` at random moments and compares its result with that of an uninterrupted one.

    python benchmarks/resume.py SOURCE CKPT --kills 20

Every run is a new process, which is killed with SIGKILL after a random time and started again with the same command.
The outputs, FFV1 in Matroska, must be equal byte for byte. Segments are shorter than usual, so that short videos have
several.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = """
import sys
from vid2vid_cli.rendering import unfinished_video
unfinished_video.SEGMENT_FRAMES = int(sys.argv.pop(1))
from vid2vid_cli.__main__ import main
main()
"""


def start(arguments: list[str], segment_frames: int) -> subprocess.Popen[bytes]:
    """A process that runs the command line."""
    command = [sys.executable, "-c", RUN, str(segment_frames), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    """Print the times of the kills and whether the files are equal; the exit code is 1 if they are not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--segment-frames", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, resumed = Path(folder, "whole.mkv"), Path(folder, "resumed.mkv")

        def arguments(out: Path) -> list[str]:
            frames = ["--max-frames", str(options.frames), "--precision", "fp32", "--device", "cpu"]
            return ["transfer", str(options.source), "--target", str(options.checkpoint), "--out", str(out), *frames]

        begin = time.monotonic()
        if start(arguments(whole), options.segment_frames).wait():
            return 1
        duration = time.monotonic() - begin
        print(f"uninterrupted: {duration:.1f} s")
        num_kills = 0
        while num_kills < options.kills:
            process = start(arguments(resumed), options.segment_frames)
            delay = generator.uniform(0.1, 1.0) * duration
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                num_kills += 1
                print(f"kill {num_kills} after {delay:.1f} s")
            if resumed.exists():  # finished before the kill: begin the next video
                if resumed.read_bytes() != whole.read_bytes():
                    print("different")
                    return 1
                print("finished and equal")
                for file in Path(folder).glob("resumed*"):
                    file.unlink()
        if start(arguments(resumed), options.segment_frames).wait():
            return 1
        is_equal = resumed.read_bytes() == whole.read_bytes()
        left = sorted(path.name for path in Path(folder).iterdir())
        print(f"{num_kills} kills; equal: {is_equal}; files: {', '.join(left)}")
    return 0 if is_equal else 1


if __name__ == "__main__":
    sys.exit(main())
