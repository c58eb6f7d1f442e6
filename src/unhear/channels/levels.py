"""Sixteen bits, another volume, another beginning."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn.functional import pad

from unhear.audio import PCM16_STEP
from unhear.channels.base import Passage, Survivable, uniform
from unhear.channels.path import Pcm16

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

GAIN_DB = 10.0
OFFSET_SECONDS = 1.0


class SixteenBits(Survivable):
    """Rounded and clipped as in a 16-bit file."""

    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        """Draws nothing."""
        return Passage(_rounded)


class Gain(Survivable):
    """The volume turned by up to 10 dB, and clipped at full scale as in a 16-bit file."""

    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        """A level in dB, evenly from ±10."""
        factor = 10 ** (uniform(-GAIN_DB, GAIN_DB, random) / 20)
        return Passage(partial(_turned_up, factor), partial(_turned_down, factor))


class Offset(Survivable):
    """The recording cut elsewhere: up to a second is missing at the front.

    Zeros at the end keep the length. Of recordings below two seconds no more than half is cut,
    so that there is something left.
    """

    shifts: ClassVar[bool] = True

    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        """A whole number of samples from 0 to 1 s."""
        most = round(OFFSET_SECONDS * sample_rate)
        cut = int(torch.randint(most + 1, (), generator=random))
        return Passage(partial(_cut, cut), partial(_put_back, cut, sample_rate))


def _clipped(audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    return audio.clamp(-1, 1 - PCM16_STEP)


def _rounded(audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    return Pcm16()(_clipped(audio))


def _turned_up(
    factor: float, audio: Float[Tensor, "batch time"]
) -> Float[Tensor, "batch time"]:
    return _clipped(factor * audio)


def _turned_down(
    factor: float,
    audio: Float[Tensor, "batch time"],
    rate: int,  # noqa: ARG001
) -> Float[Tensor, "batch time"]:
    return audio / factor


def _cut(cut: int, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    cut = min(cut, audio.shape[-1] // 2)
    return pad(audio[:, cut:], (0, cut))


def _put_back(
    cut: int, sample_rate: int, audio: Float[Tensor, "batch time"], rate: int
) -> Float[Tensor, "batch time"]:
    samples = audio.shape[-1]
    cut = min(round(cut * rate / sample_rate), samples // 2)
    return pad(audio, (cut, 0))[:, :samples]
