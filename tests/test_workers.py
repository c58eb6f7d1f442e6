"""Workers end with the process that started them, even when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unhear.errors import UnfitError
from unhear.pieces import Workplace, work_through
from unhear.workers import WorkerProcesses

PARENT = """
import os, time
from unhear.workers import worker_pool
if __name__ == "__main__":
    with worker_pool(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_worker_does_not_outlive_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert ended(worker)


def ended(pid):
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if is_zombie(pid):
            return True
        time.sleep(0.05)
    return False


def is_zombie(pid):
    """Ended, but nobody has asked how: in containers without an init nobody ever does."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_worker_that_cannot_be_started_ends_the_work_and_takes_no_piece(monkeypatch):
    def no_more(*_: object):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor.submit", no_more)
    waiting = [1, 2, 3]
    with WorkerProcesses(1) as workers, pytest.raises(UnfitError, match=r"Too many.*--jobs"):
        list(work_through(waiting, abs, Workplace(workers, lambda: 1)))
    assert waiting == [1, 2]
