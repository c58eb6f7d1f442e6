"""PGD: many small steps, each projected back into the budget.

Equation 5 of arXiv 2206.08170, descending. With ``--momentum 0 --final-rate 1 --start 0``, an
L∞ budget and any target but erasure it is the paper's attack to the letter.

Momentum is MI-FGSM's, arXiv 1710.06081, but adds up the budget's directions, not gradients of
unit L1 norm: with L∞ their signs. Nesterov's is NI-FGSM's, arXiv 1908.06281: the gradient is
taken where the momentum alone would lead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unhear.attacks.base import Attack, best_of, first_points, parameter, require
from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective

LOOK_EVERY = 10  # steps between two looks at what is left, where a look takes a pass of its own


@dataclass(frozen=True)
class PGD(Attack):
    """Steps down the gradient with momentum, shrinking, each projected into the budget."""

    name: ClassVar[str] = "pgd"
    summary: ClassVar[str] = "projected gradient steps (paper, eq. 5) with momentum"

    steps: int = parameter(100, "gradient steps")
    step_size: float = parameter(0.2, "length of the first step, as a share of the budget")
    final_rate: float = parameter(0.1, "length of the last step, as a share of the first")
    momentum: float = parameter(0.8, "share of the earlier steps that is kept")
    start: float = parameter(0.05, "size of the random start, as a share of the budget")
    learned_start: float = parameter(
        0.0, "share of the budget that a generator gives at the start", quiet=True
    )
    nesterov: bool = parameter(
        default=False, text="take each gradient where the momentum leads", quiet=True
    )
    restarts: int = parameter(1, "random starts, of which the best end is kept", quiet=True)
    until: float = parameter(
        0.0, "stop where no more than this is left of the words, 0 to 1 (0: never)", quiet=True
    )
    seed: int = parameter(0, "of the random start")

    def __post_init__(self) -> None:
        require(
            self,
            steps=self.steps >= 1,
            step_size=self.step_size > 0,
            final_rate=0 < self.final_rate <= 1,
            momentum=0 <= self.momentum < 1,
            start=0 <= self.start <= 1,
            learned_start=0 <= self.learned_start <= 1,
            restarts=self.restarts >= 1,
            until=0 <= self.until < 1,
        )
        if self.restarts > 1 and self.start == 0:
            raise InputError("--restarts with --start 0 begin at one place: give a --start")

    @property
    def learned(self) -> bool:
        """With a learned start."""
        return self.learned_start > 0

    @property
    def evaluations(self) -> int:
        """One gradient for each step, from each start; fewer with ``until``."""
        return self.steps * self.restarts

    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """See :meth:`Attack.__call__`."""
        shares = self.start, self.learned_start
        seeds = range(self.seed, self.seed + self.restarts)
        starts = first_points(audio, objective, budget, shares, seeds)
        ends = [self.descend(audio, objective, budget, start) for start in starts]
        return best_of(ends, audio, objective)

    def descend(
        self,
        audio: Float[Tensor, "batch time"],
        objective: Objective,
        budget: Budget,
        delta: Float[Tensor, "batch time"],
    ) -> Float[Tensor, "batch time"]:
        """From a perturbation to a better one; a row that is good enough stays."""
        radius = budget.radius(audio)
        velocity = delta.new_zeros(delta.shape)
        moving = radius >= 0  # every row
        seen_anyway = objective.clean and not self.nesterov
        for step in range(self.steps):
            pace = self._rate(step) * radius
            lead = self.momentum * pace * velocity if self.nesterov else 0
            pull = objective.pull(audio + (delta - lead))
            if self.until and (seen_anyway or step % LOOK_EVERY == 0):
                left = pull.left() if seen_anyway else objective.resemblance(audio + delta)
                moving = left[:, None] > self.until
                if not moving.any():
                    break
            velocity.mul_(self.momentum).add_(budget.direction(pull.gradient))
            reached = budget.project(delta - pace * budget.direction(velocity), audio)
            delta = reached.where(moving, delta) if self.until else reached
        return delta

    def _rate(self, step: int) -> float:
        """From ``step_size`` down to ``final_rate`` of it along a cosine."""
        fall = (1 + math.cos(math.pi * step / max(1, self.steps - 1))) / 2
        return self.step_size * (self.final_rate + (1 - self.final_rate) * fall)
