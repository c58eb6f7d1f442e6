"""PGD: many small steps, each projected back into the budget.

Equation 5 of arXiv 2206.08170, descending. With ``--momentum 0 --final-rate 1 --start 0``, an
L∞ budget and any target but erasure it is the paper's attack to the letter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unhear.attacks.base import Attack, parameter, random_like, require

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective


@dataclass(frozen=True)
class PGD(Attack):
    """Steps down the gradient with momentum, shrinking, each projected into the budget."""

    name: ClassVar[str] = "pgd"
    summary: ClassVar[str] = "projected gradient steps (paper, eq. 5) with momentum"
    form: ClassVar = "mse"

    steps: int = parameter(100, "gradient steps")
    step_size: float = parameter(0.2, "length of the first step, as a share of the budget")
    final_rate: float = parameter(0.1, "length of the last step, as a share of the first")
    momentum: float = parameter(0.8, "share of the earlier steps that is kept")
    start: float = parameter(0.05, "size of the random start, as a share of the budget")
    seed: int = parameter(0, "of the random start")

    def __post_init__(self) -> None:
        require(
            self,
            steps=self.steps >= 1,
            step_size=self.step_size > 0,
            final_rate=0 < self.final_rate <= 1,
            momentum=0 <= self.momentum < 1,
            start=0 <= self.start <= 1,
        )

    @property
    def evaluations(self) -> int:
        """One gradient for each step."""
        return self.steps

    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """See :meth:`Attack.__call__`."""
        radius = budget.radius(audio)
        delta = self.start * radius * budget.direction(random_like(audio, self.seed))
        velocity = delta.new_zeros(delta.shape)
        for step in range(self.steps):
            gradient = objective.gradient(audio + delta)
            velocity = self.momentum * velocity + budget.direction(gradient)
            descent = -self._rate(step) * radius * budget.direction(velocity)
            delta = budget.project(delta + descent, audio)
        return delta

    def _rate(self, step: int) -> float:
        """From ``step_size`` down to ``final_rate`` of it along a cosine."""
        fall = (1 + math.cos(math.pi * step / max(1, self.steps - 1))) / 2
        return self.step_size * (self.final_rate + (1 - self.final_rate) * fall)
