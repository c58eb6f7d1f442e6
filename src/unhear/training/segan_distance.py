"""How far enhanced speech is from clean speech in compressed magnitudes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import mse_loss

from unhear.networks.segan import EMPHASIS

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

RESOLUTIONS = (256, 512, 1024)  # samples per frame; the hop is a quarter
EXPONENT = 0.3  # of magnitudes: about loudness
FLOOR = 1e-3  # of magnitudes: what lies below is not heard


def spectral_distance(
    enhanced: Float[Tensor, "windows time"], clean: Float[Tensor, "windows time"]
) -> Float[Tensor, ""]:
    """Mean squared difference of magnitudes to the power 0.3, as they are heard.

    Takes pre-emphasised windows and looks at them without their emphasis.
    """
    distances = [
        mse_loss(_compressed(enhanced, size), _compressed(clean, size)) for size in RESOLUTIONS
    ]
    return torch.stack(distances).mean()


def _compressed(
    audio: Float[Tensor, "windows time"], size: int
) -> Float[Tensor, "windows bins frames"]:
    window = torch.hann_window(size)
    spec = torch.stft(audio, size, size // 4, window=window, return_complex=True)
    omega = torch.linspace(0, torch.pi, size // 2 + 1)
    # |1 - 0.95 exp(-iω)|²: what pre-emphasis has done to a power.
    emphasis = 1 + EMPHASIS**2 - 2 * EMPHASIS * torch.cos(omega)
    power = (spec.real.square() + spec.imag.square()) / emphasis[:, None]
    return (power + FLOOR**2).pow(EXPONENT / 2)
