"""Another sample rate, or another codec, and back again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import gcd
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import pad

from unhear.audio import fitted, resample
from unhear.channels.base import Passage, Survivable, straight_through
from unhear.channels.codecs import Codec, rate_for, round_trip
from unhear.channels.path import Resample

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class Resampled(Survivable):
    """Resampled to another rate and back."""

    rate: int  # Hz

    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        """Draws nothing."""
        return Passage(partial(_via, sample_rate, self.rate, lambda samples: samples))


@dataclass(frozen=True)
class Coded(Survivable):
    """Transcoded with loss: a file of another kind, decoded again."""

    codec: Codec
    bit_rate: int  # bit/s

    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        """Draws nothing."""
        rate = rate_for(self.codec, sample_rate, self.bit_rate)
        coder = partial(round_trip, rate=rate, codec=self.codec, bit_rate=self.bit_rate)
        return Passage(partial(_via, sample_rate, rate, coder))


def _via(
    sample_rate: int,
    rate: int,
    coder: Callable[[Float[np.ndarray, " time"]], Float[np.ndarray, " time"]],
    audio: Float[Tensor, "batch time"],
) -> Float[Tensor, "batch time"]:
    """Whatever ``coder`` does at ``rate``; the gradient goes straight past it.

    But it keeps to the band of the lower rate: nothing else would survive.
    """
    rows = resample(audio.detach().cpu().double().numpy(), sample_rate, rate)
    coded = resample(np.stack([coder(row) for row in rows]), rate, sample_rate)
    value = torch.from_numpy(fitted(coded, audio.shape[-1])).to(audio)
    if not audio.requires_grad:
        return value
    surrogate = _band_limited(audio, sample_rate, rate) if rate < sample_rate else audio
    return straight_through(value, surrogate)


def _band_limited(
    audio: Float[Tensor, "batch time"], sample_rate: int, rate: int
) -> Float[Tensor, "batch time"]:
    """Down to ``rate`` and up again, differentiable."""
    samples = audio.shape[-1]
    whole = sample_rate // gcd(sample_rate, rate)  # samples that meet samples of both rates
    padded = pad(audio, (0, -samples % whole))
    low = Resample(sample_rate, rate)(padded)
    return Resample(rate, sample_rate)(low)[:, :samples]
