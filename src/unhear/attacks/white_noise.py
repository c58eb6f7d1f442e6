"""White noise, the control of every claim: of the same strength, but nobody has computed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unhear.attacks.base import Attack, parameter, random_start

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective


@dataclass(frozen=True)
class WhiteNoise(Attack):
    """White noise that fills the budget, blind to the objective: in L∞, of random signs.

    What it does to an enhancer, any noise does; only what an attack does beyond it is the
    attack's merit.
    """

    name: ClassVar[str] = "white-noise"
    summary: ClassVar[str] = "white noise of the same strength: no protection but a control"

    seed: int = parameter(0, "of the noise")

    @property
    def evaluations(self) -> int:
        """None: it looks at nothing."""
        return 0

    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """See :meth:`Attack.__call__`."""
        return budget.project(random_start(audio, budget, 1.0, self.seed), audio)
