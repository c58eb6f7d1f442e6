"""A perturbation at the rate at which it was computed → the protected recording, at its own.

Up to a minute goes as a whole. What is longer goes in sections, each within the budget by
itself: so the whole is, and a section is all that has to be in memory. A section may have to
take back some of its perturbation, for rounding can push it over its limit: how much of it is
left then changes slowly from one section to the next, and never exceeds what either may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, pairwise
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import torch

from unhear.audio import as_stored
from unhear.budgets import share_within, stored_within
from unhear.sources import resampled_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.sources import Source

WHOLE_SECONDS = 60
SECTION_SECONDS = 30
MARGIN_SECONDS = 0.5  # on both sides of a section, for budgets that look at spectra
RAMP_SECONDS = 1.0  # from one section's share of its perturbation to the next one's


class Tape:
    """A long signal that comes in stretches, of which only what is still needed is kept."""

    def __init__(self, stretches: Iterator[Float[Tensor, "rows time"]], samples: int) -> None:
        self._stretches, self.samples = stretches, samples
        self._begin, self._held = 0, next(stretches).double().numpy()

    def part(self, start: int, stop: int) -> Float[np.ndarray, "rows time"]:
        """From ``start`` to ``stop``; what lies before ``start`` is not asked for again."""
        held = [self._held]
        end = self._begin + self._held.shape[1]
        while end < stop:
            held.append(next(self._stretches).double().numpy())
            end += held[-1].shape[1]
        self._held = np.concatenate(held, axis=1)[:, start - self._begin :]
        self._begin = start
        return self._held[:, : stop - start]


@dataclass(frozen=True)
class Section:
    """Some of a recording, what is added to it, and how much of that each channel may have."""

    audio: Float[np.ndarray, "channels time"]
    delta: Float[np.ndarray, "channels time"]
    share: Float[np.ndarray, " channels"]  # 0 to 1

    def gains(
        self, before: Section, after: Section, ramp: int
    ) -> Float[np.ndarray, "channels time"]:
        """Each channel's share; at the ends no more than the neighbour may have."""
        time = self.audio.shape[1]
        ramp = min(ramp, time // 2)
        corners = [0, ramp, time - ramp, time]
        first, last = (np.minimum(self.share, other.share) for other in (before, after))
        levels = np.stack([first, self.share, self.share, last], axis=1)
        return np.stack([np.interp(np.arange(time), corners, each) for each in levels])


def protected_parts(
    source: Source, tape: Tape, budget: Budget, rate: int
) -> Iterator[Float[np.ndarray, "channels time"]]:
    """The recording with the perturbation on the ``tape``, which has the given ``rate`` in Hz,
    as stored in a file: one piece after the other.
    """
    own = source.sample_rate
    budget = budget.at_rate(own)
    places = _places(source)
    if len(places) == 1:
        audio, delta = source.part(0, source.samples), _added(source, tape, rate, places[0])
        rows = [stored_within(*row, budget, _store(source)) for row in _channels(audio, delta)]
        yield torch.cat(rows).numpy()
        return
    budgets = [
        budget.knowing(_clips(source, channel)) for channel in range(len(source.sounding))
    ]
    sections = (_section(source, tape, budgets, rate, place) for place in places)
    before = section = next(sections)
    for after in chain(sections, [None]):
        gains = section.gains(before, after or section, round(RAMP_SECONDS * own))
        yield as_stored(section.audio + gains * section.delta, source.subtype)
        if after:
            before, section = section, after


def _places(source: Source) -> list[tuple[int, int]]:
    """Where each section begins and ends."""
    long = source.seconds > WHOLE_SECONDS
    count = ceil(source.seconds / SECTION_SECONDS) if long else 1
    ends = [index * source.samples // count for index in range(count + 1)]
    return list(pairwise(ends))


def _section(
    source: Source,
    tape: Tape,
    budgets: Sequence[Budget],
    rate: int,
    place: tuple[int, int],
) -> Section:
    """Projected together with a margin."""
    wide = _with_margin(source, place)
    own = slice(place[0] - wide[0], place[1] - wide[0])
    audio = source.part(*wide)
    rows: list[tuple[Tensor, Tensor]] = []
    channels = _channels(audio, _added(source, tape, rate, wide))
    for (clip, delta), budget in zip(channels, budgets, strict=True):
        inner, kept = clip[:, own], budget.project(delta, clip)[:, own]
        share = share_within(inner, kept, budget.around(inner), _store(source))
        rows.append((kept, share))
    deltas, shares = (torch.cat(each).numpy() for each in zip(*rows, strict=True))
    return Section(audio[:, own], deltas, shares[:, 0])


def _with_margin(source: Source, place: tuple[int, int]) -> tuple[int, int]:
    """It ends where the recording does."""
    margin = round(MARGIN_SECONDS * source.sample_rate)
    return max(0, place[0] - margin), min(source.samples, place[1] + margin)


def _clips(source: Source, channel: int) -> Iterator[Float[Tensor, "1 time"]]:
    """One channel, section by section."""
    for place in _places(source):
        audio = source.part(*_with_margin(source, place))
        yield torch.from_numpy(audio[channel : channel + 1])


def _channels(
    audio: Float[np.ndarray, "channels time"], delta: Float[np.ndarray, "channels time"]
) -> Iterator[tuple[Float[Tensor, "1 time"], Float[Tensor, "1 time"]]]:
    """One by one: at the file's own rate a channel can be large."""
    return zip(*(torch.from_numpy(each).split(1) for each in (audio, delta)), strict=True)


def _added(
    source: Source, tape: Tape, rate: int, place: tuple[int, int]
) -> Float[np.ndarray, "channels time"]:
    """At the recording's own rate; whatever the budget, silence stays."""
    delta = resampled_part(tape.part, tape.samples, (rate, source.sample_rate), place)
    return delta * source.sounding[:, None]


def _store(source: Source) -> Callable[[Tensor], Tensor]:
    def store(samples: Tensor) -> Tensor:
        return torch.from_numpy(as_stored(samples.numpy(), source.subtype))

    return store
