"""What a recording masks: psychoacoustic model 1 of ISO 11172-3, as simplified for attacks.

Qin, Cottrell, Goodfellow and Raffel, "Imperceptible, Robust, and Targeted Adversarial Examples
for Automatic Speech Recognition", arXiv 1903.10346, appendix; after Lin and Abdulla, "Audio
Watermark", 2015. Every masker counts as a tone, which masks less than noise does. The loudest
bin of a clip is taken to be heard at 96 dB SPL, so thresholds follow the clip's level.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from unhear.budgets.frames import Frames

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

LOUDEST = 96  # dB SPL
QUIET_OFFSET = -12  # dB, of the standard for 96 kbit/s a channel and more; also of Qin et al.
QUIET_HIGHEST = 68  # dB SPL, where the standard's tables end
APART = 0.5  # Bark between maskers
DOWN = 27  # dB a Bark, by which masking falls towards lower frequencies


def masking_thresholds(
    audio: Float[Tensor, "batch time"], sample_rate: int, loudest: float | None = None
) -> Float[Tensor, "batch frames bins"]:
    """The power that stays unheard, as |spectrum|² of :class:`Frames`; 0 for silent clips.

    ``sample_rate`` is in Hz; ``loudest`` the power of the loudest bin of what the clips are
    parts of, by default their own. No gradient passes.
    """
    frames = Frames.at_rate(sample_rate)
    frequencies = frames.frequencies(sample_rate).to(audio)
    with torch.no_grad():
        highest = (
            frames.loudest(audio) if loudest is None else audio.new_full((1, 1, 1), loudest)
        )
        unit = (highest / 10 ** (LOUDEST / 10)).where(highest > 0, 1)
        found = audio.new_empty(len(audio), frames.count(audio), len(frequencies))
        for block, spectra in frames.spectra(audio):
            found[:, block] = unit * _masked(spectra.abs().square() / unit, frequencies)
        return found.mul_((highest > 0) & audio.any(-1)[:, None, None])


def _masked(
    power: Float[Tensor, "batch frames bins"], frequencies: Float[Tensor, " bins"]
) -> Float[Tensor, "batch frames bins"]:
    """The sum of the threshold in quiet and of what each masker masks; 0 dB SPL is 1.

    A masker is the strongest local maximum within half a Bark: one with a stronger neighbour
    is none, even where that has a still stronger one, and is none.
    """
    barks, quiet = bark(frequencies), _power(threshold_in_quiet(frequencies) + QUIET_OFFSET)
    total = quiet.expand_as(power).clone()
    maxima = left = _local_maxima(power, quiet)
    while bool(left.any()):
        strongest, place = left.max(-1, keepdim=True)
        distance = barks - barks[place]
        near = distance.abs() < APART
        is_masker = strongest >= (maxima * near).amax(-1, keepdim=True)
        level = 10 * torch.log10(strongest * is_masker)
        up = -DOWN + 0.37 * (level - 40).clamp(min=0)
        spread = distance * up.where(distance > 0, DOWN)
        total += _power(level - 6.025 - 0.275 * barks[place] + spread)
        left = left * ~near  # what is weaker, and near one that is none, is none either
    return total


def _local_maxima(
    power: Float[Tensor, "batch frames bins"], quiet: Float[Tensor, " bins"]
) -> Float[Tensor, "batch frames bins"]:
    """Local maxima with the power of their neighbours, where that is heard; 0 elsewhere."""
    below, own, above = power[..., :-2], power[..., 1:-1], power[..., 2:]
    merged = below + own + above
    maximum = (own > below) & (own > above) & (merged > quiet[1:-1])
    return torch.nn.functional.pad(merged * maximum, (1, 1))


def bark(frequency: Float[Tensor, " bins"]) -> Float[Tensor, " bins"]:
    """Critical-band rate of a frequency in Hz (Zwicker and Terhardt, JASA 68(5), 1980)."""
    return 13 * torch.atan(0.00076 * frequency) + 3.5 * torch.atan((frequency / 7500) ** 2)


def threshold_in_quiet(frequency: Float[Tensor, " bins"]) -> Float[Tensor, " bins"]:
    """In dB SPL at a frequency in Hz (Terhardt, Hearing Research 1, 1979).

    Below 100 Hz (1 Bark) it stays what it is there: towards 0 Hz the formula has no limit.
    """
    khz = frequency.clamp(min=100) / 1000
    dip = 6.5 * torch.exp(-0.6 * (khz - 3.3) ** 2)
    return (3.64 * khz**-0.8 - dip + 1e-3 * khz**4).clamp(max=QUIET_HIGHEST)


def _power(decibels: Tensor) -> Tensor:
    return torch.exp(decibels * (math.log(10) / 10))
