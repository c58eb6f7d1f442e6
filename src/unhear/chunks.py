"""Long recordings as overlapping chunks of one length, and back by cross-fading."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

CHUNK_SECONDS = 12
OVERLAP_SECONDS = 2


@dataclass(frozen=True)
class Chunks:
    """Where chunks begin, and how long each is and its cross-fade, in samples."""

    starts: tuple[int, ...]
    length: int
    fade: int

    def at_rate(self, ratio: float) -> Chunks:
        """The same chunks of a signal with ``ratio`` times as many samples."""
        starts = tuple(round(start * ratio) for start in self.starts)
        return Chunks(starts, round(self.length * ratio), round(self.fade * ratio))

    def cut(self, audio: Float[Tensor, "rows time"]) -> Float[Tensor, "chunks rows length"]:
        """The chunks of every row."""
        return torch.stack([audio[:, start : start + self.length] for start in self.starts])

    def join(
        self, chunks: Float[Tensor, "chunks rows length"], samples: int
    ) -> Float[Tensor, "rows samples"]:
        """The weighted mean of overlapping chunks; a chunk's weight falls towards its ends."""
        total = chunks.new_zeros(chunks.shape[1], samples)
        weight = chunks.new_zeros(samples)
        ramp = self._ramp().to(chunks)
        for start, chunk in zip(self.starts, chunks, strict=True):
            total[:, start : start + self.length] += ramp * chunk
            weight[start : start + self.length] += ramp
        return total / weight

    def _ramp(self) -> Float[Tensor, " length"]:
        position = torch.arange(self.length) + 0.5
        edge = torch.minimum(position, self.length - position)
        return (edge / max(1, self.fade)).clamp(max=1)


def plan(samples: int, rate: int) -> Chunks:
    """Evenly spread chunks of 12 s that overlap by 2 s or more; one chunk up to 16 s."""
    length, overlap = CHUNK_SECONDS * rate, OVERLAP_SECONDS * rate
    if samples <= length + 2 * overlap:
        return Chunks((0,), samples, overlap)
    count = ceil((samples - overlap) / (length - overlap))
    room, gaps = samples - length, count - 1
    # Integers: the last chunk must end with the recording, to the sample.
    return Chunks(tuple(index * room // gaps for index in range(count)), length, overlap)
