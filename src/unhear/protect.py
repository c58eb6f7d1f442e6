"""The composition: a recording, an enhancer, a target, an attack and a budget → protected.

Knows no files. The perturbation is computed at the enhancer's rate (or the recording's own,
when that is lower), in overlapping chunks, and added at the recording's own rate, so that
whatever lies above the enhancer's band is returned untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import TYPE_CHECKING

import torch

from unhear.audio import Recording, as_stored, fitted, resample
from unhear.budgets import Budget, stored_within
from unhear.channels import path_to_enhancer
from unhear.chunks import plan
from unhear.enhance import enhanced_one_by_one
from unhear.errors import FailureError
from unhear.objective import Heard, Objective

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from jaxtyping import Float
    from torch import Tensor

    from unhear.attacks import Attack
    from unhear.enhancers.base import Enhancer
    from unhear.targets import Target

BATCH_SECONDS = 60  # of audio optimised at once: bounds the memory, about 10 MB a second
MOST_PHASES = 1000  # 11,025 Hz has 640 towards 16 kHz
MOST_GRID_SECONDS = 6  # between places where a chunk may begin; SEGAN's at 11,025 Hz: 5.12


def _ignore(done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Protector:
    """Protects recordings of any rate, length and number of channels."""

    enhancer: Enhancer
    target: Target
    attack: Attack
    budget: Budget

    def __call__(
        self, recording: Recording, progress: Callable[[int, int], None] = _ignore
    ) -> Recording:
        """The recording with a perturbation that is within the budget as stored in a file.

        ``progress`` is called with the gradients taken so far and in all. A channel that is
        all zeros comes back unchanged. Raises FailureError when the attack diverges.
        """
        self.enhancer.reseed(self.target.seed)
        original = as_stored(recording.samples, recording.subtype)
        rate = working_rate(
            recording.sample_rate, self.enhancer.card.sample_rate, self.enhancer.grid
        )
        audio = torch.from_numpy(resample(original, recording.sample_rate, rate)).float()
        delta = self._perturbation(audio, rate, progress)
        if not bool(torch.isfinite(delta).all()):
            raise FailureError(
                f"{self.attack.name} diverged with these settings: take smaller steps"
            )
        added = _at_own_rate(delta.double().numpy(), rate, recording)
        added *= original.any(axis=1, keepdims=True)  # whatever the budget, silence stays
        return recording.with_samples(self._stored(original, added, recording.subtype))

    def _stored(
        self,
        original: Float[np.ndarray, "channels time"],
        added: Float[np.ndarray, "channels time"],
        subtype: str,
    ) -> Float[np.ndarray, "channels time"]:
        def store(samples: Tensor) -> Tensor:
            return torch.from_numpy(as_stored(samples.numpy(), subtype))

        rows = [  # one by one: at the file's own rate a channel can be large
            stored_within(audio[None], delta[None], self.budget, store)
            for audio, delta in zip(*map(torch.from_numpy, (original, added)), strict=True)
        ]
        return torch.cat(rows).numpy()

    def _perturbation(
        self,
        audio: Float[Tensor, "channels time"],
        rate: int,
        progress: Callable[[int, int], None],
    ) -> Float[Tensor, "channels time"]:
        channels, samples = audio.shape
        heard = Heard(
            self.enhancer, path_to_enhancer(channels, rate, self.enhancer.card.sample_rate)
        )
        reference = enhanced_one_by_one(heard.arriving(audio), self.enhancer)
        waveform = self.target.waveform(reference)
        chunks = plan(
            samples, rate, grid_at(rate, self.enhancer.grid, self.enhancer.card.sample_rate)
        )
        parts = chunks.cut(audio)
        # As a fraction, so that halves of a sample are rounded as the resampler rounds them.
        ratio = Fraction(self.enhancer.card.sample_rate, rate)
        goals = chunks.at_rate(ratio).cut(waveform)
        size = max(1, int(BATCH_SECONDS * rate / (chunks.length * channels)))
        counter = _Counter(progress, self.attack.evaluations * -(-len(parts) // size))
        deltas = [
            self._chunk_batch(part, goal, heard, counter)
            for part, goal in zip(parts.split(size), goals.split(size), strict=True)
        ]
        return chunks.join(torch.cat(deltas), samples)

    def _chunk_batch(
        self,
        parts: Float[Tensor, "chunks channels length"],
        goals: Float[Tensor, "chunks clips samples"],
        heard: Heard,
        counter: _Counter,
    ) -> Float[Tensor, "chunks channels length"]:
        # Clips come out of the channels as all the rows that went in, then the downmixes.
        channels = parts.shape[1]
        own, downmixed = goals[:, :channels].flatten(0, 1), goals[:, channels:].flatten(0, 1)
        loss = self.target.loss(
            torch.cat([own, downmixed]), self.attack.form, self.enhancer.card.sample_rate
        )
        delta = self.attack(parts.flatten(0, 1), Objective(heard, loss, counter), self.budget)
        return delta.unflatten(0, (-1, channels))


def working_rate(own: int, enhancers: int, grid: int = 1) -> int:
    """The rate at which a perturbation is computed, in Hz: the lower one, if that is practical.

    The differentiable resampler keeps a filter for every phase between the two rates; rates
    that share no factor, such as 11,127 and 16,000 Hz, have too many phases. The enhancer's
    ``grid``, in samples at its rate, must also meet whole samples often enough for chunks.
    """
    phases = enhancers // gcd(own, enhancers)
    often = grid_at(own, grid, enhancers) <= MOST_GRID_SECONDS * own
    return own if own < enhancers and phases <= MOST_PHASES and often else enhancers


def grid_at(rate: int, grid: int, enhancers: int) -> int:
    """Fewest samples at ``rate`` that are a whole number of ``grid`` at the enhancer's rate."""
    return 1 if grid == 1 else Fraction(grid * rate, enhancers).numerator


class _Counter:
    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self) -> None:
        self.done += 1
        self.progress(self.done, self.total)


def _at_own_rate(
    delta: Float[np.ndarray, "channels time"], rate: int, recording: Recording
) -> Float[np.ndarray, "channels samples"]:
    samples = recording.samples.shape[1]
    return fitted(resample(delta, rate, recording.sample_rate), samples)
