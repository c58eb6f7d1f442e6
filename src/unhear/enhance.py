"""What an adversary gets: a recording, enhanced as a whole, as the 16-bit file of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from unhear.audio import Recording, as_stored, resample

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.enhancers.base import Enhancer


def enhanced(recording: Recording, enhancer: Enhancer) -> Recording:
    """Every channel enhanced on its own, at the enhancer's rate, at the level it comes out."""
    rate = enhancer.card.sample_rate
    audio = resample(recording.samples, recording.sample_rate, rate)
    output = enhanced_one_by_one(torch.from_numpy(audio).float(), enhancer)
    return Recording(as_stored(output.double().numpy(), "PCM_16"), rate)


@torch.no_grad()
def enhanced_one_by_one(
    audio: Float[Tensor, "clips time"], enhancer: Enhancer
) -> Float[Tensor, "clips time"]:
    """Clips of any length, enhanced whole, with the memory of only one at a time."""
    return torch.cat([enhancer(clip[None]) for clip in audio])


def peak_normalised(recording: Recording) -> Recording:
    """Every channel divided by its peak, as behind the official front end; silence stays."""
    peaks = np.max(np.abs(recording.samples), axis=1, keepdims=True)
    scaled = recording.samples / np.where(peaks > 0, peaks, 1)
    return recording.with_samples(as_stored(scaled, recording.subtype))


def downmixed(recording: Recording, rate: int) -> np.ndarray:
    """The mean of the channels at another rate, (time,), as recognisers take it."""
    mono = recording.samples.mean(axis=0, keepdims=True)
    return resample(mono, recording.sample_rate, rate)[0]
