"""Tasks → rows, wherever work is done; a run that was stopped goes on where it stood."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock, Timeout

from unhear.datasets.utterance import RUN_LOCK
from unhear.errors import FailureError, InputError, UnfitError
from unhear.evaluation import rows as rowsfile
from unhear.evaluation.rows import ROWS, SECONDS
from unhear.evaluation.work import PROTECTED, Task, judge, protect
from unhear.outputs import is_out_of_room
from unhear.pieces import reason, work_through
from unhear.workers import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from unhear.evaluation.plan import Listener
    from unhear.evaluation.rows import Row
    from unhear.pieces import Workplace

FIRST = b'{"about": '  # of every line


@contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Make the folder of a run; raises InputError while another process works in it, and for
    one with reports of something else.
    """
    lock = FileLock(folder / RUN_LOCK)
    others = sorted(folder.glob("report.*"))
    if others and not any((folder / name).exists() for name in (RUN_LOCK, ROWS)):
        raise InputError(f"{others[0]} would be overwritten: name another folder")
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


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    rows: list[Row]  # all that the folder has, also those of other tasks
    failures: list[str]  # a sentence each
    of_the_user: bool  # whether the user can mend all of them


def run(
    tasks: Sequence[Task],
    folder: Path,
    place: Workplace,
    progress: Callable[[int, int], None],
) -> Outcome:
    """Do what was not done before, in a folder that is ours (:func:`alone_in`).

    ``progress`` is called with the rows that are there and all. Every row is written as soon as
    it is there, so that nothing is lost or done twice, whatever happens; in the end the file
    is sorted. Raises FailureError when the disk is full or the workers are gone; what fails by
    itself, such as an attack that diverges or kills its workers, is told of in the outcome.
    """
    _clean(folder)
    left = _missing(_shuffled(tasks), rowsfile.load(folder / ROWS))
    total = sum(len(task.listeners) for task in tasks)
    done = total - sum(map(len, left.values()))
    progress(done, total)
    failures: list[str] = []
    of_the_user = True
    for result in _results(left, place):
        with _writing_into(folder):
            _keep(result, folder)
        if result.failure:
            failures.append(result.failure)
            of_the_user &= result.of_the_user
        done += result.settled
        progress(done, total)
    with _writing_into(folder):
        return Outcome(rowsfile.put_in_order(folder / ROWS), failures, of_the_user=of_the_user)


def _clean(folder: Path) -> None:
    """Take away what a kill has left half done; raises InputError for files of others."""
    for name in (ROWS, SECONDS):
        _require_ours(folder / name)
        rowsfile.drop_half_a_line(folder / name)
    for rest in (folder / PROTECTED).glob(".*.partial"):  # of workers that were killed
        rest.unlink(missing_ok=True)  # or of one that is still at it, on another machine


@contextmanager
def _writing_into(folder: Path) -> Generator[None]:
    """Raise FailureError where there is no room; a file that is not whole is an InputError."""
    try:
        yield
    except (OSError, InputError) as error:
        raise FailureError(
            f"rows cannot be written into {folder} ({error}): make room, and run the same "
            "command to go on"
        ) from error


def _require_ours(path: Path) -> None:
    """Raise InputError for a file of something else, which would be cut short and sorted."""
    if path.exists():
        with path.open("rb") as file:
            first = file.read(len(FIRST))
        if first != FIRST[: len(first)]:
            raise InputError(f"{path} holds no rows of an evaluation: name another folder")


def so_far(folder: Path) -> list[Row]:
    """The rows of a run that may still be going on; raises InputError when there is none."""
    _require_ours(folder / ROWS)
    found = rowsfile.load(folder / ROWS)
    if not found:
        raise InputError(f"nothing is done yet in {folder}: let the run begin first")
    return found


def rows_of(tasks: Sequence[Task], rows: list[Row]) -> list[Row]:
    """Those rows that belong to these tasks, in the tasks' order."""
    known = {rowsfile.identity(row["about"]): row for row in rows}
    wanted = [_identity(task, listener) for task in tasks for listener in task.listeners]
    return [known[each] for each in wanted if each in known]


def _shuffled(tasks: Iterable[Task]) -> list[Task]:
    """Recording by recording, in an order that is random but always the same: a run that is
    stopped half-way has a fair sample of all, not the first speakers.
    """

    def drawn(task: Task) -> str:
        return hashlib.sha256(task.mixture.utterance.name.encode()).hexdigest()

    return sorted(tasks, key=drawn)


def _missing(tasks: Sequence[Task], rows: list[Row]) -> dict[Task, list[Listener]]:
    """The listeners of each task that have no row yet."""
    known = {rowsfile.identity(row["about"]) for row in rows}
    left = {
        task: [each for each in task.listeners if _identity(task, each) not in known]
        for task in tasks
    }
    return {task: listeners for task, listeners in left.items() if listeners}


@dataclass(frozen=True)
class _Result:
    """What one piece of work has brought; ``settled`` rows are there, or will never be."""

    row: Row | None = None
    seconds: Row | None = None
    failure: str | None = None
    of_the_user: bool = True  # whether the failure is
    settled: int = 0


def _results(left: dict[Task, list[Listener]], place: Workplace) -> Generator[_Result]:
    """Every recording protected and heard by every listener: what comes of it, as it comes.

    Listening comes before protecting more: rows are there early.
    """
    protections: dict[str, list[Task]] = {}  # the same for every recogniser
    for task in left:
        protections.setdefault(_identity(task, None), []).append(task)
    waiting = [_Piece(same[0], None, name) for name, same in reversed(protections.items())]
    for piece, found in work_through(waiting, _do, place):
        task, listener = piece.task, piece.listener
        same = [] if listener else protections[piece.identity]
        if isinstance(found, BaseException):
            lost = 1 if listener else sum(len(left[each]) for each in same)
            told, own = _told(task, listener, found), isinstance(found, InputError)
            yield _Result(failure=told, of_the_user=own, settled=lost)
        elif listener is None:
            waiting += [_piece(own, each) for own in same[::-1] for each in left[own][::-1]]
            yield _Result(seconds=found)
        else:
            yield _Result(row=found, settled=1)


class _Piece(NamedTuple):
    task: Task
    listener: Listener | None  # None: nobody listens yet, the recording is to be protected
    identity: str  # of what it is about


def _piece(task: Task, listener: Listener | None) -> _Piece:
    return _Piece(task, listener, _identity(task, listener))


def _identity(task: Task, listener: Listener | None) -> str:
    about = task.about(listener) if listener else task.about_protection()
    return rowsfile.identity(about)


def _do(piece: _Piece) -> Row | None:
    """In a worker, perhaps on another machine, and perhaps begun long ago."""
    task, listener, identity = piece
    if _identity(task, listener) != identity:
        raise UnfitError(
            "the worker has other recordings, weights or libraries than the machine that asks "
            "it: let them share their folders and versions, start the worker anew, and run the "
            "same command to go on (an enhancer of your own has to load its weights: random "
            "ones are others in every process)"
        )
    try:
        with one_thread():
            return protect(task) if listener is None else judge(task, listener)
    except InputError as error:
        if is_out_of_room(error):  # for the others, too: it would all be done for nothing
            raise UnfitError(f"{error}; the same command goes on") from error
        raise


def _told(task: Task, listener: Listener | None, error: BaseException) -> str:
    heard = f", heard by {listener}" if listener else ""
    return f"{task.mixture.name}, {task.protection.title}{heard}: {reason(error)}"


def _keep(result: _Result, folder: Path) -> None:
    for row, name in ((result.row, ROWS), (result.seconds, SECONDS)):
        if row:
            _append(folder / name, row)


def _append(path: Path, row: Row) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(rowsfile.line(row))
