"""Samples and what is done to them: rounded as files do, at another rate, of another length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

PCM16_STEP = 2.0**-15


@dataclass(frozen=True)
class Recording:
    """Samples with what is needed to write them back as they came."""

    samples: Float[np.ndarray, "channels time"]
    sample_rate: int  # Hz
    subtype: str = "PCM_16"  # libsndfile's name of the sample format

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.samples.shape[1] / self.sample_rate

    def with_samples(self, samples: Float[np.ndarray, "channels time"]) -> Recording:
        """The same recording with other samples."""
        return replace(self, samples=samples)


def as_stored(
    samples: Float[np.ndarray, "channels time"], subtype: str
) -> Float[np.ndarray, "channels time"]:
    """The values that a file of this sample format gives back when it is read.

    PCM rounds to the nearest step and clips at full scale.
    """
    if subtype == "FLOAT":
        return samples.astype(np.float32).astype(np.float64)
    if not subtype.startswith("PCM_"):
        return samples
    scale = 2.0 ** (int(subtype.removeprefix("PCM_")) - 1)
    steps = samples * scale  # in place from here: a long recording is large
    np.round(steps, out=steps)
    np.clip(steps, -scale, scale - 1, out=steps)
    steps /= scale
    return steps


def resample(
    samples: Float[np.ndarray, "channels time"], from_rate: int, to_rate: int
) -> Float[np.ndarray, "channels resampled"]:
    """Band-limited resampling (soxr, very high quality); round(time · to / from) samples."""
    if from_rate == to_rate:
        return samples
    import soxr

    wanted = max(1, round(samples.shape[1] * to_rate / from_rate))
    output = soxr.resample(samples.T, from_rate, to_rate, quality="VHQ").T
    return fitted(output, wanted)


def downmixed(recording: Recording, rate: int) -> Float[np.ndarray, " time"]:
    """The mean of the channels at another rate, (time,), as recognisers take it."""
    mono = recording.samples.mean(axis=0, keepdims=True)
    return resample(mono, recording.sample_rate, rate)[0]


def fitted(
    samples: Float[np.ndarray, "channels time"], length: int
) -> Float[np.ndarray, "channels length"]:
    """Cut at the end, or padded with zeros, to ``length`` samples."""
    if samples.shape[1] >= length:
        return samples[:, :length]
    return np.pad(samples, ((0, 0), (0, length - samples.shape[1])))
