"""Processes of one thread each, which end when the one that started them is gone.

Imports nothing heavy, for every worker imports it.
"""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process
from threading import Thread


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Fresh processes: forking after torch has started its threads can hang.

    Each computes on one thread, so that its results do not depend on how many there are.
    """
    return ProcessPoolExecutor(workers, get_context("spawn"), _begin)


def _begin() -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # quietly: the parent tells
    for library in ("OMP", "MKL", "OPENBLAS"):  # heeded by what is imported from now on
        os.environ[f"{library}_NUM_THREADS"] = "1"
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next task for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
