"""Overlapping windows and their spectra, block by block: long recordings need little memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jaxtyping import Complex, Float
    from torch import Tensor

SECONDS = 0.032  # from window to window: 512 samples at 16 kHz
BLOCK = 1000  # windows that are transformed at once


@dataclass(frozen=True)
class Frames:
    """Hann windows of four hops, the first and the last of them centred on the clip's ends."""

    hop: int  # samples

    @classmethod
    def at_rate(cls, sample_rate: int) -> Frames:
        """Windows of 128 ms every 32 ms."""
        return cls(max(1, round(SECONDS * sample_rate)))

    def frequencies(self, sample_rate: int) -> Float[Tensor, " bins"]:
        """Of the bins, in Hz."""
        return torch.fft.rfftfreq(4 * self.hop, 1 / sample_rate, dtype=torch.float64)

    def count(self, audio: Float[Tensor, "batch time"]) -> int:
        """How many windows there are."""
        return 1 + audio.shape[-1] // self.hop

    def spectra(
        self, audio: Float[Tensor, "batch time"]
    ) -> Iterator[tuple[slice, Complex[Tensor, "batch frames bins"]]]:
        """Where each block of windows is among all of them, and its spectra."""
        count = self.count(audio)
        behind = (count + 1) * self.hop - audio.shape[-1]
        windows = pad(audio, (2 * self.hop, behind)).unfold(-1, 4 * self.hop, self.hop)
        for start in range(0, count, BLOCK):
            block = slice(start, min(start + BLOCK, count))
            yield block, torch.fft.rfft(windows[:, block] * self._window(audio))

    def loudest(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1 1"]:
        """The greatest power of each clip's bins, without an offset, which nobody hears."""
        powers = [
            spectra.abs().amax((1, 2), keepdim=True)
            for _, spectra in self.spectra(audio - audio.mean(-1, keepdim=True))
        ]
        return torch.stack(powers).amax(0).square()

    def changed(
        self,
        audio: Float[Tensor, "batch time"],
        change: Callable[[Tensor, slice], Tensor],
    ) -> Float[Tensor, "batch time"]:
        """The signal whose spectra are nearest, in least squares, to the changed ones.

        ``change`` takes the spectra of a block, and where it is. Griffin and Lim, IEEE TASSP
        32(2), 1984, equation 6.
        """
        time, window = audio.shape[-1], self._window(audio)
        total = audio.new_zeros(len(audio), time // self.hop + 4, self.hop)
        weight = total.new_zeros(total.shape[1:])
        for block, spectra in self.spectra(audio):
            windows = torch.fft.irfft(change(spectra, block), 4 * self.hop) * window
            for part in range(4):
                place = slice(block.start + part, block.stop + part)
                hop = slice(part * self.hop, (part + 1) * self.hop)
                total[:, place] += windows[..., hop]
                weight[place] += window[hop].square()
        own = slice(2 * self.hop, 2 * self.hop + time)
        return total.flatten(1)[:, own] / weight.flatten()[own]

    def _window(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, " window"]:
        return torch.hann_window(4 * self.hop, dtype=audio.dtype, device=audio.device)
