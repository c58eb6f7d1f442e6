"""What may happen to a recording before it is enhanced, drawn anew for every gradient.

The mean over such draws is the expectation over transformations of Athalye, Engstrom, Ilyas,
Kwok, "Synthesizing Robust Adversarial Examples", arXiv 1707.07397.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unhear.channels import Passage, Survivable


class Passages:
    """Draws, in random order, each channel as often as the others and as no channel at all."""

    def __init__(self, channels: Sequence[Survivable], sample_rate: int, seed: int) -> None:
        self._channels, self._sample_rate = channels, sample_rate
        self._random = torch.Generator().manual_seed(seed)
        self._left: list[Survivable | None] = []

    def draw(self) -> Passage | None:
        """The next one; None: the file arrives as it was written."""
        if not self._channels:
            return None
        if not self._left:
            ways = [None, *self._channels]
            order = torch.randperm(len(ways), generator=self._random)
            self._left = [ways[index] for index in order]
        channel = self._left.pop()
        return channel.draw(self._sample_rate, self._random) if channel else None


CLEAN = Passages((), 1, 0)


def drawn(channel: Survivable, sample_rate: int, seed: int) -> Passage:
    """The one draw of a channel that belongs to a seed."""
    return channel.draw(sample_rate, torch.Generator().manual_seed(seed))
