"""Pools of processes that are ready before the clock starts."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unhear.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Generator
    from concurrent.futures import ProcessPoolExecutor


@contextmanager
def warmed_pool(workers: int, enhancer: str) -> Generator[ProcessPoolExecutor]:
    """Processes of one thread, all of which have begun and loaded the enhancer."""
    with worker_pool(workers) as pool, tempfile.TemporaryDirectory() as folder:
        for future in [pool.submit(_warm, folder, workers, enhancer) for _ in range(workers)]:
            future.result()
        yield pool


def _warm(folder: str, workers: int, enhancer: str) -> None:
    """Waits for the others: else one process would take the task of another."""
    import torch

    from benchmarks.speed.efficiency import bare
    from benchmarks.speed.words import frozen

    bare(frozen(enhancer), torch.zeros(1, frozen(enhancer).card.sample_rate))
    (Path(folder) / str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < workers:
        time.sleep(0.05)
