"""Auto-PGD: steps that halve themselves where they no longer help.

Croce & Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks", arXiv 2003.01690, Algorithm 1, descending. Their first step is 2; on
enhancers a quarter of it leaves fewer words in as many steps (docs/log.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from unhear.attacks.base import Attack, first_points, parameter, require

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective

ALPHA = 0.75  # weight of a step; the rest is that of the step before
RHO = 0.75  # share of the steps that must have helped


@dataclass(frozen=True)
class APGD(Attack):
    """Steps down the gradient; each row halves its own and goes back to its best point.

    Points are compared by the summed losses of the enhancers to defeat. Those are not all that
    the steps follow: with several enhancers the gradients are balanced, one that is spared is
    in the gradient alone, and with channels to survive each gradient is of another draw of
    them. Steps may then halve too soon, and the point kept is the best for the recording as it
    is, heard by those to defeat: PGD, which keeps its last point, is the safer choice there.
    """

    name: ClassVar[str] = "apgd"
    summary: ClassVar[str] = "projected gradient steps that find their length (Auto-PGD)"

    steps: int = parameter(100, "gradient steps")
    step_size: float = parameter(0.5, "length of the first step, as a share of the budget")
    start: float = parameter(0.05, "size of the random start, as a share of the budget")
    learned_start: float = parameter(
        0.0, "share of the budget that a generator gives at the start", quiet=True
    )
    seed: int = parameter(0, "of the random start")

    def __post_init__(self) -> None:
        require(
            self,
            steps=self.steps >= 2,
            step_size=self.step_size > 0,
            start=0 <= self.start <= 1,
            learned_start=0 <= self.learned_start <= 1,
        )

    @property
    def learned(self) -> bool:
        """With a learned start."""
        return self.learned_start > 0

    @property
    def evaluations(self) -> int:
        """One gradient for each point, the start included."""
        return self.steps

    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """See :meth:`Attack.__call__`."""
        eta = eta_w = self.step_size * budget.radius(audio)
        shares = self.start, self.learned_start
        [previous] = first_points(audio, objective, budget, shares, [self.seed])
        x = best = _point(audio, previous, objective)
        w, f_w, falls, asked = 0, x.losses, 0, checkpoints(self.steps)
        for k in range(1, self.steps):
            z = budget.project(x.delta - eta * budget.direction(x.gradient), audio)
            alpha = ALPHA if k > 1 else 1.0
            ahead = x.delta + alpha * (z - x.delta) + (1 - alpha) * (x.delta - previous)
            reached = _point(audio, budget.project(ahead, audio), objective)
            falls = falls + (reached.losses < x.losses).int()
            previous, x = x.delta, reached
            best = best.where(best.losses <= x.losses, x)  # NaN is kept: divergence shows
            if k in asked:
                stuck = (falls < RHO * (k - w)) | ((eta == eta_w) & (best.losses == f_w))
                eta_w, eta = eta, (eta / 2).where(stuck, eta)
                x = best.where(stuck, x)
                w, f_w, falls = k, best.losses, 0
        return best.delta


class _Point(NamedTuple):
    delta: Float[Tensor, "batch time"]
    losses: Float[Tensor, "batch 1"]
    gradient: Float[Tensor, "batch time"]

    def where(self, rows: Bool[Tensor, "batch 1"], other: _Point) -> _Point:
        """In some rows itself, in the others the other one."""
        return _Point(
            self.delta.where(rows, other.delta),
            self.losses.where(rows, other.losses),
            self.gradient.where(rows, other.gradient),
        )


def _point(
    audio: Float[Tensor, "batch time"], delta: Float[Tensor, "batch time"], objective: Objective
) -> _Point:
    losses, gradient = objective.measured(audio + delta)
    return _Point(delta, losses[:, None], gradient)


def checkpoints(steps: int) -> list[int]:
    """w_j = ⌈p_j · steps⌉, where p_j grows by 0.22 and each time by 0.03 less, at least 0.06.

    In hundredths, so that they are exact.
    """
    p, gap, found = 22, 22, []
    while p <= 100:
        found.append(ceil(p * steps / 100))
        gap = max(gap - 3, 6)
        p += gap
    return found
