"""MetricGAN+: a bidirectional LSTM that masks log1p magnitudes.

Fu et al., "MetricGAN+: An Improved Version of MetricGAN for Speech Enhancement",
arXiv 2104.03538. Layer names and front end are those of SpeechBrain's public
implementation, so that its ``enhance_model.ckpt`` loads unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import leaky_relu

from unhear.networks import spectra
from unhear.networks.base import NetworkEnhancer
from unhear.networks.checkpoints import load_into, locate
from unhear.networks.ragged import inverse_stft, turned

if TYPE_CHECKING:
    from jaxtyping import Complex, Float, Int
    from torch import Tensor

    from unhear.enhancers.base import Card

WINDOW = 512  # samples, 32 ms
HOP = 256  # samples, 16 ms
BINS = WINDOW // 2 + 1

CHECKPOINT = "enhance_model.ckpt"  # its name in SpeechBrain's hub model


class RecurrentStack(nn.Module):
    """Two bidirectional LSTM layers, 257 → 2 × 200, blind to padding."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(BINS, 200, num_layers=2, bidirectional=True, batch_first=True)

    def forward(
        self, feature: Float[Tensor, "batch frames bins"], frames: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch frames hidden"]:
        # cuDNN cannot back-propagate through a network in eval mode; there is no
        # dropout here, so switching it off changes nothing but that.
        with torch.backends.cudnn.flags(enabled=False):
            if frames is None:
                return self.rnn(feature)[0]
            # Packed sequences would do as well, but torch takes 3 times as long with them.
            for layer in range(self.rnn.num_layers):
                forwards = self._direction(f"_l{layer}", feature)
                backwards = self._direction(f"_l{layer}_reverse", turned(feature, frames))
                feature = torch.cat([forwards, turned(backwards, frames)], dim=-1)
            return feature

    def _direction(
        self, name: str, x: Float[Tensor, "batch steps ins"]
    ) -> Float[Tensor, "batch steps hidden"]:
        """One direction of one layer, first step first."""
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(self.rnn, f"{kind}{name}") for kind in kinds]
        zeros = x.new_zeros(1, len(x), self.rnn.hidden_size)
        # With biases; one layer, no dropout, no training, one direction, batch first.
        settings = (True, 1, 0.0, False, False, True)
        return torch.lstm(x, (zeros, zeros), weights, *settings)[0]


class LearnableSigmoid(nn.Module):
    """1.2 · sigmoid(slope ⊙ x), one slope per frequency bin."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(BINS))

    def forward(
        self, x: Float[Tensor, "batch frames bins"]
    ) -> Float[Tensor, "batch frames bins"]:
        return 1.2 * torch.sigmoid(self.slope * x)


class MaskNetwork(nn.Module):
    """log1p magnitudes → mask in (0, 1.2). 1,895,514 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.blstm = RecurrentStack()
        self.linear1 = nn.Linear(400, 300)
        self.linear2 = nn.Linear(300, BINS)
        self.Learnable_sigmoid = LearnableSigmoid()  # spelt as in the public checkpoint

    def forward(
        self,
        feature: Float[Tensor, "batch frames bins"],
        frames: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames bins"]:
        hidden = self.blstm(feature, frames)
        return self.Learnable_sigmoid(self.linear2(leaky_relu(self.linear1(hidden), 0.3)))


def spectrum(audio: Float[Tensor, "batch time"]) -> Complex[Tensor, "batch frames bins"]:
    """Short-time spectrum: periodic Hamming window, centred, zero-padded at the edges."""
    return spectra.spectrum(audio, torch.hamming_window(WINDOW, device=audio.device), HOP)


def waveform(
    spec: Complex[Tensor, "batch frames bins"], samples: int
) -> Float[Tensor, "batch time"]:
    """Inverse of :func:`spectrum`, cut to ``samples``."""
    window = torch.hamming_window(WINDOW, device=spec.device)
    return spectra.waveform(spec, window, HOP, samples)


def magnitude(spec: Complex[Tensor, "batch frames bins"]) -> Float[Tensor, "batch frames bins"]:
    """|spec| with a finite gradient at zero."""
    return torch.sqrt(spec.real.square() + spec.imag.square() + 1e-14)


class MetricGANPlus(NetworkEnhancer[MaskNetwork]):
    """MetricGAN+ with its front end, differentiable from waveform to waveform."""

    grid = HOP

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        return waveform(self._masked(spectrum(audio)), audio.shape[-1])

    def enhance_together(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time"]:
        frames = 1 + lengths // HOP
        enhanced = self._masked(spectrum(audio), frames)
        window = torch.hamming_window(WINDOW, device=audio.device)
        return inverse_stft(enhanced, frames, window, HOP, audio.shape[-1])

    def _masked(
        self,
        spec: Complex[Tensor, "batch frames bins"],
        frames: Int[Tensor, " batch"] | None = None,
    ) -> Complex[Tensor, "batch frames bins"]:
        mag = magnitude(spec)
        feature = torch.log1p(mag)
        mask = self.network(feature, frames)
        return spec * (torch.expm1(mask * feature) / mag)


def build(card: Card, weights: str) -> MetricGANPlus:
    """MetricGAN+ with the weights that ``weights`` names."""
    network = MaskNetwork()
    load_into(network, locate(weights, CHECKPOINT), card.name)
    return MetricGANPlus(card, network)
