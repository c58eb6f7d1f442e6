"""What one enhancer makes of a recording, and should make of it, in the chunks of an attack."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import torch

from unhear.channels import path_to_enhancer
from unhear.enhance import enhanced_one_by_one
from unhear.objective import Defeat, Heard, Spare

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.chunks import Chunks
    from unhear.enhancers.base import Enhancer
    from unhear.targets import Form, Target

FAINTEST_MIX = 1e-3  # energy of the mean of all channels, as a share of theirs


@dataclass(frozen=True)
class Side:
    """One enhancer, what it makes of the recording, and what it should make of it."""

    heard: Heard
    reference: Float[Tensor, "rows samples"]
    target: Float[Tensor, "rows samples"]

    def to_defeat(self, target: Target, form: Form) -> Defeat:
        """As one of those whose output should be the target."""
        rate = self.heard.enhancer.card.sample_rate
        return Defeat(self.heard, target.loss(self.target, form, rate), self.reference)

    def to_spare(self, audio: Float[Tensor, "rows length"]) -> Spare:
        """As one of those whose output should stay: compared with what it makes of the same
        chunks, for what came before them changes it, too.
        """
        return Spare(self.heard, audio)


def side_of(
    enhancer: Enhancer,
    audio: Float[Tensor, "channels time"],
    rate: int,
    target: Target,
    chunks: Chunks,
) -> Side:
    """Of a whole recording at ``rate``, which is enhanced once and then cut."""
    own = enhancer.card.sample_rate
    heard = Heard(enhancer, path_to_enhancer(len(audio), rate, own, mono=_heard_in_mono(audio)))
    reference = enhanced_one_by_one(heard.arriving(audio), enhancer)
    # As a fraction, so that halves of a sample are rounded as the resampler rounds them.
    at_own = chunks.at_rate(Fraction(own, rate))
    cut = at_own.cut(reference), at_own.cut(target.waveform(reference, own))
    return Side(heard, *(_as_heard(each, len(audio)) for each in cut))


def _heard_in_mono(audio: Float[Tensor, "channels time"]) -> bool:
    """Not where channels cancel: next to silence is left, which counts as much as the words
    in a loss that is a share of what was there.
    """
    mixed, apart = audio.mean(0).square().mean(), audio.square().mean()
    return len(audio) > 1 and bool(mixed >= FAINTEST_MIX * apart)


def _as_heard(
    chunks: Float[Tensor, "chunks clips samples"], channels: int
) -> Float[Tensor, "rows samples"]:
    """In the order in which clips come out of the path: all channels, then the downmixes."""
    return torch.cat([chunks[:, :channels].flatten(0, 1), chunks[:, channels:].flatten(0, 1)])
