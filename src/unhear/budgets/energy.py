"""Budgets of energy: how much of the recording's own may be added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unhear.budgets.base import TINY, Budget
from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class EnergyBudget(Budget):
    """Budgets that measure by an L2 norm."""

    uniform: ClassVar[bool] = True

    def direction(self, gradient: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """The gradient at unit size."""
        return gradient / (self.size(gradient) + TINY)

    def size(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """‖δ‖₂."""
        return delta.norm(dim=-1, keepdim=True)


@dataclass(frozen=True)
class EnergyRatio(EnergyBudget):
    """The recording's own energy is at least ``snr_db`` above the perturbation's."""

    snr_db: float

    def radius(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """The norm that a perturbation may have; a constant offset is not heard, so it does
        not count as recording.
        """
        return self.size(audio - audio.mean(-1, keepdim=True)) * 10 ** (-self.snr_db / 20)

    def project(
        self, delta: Float[Tensor, "batch time"], audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"]:
        """Shrink what is too large."""
        return shrunk(delta, self.size(delta), self.radius(audio))


@dataclass(frozen=True)
class SignalToNoise(EnergyRatio):
    """Energy: 10·log10(‖audio‖² / ‖δ‖²) is at least ``snr_db``, the audio without its mean."""

    def __post_init__(self) -> None:
        if not 0 <= self.snr_db <= 90:
            raise InputError(f"--snr {self.snr_db} is out of range: give 0 to 90 (dB)")

    def __str__(self) -> str:
        return f"SNR ≥ {self.snr_db:g} dB"


@dataclass(frozen=True)
class Unbounded(EnergyBudget):
    """No limit, as the paper's OPT has it; directions and steps are those of 0 dB SNR, but for
    an offset, which counts here.
    """

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


def shrunk(
    delta: Float[Tensor, "batch time"],
    size: Float[Tensor, "batch 1"],
    radius: Float[Tensor, "batch 1"],
) -> Float[Tensor, "batch time"]:
    """What is larger than the radius, scaled to it."""
    return delta * (radius / (size + TINY)).clamp(max=1)
