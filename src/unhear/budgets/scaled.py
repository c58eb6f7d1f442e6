"""Any budget made smaller, clip by clip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from unhear.budgets.base import Budget
from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Scaled(Budget):
    """The perturbations of ``budget``, each clip's times its ``share``, which is above 0.

    Exact, because every budget scales: half of an allowed perturbation is on the edge of a
    ball half as large.
    """

    budget: Budget
    share: Float[Tensor, "batch 1"]

    def __post_init__(self) -> None:
        if not bool((self.share > 0).all()):
            raise InputError("a share of a budget has to be above 0")

    def __str__(self) -> str:
        return f"{self.budget}, scaled clip by clip"

    def at_rate(self, sample_rate: int) -> Scaled:
        return replace(self, budget=self.budget.at_rate(sample_rate))

    def around(self, audio: Float[Tensor, "batch time"]) -> Scaled:
        return replace(self, budget=self.budget.around(audio))

    def radius(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """Each clip's share of the budget's own."""
        return self.share * self.budget.radius(audio)

    def direction(self, gradient: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """That of the budget."""
        return self.budget.direction(gradient)

    def size(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """That of the budget."""
        return self.budget.size(delta)

    def project(
        self, delta: Float[Tensor, "batch time"], audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"]:
        """As the budget does, at its scale."""
        return self.share * self.budget.project(delta / self.share, audio)

    def holds(
        self,
        change: Float[Tensor, "batch time"],
        audio: Float[Tensor, "batch time"],
        rounding: Float[Tensor, "batch time"],
    ) -> Bool[Tensor, "batch 1"]:
        """As the budget does, at its scale."""
        return self.budget.holds(change / self.share, audio, rounding / self.share)
