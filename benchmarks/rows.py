"""Results as rows of a JSON-lines file, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress

from unhear.enhancers import find, load_enhancer
from unhear.errors import UnhearError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from unhear.enhancers.base import Entry

Row = dict[str, Any]


def load(path: Path) -> list[Row]:
    """The rows so far, without a line that a kill has cut off."""
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def append(
    path: Path, tasks: Sequence[Any], make: Callable[[Any], list[Row]], workers: int
) -> None:
    """Add the rows of every task, in processes of one thread each; ``make`` is picklable."""
    _drop_half_a_line(path)
    with (
        ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool,
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


def _drop_half_a_line(path: Path) -> None:
    content = path.read_bytes() if path.exists() else b""
    if not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def _one_thread() -> None:
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"  # for the recogniser
    torch.set_num_threads(1)


@cache
def weights_of(name: str) -> str:
    """First digits of the SHA-256 of an enhancer's (first) file of weights; "" for none."""
    entry = find(name)
    return _digest(entry)[:8]


def _digest(entry: Entry) -> str:
    if entry.bundled and entry.bundled.exists():
        return hashlib.sha256(entry.bundled.read_bytes()).hexdigest()
    return entry.source.files[0].sha256 if entry.source else ""


def to_be_had(names: Iterable[str]) -> list[str]:
    """The enhancers that can be loaded here; the others are told of on stderr."""
    loaded: list[str] = []
    for name in names:
        try:
            load_enhancer(name)
            loaded.append(name)
        except UnhearError as error:
            print(f"left out: {error}", file=sys.stderr)
    return loaded


def table(head: list[str], lines: list[list[str]]) -> str:
    """Markdown, the first column to the left, the others to the right."""
    every = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in every)
