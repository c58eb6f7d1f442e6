"""Enhancers whose output should stay what it was: friends."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from unhear.objective.heard import arrived
from unhear.targets import ALL, likeness, pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor

    from unhear.channels import Passage
    from unhear.objective.heard import Heard
    from unhear.targets import Loss

TINY = 1e-20  # keeps 0 / 0 out of the gradients of what cannot change
ALLOWED_DB = 22.0  # that a change in a spared enhancer's output stays below what it was
ALLOWED_UNLIKE = 0.003  # that its pattern may lose of the correlation with what it was


class Before(NamedTuple):
    """What a spared enhancer makes of the original."""

    output: Float[Tensor, "clips samples"]
    pattern: Float[Tensor, "clips bands frames"]
    # To itself: 1, or 0 of what has no pattern, a frame or silence.
    likeness: Float[Tensor, " clips"]


@dataclass(frozen=True)
class Change:
    """What has changed in an output, in energy and in pattern, as a share of what is allowed.

    Energy spares what is loud. Words also hang on what is 20 or 30 dB below it: the pattern, as
    in :func:`unhear.targets.resemblance`, counts that.
    """

    before: Callable[[], Before]  # asked once there is an output
    sample_rate: int  # Hz

    def __call__(
        self, enhanced: Float[Tensor, "batch samples"], clips: slice = ALL
    ) -> Float[Tensor, " batch"]:
        """See :class:`Change`; the sum of both."""
        output, before, most = (each[clips] for each in self.before())
        allowed = output.square().sum(-1) * 10 ** (-ALLOWED_DB / 10)
        energy = (enhanced - output).square().sum(-1) / (allowed + TINY)
        unlike = most - likeness(pattern(enhanced, self.sample_rate), before)
        return energy + unlike.clamp(min=0) / ALLOWED_UNLIKE


@dataclass(frozen=True)
class Spare:
    """One enhancer whose output should stay what it was."""

    heard: Heard
    original: Float[Tensor, "batch time"]  # the rows of the recording as they are
    _kept: list[Before] = field(default_factory=list[Before], init=False)

    def used(self, passage: Passage | None = None) -> Loss:
        """What a change uses up of what is allowed: at 1 the allowance is used up.

        Of what the enhancer makes of what arrives after the passage. The original goes the same
        way: what a channel does to it is no change.
        """
        before = cache(partial(self._after, passage)) if passage else self._as_written
        return Change(before, self.heard.enhancer.card.sample_rate)

    def _as_written(self) -> Before:
        """Kept, but not by a cached_property, which up to Python 3.11 holds a lock while the
        enhancer works: that waits for other recordings that would wait for the lock.
        """
        if not self._kept:
            self._kept.append(self._after(None))
        return self._kept[0]

    @torch.no_grad()
    def _after(self, passage: Passage | None) -> Before:
        output = self.heard(arrived(self.original, passage), passage)
        own = pattern(output, self.heard.enhancer.card.sample_rate)
        return Before(output, own, likeness(own, own))
