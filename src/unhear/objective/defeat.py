"""Enhancers in whose output nothing should be left of the words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from unhear.targets import likeness, pattern

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.objective.heard import Heard
    from unhear.targets import Loss


@dataclass(frozen=True)
class Defeat:
    """One enhancer, and how far its output is from what it should be."""

    heard: Heard
    loss: Loss
    reference: Float[Tensor, "clips samples"]  # what it makes of the recording itself

    def left(self, output: Float[Tensor, "clips samples"]) -> Float[Tensor, " clips"]:
        """How much of the words an output may still carry: about 1 for the reference, 0 where
        nothing is left, or its opposite; see :func:`unhear.targets.resemblance`.
        """
        rate = self.heard.enhancer.card.sample_rate
        return likeness(pattern(output, rate), self._pattern).clamp(min=0)

    @cached_property
    def _pattern(self) -> Float[Tensor, "clips bands frames"]:
        return pattern(self.reference, self.heard.enhancer.card.sample_rate)
