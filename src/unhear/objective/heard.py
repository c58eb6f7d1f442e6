"""What enhancers make of a recording on its way, with gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from unhear.channels import Pcm16

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from torch import Tensor

    from unhear.channels import Channel, Passage
    from unhear.enhancers.base import Enhancer
    from unhear.targets import Loss


class Pulled(NamedTuple):
    """What one enhancer's output says of a recording."""

    losses: Float[Tensor, " clips"]
    output: Float[Tensor, "clips samples"]
    gradient: Float[Tensor, "batch time"]


@dataclass(frozen=True)
class Heard:
    """What an enhancer makes of a recording that has passed the channels."""

    enhancer: Enhancer
    channels: Sequence[Channel]

    def __call__(
        self, audio: Float[Tensor, "batch time"], passage: Passage | None = None
    ) -> Float[Tensor, "clips samples"]:
        """The raw output, not normalised in level, one row for each clip that arrives.

        What the passage did to level and time is undone in it.
        """
        return self._back(self.enhancer(self.arriving(audio)), passage)

    def pulled(
        self,
        audio: Float[Tensor, "batch time"],
        loss: Loss,
        passage: Passage | None = None,
    ) -> Pulled:
        """What a loss of the output says, and where it rises.

        The enhancer is differentiated apart from what is before and behind it: it may serve
        several recordings in one pass, each of which has a loss of its own. Where it takes
        only some of the clips at a time, each portion goes there and back before the next.
        """
        audio = audio.detach().requires_grad_()
        arriving = self.arriving(audio)
        clips = arriving.detach()
        found = [
            self._portion(clips, portion, loss, passage)
            for portion in self.enhancer.portions(clips)
        ]
        losses, output, gradients = (
            each[0] if len(each) == 1 else torch.cat(each) for each in zip(*found, strict=True)
        )
        (gradient,) = torch.autograd.grad(arriving, audio, gradients)
        return Pulled(losses, output, gradient)

    def suggested(
        self, audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"] | None:
        """What a network that was trained for the enhancer would add to the recording, at no
        particular size; None where there is no such network.

        It knows what arrives. What it would add there goes back as a gradient does, which is
        where the recording has to change for that.
        """
        audio = audio.detach().requires_grad_()
        arriving = self.arriving(audio)
        suggestion = self.enhancer.suggested(arriving.detach())
        if suggestion is None:
            return None
        return torch.autograd.grad(arriving, audio, suggestion)[0]

    def _portion(
        self,
        arriving: Float[Tensor, "clips time"],
        portion: slice,
        loss: Loss,
        passage: Passage | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Losses, output and where the losses rise, of some of the clips."""
        raw, pullback = self.enhancer.with_pullback(arriving[portion])
        output = self._back(raw.requires_grad_(), passage)
        losses = loss(output, portion)
        gradient = pullback(torch.autograd.grad(losses.sum(), raw)[0])
        return losses.detach(), output.detach(), gradient

    def _back(
        self, output: Float[Tensor, "clips samples"], passage: Passage | None
    ) -> Float[Tensor, "clips samples"]:
        return passage.back(output, self.enhancer.card.sample_rate) if passage else output

    def arriving(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "clips samples"]:
        """What comes out of the channels."""
        for channel in self.channels:
            audio = channel(audio)
        return audio


def arrived(
    audio: Float[Tensor, "batch time"], passage: Passage | None
) -> Float[Tensor, "batch time"]:
    """What becomes of the written file on its way."""
    return passage.there(Pcm16()(audio)) if passage else audio
