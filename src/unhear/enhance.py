"""What an adversary gets: a recording, enhanced as a whole, as the 16-bit file of it.

The level is chosen before the rounding, as it is in the official front end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from unhear.audio import Recording, as_stored, resample
from unhear.devices import enough_memory

LOUDNESS = -23.0  # LUFS, as broadcasters have it (EBU R 128)

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.enhancers.base import Enhancer


def enhanced(recording: Recording, enhancer: Enhancer) -> Recording:
    """Every channel enhanced on its own, at the enhancer's rate and not rounded yet."""
    rate = enhancer.card.sample_rate
    audio = resample(recording.samples, recording.sample_rate, rate)
    with enough_memory():
        output = enhanced_one_by_one(torch.from_numpy(audio).float(), enhancer)
    return Recording(output.double().numpy(), rate)


@torch.no_grad()
def enhanced_one_by_one(
    audio: Float[Tensor, "clips time"], enhancer: Enhancer
) -> Float[Tensor, "clips time"]:
    """Clips of any length, enhanced whole, with the memory of only one at a time."""
    return torch.cat([enhancer(clip[None]) for clip in audio])


def raw(recording: Recording) -> Recording:
    """The 16-bit file at the level that came out of the network."""
    return recording.with_samples(as_stored(recording.samples, recording.subtype))


def peak_normalised(recording: Recording) -> Recording:
    """The 16-bit file of every channel divided by its peak, as behind the official front end;
    silence stays.
    """
    return raw(_at_full_scale(recording))


def loudness_normalised(recording: Recording) -> Recording:
    """The 16-bit file of every channel at -23 LUFS (ITU-R BS.1770), as broadcasters level
    speech; what then exceeds full scale is clipped, and silence stays.

    Loudness is measured at full scale, so that its gate for silence does not stop whoever turns
    up what is left of speech. Clips shorter than the 0.4 s that it takes are peak-normalised.
    """
    from pyloudnorm import Meter  # imports scipy.signal, which protecting does without

    loud, meter = _at_full_scale(recording), Meter(recording.sample_rate)
    if recording.seconds < meter.block_size:
        return raw(loud)
    levels = np.array([meter.integrated_loudness(channel) for channel in loud.samples])
    gains = np.where(np.isfinite(levels), 10 ** ((LOUDNESS - levels) / 20), 1)
    return raw(loud.with_samples(loud.samples * gains[:, None]))


def _at_full_scale(recording: Recording) -> Recording:
    peaks = np.max(np.abs(recording.samples), axis=1, keepdims=True)
    return recording.with_samples(recording.samples / np.where(peaks > 0, peaks, 1))
