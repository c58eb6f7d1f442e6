"""Long recordings as overlapping chunks of one length, and back by cross-fading."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from jaxtyping import Float
    from torch import Tensor

CHUNK_SECONDS = 12
BATCH_SECONDS = 60  # of audio optimised at once: bounds the memory, about 10 MB a second
OVERLAP_SECONDS = 1.75  # at least: SEGAN's windows and hops of 10 ms meet every 5.12 s


@dataclass(frozen=True)
class Chunks:
    """Where chunks begin, and how long each is and its cross-fade, in samples."""

    starts: tuple[int, ...]
    length: int
    fade: int

    @property
    def end(self) -> int:
        """Where the last chunk ends."""
        return self.starts[-1] + self.length

    def part(self, which: slice, begin: int) -> Chunks:
        """Some of them, as places in what begins at ``begin``."""
        starts = tuple(start - begin for start in self.starts[which])
        return Chunks(starts, self.length, self.fade)

    def at_rate(self, ratio: float | Fraction) -> Chunks:
        """The same chunks of a signal with ``ratio`` times as many samples."""
        starts = tuple(round(start * ratio) for start in self.starts)
        return Chunks(starts, max(1, round(self.length * ratio)), round(self.fade * ratio))

    def cut(self, audio: Float[Tensor, "rows time"]) -> Float[Tensor, "chunks rows length"]:
        """The chunks of every row; what lies behind its end is zero."""
        padded = pad(audio, (0, max(0, self.end - audio.shape[1])))
        return torch.stack([padded[:, start : start + self.length] for start in self.starts])

    def join(
        self, chunks: Iterable[Float[Tensor, "rows length"]], samples: int
    ) -> Iterator[Float[Tensor, "rows stretch"]]:
        """The weighted mean of overlapping chunks; a chunk's weight falls towards its ends.

        Each chunk brings a stretch: as far as no later one changes it.
        """
        ramp, begin = self._ramp(), 0
        total, weight = torch.zeros(1, 0), torch.zeros(0)
        for chunk, start, after in zip(
            chunks, self.starts, (*self.starts[1:], samples), strict=True
        ):
            grown = start + self.length - begin - len(weight)
            total = pad(total.expand(len(chunk), -1).to(chunk), (0, grown))
            weight = pad(weight.to(chunk), (0, grown))
            total[:, start - begin :] += ramp.to(chunk) * chunk
            weight[start - begin :] += ramp
            done, begin = after - begin, after
            yield total[:, :done] / weight[:done]
            total, weight = total[:, done:], weight[done:]

    def _ramp(self) -> Float[Tensor, " length"]:
        position = torch.arange(self.length) + 0.5
        edge = torch.minimum(position, self.length - position)
        return (edge / max(1, self.fade)).clamp(max=1)


def are_needed(samples: int, rate: int) -> bool:
    """Whether a recording is cut at all."""
    return samples > CHUNK_SECONDS * rate * 4 // 3


def plan(samples: int, rate: int, grid: int = 1) -> Chunks:
    """Evenly spread chunks of 12 s, and less than a ``grid`` more, that overlap by 1.75 s or
    more; one chunk up to 16 s.

    Each begins at a multiple of ``grid`` samples, which must be less than 10 s. The last one
    ends with the recording.
    """
    overlap = ceil(OVERLAP_SECONDS * rate)
    if not are_needed(samples, rate):
        return Chunks((0,), samples, overlap)
    steps = (samples - CHUNK_SECONDS * rate) // grid  # to where the last chunk begins
    length = samples - steps * grid
    most = (length - overlap) // grid  # steps from one chunk to the next
    gaps = ceil(steps / most)
    starts = tuple(index * steps // max(1, gaps) * grid for index in range(gaps + 1))
    return Chunks(starts, length, overlap)
