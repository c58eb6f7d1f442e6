"""OPT: the perturbation's own energy and the target weighed against each other, by Adam.

Algorithm 1 of arXiv 2206.08170: minimise MSE(x*, x) + α · ‖g(x*) − t‖₂ over x*. A budget, if
there is one, is kept by projection after every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unhear.attacks.base import Attack, parameter, require

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective
    from unhear.targets import Form

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's usual constants


@dataclass(frozen=True)
class OPT(Attack):
    """Adam on MSE(x*, x) + α · objective."""

    name: ClassVar[str] = "opt"
    summary: ClassVar[str] = "Adam on perturbation energy + α · target distance (Algorithm 1)"
    bounded: ClassVar[bool] = False

    steps: int = parameter(500, "gradient steps")
    alpha: float = parameter(1e-4, "weight of the distance to the target")
    paper_alpha: bool = parameter(
        default=False,
        text="α as in the paper, where a distance weighs more in longer recordings",
    )
    learning_rate: float = parameter(1e-3, "of Adam, in full scale")

    def __post_init__(self) -> None:
        require(
            self,
            steps=self.steps >= 1,
            alpha=self.alpha > 0,
            learning_rate=self.learning_rate > 0,
        )

    @property
    def form(self) -> Form:
        """Both mean the same for 3 s at 16 kHz."""
        return "l2" if self.paper_alpha else "l2 of 3 s"

    @property
    def evaluations(self) -> int:
        """One gradient for each step."""
        return self.steps

    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """See :meth:`Attack.__call__`."""
        samples = audio.shape[-1]
        delta = audio.new_zeros(audio.shape)
        mean, square = delta.clone(), delta.clone()
        for step in range(1, self.steps + 1):
            gradient = 2 * delta / samples + self.alpha * objective.gradient(audio + delta)
            mean = BETA_1 * mean + (1 - BETA_1) * gradient
            square = BETA_2 * square + (1 - BETA_2) * gradient.square()
            unbiased = mean / (1 - BETA_1**step), square / (1 - BETA_2**step)
            delta = delta - self.learning_rate * unbiased[0] / (unbiased[1].sqrt() + EPSILON)
            delta = budget.project(delta, audio)
        return delta
