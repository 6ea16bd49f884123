"""stderr of native code: noise goes, news stays, and threads do not lose it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os, sys, threading, time
from vid2vid_cli.core.native import hold_back

def start(delay):
    for _ in range(20):
        with hold_back([b"delegate"]):
            os.write(2, b"INFO: created delegate\\n")
            time.sleep(delay)

threads = [threading.Thread(target=start, args=(delay,)) for delay in (0.001, 0.002, 0.003)]
for thread in threads: thread.start()
for thread in threads: thread.join()
with hold_back([b"delegate"]):
    os.write(2, b"news\\n")
print("end", file=sys.stderr)
"""


def test_noise_goes_and_news_stays() -> None:
    path = f"import sys; sys.path[:0] = {[entry for entry in sys.path if entry]!r}\n"
    done = subprocess.run([sys.executable, "-c", path + CODE], capture_output=True, text=True, check=True)
    assert done.stderr == "news\nend\n"
