"""Several recordings protected at once: each as if it were alone, through networks that run
over all of them.

On a GPU, and for recurrent networks on a CPU, one pass over many clips takes far less than many
passes over one. Attacks, losses, budgets and channels know nothing of it: every recording has
its own, and one that is finished leaves the others among themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from unhear.errors import UnhearError
from unhear.meeting import Met, meet
from unhear.strands import Strand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from unhear.audio import Recording
    from unhear.enhancers.base import Enhancer
    from unhear.protect import Protector

Result = TypeVar("Result")


def _ignore(recording: int, done: int, total: int) -> None:
    pass


def protect_together(
    protector: Protector,
    recordings: Sequence[Recording],
    progress: Callable[[int, int, int], None] = _ignore,
) -> list[Recording | UnhearError]:
    """What the protector makes of each recording, or the UnhearError that it raises for it.

    The same as one by one, but for rounding. ``progress`` is called with a recording's index,
    and the gradients taken of it so far and in all. See :func:`run_together`.
    """

    def work(index: int) -> Callable[[Protector], Recording]:
        def report(done: int, total: int) -> None:
            progress(index, done, total)

        return lambda protector: protector(recordings[index], report)

    return run_together(protector, [work(index) for index in range(len(recordings))])


def run_together(
    protector: Protector, works: Sequence[Callable[[Protector], Result]]
) -> list[Result | UnhearError]:
    """What each of the works returns, or the UnhearError that it raises.

    Each gets the protector with enhancers that wait for those of the others. The works run in
    threads, but one at a time and in the same order at every call. Where an enhancer draws
    nobody knows what, they run one after the other. Any other error is raised once all have
    ended; an interruption ends all and is raised at once.
    """
    if len(works) < 2 or any(each.draws_from(0) is None for each in _enhancers(protector)):
        return _settled([_outcome(work, protector) for work in works])

    def strand(work: Callable[[Protector], Result]) -> Strand[Result]:
        return Strand(lambda ask: work(_meeting(protector, ask)))

    strands = [strand(work) for work in works]
    meet(strands)
    return _settled([each.outcome for each in strands])


def in_batches(lengths: Sequence[int] | Sequence[float], size: int) -> list[list[int]]:
    """Indices of recordings that go well together: at most ``size`` of similar length each.

    The longest come first; of equals, those that come first in ``lengths``, in any unit.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    return [order[start : start + size] for start in range(0, len(order), size)]


def _enhancers(protector: Protector) -> tuple[Enhancer, ...]:
    return (*protector.against, *protector.spare)


def _meeting(protector: Protector, ask: Callable[[Any], Any]) -> Protector:
    """The protector as one of several recordings has it."""
    met = {id(each): Met(each, place, ask) for place, each in enumerate(_enhancers(protector))}
    against, spare = (
        tuple(met[id(each)] for each in role) for role in (protector.against, protector.spare)
    )
    return replace(protector, against=against, spare=spare)


def _outcome(work: Callable[[Protector], Result], protector: Protector) -> Result | Exception:
    try:
        return work(protector)
    except Exception as error:  # noqa: BLE001  see _settled
        return error


def _settled(outcomes: Sequence[Result | Exception]) -> list[Result | UnhearError]:
    """The outcomes, unless one of them is an error of this program."""
    settled: list[Result | UnhearError] = []
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, UnhearError):
            raise outcome
        settled.append(outcome)
    return settled
