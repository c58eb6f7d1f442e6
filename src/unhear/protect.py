"""The composition: a recording, enhancers, a target, an attack and a budget → protected.

Knows no files. The perturbation is computed at the highest of the enhancers' rates (or the
recording's own, when that is lower), in overlapping chunks, and added at the recording's own
rate, so that whatever lies above the enhancers' band is returned untouched. Of a recording of
any length only a few chunks are in memory at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING

import numpy as np
import torch

from unhear.adding import Tape, protected_parts
from unhear.audio import Recording
from unhear.budgets import Budget
from unhear.chunks import BATCH_SECONDS, plan
from unhear.devices import enough_memory
from unhear.errors import FailureError, InputError
from unhear.kept import Kept
from unhear.objective import Objective
from unhear.passages import Passages
from unhear.rates import MOST_GRID_SECONDS, common, grid_at, working_rate
from unhear.sides import side_of
from unhear.sources import InMemory, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jaxtyping import Float
    from torch import Tensor

    from unhear.attacks import Attack
    from unhear.channels import Survivable
    from unhear.chunks import Chunks
    from unhear.enhancers.base import Enhancer
    from unhear.targets import Target

CONTEXT_SECONDS = (
    4  # what enhancers hear around a batch, so that they begin as they would go on
)


NOTHING_KEPT = Kept()


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
        parts = list(self.parts(InMemory(recording), progress))
        return recording.with_samples(np.concatenate(parts, axis=1))

    def parts(
        self,
        source: Source,
        progress: Callable[[int, int], None] = _ignore,
        kept: Kept = NOTHING_KEPT,
    ) -> Iterator[Float[np.ndarray, "channels time"]]:
        """The same, for a recording of any length, one piece after the other.

        ``kept`` has the batches that an earlier call has finished, and takes those of this one.
        """
        rate = self._working_rate(source.sample_rate)
        samples = _samples(source, rate)
        chunks = plan(samples, rate, self.grid(rate))
        deltas = self._deltas(source, chunks, rate, progress, kept)
        tape = Tape(chunks.join(deltas, samples), samples)
        yield from protected_parts(source, tape, self.budget, rate)

    @property
    def _enhancers(self) -> tuple[Enhancer, ...]:
        return (*self.against, *self.spare)

    @property
    def _device(self) -> str:
        """That of the networks; a function of the user's stays on the CPU."""
        devices = [each.device for each in self._enhancers]
        return next((device for device in devices if device != "cpu"), "cpu")

    def _working_rate(self, own: int) -> int:
        """The highest that any of the enhancers needs; theirs, where their windows meet whole
        samples of the recording's own too rarely.
        """
        rate = max(
            working_rate(own, each.card.sample_rate, each.grid) for each in self._enhancers
        )
        often = lcm(*self._grids(rate)) <= MOST_GRID_SECONDS * rate
        return rate if often else max(each.card.sample_rate for each in self._enhancers)

    def _grids(self, rate: int) -> list[int]:
        return [grid_at(rate, each.grid, each.card.sample_rate) for each in self._enhancers]

    def grid(self, rate: int) -> int:
        """At multiples of how many samples the windows of all enhancers begin, as far as that
        is not too rare: the longest windows and those that are known count first.
        """
        known = sorted(self._grids(rate), reverse=True)
        likely = [
            grid_at(rate, each.likely_grid, each.card.sample_rate) for each in self._enhancers
        ]
        return common([*known, *likely], MOST_GRID_SECONDS * rate)

    def _deltas(
        self,
        source: Source,
        chunks: Chunks,
        rate: int,
        progress: Callable[[int, int], None],
        kept: Kept,
    ) -> Iterator[Float[Tensor, "channels length"]]:
        """The perturbation of one chunk after the other, computed in batches of them."""
        batches = self._batches(source, chunks, rate)
        counter = _Counter(progress, self.attack.evaluations, len(batches))
        for index, batch in enumerate(batches):
            deltas = kept.get(index)
            if deltas is None:
                with enough_memory():
                    deltas = self._batch(source, chunks, batch, rate, counter)
                kept.put(index, deltas)
            counter.finish(index)
            yield from deltas

    def _batches(self, source: Source, chunks: Chunks, rate: int) -> list[slice]:
        """As many chunks as fit in memory, each with all channels and their downmix."""
        channels, count = len(source.sounding), len(chunks.starts)
        rows = channels + (channels > 1)
        seconds = min(BATCH_SECONDS, *(each.seconds_at_once for each in self._enhancers))
        size = max(1, int(seconds * rate / (chunks.length * rows)))
        batches = [slice(i, min(i + size, count)) for i in range(0, count, size)]
        self._check_sentence(chunks, batches, rate)
        return batches

    def _check_sentence(self, chunks: Chunks, batches: Sequence[slice], rate: int) -> None:
        """Words are said in the first batch, or not at all."""
        spoken, room = self.target.spoken, self._first(chunks, batches[0], rate).room
        if spoken is not None and spoken.seconds > room:
            raise InputError(
                f"what is to be said lasts {spoken.seconds:.0f} s, and there is room for "
                f"{room:.0f} s at the beginning of a recording as long as this: give less"
            )

    def _batch(
        self, source: Source, chunks: Chunks, batch: slice, rate: int, counter: _Counter
    ) -> Float[Tensor, "chunks channels length"]:
        for enhancer in self._enhancers:
            enhancer.reseed(self.target.seed)
        begin, end = self._around(chunks, batch, rate)
        end = min(end, _samples(source, rate))
        audio = torch.from_numpy(source.resampled(begin, end, rate)).float()
        audio = audio.to(self._device)
        here = chunks.part(batch, begin)
        target = self.target.later() if batch.start else self._first(chunks, batch, rate)
        sides = [side_of(each, audio, rate, target, here) for each in self._enhancers]
        parts, count = here.cut(audio), len(self.against)
        clips = parts.flatten(0, 1)
        objective = Objective(
            [side.to_defeat(self.target, self.attack.form) for side in sides[:count]],
            [side.to_spare(clips) for side in sides[count:]],
            Passages(self.survive, rate, self.target.seed),
            counter,
        )
        budget = self.budget.at_rate(rate).around(clips)
        delta = self.attack(clips, objective, budget)
        if not bool(torch.isfinite(delta).all()):
            raise FailureError(
                f"{self.attack.name} diverged with these settings: take smaller steps"
            )
        return delta.cpu().unflatten(0, (-1, parts.shape[1]))

    def _first(self, chunks: Chunks, batch: slice, rate: int) -> Target:
        """The target of the first batch, in which words have to be said to their end."""
        alone = batch.stop == len(chunks.starts)
        return self.target if alone else self.target.within(chunks.starts[batch.stop] / rate)

    def _around(self, chunks: Chunks, batch: slice, rate: int) -> tuple[int, int]:
        """From where to where enhancers hear the recording: some context on both sides, and
        their windows where they would be.
        """
        grid, context = self.grid(rate), CONTEXT_SECONDS * rate
        begin = max(0, chunks.starts[batch.start] - context) // grid * grid
        return begin, chunks.starts[batch.stop - 1] + chunks.length + context


def _samples(source: Source, rate: int) -> int:
    """As many as a resampler makes of the recording."""
    return max(1, round(source.samples * rate / source.sample_rate))


class _Counter:
    """Gradients taken, of all that ``batches`` of the same number may take."""

    def __init__(self, progress: Callable[[int, int], None], each: int, batches: int) -> None:
        self.progress, self.each, self.batches, self.done = progress, each, batches, 0

    def __call__(self) -> None:
        self._reach(self.done + 1)

    def finish(self, batch: int) -> None:
        """Attacks may stop early, where little is left to do."""
        if self.done < self.each * (batch + 1):
            self._reach(self.each * (batch + 1))

    def _reach(self, done: int) -> None:
        self.done = done
        self.progress(done, self.each * self.batches)
