"""Enhancer × channels × target → one loss for each clip, and its gradient.

The only thing that an attack sees of all three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaxtyping import Float
    from torch import Tensor

    from unhear.channels import Channel
    from unhear.enhancers.base import Enhancer
    from unhear.targets import Loss


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Heard:
    """What an enhancer makes of a recording that has passed the channels."""

    enhancer: Enhancer
    channels: Sequence[Channel]

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "clips samples"]:
        """The raw output, not normalised in level, one row for each clip that arrives."""
        return self.enhancer(self.arriving(audio))

    def arriving(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "clips samples"]:
        """What comes out of the channels."""
        for channel in self.channels:
            audio = channel(audio)
        return audio


@dataclass(frozen=True)
class Objective:
    """Minimised by attacks: the loss of what is heard."""

    heard: Heard
    loss: Loss
    after_gradient: Callable[[], None] = _nothing  # for progress bars

    def losses(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, " clips"]:
        """One loss for each clip that the enhancer hears."""
        return self.loss(self.heard(audio))

    def gradient(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """Gradient of the summed losses; recordings do not mix, so each row is its own's."""
        audio = audio.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.losses(audio).sum(), audio)
        self.after_gradient()
        return gradient
