"""Least: the smallest perturbation after which little is left of the words.

A binary search over the share of the budget, for each row by itself. Each round is PGD, from
where the round before it ended: as in DDN (Rony et al., arXiv 1811.09600) the ball follows the
success, but here a whole descent goes before each verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unhear.attacks.base import Attack, parameter, require
from unhear.attacks.pgd import PGD
from unhear.budgets import Scaled

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective

LEAST_DB = -20.0  # below the budget: the search goes no lower


@dataclass(frozen=True)
class Least(Attack):
    """The whole budget first, then its share halved between too little and enough, in dB.

    A row that never gets there keeps what the whole budget gave it. That a share is too little
    means that ``steps`` did not get there: more of them find smaller perturbations.
    """

    name: ClassVar[str] = "least"
    summary: ClassVar[str] = "the smallest budget, up to the given one, in which pgd gets there"

    steps: int = parameter(50, "gradient steps, of each round")
    until: float = parameter(0.1, "what may be left of the words, 0 to 1")
    halvings: int = parameter(5, "rounds after the first; 5 find the share within 0.6 dB")
    seed: int = parameter(0, "of the random start")

    def __post_init__(self) -> None:
        require(
            self,
            steps=self.steps >= 1,
            until=0 < self.until < 1,
            halvings=self.halvings >= 1,
        )

    @property
    def evaluations(self) -> int:
        """At most ``steps`` gradients in each round: a round ends when every row got there."""
        return self.steps * (1 + self.halvings)

    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """See :meth:`Attack.__call__`."""
        pgd = PGD(steps=self.steps, until=self.until, seed=self.seed)
        delta = least = pgd(audio, objective, budget)
        enough = audio.new_zeros(len(audio), 1)  # dB, to the whole budget
        too_little = enough + LEAST_DB
        for _ in range(self.halvings):
            level = (too_little + enough) / 2
            ball = Scaled(budget, 10 ** (level / 20))
            delta = pgd.descend(audio, objective, ball, ball.project(delta, audio))
            reached = objective.resemblance(audio + delta)[:, None] <= self.until
            least = delta.where(reached, least)
            enough = level.where(reached, enough)
            too_little = too_little.where(reached, level)
        return least
