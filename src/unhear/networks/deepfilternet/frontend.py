"""What surrounds DeepFilterNet3's network: transform, features, and how gains are spread.

The formulas are those of libDF (Rikorose/DeepFilterNet, libDF/src/lib.rs), whose recursions
over frames are written as products of matrices: a whole recording is one computation.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import pad

if TYPE_CHECKING:
    from jaxtyping import Complex, Float
    from torch import Tensor

SAMPLE_RATE = 48_000  # Hz
WINDOW = 960  # samples, 20 ms
HOP = 480  # samples, 10 ms
BINS = WINDOW // 2 + 1
BANDS = 32  # of equal width on the ERB scale
FEWEST_BINS = 2  # of a band
FILTERED = 96  # bins, up to 4.8 kHz, that are deep-filtered; gains do for those above

DECAY = 0.99  # per hop, of the running means: exp(-HOP / 1 s), which libDF rounds so
BLOCK = 128  # frames that one matrix smooths
POWER_FLOOR = 1e-10  # under the logarithm, libDF's own
MAGNITUDE_FLOOR = 1e-7  # finite gradients, no division by zero; as upstream in training


class FrontEnd(nn.Module):
    """Features of a spectrum, with the bands and with what the running means start from."""

    bands: Tensor
    first_levels: Tensor
    first_magnitudes: Tensor

    def __init__(self) -> None:
        super().__init__()
        members = torch.repeat_interleave(torch.eye(BANDS), torch.tensor(erb_widths()), dim=1)
        self.register_buffer("bands", members, persistent=False)
        levels = torch.linspace(-60, -90, BANDS)  # dB
        self.register_buffer("first_levels", levels, persistent=False)
        magnitudes = torch.linspace(1e-3, 1e-4, FILTERED)
        self.register_buffer("first_magnitudes", magnitudes, persistent=False)

    def erb_feature(
        self, spec: Complex[Tensor, "batch frames bins"]
    ) -> Float[Tensor, "batch frames bands"]:
        """Mean power of each band in dB, less its running mean, over 40 dB."""
        power = spec.real.square() + spec.imag.square()
        mean = power @ (self.bands / self.bands.sum(1, keepdim=True)).mT
        level = 10 * torch.log10(mean + POWER_FLOOR)
        return (level - running_mean(level, self.first_levels)) / 40

    def complex_feature(
        self, spec: Complex[Tensor, "batch frames bins"]
    ) -> Complex[Tensor, "batch frames filtered"]:
        """The lowest bins, over the root of the running mean of their magnitudes."""
        low = spec[..., :FILTERED]
        magnitude = (low.real.square() + low.imag.square() + MAGNITUDE_FLOOR**2).sqrt()
        return low / running_mean(magnitude, self.first_magnitudes).sqrt()

    def per_bin(
        self, gains: Float[Tensor, "batch frames bands"]
    ) -> Float[Tensor, "batch frames bins"]:
        """Every bin's gain is that of its band."""
        return gains @ self.bands


def erb_widths() -> list[int]:
    """How many bins each band holds: equal steps in ERB, no fewer than two bins.

    What a band takes beyond its share is taken off the next one.
    """
    scale, per_erb = 24.7 * 9.265, 9.265  # Hz; Moore and Glasberg's equivalent bandwidths
    highest = per_erb * math.log1p(SAMPLE_RATE / 2 / scale)
    edges = [
        round(scale * math.expm1(highest * band / BANDS / per_erb) * WINDOW / SAMPLE_RATE)
        for band in range(BANDS + 1)
    ]
    widths: list[int] = []
    excess = 0
    for low, high in pairwise(edges):
        wanted = high - low - excess
        widths.append(max(wanted, FEWEST_BINS))
        excess = widths[-1] - wanted
    widths[-1] += BINS - sum(widths)
    return widths


def running_mean(
    x: Float[Tensor, "batch frames channels"], first: Float[Tensor, " channels"]
) -> Float[Tensor, "batch frames channels"]:
    """s[t] = (1 - DECAY) · x[t] + DECAY · s[t - 1], from s[-1] = ``first``.

    Without a loop: the frames of a block by one triangular matrix, what one block hands on to
    the next by another. All powers are at most 1, so nothing overflows.
    """
    frames = x.shape[1]
    blocks = -(-frames // BLOCK)
    x = pad(x, (0, 0, 0, blocks * BLOCK - frames)).unflatten(1, (blocks, BLOCK))
    within = (1 - DECAY) * (_powers(DECAY, BLOCK, x) @ x)
    handed_on = torch.cat([first.expand(len(x), 1, -1), within[:, :-1, -1]], dim=1)
    before = _powers(DECAY**BLOCK, blocks, x) @ handed_on
    fading = DECAY ** torch.arange(1, BLOCK + 1, device=x.device)
    mean = within + fading[:, None] * before[:, :, None]
    return mean.flatten(1, 2)[:, :frames]


def _powers(base: float, size: int, like: Tensor) -> Float[Tensor, "size size"]:
    """base^(row - column) on and below the diagonal, zero above."""
    n = torch.arange(size, device=like.device)
    return (base ** (n[:, None] - n).clamp(min=0).to(like.dtype)).tril()


def spectrum(audio: Float[Tensor, "batch time"]) -> Complex[Tensor, "batch frames bins"]:
    """Short-time spectrum over WINDOW, centred, zero-padded at the edges."""
    window = _vorbis_window(audio.device)
    spec = torch.stft(
        audio, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True
    )
    return spec.mT / WINDOW


def waveform(
    spec: Complex[Tensor, "batch frames bins"], samples: int
) -> Float[Tensor, "batch time"]:
    """Inverse of :func:`spectrum`, cut to ``samples``."""
    window = _vorbis_window(spec.device)
    return torch.istft(spec.mT * WINDOW, WINDOW, HOP, window=window, length=samples)


def _vorbis_window(device: torch.device) -> Float[Tensor, " window"]:
    """sin(π/2 · sin²(π(n + ½) / WINDOW)); its squares add up to 1 at half overlap."""
    n = torch.arange(WINDOW, device=device)
    return torch.sin(torch.pi / 2 * torch.sin(torch.pi * (n + 0.5) / WINDOW).square())
