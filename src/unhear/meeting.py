"""Where the enhancers of several recordings meet: what they ask for together is one pass.

Everybody's clips are padded with zeros to one length and go through the network at once, and so
do gradients on their way back. Who goes with whom follows from what is asked alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from unhear.chunks import BATCH_SECONDS
from unhear.enhancers.base import Enhancer
from unhear.errors import UnhearError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaxtyping import Float, Int
    from torch import Tensor

    from unhear.strands import Strand


class Met(Enhancer):
    """An enhancer as one of several recordings has it, with random draws of its own.

    ``ask`` waits for the answer to a question. Gradients come from :meth:`with_pullback` alone.
    """

    def __init__(self, enhancer: Enhancer, place: int, ask: Callable[[Any], Any]) -> None:
        self.card = enhancer.card
        self.grid, self.likely_grid = enhancer.grid, enhancer.likely_grid
        self.seconds_at_once, self.device = enhancer.seconds_at_once, enhancer.device
        self._enhancer, self._place, self._ask = enhancer, place, ask
        self.reseed(0)

    def __call__(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time"]:
        return self._ask(self._clips(audio, lengths, wants_gradient=False))

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        return self(audio)

    def with_pullback(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
    ) -> tuple[
        Float[Tensor, "batch time"],
        Callable[[Float[Tensor, "batch time"]], Float[Tensor, "batch time"]],
    ]:
        """As any enhancer does; the second is to be called before the next of these."""
        output, passing = self._ask(self._clips(audio, lengths, wants_gradient=True))
        return output, lambda gradient: self._ask(Gradient(passing, gradient))

    def suggested(
        self, audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"] | None:
        return self._enhancer.suggested(audio)

    def reseed(self, seed: int) -> None:
        draws = self._enhancer.draws_from(seed)
        if draws is None:
            raise TypeError(f"nobody knows what {self.card.name} draws")
        self._draws = draws

    def _clips(
        self,
        audio: Float[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"] | None,
        *,
        wants_gradient: bool,
    ) -> Clips:
        if lengths is None:
            lengths = torch.full((len(audio),), audio.shape[1])
        draw = next(self._draws)
        return Clips(
            self._enhancer, (wants_gradient, self._place, draw), audio.detach(), lengths
        )


@dataclass(frozen=True, eq=False)
class Clips:
    """Somebody asks what an enhancer makes of these."""

    enhancer: Enhancer
    kind: tuple[bool, int, int]  # whether a gradient follows, place of the enhancer, draw
    audio: Float[Tensor, "batch time"]
    lengths: Int[Tensor, " batch"]


@dataclass(frozen=True, eq=False)
class Gradient:
    """Somebody asks where a gradient of their part of a pass comes from."""

    passing: Passing
    output: Float[Tensor, "batch time"]


@dataclass(frozen=True, eq=False)
class Passing:
    """Clips on their way through an enhancer, some of each strand's."""

    strands: Sequence[Strand[Any]]
    shapes: Sequence[torch.Size]
    pullback: Callable[[Float[Tensor, "clips time"]], Float[Tensor, "clips time"]]

    @property
    def ready(self) -> bool:
        """Whether everybody who has not failed has brought the gradient."""
        return all(strand.ended or self._brought(strand) for strand in self.strands)

    def back(self) -> None:
        """Take all gradients back through the enhancer, and resume whose they are."""
        some = next(filter(self._brought, self.strands)).question.output
        gradients = [
            strand.question.output if self._brought(strand) else some.new_zeros(shape)
            for strand, shape in zip(self.strands, self.shapes, strict=True)
        ]
        found = _apart(self.pullback(_stacked(gradients)), self.shapes)
        for strand, gradient in zip(self.strands, found, strict=True):
            if not strand.ended:
                strand.resume(gradient)

    def _brought(self, strand: Strand[Any]) -> bool:
        question = strand.question
        return isinstance(question, Gradient) and question.passing is self


def meet(strands: Sequence[Strand[Any]]) -> None:
    """Run all strands to their ends, one pass through an enhancer after the other.

    An interruption of any of them, or an error that is no answer, ends all and is raised.
    """
    try:
        for strand in strands:
            strand.resume()
        while waiting := [strand for strand in strands if not strand.ended]:
            _serve(waiting)
    finally:
        for strand in strands:
            strand.close()


def _serve(waiting: Sequence[Strand[Any]]) -> None:
    """One pass.

    A way back goes first, so that one graph is in memory at a time; then what takes no
    gradient; then the enhancers in their order. So whoever is behind catches up.
    """
    for strand in waiting:
        if isinstance(strand.question, Gradient) and strand.question.passing.ready:
            strand.question.passing.back()
            return
    asking = [strand for strand in waiting if isinstance(strand.question, Clips)]
    if not asking:
        raise RuntimeError("gradients are waited for that nobody is going to bring")
    _forward(_who_goes(asking))


def _who_goes(asking: Sequence[Strand[Any]]) -> list[Strand[Any]]:
    """The first in the order of :func:`_serve`, and who can go with them: a minute at most."""
    first = min(asking, key=lambda strand: strand.question.kind[:2]).question
    enhancer = first.enhancer
    most = min(BATCH_SECONDS * enhancer.card.sample_rate, enhancer.samples_at_once)
    going: list[Strand[Any]] = []
    rows = longest = 0
    for strand in asking:
        if strand.question.kind == first.kind:
            clips, samples = strand.question.audio.shape
            rows, longest = rows + clips, max(longest, samples)
            if going and rows * longest > most:
                break
            going.append(strand)
    return going


def _forward(strands: Sequence[Strand[Any]]) -> None:
    """Resume everybody with what the enhancer makes of theirs."""
    try:
        answers = _enhanced(strands)
    except UnhearError as error:
        if len(strands) > 1:  # whose fault is it?
            for strand in strands:
                _forward([strand])
            return
        answers = [error]
    for strand, answer in zip(strands, answers, strict=True):
        strand.resume(answer)


def _enhanced(strands: Sequence[Strand[Any]]) -> Sequence[Any]:
    asked: list[Clips] = [strand.question for strand in strands]
    audio = _stacked([each.audio for each in asked])
    lengths = torch.cat([each.lengths for each in asked])
    shapes = [each.audio.shape for each in asked]
    enhancer, (wants_gradient, _, draw) = asked[0].enhancer, asked[0].kind
    with enhancer.drawing(draw):
        if not wants_gradient:
            with torch.no_grad():
                return _apart(enhancer(audio, lengths), shapes)
        output, pullback = enhancer.with_pullback(audio, lengths)
    passing = Passing(strands, shapes, pullback)
    return [(part, passing) for part in _apart(output, shapes)]


def _stacked(parts: Sequence[Float[Tensor, "_ _"]]) -> Float[Tensor, "clips time"]:
    """All rows, with zeros behind the shorter ones."""
    if len(parts) == 1:
        return parts[0]
    longest = max(part.shape[1] for part in parts)
    whole = parts[0].new_zeros(sum(map(len, parts)), longest)
    for rows, part in zip(whole.split([len(part) for part in parts]), parts, strict=True):
        rows[:, : part.shape[1]] = part
    return whole


def _apart(
    whole: Float[Tensor, "clips time"], shapes: Sequence[torch.Size]
) -> list[Float[Tensor, "_ _"]]:
    parts = whole.split([rows for rows, _ in shapes])
    return [part[:, :samples] for part, (_, samples) in zip(parts, shapes, strict=True)]
