"""A perturbation at the rate at which it was computed → the protected recording, at its own.

Up to a minute goes as a whole. What is longer goes in sections, each within the budget by
itself: so the whole is, and a section is all that has to be in memory. A section may have to
take back some of its perturbation: rounding can push it over its limit, and what was computed
together with something loud behind its end can be far over it. Then the pieces give way first
that have too much for themselves. How much is left changes slowly from one piece to the next,
and never exceeds what either may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, pairwise
from math import ceil, inf
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
PIECES = 10  # of a section, each with its own share of its perturbation
EVEN = 1.1  # times its budget, from which on single pieces of a section give way
ROUNDING = 1.001  # times its budget, up to which the sample format decides
RAMP_SECONDS = 1.0  # from one piece's share to the next one's


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
    """Some of a recording, what is added to it, and how much of that each channel may have in
    each of several pieces of the same length.
    """

    audio: Float[np.ndarray, "channels time"]
    delta: Float[np.ndarray, "channels time"]
    shares: Float[np.ndarray, "channels pieces"]  # 0 to 1

    def gains(
        self, before: Section | None, after: Section | None, ramp: int
    ) -> Float[np.ndarray, "channels time"]:
        """Each channel's shares; where two pieces meet, the smaller of theirs. None: there is
        no section on that side.
        """
        time, pieces = self.audio.shape[1], self.shares.shape[1]
        ramp = min(ramp, time // (2 * pieces))
        corners = [
            place
            for begin, end in pairwise(_ends(time, pieces))
            for place in (begin, begin + ramp, end - ramp)
        ]
        first = before.shares[:, -1:] if before else self.shares[:, :1]
        last = after.shares[:, :1] if after else self.shares[:, -1:]
        around = np.hstack([first, self.shares, last])
        meeting = np.minimum(around[:, :-1], around[:, 1:])
        levels = np.stack([meeting[:, :-1], self.shares, self.shares], axis=2)
        levels = np.hstack([levels.reshape(len(levels), -1), meeting[:, -1:]])
        return np.stack([np.interp(np.arange(time), [*corners, time], each) for each in levels])


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
    before, section = None, next(sections)
    for after in chain(sections, [None]):
        gains = section.gains(before, after, round(RAMP_SECONDS * own))
        yield as_stored(section.audio + gains * section.delta, source.subtype)
        if after:
            before, section = section, after


def _places(source: Source) -> list[tuple[int, int]]:
    """Where each section begins and ends."""
    long = source.seconds > WHOLE_SECONDS
    count = ceil(source.seconds / SECTION_SECONDS) if long else 1
    return list(pairwise(_ends(source.samples, count)))


def _ends(samples: int, parts: int) -> list[int]:
    """Where the first of as many parts begins, and each of them ends."""
    return [index * samples // parts for index in range(parts + 1)]


def _section(
    source: Source,
    tape: Tape,
    budgets: Sequence[Budget],
    rate: int,
    place: tuple[int, int],
) -> Section:
    """Projected together with a margin, unless that made a quiet section smaller for it."""
    wide = _with_margin(source, place)
    own = slice(place[0] - wide[0], place[1] - wide[0])
    audio = source.part(*wide)
    rows: list[tuple[Tensor, Tensor]] = []
    channels = _channels(audio, _added(source, tape, rate, wide))
    for (clip, delta), budget in zip(channels, budgets, strict=True):
        inner = clip[:, own]
        kept = (delta if budget.uniform else budget.project(delta, clip))[:, own]
        bound = budget.around(inner)
        shares = _shares(inner, kept, budget, bound)
        within = share_within(inner, _spread(shares, kept) * kept, bound, _store(source))
        rows.append((kept, shares * within))
    deltas, shares = (torch.cat(each).numpy() for each in zip(*rows, strict=True))
    return Section(audio[:, own], deltas, shares)


def _shares(
    audio: Float[Tensor, "1 time"],
    delta: Float[Tensor, "1 time"],
    budget: Budget,
    bound: Budget,
) -> Float[Tensor, "1 pieces"]:
    """What each piece keeps, for all together to be within the budget, but for rounding;
    ``bound`` is the budget around all of them.

    One after the other is taken back to a budget of its own, until that is so; first those
    that are furthest over it.
    """
    shares = audio.new_ones(1, PIECES)
    left = _excess(bound, audio, delta)
    if left <= ROUNDING:
        return shares
    if left > EVEN:
        places = pairwise(_ends(audio.shape[1], PIECES))
        pieces = [(audio[:, a:b], delta[:, a:b]) for a, b in places]
        excess = [_excess(budget.around(clip), clip, added) for clip, added in pieces]
        for piece in sorted(range(PIECES), key=excess.__getitem__, reverse=True):
            shares[:, piece] = 1 / excess[piece]
            left = _excess(bound, audio, _spread(shares, delta) * delta)
            if left <= EVEN:
                break
    return shares / left


def _excess(
    bound: Budget, audio: Float[Tensor, "1 time"], delta: Float[Tensor, "1 time"]
) -> float:
    """By how many times too large a perturbation is; 1 for what is within its budget."""
    size = float(bound.size(delta))
    if size <= float(bound.radius(audio)):
        return 1.0
    projected = float(bound.size(bound.project(delta, audio)))  # of no budget, all of it
    return size / projected if projected else inf


def _spread(
    shares: Float[Tensor, "1 pieces"], audio: Float[Tensor, "1 time"]
) -> Float[Tensor, "1 time"]:
    """Every piece's share at each of its samples."""
    ends = torch.tensor(_ends(audio.shape[1], shares.shape[1]))
    return shares.repeat_interleave(ends.diff(), dim=1)


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
