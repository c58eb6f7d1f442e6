"""FGSM: one step of the whole budget. Equation 4 of arXiv 2206.08170.

The paper's formula adds the gradient's sign, which leads away from the target; a targeted
attack descends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unhear.attacks.base import Attack

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective


@dataclass(frozen=True)
class FGSM(Attack):
    """One step of the whole budget, down the gradient."""

    name: ClassVar[str] = "fgsm"
    summary: ClassVar[str] = "one step of the whole budget (paper, eq. 4)"

    @property
    def evaluations(self) -> int:
        """One gradient."""
        return 1

    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """See :meth:`Attack.__call__`."""
        descent = -budget.direction(objective.gradient(audio))
        return budget.project(budget.radius(audio) * descent, audio)
