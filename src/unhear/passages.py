"""What may happen to a recording before it is enhanced, drawn anew for every gradient.

The mean over such draws is the expectation over transformations of Athalye, Engstrom, Ilyas,
Kwok, "Synthesizing Robust Adversarial Examples", arXiv 1707.07397.

Where samples move, the windows of an enhancer lie elsewhere, at any of hundreds of places: too
many for one draw in ten. So a shift comes before every second of all the others.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import torch

from unhear.channels import then

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unhear.channels import Passage, Survivable


class Passages:
    """Draws, in random order, each channel as often as the others and as no channel at all, and
    each as often behind a shift as without, if there is one.
    """

    def __init__(self, channels: Sequence[Survivable], sample_rate: int, seed: int) -> None:
        self._sample_rate = sample_rate
        self._random = torch.Generator().manual_seed(seed)
        shifts = [each for each in channels if each.shifts]
        others = [each for each in channels if not each.shifts]
        self._ways = [
            [each for each in (shift, other) if each]
            for shift in (None, *shifts)
            for other in (None, *others)
        ]
        self._left: list[list[Survivable]] = []

    def __bool__(self) -> bool:
        """Whether anything but nothing can be drawn."""
        return len(self._ways) > 1

    def draw(self) -> Passage | None:
        """The next one; None: the file arrives as it was written."""
        if not self:
            return None
        if not self._left:
            order = torch.randperm(len(self._ways), generator=self._random)
            self._left = [self._ways[index] for index in order]
        found = [each.draw(self._sample_rate, self._random) for each in self._left.pop()]
        return reduce(then, found) if found else None


CLEAN = Passages((), 1, 0)


def drawn(channel: Survivable, sample_rate: int, seed: int) -> Passage:
    """The one draw of a channel that belongs to a seed."""
    return channel.draw(sample_rate, torch.Generator().manual_seed(seed))
