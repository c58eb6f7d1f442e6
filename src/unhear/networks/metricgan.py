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
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unhear.enhancers.metricgan_plus import BUNDLED
from unhear.networks.base import NetworkEnhancer
from unhear.networks.checkpoints import load_into, locate

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
            packed = pack_padded_sequence(
                feature, frames.cpu(), batch_first=True, enforce_sorted=False
            )
            hidden, _ = pad_packed_sequence(
                self.rnn(packed)[0], batch_first=True, total_length=feature.shape[1]
            )
            return hidden


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
    return torch.stft(
        audio,
        WINDOW,
        HOP,
        window=torch.hamming_window(WINDOW, device=audio.device),
        center=True,
        pad_mode="constant",
        return_complex=True,
    ).mT


def waveform(
    spec: Complex[Tensor, "batch frames bins"], samples: int
) -> Float[Tensor, "batch time"]:
    """Inverse of :func:`spectrum`, cut to ``samples``."""
    window = torch.hamming_window(WINDOW, device=spec.device)
    return torch.istft(spec.mT, WINDOW, HOP, window=window, center=True, length=samples)


def magnitude(spec: Complex[Tensor, "batch frames bins"]) -> Float[Tensor, "batch frames bins"]:
    """|spec| with a finite gradient at zero."""
    return torch.sqrt(spec.real.square() + spec.imag.square() + 1e-14)


class MetricGANPlus(NetworkEnhancer[MaskNetwork]):
    """MetricGAN+ with its front end, differentiable from waveform to waveform."""

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        return self(audio)

    def __call__(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time"]:
        """Clips of different lengths go through the network together, packed."""
        spec = spectrum(audio)
        mag = magnitude(spec)
        feature = torch.log1p(mag)
        frames = None if lengths is None else 1 + lengths // HOP
        mask = self.network(feature, frames)
        enhanced = spec * (torch.expm1(mask * feature) / mag)
        if lengths is None or frames is None:
            return waveform(enhanced, audio.shape[-1])
        # Each clip is inverted from its own frames: the overlap-add weights near its end
        # would otherwise count frames that lie in the padding.
        output = torch.zeros_like(audio)
        clips = zip(enhanced, lengths.tolist(), frames.tolist(), strict=True)
        for clip, (own, samples, count) in enumerate(clips):
            output[clip, :samples] = waveform(own[None, :count], samples)[0]
        return output


def build(card: Card, weights: str | None) -> MetricGANPlus:
    """MetricGAN+ with the bundled weights, or with those that ``weights`` names."""
    network = MaskNetwork()
    load_into(network, locate(weights, CHECKPOINT) if weights else BUNDLED, card.name)
    return MetricGANPlus(card, network)
