"""The L∞ ball."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unhear.budgets.base import Budget
from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class MaxAmplitude(Budget):
    """L∞: no sample moves by more than ``eps`` (full scale is 1)."""

    eps: float

    def __post_init__(self) -> None:
        if not 0 < self.eps <= 1:
            raise InputError(f"--eps {self.eps} is out of range: give a number in (0, 1]")

    def __str__(self) -> str:
        return f"amplitude ≤ {self.eps:g}"

    def radius(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """``eps`` for every clip."""
        return audio.new_full((len(audio), 1), self.eps)

    def direction(self, gradient: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """The sign, as in equations 4 and 5 of arXiv 2206.08170."""
        return gradient.sign()

    def size(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """The largest |δ|."""
        return delta.abs().amax(-1, keepdim=True)

    def project(
        self, delta: Float[Tensor, "batch time"], audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"]:
        """Clip every sample."""
        return delta.clamp(-self.eps, self.eps)
