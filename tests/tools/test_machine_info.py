"""Memory and processor time of child processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vid2vid_cli.core.python_process import code_command, start_process
from vid2vid_cli.tools.machine_info import children_memory_mib, total_cpu_seconds


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_children_memory_counts_what_a_child_process_has_allocated() -> None:
    assert children_memory_mib(os.getpid()) < 50
    command = code_command("import time; data = bytearray(100 << 20); print(len(data)); time.sleep(60)")
    with start_process(command, subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == 100 << 20
        assert 100 < children_memory_mib(os.getpid()) < 150
        assert children_memory_mib(process.pid) == 0


def test_total_cpu_seconds_includes_ended_children() -> None:
    start = total_cpu_seconds()
    code = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run(code_command(code), check=True)
    assert total_cpu_seconds() - start >= 0.4
