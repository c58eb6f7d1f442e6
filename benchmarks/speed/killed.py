"""An evaluation, killed half-way: whether its rows are those of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.speed.timing import family
from unhear.errors import FailureError
from unhear.evaluation.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST_WAIT = 600  # s
WORKER = b"spawn_main"  # in the command line of a process that multiprocessing has started


def killed(data: Path, *, enhancer: str, victim: str, mixes: list[float]) -> dict[str, Any]:
    """Two clips, FGSM, two workers; when a row is there, the victim gets SIGKILL.

    A killed coordinator is started again. A run whose worker was killed should go on by
    itself; where it gives up, it is started again, too, and ``again`` says so.
    """
    calm = _undisturbed(data, enhancer, tuple(mixes))
    with tempfile.TemporaryDirectory() as name:
        disturbed, command = Path(name) / "run", _command(data, enhancer, mixes)
        process = subprocess.Popen([*command, str(disturbed)], **_QUIET)
        _wait_until(lambda: _rows(disturbed) > 0, process)
        at = _rows(disturbed)
        os.kill(
            process.pid if victim == "coordinator" else _worker_of(process.pid), signal.SIGKILL
        )
        again = process.wait(LONGEST_WAIT) != 0
        if again:
            _finish(subprocess.Popen([*command, str(disturbed)], **_QUIET))
        same = (disturbed / ROWS).read_bytes() == calm
    return {"rows": calm.count(b"\n"), "killed_at": at, "same": same, "again": again}


@cache
def _undisturbed(data: Path, enhancer: str, mixes: tuple[float, ...]) -> bytes:
    """The rows that should come out."""
    with tempfile.TemporaryDirectory() as name:
        command = [*_command(data, enhancer, mixes), str(Path(name) / "run")]
        _finish(subprocess.Popen(command, **_QUIET))
        return (Path(name) / "run" / ROWS).read_bytes()


_QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def _command(data: Path, enhancer: str, mixes: Sequence[float]) -> list[str]:
    command = [sys.executable, "-m", "unhear", "evaluate", str(data), "--jobs", "2"]
    command += ["--against", enhancer, "--attack", "fgsm", "--limit", "2", "--longest", "4"]
    for snr_db in mixes:
        command += ["--mix", f"{snr_db:g}"]
    return [*command, "--output"]


def _finish(process: subprocess.Popen[Any]) -> None:
    if process.wait(LONGEST_WAIT):
        raise FailureError("unhear evaluate failed: see what it says by itself")


def _wait_until(there: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    while not there():
        if process.poll() is not None:
            raise FailureError("the evaluation ended before anything could be killed")
        time.sleep(0.01)


def _rows(folder: Path) -> int:
    """Whole rows that are written."""
    path = folder / ROWS
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _worker_of(pid: int) -> int:
    """One of the processes that work for it."""
    for each in family(pid)[1:]:
        if WORKER in Path(f"/proc/{each}/cmdline").read_bytes():
            return each
    raise FailureError("the evaluation has no worker that could be killed")
