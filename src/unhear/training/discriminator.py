"""The network that learns to predict PESQ."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import leaky_relu, softplus
from torch.nn.utils.parametrizations import spectral_norm

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

CHANNELS = 16
BANDS = 48
NYQUIST = 8000  # Hz
LOUDNESS_EXPONENT = 0.23  # Zwicker's law, as in PESQ
THRESHOLD = 1e-4  # of the clean clip's mean band power: what lies 40 dB below it is not heard


class Discriminator(nn.Module):
    """Two log1p spectrograms (judged, clean) → predicted PESQ, scaled to 0…1.

    MetricGAN+ (arXiv 2104.03538) gives both spectrograms to four convolutions, a mean and three
    linear layers, with spectral norm throughout. Ours keeps that shape, but looks at what PESQ
    looks at, loudness in Bark bands and its gain and loss, and compares with what the same
    layers make of the clean clip alone. So clean speech is right from the start, and some
    hundred steps are enough where log1p spectrograms took many thousand (see docs/log.md).
    """

    def __init__(self) -> None:
        super().__init__()
        shapes = [(4, 5, (2, 1)), (CHANNELS, 3, (1, 2)), (CHANNELS, 3, 1), (CHANNELS, 3, 1)]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(ins, CHANNELS, size, stride=stride))
            for ins, size, stride in shapes
        )
        self.head = nn.ModuleList(
            spectral_norm(nn.Linear(ins, outs)) for ins, outs in [(2 * CHANNELS, 50), (50, 10)]
        )
        self.score = spectral_norm(nn.Linear(10, 1))

    def forward(
        self,
        judged: Float[Tensor, "batch frames bins"],
        clean: Float[Tensor, "batch frames bins"],
    ) -> Float[Tensor, " batch"]:
        bands = bark_filters().to(clean)
        powers = [torch.expm1(feature).square() @ bands for feature in (judged, clean)]
        level = powers[1].mean((1, 2), keepdim=True) + 1e-9
        loud, reference = (
            (power / level + THRESHOLD).pow(LOUDNESS_EXPONENT) for power in powers
        )
        x = self._pooled(loud, reference) - self._pooled(reference, reference)
        for layer in self.head:
            x = leaky_relu(layer(x), 0.3)
        return 1 - softplus(self.score(x)[:, 0] - 2)

    def _pooled(
        self,
        loud: Float[Tensor, "batch frames bands"],
        reference: Float[Tensor, "batch frames bands"],
    ) -> Float[Tensor, "batch features"]:
        gain = loud - reference
        x = 2 * torch.stack([loud, reference, gain.clamp(min=0), gain.clamp(max=0)], dim=1)
        for layer in self.layers:
            x = leaky_relu(layer(x), 0.3)
        return torch.cat([x.mean((2, 3)), x.flatten(2).std(2)], dim=1)


@cache
def bark_filters() -> Float[Tensor, "bins bands"]:
    """Triangles evenly spaced in Traunmüller's Bark scale, for 257 bins up to 8 kHz."""
    hertz = torch.linspace(0, NYQUIST, 257)
    bark = 26.81 * hertz / (1960 + hertz) - 0.53
    centres = torch.linspace(float(bark[1]), float(bark[-1]), BANDS)
    width = (bark[-1] - bark[1]) / (BANDS - 1)
    return (1 - (bark[:, None] - centres).abs() / width).clamp(min=0)
