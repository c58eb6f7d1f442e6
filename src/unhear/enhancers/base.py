"""What every speech enhancer looks like from outside; knows no particular network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


@dataclass(frozen=True)
class Card:
    """What one should know of an enhancer before using or attacking it."""

    name: str
    summary: str
    sample_rate: int  # Hz
    parameters: int
    differentiable: bool
    paper: str
    licence: str
    weights: str


class Enhancer(ABC):
    """Waveform in, waveform out, at ``card.sample_rate``."""

    card: Card

    @abstractmethod
    def __call__(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time"]:
        """Enhance zero-padded clips; the output is raw, not normalised in level.

        ``lengths`` gives each clip's samples; a clip's output does not depend on the
        padding behind it, which comes out as zeros.
        """
