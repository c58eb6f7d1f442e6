"""Results as rows of a JSON-lines file, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import sys
from concurrent.futures import as_completed
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress

from unhear.evaluation.rows import drop_half_a_line
from unhear.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Row = dict[str, Any]


def append(
    path: Path, tasks: Sequence[Any], make: Callable[[Any], list[Row]], workers: int
) -> None:
    """Add the rows of every task, in processes of one thread each; ``make`` is picklable."""
    drop_half_a_line(path)
    with (
        worker_pool(workers) as pool,
        Progress(console=Console(stderr=True)) as bar,
        path.open("a", encoding="utf-8") as file,
    ):
        todo = bar.add_task("to do", total=len(tasks))
        try:
            for future in as_completed([pool.submit(make, task) for task in tasks]):
                rows = future.result()
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                file.flush()
                bar.advance(todo)
        finally:  # after an error, nobody would write down what the others still find
            pool.shutdown(cancel_futures=True)


def left_out(reason: str) -> None:
    """Say on stderr what an enhancer is missing."""
    print(f"left out: {reason}", file=sys.stderr)
