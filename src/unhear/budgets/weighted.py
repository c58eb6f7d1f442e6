"""Energy as the ear weighs it: an A-weighted signal-to-noise ratio."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from unhear.budgets.base import known_rate
from unhear.budgets.energy import EnergyRatio
from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class AWeighted(EnergyRatio):
    """10·log10(‖a ∗ audio‖² / ‖a ∗ δ‖²) is at least ``snr_db``, with a the A-weighting.

    The filter is circular over the clip. ``sample_rate``, in Hz, comes from :meth:`at_rate`.

    The direction is the gradient at unit size and not the steepest in this norm, which is the
    gradient twice divided by the weighting: that has up to 80 dB more below 50 Hz, spends the
    budget there, many times louder than the recording, and hardly moves an enhancer.
    """

    sample_rate: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.snr_db <= 90:
            raise InputError(
                f"an A-weighted SNR of {self.snr_db} dB is out of range: give 0 to 90"
            )

    def __str__(self) -> str:
        return f"A-weighted SNR ≥ {self.snr_db:g} dB"

    def at_rate(self, sample_rate: int) -> AWeighted:
        return replace(self, sample_rate=sample_rate)

    def size(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """‖a ∗ δ‖₂."""
        from unhear.budgets.a_weighting import a_weighted

        weighted = a_weighted(delta, known_rate(self.sample_rate))
        return weighted.norm(dim=-1, keepdim=True)
