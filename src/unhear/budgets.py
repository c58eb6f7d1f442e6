"""How much may be added to a recording: a ball around it, per clip.

A budget knows its geometry and nothing of attacks, models or files: the steepest step inside
it, the radius, and the projection back into it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor

TINY = 1e-20  # keeps 0 / 0 out of the directions of zero gradients


class Budget(ABC):
    """A set of allowed perturbations, (batch, time), judged clip by clip."""

    @abstractmethod
    def radius(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """How far a perturbation may go, in the budget's own norm."""

    @abstractmethod
    def direction(self, gradient: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """The steepest ascent of unit length in the budget's own norm."""

    @abstractmethod
    def size(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """The budget's own norm of each clip's perturbation."""

    @abstractmethod
    def project(
        self, delta: Float[Tensor, "batch time"], audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"]:
        """The nearest allowed perturbation."""


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


class EnergyBudget(Budget):
    """Budgets that measure by the L2 norm."""

    def direction(self, gradient: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """The gradient over its L2 norm."""
        return gradient / (self.size(gradient) + TINY)

    def size(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """‖δ‖₂."""
        return delta.norm(dim=-1, keepdim=True)


@dataclass(frozen=True)
class SignalToNoise(EnergyBudget):
    """Energy: 10·log10(‖audio‖² / ‖δ‖²) is at least ``snr_db``."""

    snr_db: float

    def __post_init__(self) -> None:
        if not 0 <= self.snr_db <= 90:
            raise InputError(f"--snr {self.snr_db} is out of range: give 0 to 90 (dB)")

    def __str__(self) -> str:
        return f"SNR ≥ {self.snr_db:g} dB"

    def radius(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """The L2 norm that a perturbation may have."""
        return self.size(audio) * 10 ** (-self.snr_db / 20)

    def project(
        self, delta: Float[Tensor, "batch time"], audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"]:
        """Shrink what is too large."""
        return delta * (self.radius(audio) / (self.size(delta) + TINY)).clamp(max=1)


@dataclass(frozen=True)
class Unbounded(EnergyBudget):
    """No limit, as the paper's OPT has it; directions and steps are those of 0 dB SNR."""

    def __str__(self) -> str:
        return "unbounded"

    def radius(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """The clip's own norm."""
        return self.size(audio)

    def project(
        self, delta: Float[Tensor, "batch time"], audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"]:
        """Everything is allowed."""
        return delta


def stored_within(
    audio: Float[Tensor, "batch time"],
    delta: Float[Tensor, "batch time"],
    budget: Budget,
    store: Callable[[Float[Tensor, "batch time"]], Float[Tensor, "batch time"]],
) -> Float[Tensor, "batch time"]:
    """``store(audio + delta)`` with a perturbation that is inside the budget *as stored*.

    ``store`` rounds and clips samples as the file will; ``audio`` must be as stored already.
    Rounding can push a clip's perturbation over its limit: that clip's is then shrunk a little
    more each time, at the very last to nothing.
    """
    delta = budget.project(delta, audio)
    for attempt in range(11):
        stored = store(audio + delta)
        change = stored - audio
        within = (budget.project(change, audio) == change).all(-1, keepdim=True)
        if bool(within.all()):
            return stored
        delta = delta.where(within, delta * max(0.0, 1 - 0.001 * 2**attempt))
    return store(audio + delta)
