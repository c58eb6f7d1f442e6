"""The least that happens to any recording before an enhancer hears it; differentiable."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from unhear.channels.base import straight_through

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float
    from julius.resample import ResampleFrac
    from torch import Tensor


@runtime_checkable
class Channel(Protocol):
    """Clips in, clips out; the number of clips and of samples may change."""

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "clips samples"]:
        """Pass the audio on, changed."""
        ...


class Pcm16:
    """Rounding to 16 bits; the gradient passes as if nothing had been rounded."""

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """The nearest multiples of 2⁻¹⁵."""
        from unhear.audio import PCM16_STEP

        return straight_through((audio / PCM16_STEP).round() * PCM16_STEP, audio)


@dataclass(frozen=True)
class WithDownmix:
    """Adds the mean of each recording's ``channels`` rows, for whoever listens in mono."""

    channels: int

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "clips time"]:
        """(recordings · channels, time) → the same, then one row for each recording."""
        import torch

        grouped = audio.unflatten(0, (-1, self.channels))
        return torch.cat([audio, grouped.mean(1)])


@dataclass(frozen=True)
class Resample:
    """Band-limited resampling with windowed sincs (julius)."""

    from_rate: int  # Hz
    to_rate: int  # Hz

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch samples"]:
        """``round(time · to / from)`` samples, at least one."""
        length = max(1, round(audio.shape[-1] * self.to_rate / self.from_rate))
        filters = _filters(self.from_rate, self.to_rate, audio.dtype, audio.device)
        return filters(audio, output_length=length)


@lru_cache(maxsize=8)
def _filters(
    from_rate: int, to_rate: int, dtype: torch.dtype, device: torch.device
) -> ResampleFrac:
    """One for every phase between the rates: at odd ones they take longer than a network."""
    from julius.resample import ResampleFrac

    return ResampleFrac(from_rate, to_rate).to(device, dtype)


def path_to_enhancer(
    channels: int, from_rate: int, to_rate: int, *, mono: bool = True
) -> list[Channel]:
    """The least that happens to any recording: 16 bits, the model's rate and, of several
    channels, somebody who listens in ``mono``.
    """
    path: list[Channel] = [Pcm16()]
    if channels > 1 and mono:
        path.append(WithDownmix(channels))
    if from_rate != to_rate:
        path.append(Resample(from_rate, to_rate))
    return path
