"""A perturbation without a gradient: what a trained network gives at once.

As AdvGAN's, Xiao et al., arXiv 1801.02610. See :mod:`unhear.networks.generator`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unhear.attacks.base import Attack, learned_start

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective


@dataclass(frozen=True)
class Generator(Attack):
    """One pass through a network that was trained against the enhancer: in a sixtieth of the
    time of an attack, and weaker. It has learnt to erase, whatever the objective is, and knows
    neither friends nor channels.
    """

    name: ClassVar[str] = "generator"
    summary: ClassVar[str] = "what a trained network gives at once: erases, but less than pgd"

    @property
    def learned(self) -> bool:
        """Nothing else."""
        return True

    @property
    def evaluations(self) -> int:
        """None: it takes no gradient."""
        return 0

    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """See :meth:`Attack.__call__`."""
        return learned_start(audio, objective, budget, 1.0)
