"""Pieces of work in threads of their own, of which only one runs at a time.

A strand runs until it asks for something, and waits while others run, until it is answered. So
work that was written as a plain loop can be stopped in its middle, as a generator can, and
what comes of several strands does not depend on how fast they are. Knows nothing of audio.
"""

from __future__ import annotations

from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
NAME = "strand"  # of the threads


class Strand(Generic[Result]):
    """``work`` gets the function with which it asks, and runs from one :meth:`resume` to the
    next question. It must hold no lock then that another strand could want.
    """

    def __init__(self, work: Callable[[Callable[[Any], Any]], Result]) -> None:
        self.question: Any = None  # what it waits for
        self.ended = False
        self.outcome: Result | Exception  # of the work, once it has ended
        self._closed = False
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._questions: SimpleQueue[Any] = SimpleQueue()
        self._thread = Thread(target=self._run, args=(work,), name=NAME, daemon=True)

    def resume(self, answer: Any = None) -> None:
        """Begin, or go on with an answer; an exception is raised where the work has asked.

        Returns when the work asks again or ends. What is no Exception, such as
        KeyboardInterrupt, is no outcome: it is raised here.
        """
        self.question = None
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._answers.put(answer)
        said = self._questions.get()
        if isinstance(said, _Ended):
            if said.interruption:
                raise said.interruption
            self.ended, self.outcome = True, said.outcome
        else:
            self.question = said

    def close(self) -> None:
        """End the work where it asks, or will ask next, and wait until it has ended."""
        self._closed = True
        self._answers.put(_Closed())
        if self._thread.ident is not None:
            self._thread.join()

    def _ask(self, question: Any) -> Any:
        if self._closed:
            raise _Closed
        self._questions.put(question)
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _run(self, work: Callable[[Callable[[Any], Any]], Result]) -> None:
        try:
            said = _Ended(outcome=work(self._ask))
        except Exception as error:  # noqa: BLE001  whoever resumes decides what becomes of it
            said = _Ended(outcome=error)
        except BaseException as error:  # noqa: BLE001
            said = _Ended(interruption=error)
        self._questions.put(said)


class _Ended:
    def __init__(
        self, *, outcome: Any = None, interruption: BaseException | None = None
    ) -> None:
        self.outcome, self.interruption = outcome, interruption


class _Closed(BaseException):
    """Raised in a strand that nobody will answer; no ``except Exception`` keeps it."""
