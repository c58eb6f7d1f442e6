"""A budget that survives the rounding of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets.base import Budget

COARSEST = 1.001 * 2**-16  # half a step of 16 bits; what is beyond it is clipping


def stored_within(
    audio: Float[Tensor, "batch time"],
    delta: Float[Tensor, "batch time"],
    budget: Budget,
    store: Callable[[Float[Tensor, "batch time"]], Float[Tensor, "batch time"]],
) -> Float[Tensor, "batch time"]:
    """``store(audio + delta)`` with a perturbation that is inside the budget *as stored*.

    ``store`` rounds and clips samples as the file will; ``audio`` must be as stored already.
    Rounding can push a clip's perturbation over its limit: that clip's is then shrunk a little
    more each time, at the very last to nothing. What "inside" means where a limit is finer than
    the file's rounding, :meth:`Budget.holds` says.
    """
    budget = budget.around(audio)
    delta = budget.project(delta, audio)
    return store(audio + share_within(audio, delta, budget, store) * delta)


def share_within(
    audio: Float[Tensor, "batch time"],
    delta: Float[Tensor, "batch time"],
    budget: Budget,
    store: Callable[[Float[Tensor, "batch time"]], Float[Tensor, "batch time"]],
) -> Float[Tensor, "batch 1"]:
    """How much of each clip's perturbation :func:`stored_within` keeps, from 0 to 1."""
    share = audio.new_ones(len(audio), 1)
    for attempt in range(11):
        stored = store(audio + share * delta)
        rounding = stored - (audio + share * delta)
        rounding = rounding.where(rounding.abs() <= COARSEST, 0)
        within = budget.holds(stored - audio, audio, rounding)
        if bool(within.all()):
            break
        share = share.where(within, share * max(0.0, 1 - 0.001 * 2**attempt))
    return share
