"""The composition: a recording, enhancers, a target, an attack and a budget → protected.

Knows no files. The perturbation is computed at the highest of the enhancers' rates (or the
recording's own, when that is lower), in overlapping chunks, and added at the recording's own
rate, so that whatever lies above the enhancers' band is returned untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING

import torch

from unhear.audio import Recording, as_stored, fitted, resample
from unhear.budgets import Budget, stored_within
from unhear.chunks import plan
from unhear.errors import FailureError
from unhear.objective import Objective
from unhear.passages import Passages
from unhear.rates import MOST_GRID_SECONDS, grid_at, working_rate
from unhear.sides import Side, side_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from jaxtyping import Float
    from torch import Tensor

    from unhear.attacks import Attack
    from unhear.channels import Survivable
    from unhear.enhancers.base import Enhancer
    from unhear.targets import Target

BATCH_SECONDS = 60  # of audio optimised at once: bounds the memory, about 10 MB a second


def _ignore(done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Protector:
    """Protects recordings of any rate, length and number of channels."""

    against: tuple[Enhancer, ...]
    target: Target
    attack: Attack
    budget: Budget
    spare: tuple[Enhancer, ...] = ()
    survive: tuple[Survivable, ...] = ()

    def __call__(
        self, recording: Recording, progress: Callable[[int, int], None] = _ignore
    ) -> Recording:
        """The recording with a perturbation that is within the budget as stored in a file.

        ``progress`` is called with the gradients taken so far and in all. A channel that is
        all zeros comes back unchanged. Raises FailureError when the attack diverges.
        """
        for enhancer in self._enhancers:
            enhancer.reseed(self.target.seed)
        original = as_stored(recording.samples, recording.subtype)
        rate = self._working_rate(recording.sample_rate)
        audio = torch.from_numpy(resample(original, recording.sample_rate, rate)).float()
        delta = self._perturbation(audio, rate, progress)
        if not bool(torch.isfinite(delta).all()):
            raise FailureError(
                f"{self.attack.name} diverged with these settings: take smaller steps"
            )
        added = _at_own_rate(delta.double().numpy(), rate, recording)
        added *= original.any(axis=1, keepdims=True)  # whatever the budget, silence stays
        return recording.with_samples(self._stored(original, added, recording))

    @property
    def _enhancers(self) -> tuple[Enhancer, ...]:
        return (*self.against, *self.spare)

    def _working_rate(self, own: int) -> int:
        """The highest that any of the enhancers needs; theirs, where their windows meet whole
        samples of the recording's own too rarely.
        """
        rate = max(
            working_rate(own, each.card.sample_rate, each.grid) for each in self._enhancers
        )
        often = self._grid(rate) <= MOST_GRID_SECONDS * rate
        return rate if often else max(each.card.sample_rate for each in self._enhancers)

    def _grid(self, rate: int) -> int:
        """Where the windows of all enhancers begin on whole samples."""
        return lcm(
            *(grid_at(rate, each.grid, each.card.sample_rate) for each in self._enhancers)
        )

    def _stored(
        self,
        original: Float[np.ndarray, "channels time"],
        added: Float[np.ndarray, "channels time"],
        recording: Recording,
    ) -> Float[np.ndarray, "channels time"]:
        def store(samples: Tensor) -> Tensor:
            return torch.from_numpy(as_stored(samples.numpy(), recording.subtype))

        budget = self.budget.at_rate(recording.sample_rate)
        rows = [  # one by one: at the file's own rate a channel can be large
            stored_within(audio[None], delta[None], budget, store)
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
        chunks = plan(samples, rate, self._grid(rate))
        sides = [side_of(each, audio, rate, self.target, chunks) for each in self._enhancers]
        parts = chunks.cut(audio)
        size = max(1, int(BATCH_SECONDS * rate / (chunks.length * channels)))
        counter = _Counter(progress, self.attack.evaluations * -(-len(parts) // size))
        deltas = [
            self._batch(parts[batch], [side.batch(batch) for side in sides], rate, counter)
            for batch in (slice(i, i + size) for i in range(0, len(parts), size))
        ]
        counter.finish()
        return chunks.join(torch.cat(deltas), samples)

    def _batch(
        self,
        parts: Float[Tensor, "chunks channels length"],
        sides: Sequence[Side],
        rate: int,
        counter: _Counter,
    ) -> Float[Tensor, "chunks channels length"]:
        audio, count = parts.flatten(0, 1), len(self.against)
        objective = Objective(
            [side.to_defeat(self.target, self.attack.form) for side in sides[:count]],
            [side.to_spare(audio) for side in sides[count:]],
            Passages(self.survive, rate, self.target.seed),
            counter,
        )
        budget = self.budget.at_rate(rate).around(audio)
        return self.attack(audio, objective, budget).unflatten(0, (-1, parts.shape[1]))


class _Counter:
    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self) -> None:
        self.done += 1
        self.progress(self.done, self.total)

    def finish(self) -> None:
        """Attacks may stop early, where little is left to do."""
        if self.done < self.total:
            self.progress(self.total, self.total)


def _at_own_rate(
    delta: Float[np.ndarray, "channels time"], rate: int, recording: Recording
) -> Float[np.ndarray, "channels samples"]:
    samples = recording.samples.shape[1]
    return fitted(resample(delta, rate, recording.sample_rate), samples)
