"""Tasks → rows, in processes; a run that was stopped goes on where it stood."""

from __future__ import annotations

from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from unhear.errors import FailureError, InputError
from unhear.evaluation import rows as rowsfile
from unhear.evaluation.work import PROTECTED, Done, Task, do
from unhear.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from unhear.evaluation.rows import Row

ROWS = "rows.jsonl"
SECONDS = "seconds.jsonl"


@contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Make the folder of a run; raises InputError while another process works in it."""
    try:
        (folder / PROTECTED).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made ({error.strerror}): name another one"
        ) from error
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"another process is working in {folder}: wait for it, or name another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def run(
    tasks: Sequence[Task], folder: Path, jobs: int, progress: Callable[[int, int], None]
) -> list[Row]:
    """Do what was not done before; returns the rows of all these tasks, in their order.

    ``progress`` is called with the tasks done and all. Every row is written as soon as it is
    there, so that nothing is lost or done twice, whatever happens; in the end the file is
    sorted. Raises FailureError when some tasks failed, after all others were done.
    """
    path = folder / ROWS
    for file in (path, folder / SECONDS):
        rowsfile.drop_half_a_line(file)
    left = _missing(tasks, rowsfile.load(path))
    progress(len(tasks) - len(left), len(tasks))
    failures: list[str] = []
    for number, done in enumerate(_completed(left, jobs), len(tasks) - len(left) + 1):
        _append(path, done.rows)
        _append(folder / SECONDS, [done.seconds] if done.seconds else [])
        failures += [done.failure] if done.failure else []
        progress(number, len(tasks))
    rowsfile.put_in_order(path)
    if failures:
        raise FailureError(
            f"{len(failures)} of {len(tasks)} protections failed, such as {failures[0]}; "
            f"the others are in {path}"
        )
    return rows_of(tasks, rowsfile.load(path))


def so_far(folder: Path) -> list[Row]:
    """The rows of a run that may still be going on; raises InputError when there is none."""
    found = rowsfile.load(folder / ROWS)
    if not found:
        raise InputError(f"nothing is done yet in {folder}: let the run begin first")
    return found


def rows_of(tasks: Sequence[Task], rows: list[Row]) -> list[Row]:
    """Those rows that belong to these tasks, in the tasks' order."""
    known = {rowsfile.identity(row["about"]): row for row in rows}
    wanted = [
        rowsfile.identity(task.about(listener)) for task in tasks for listener in task.listeners
    ]
    return [known[each] for each in wanted if each in known]


def _missing(tasks: Sequence[Task], rows: list[Row]) -> list[Task]:
    """The tasks with those listeners that have no row yet."""
    known = {rowsfile.identity(row["about"]) for row in rows}
    left = [
        replace(
            task,
            listeners=tuple(
                each
                for each in task.listeners
                if rowsfile.identity(task.about(each)) not in known
            ),
        )
        for task in tasks
    ]
    return [task for task in left if task.listeners]


def _completed(tasks: list[Task], jobs: int) -> Iterable[Done]:
    """What comes of the tasks, as it comes."""
    if not tasks:
        return
    with worker_pool(min(jobs, len(tasks))) as pool:
        try:
            for future in as_completed([pool.submit(do, task) for task in tasks]):
                yield future.result()
        except BrokenProcessPool as error:
            raise FailureError(
                "a worker died, perhaps for want of memory: run the same command to go on, "
                "with fewer --jobs"
            ) from error
        finally:  # after an error, nobody would write down what the others still find
            pool.shutdown(cancel_futures=True)


def _append(path: Path, rows: list[Row]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(map(rowsfile.line, rows)))
