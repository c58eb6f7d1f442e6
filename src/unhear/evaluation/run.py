"""Tasks → rows, in processes; a run that was stopped goes on where it stood."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from unhear.errors import FailureError, InputError, UnhearError
from unhear.evaluation import rows as rowsfile
from unhear.evaluation.work import PROTECTED, Task, judge, protect
from unhear.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from unhear.evaluation.plan import Listener
    from unhear.evaluation.rows import Row

ROWS = "rows.jsonl"
SECONDS = "seconds.jsonl"


@contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Make the folder of a run; raises InputError while another process works in it."""
    lock = FileLock(folder / ".lock")
    try:
        (folder / PROTECTED).mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"another process is working in {folder}: wait for it, or name another folder"
        ) from error
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be written to ({error.strerror}): name another one"
        ) from error
    try:
        yield
    finally:
        lock.release()


@dataclass
class Outcome:
    """What came of a run."""

    rows: list[Row]  # all that the folder has, also those of other tasks
    failures: list[str] = field(default_factory=list[str])  # a sentence each


def run(
    tasks: Sequence[Task], folder: Path, jobs: int, progress: Callable[[int, int], None]
) -> Outcome:
    """Do what was not done before, in a folder that is ours (:func:`alone_in`).

    ``progress`` is called with the rows that are there and all. Every row is written as soon as
    it is there, so that nothing is lost or done twice, whatever happens; in the end the file
    is sorted. Raises FailureError when a worker dies or the disk is full; what fails by itself,
    such as an attack that diverges, is told of in the outcome.
    """
    path, failures = folder / ROWS, list[str]()
    for file in (path, folder / SECONDS):
        rowsfile.drop_half_a_line(file)
    for rest in (folder / PROTECTED).glob(".*.partial"):  # of workers that were killed
        rest.unlink()
    left = _missing(tasks, rowsfile.load(path))
    total = sum(len(task.listeners) for task in tasks)
    done = total - sum(map(len, left.values()))
    progress(done, total)
    try:
        for result in _results(left, jobs):
            if result.row:
                _append(path, result.row)
            if result.seconds:
                _append(folder / SECONDS, result.seconds)
            if result.failure:
                failures.append(result.failure)
            done += result.settled
            progress(done, total)
        return Outcome(rowsfile.put_in_order(path), failures)
    except OSError as error:
        raise FailureError(
            f"rows cannot be written into {folder} ({error.strerror}): make room, and run the "
            "same command to go on"
        ) from error


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


def _missing(tasks: Sequence[Task], rows: list[Row]) -> dict[Task, list[Listener]]:
    """The listeners of each task that have no row yet."""
    known = {rowsfile.identity(row["about"]) for row in rows}
    left = {
        task: [
            each for each in task.listeners if rowsfile.identity(task.about(each)) not in known
        ]
        for task in tasks
    }
    return {task: listeners for task, listeners in left.items() if listeners}


@dataclass(frozen=True)
class _Result:
    """What one piece of work has brought; ``settled`` rows are there, or will never be."""

    row: Row | None = None
    seconds: Row | None = None
    failure: str | None = None
    settled: int = 0


def _results(left: dict[Task, list[Listener]], jobs: int) -> Generator[_Result]:
    """Every recording protected and heard by every listener: what comes of it, as it comes."""
    with worker_pool(jobs) as pool:
        try:
            yield from _worked(left, pool, 2 * jobs)
        except BrokenProcessPool as error:
            raise FailureError(
                "a worker died, perhaps for want of memory: run the same command to go on, "
                "with fewer --jobs"
            ) from error
        finally:  # after an error, nobody would write down what the others still find
            pool.shutdown(cancel_futures=True)


def _worked(left: dict[Task, list[Listener]], pool: Executor, ahead: int) -> Generator[_Result]:
    """``ahead`` pieces of work are handed out at a time. Listening comes before protecting
    more: rows are there early.
    """
    waiting: list[_Work] = [(task, None) for task in reversed(left)]
    running: dict[Future[Row | None], _Work] = {}
    while waiting or running:
        while waiting and len(running) < ahead:
            task, listener = waiting.pop()
            running[pool.submit(_do, task, listener)] = (task, listener)
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task, listener = running.pop(future)
            if isinstance(error := future.exception(), BrokenProcessPool):
                raise error
            if error is not None:
                lost = 1 if listener else len(left[task])
                yield _Result(failure=_told(task, listener, error), settled=lost)
            elif listener is None:
                waiting += [(task, each) for each in reversed(left[task])]
                yield _Result(seconds=future.result())
            else:
                yield _Result(row=future.result(), settled=1)


_Work = tuple[
    Task, "Listener | None"
]  # None: nobody listens yet, the recording is to be protected


def _do(task: Task, listener: Listener | None) -> Row | None:
    return protect(task) if listener is None else judge(task, listener)


def _told(task: Task, listener: Listener | None, error: BaseException) -> str:
    where = f"{task.mixture.name}, {task.protection.title}"
    where += f", heard by {listener}" if listener else ""
    kind = "" if isinstance(error, UnhearError) else f"{type(error).__name__}: "
    return f"{where}: {kind}{' '.join(str(error).split())}"


def _append(path: Path, row: Row) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(rowsfile.line(row))
