"""Pieces of work handed to workers that may die: a few at a time, and again when need be.

Knows neither what the work is nor where it is done (``cluster.py``).
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from unhear.errors import FailureError, UnfitError, UnhearError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable
    from concurrent.futures import Executor

TRIES = 3  # of a piece whose workers die

_Piece = TypeVar("_Piece", bound="Hashable")
_Found = TypeVar("_Found")


class DiedError(BrokenExecutor):
    """A worker died with a piece of work, which has been tried ``tries`` times by now."""

    def __init__(self, tries: int) -> None:
        super().__init__(f"{tries} workers died")
        self.tries = tries


@dataclass(frozen=True)
class Workplace:
    """Any executor, and how many pieces of work it has at a time: those that it works on, and
    a few more if its workers are not to wait.
    """

    executor: Executor
    ahead: Callable[[], int]
    in_process: bool = False  # each piece is done when it has been handed out


def work_through(
    waiting: list[_Piece], do: Callable[[_Piece], _Found], place: Workplace
) -> Generator[tuple[_Piece, _Found | BaseException]]:
    """Each piece with what ``do`` has found or raised, as they end.

    ``waiting`` is a stack: its last piece comes first, and whoever takes the results may add
    to it. A piece whose worker died is tried again, for the third and last time alone, since
    where several share a worker nobody can tell which of them has killed it, and since it may
    want all of the memory. Raises FailureError when the executor is gone or a worker is unfit.
    """
    tries, suspects = Counter[_Piece](), list[_Piece]()
    running: dict[Future[_Found], _Piece] = {}
    while waiting or suspects or running:
        stack, room = (suspects, 1) if suspects else (waiting, place.ahead())
        while stack and len(running) < room:
            piece = stack.pop()
            running[_handed_out(do, piece, place)] = piece
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            piece, error = running.pop(future), _error(future)
            if not isinstance(error, BrokenExecutor):
                yield piece, error or future.result()
            elif tries[piece] == TRIES - 1:
                yield piece, _poison(error)
            else:
                died = error.tries if isinstance(error, DiedError) else 1
                tries[piece] = min(tries[piece] + died, TRIES - 1)
                (suspects if tries[piece] == TRIES - 1 else waiting).append(piece)


def _handed_out(
    do: Callable[[_Piece], _Found], piece: _Piece, place: Workplace
) -> Future[_Found]:
    try:
        return place.executor.submit(do, piece)
    except BrokenExecutor as error:
        raise FailureError(
            "a worker died, and all others with it: run the same command to go on"
        ) from error


def _error(future: Future[_Found]) -> BaseException | None:
    if future.cancelled():
        raise FailureError(
            "the connection to the workers was lost, but nothing that was done: see that they "
            "are there, and run the same command to go on"
        )
    error = future.exception()
    if isinstance(error, UnfitError):
        raise error
    return error


def _poison(error: BrokenExecutor) -> FailureError:
    told = FailureError(
        "every worker died that tried it, the last one with nothing else to do, perhaps for "
        "want of memory: it was left out"
    )
    told.__cause__ = error
    return told


def reason(error: BaseException) -> str:
    """Why a piece failed, in one line."""
    kind = "" if isinstance(error, UnhearError) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split())}"
