"""What an adversary gets: a recording, enhanced as a whole, as the 16-bit file of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from unhear.audio import Recording, as_stored, resample

if TYPE_CHECKING:
    from unhear.enhancers.base import Enhancer


def enhanced(recording: Recording, enhancer: Enhancer) -> Recording:
    """Every channel enhanced on its own, at the enhancer's rate, at the level it comes out."""
    rate = enhancer.card.sample_rate
    audio = resample(recording.samples, recording.sample_rate, rate)
    with torch.no_grad():
        output = enhancer(torch.from_numpy(audio).float()).double().numpy()
    return Recording(as_stored(output, "PCM_16"), rate)


def peak_normalised(recording: Recording) -> Recording:
    """Every channel divided by its peak, as behind the official front end; silence stays."""
    peaks = np.max(np.abs(recording.samples), axis=1, keepdims=True)
    scaled = recording.samples / np.where(peaks > 0, peaks, 1)
    return recording.with_samples(as_stored(scaled, recording.subtype))


def downmixed(recording: Recording, rate: int) -> np.ndarray:
    """The mean of the channels at another rate, (time,), as recognisers take it."""
    mono = recording.samples.mean(axis=0, keepdims=True)
    return resample(mono, recording.sample_rate, rate)[0]
