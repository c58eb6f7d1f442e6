"""The A-weighting of IEC 61672-1, as a circular filter without delay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

FLOOR = -40  # dB: towards 0 Hz the curve falls without limit, and would allow anything


def a_weighted(
    signal: Float[Tensor, "batch time"], sample_rate: int
) -> Float[Tensor, "batch time"]:
    """The signal behind the filter, whose gain is never below -40 dB.

    ``sample_rate`` is in Hz.
    """
    time = signal.shape[-1]
    frequencies = torch.fft.rfftfreq(time, 1 / sample_rate, dtype=torch.float64)
    gains = 10 ** (a_weighting_db(frequencies).clamp(min=FLOOR) / 20)
    return torch.fft.irfft(torch.fft.rfft(signal) * gains.to(signal), time)


def a_weighting_db(frequency: Float[Tensor, " bins"]) -> Float[Tensor, " bins"]:
    """The gain in dB at a frequency in Hz, 0 at 1 kHz; IEC 61672-1, annex E."""
    square = frequency.square()
    poles = (square + 107.7**2) * (square + 737.9**2)
    ends = (square + 20.6**2) * (square + 12_194**2)
    return 20 * torch.log10(12_194**2 * square.square() / (ends * poles.sqrt())) + 2.0
