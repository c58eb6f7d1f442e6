"""GTCRN: a tiny causal network that gives a complex mask.

Rong et al., "GTCRN: A Speech Enhancement Model Requiring Ultralow Computational Resources",
ICASSP 2024. Written for whole recordings; layer names and front end are those of the authors'
repository (Xiaobin-Rong/gtcrn, MIT), so that their ``model_trained_on_*.tar`` load unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import pad

from unhear.networks.base import NetworkEnhancer
from unhear.networks.checkpoints import load_into, load_state, locate
from unhear.networks.gtcrn_layers import (
    CHANNELS,
    BandConv,
    DualPath,
    ErbBands,
    TemporalConv,
    with_neighbours,
)
from unhear.networks.gtcrn_onnx import state_of
from unhear.networks.ragged import mirrored

if TYPE_CHECKING:
    from jaxtyping import Complex, Float, Int
    from torch import Tensor

    from unhear.enhancers.base import Card

WINDOW = 512  # samples, 32 ms
HOP = 256  # samples, 16 ms
DILATIONS = (1, 2, 5)  # frames

CHECKPOINT = "model_trained_on_dns3.tar"  # its name in the authors' repository


class Encoder(nn.Module):
    """3 × 3 features in 129 bands → 16 channels in 33 bands, with every step on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.en_convs = nn.ModuleList(
            [
                BandConv(nn.Conv2d, (9, CHANNELS), 1, nn.PReLU()),
                BandConv(nn.Conv2d, (CHANNELS, CHANNELS), 2, nn.PReLU()),
                *(TemporalConv(nn.Conv2d, dilation) for dilation in DILATIONS),
            ]
        )

    def forward(self, x: Float[Tensor, "b 9 t 129"]) -> list[Tensor]:
        steps = [x]
        for conv in self.en_convs:
            steps.append(conv(steps[-1]))
        return steps[1:]


class Decoder(nn.Module):
    """The encoder mirrored: 16 channels in 33 bands → the two parts of a mask in 129."""

    def __init__(self) -> None:
        super().__init__()
        up = nn.ConvTranspose2d
        self.de_convs = nn.ModuleList(
            [
                *(TemporalConv(up, dilation) for dilation in reversed(DILATIONS)),
                BandConv(up, (CHANNELS, CHANNELS), 2, nn.PReLU()),
                BandConv(up, (CHANNELS, 2), 1, nn.Tanh()),
            ]
        )

    def forward(
        self, x: Float[Tensor, "b c t 33"], steps: list[Tensor]
    ) -> Float[Tensor, "b 2 t 129"]:
        for conv, step in zip(self.de_convs, reversed(steps), strict=True):
            x = conv(x + step)
        return x


class MaskNetwork(nn.Module):
    """Noisy spectrum → complex mask. 48,245 parameters, half of them the fixed ERB bands."""

    def __init__(self) -> None:
        super().__init__()
        self.erb = ErbBands()
        self.encoder = Encoder()
        self.dpgrnn1 = DualPath()
        self.dpgrnn2 = DualPath()
        self.decoder = Decoder()

    def forward(
        self, spec: Complex[Tensor, "batch frames 257"]
    ) -> Complex[Tensor, "batch frames 257"]:
        mag = torch.sqrt(spec.real.square() + spec.imag.square() + 1e-12)
        feature = self.erb.merge(torch.stack([mag, spec.real, spec.imag], dim=1))
        steps = self.encoder(with_neighbours(feature))
        hidden = self.dpgrnn2(self.dpgrnn1(steps[-1]))
        mask = self.erb.split(self.decoder(hidden, steps))
        return torch.complex(mask[:, 0], mask[:, 1])


def spectrum(audio: Float[Tensor, "batch time"]) -> Complex[Tensor, "batch frames 257"]:
    """Short-time spectrum: square root of a periodic Hann window, centred, mirrored edges.

    The clip is first filled up with zeros to whole hops, and to one window if it is shorter:
    samples behind the middle of the last frame would be divided by a window that goes to
    zero when they are brought back.
    """
    samples = audio.shape[-1]
    whole = pad(audio, (0, max(-samples % HOP, WINDOW - samples)))
    window = torch.hann_window(WINDOW, device=audio.device).sqrt()
    return torch.stft(whole, WINDOW, HOP, window=window, return_complex=True).mT


def waveform(
    spec: Complex[Tensor, "batch frames 257"], samples: int
) -> Float[Tensor, "batch time"]:
    """Inverse of :func:`spectrum`, cut to ``samples``."""
    window = torch.hann_window(WINDOW, device=spec.device).sqrt()
    return torch.istft(spec.mT, WINDOW, HOP, window=window)[:, :samples]


def spectrum_of_each(
    audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
) -> Complex[Tensor, "batch frames 257"]:
    """:func:`spectrum` of clips with zeros behind them, each mirrored at its own end."""
    samples = audio.shape[-1]
    whole = pad(audio, (0, max(-samples % HOP, WINDOW - samples)))
    ends = (lengths + -lengths % HOP).clamp(min=WINDOW)
    padded = mirrored(whole, ends, WINDOW // 2)
    window = torch.hann_window(WINDOW, device=audio.device).sqrt()
    return torch.stft(padded, WINDOW, HOP, window=window, center=False, return_complex=True).mT


class GTCRN(NetworkEnhancer[MaskNetwork]):
    """GTCRN with its front end, differentiable from waveform to waveform."""

    grid = HOP

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        return self._masked(spectrum(audio), audio.shape[-1])

    def enhance_together(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time"]:
        return self._masked(spectrum_of_each(audio, lengths), audio.shape[-1])

    def _masked(
        self, spec: Complex[Tensor, "batch frames 257"], samples: int
    ) -> Float[Tensor, "batch time"]:
        return waveform(spec * self.network(spec), samples)


def build(card: Card, weights: str) -> GTCRN:
    """GTCRN with the weights of a checkpoint or of a streaming ONNX export.

    Raises InputError when there is no such file, or when it was made for another network.
    """
    network = MaskNetwork()
    path = locate(weights, CHECKPOINT)
    if path.suffix == ".onnx":
        load_state(network, state_of(path, network), path, card.name)
    else:
        load_into(network, path, card.name)
    return GTCRN(card, network)
