"""Short-time spectra of centred frames, with zeros beyond the edges, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Complex, Float
    from torch import Tensor


def spectrum(
    audio: Float[Tensor, "batch time"], window: Float[Tensor, " window"], hop: int
) -> Complex[Tensor, "batch frames bins"]:
    """One frame every ``hop`` samples."""
    return torch.stft(
        audio,
        len(window),
        hop,
        window=window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    ).mT


def waveform(
    spec: Complex[Tensor, "batch frames bins"],
    window: Float[Tensor, " window"],
    hop: int,
    samples: int,
) -> Float[Tensor, "batch time"]:
    """Inverse of :func:`spectrum`, cut to ``samples``."""
    return torch.istft(spec.mT, len(window), hop, window=window, center=True, length=samples)
