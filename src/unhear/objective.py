"""Enhancers to defeat and to spare × what happens on the way × target → losses and a gradient.

The only thing that an attack sees of all of them.

Several enhancers are balanced by their gradients, not by their losses: a sum of losses is
captured by whichever gives way most easily. For each recording, every enhancer to defeat pulls
as hard as words may be left in its output, whatever the length of its gradient; one that is to
be spared pulls back the harder the nearer its output comes to what it is allowed to change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from unhear.channels import Pcm16
from unhear.passages import CLEAN
from unhear.targets import ALL, likeness, pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaxtyping import Float
    from torch import Tensor

    from unhear.channels import Channel, Passage
    from unhear.enhancers.base import Enhancer
    from unhear.passages import Passages
    from unhear.targets import Loss

TINY = 1e-20  # keeps 0 / 0 out of the gradients of what cannot change
ALLOWED_DB = 22.0  # that a change in a spared enhancer's output stays below what it was
ALLOWED_UNLIKE = 0.003  # that its pattern may lose of the correlation with what it was
STRONGEST = 4.0  # pull of a spared enhancer, in pulls of those to defeat together
WEAKEST = 0.1  # pull of an enhancer in whose output nothing is left; a whole one pulls with 1


def _nothing() -> None:
    pass


class Pulled(NamedTuple):
    """What one enhancer's output says of a recording."""

    losses: Float[Tensor, " clips"]
    output: Float[Tensor, "clips samples"]
    gradient: Float[Tensor, "batch time"]


@dataclass(frozen=True)
class Heard:
    """What an enhancer makes of a recording that has passed the channels."""

    enhancer: Enhancer
    channels: Sequence[Channel]

    def __call__(
        self, audio: Float[Tensor, "batch time"], passage: Passage | None = None
    ) -> Float[Tensor, "clips samples"]:
        """The raw output, not normalised in level, one row for each clip that arrives.

        What the passage did to level and time is undone in it.
        """
        return self._back(self.enhancer(self.arriving(audio)), passage)

    def pulled(
        self,
        audio: Float[Tensor, "batch time"],
        loss: Loss,
        passage: Passage | None = None,
    ) -> Pulled:
        """What a loss of the output says, and where it rises.

        The enhancer is differentiated apart from what is before and behind it: it may serve
        several recordings in one pass, each of which has a loss of its own. Where it takes
        only some of the clips at a time, each portion goes there and back before the next.
        """
        audio = audio.detach().requires_grad_()
        arriving = self.arriving(audio)
        clips = arriving.detach()
        found = [
            self._portion(clips, portion, loss, passage)
            for portion in self.enhancer.portions(clips)
        ]
        losses, output, gradients = (
            each[0] if len(each) == 1 else torch.cat(each) for each in zip(*found, strict=True)
        )
        (gradient,) = torch.autograd.grad(arriving, audio, gradients)
        return Pulled(losses, output, gradient)

    def _portion(
        self,
        arriving: Float[Tensor, "clips time"],
        portion: slice,
        loss: Loss,
        passage: Passage | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Losses, output and where the losses rise, of some of the clips."""
        raw, pullback = self.enhancer.with_pullback(arriving[portion])
        output = self._back(raw.requires_grad_(), passage)
        losses = loss(output, portion)
        gradient = pullback(torch.autograd.grad(losses.sum(), raw)[0])
        return losses.detach(), output.detach(), gradient

    def _back(
        self, output: Float[Tensor, "clips samples"], passage: Passage | None
    ) -> Float[Tensor, "clips samples"]:
        return passage.back(output, self.enhancer.card.sample_rate) if passage else output

    def arriving(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "clips samples"]:
        """What comes out of the channels."""
        for channel in self.channels:
            audio = channel(audio)
        return audio


@dataclass(frozen=True)
class Defeat:
    """One enhancer, and how far its output is from what it should be."""

    heard: Heard
    loss: Loss
    reference: Float[Tensor, "clips samples"]  # what it makes of the recording itself

    def left(self, output: Float[Tensor, "clips samples"]) -> Float[Tensor, " clips"]:
        """How much of the words an output may still carry: about 1 for the reference, 0 where
        nothing is left, or its opposite; see :func:`unhear.targets.resemblance`.
        """
        rate = self.heard.enhancer.card.sample_rate
        return likeness(pattern(output, rate), self._pattern).clamp(min=0)

    @cached_property
    def _pattern(self) -> Float[Tensor, "clips bands frames"]:
        return pattern(self.reference, self.heard.enhancer.card.sample_rate)


class Before(NamedTuple):
    """What a spared enhancer makes of the original."""

    output: Float[Tensor, "clips samples"]
    pattern: Float[Tensor, "clips bands frames"]
    # To itself: 1, or 0 of what has no pattern, a frame or silence.
    likeness: Float[Tensor, " clips"]


@dataclass(frozen=True)
class Change:
    """What has changed in an output, in energy and in pattern, as a share of what is allowed.

    Energy spares what is loud. Words also hang on what is 20 or 30 dB below it: the pattern, as
    in :func:`unhear.targets.resemblance`, counts that.
    """

    before: Callable[[], Before]  # asked once there is an output
    sample_rate: int  # Hz

    def __call__(
        self, enhanced: Float[Tensor, "batch samples"], clips: slice = ALL
    ) -> Float[Tensor, " batch"]:
        """See :class:`Change`; the sum of both."""
        output, before, most = (each[clips] for each in self.before())
        allowed = output.square().sum(-1) * 10 ** (-ALLOWED_DB / 10)
        energy = (enhanced - output).square().sum(-1) / (allowed + TINY)
        unlike = most - likeness(pattern(enhanced, self.sample_rate), before)
        return energy + unlike.clamp(min=0) / ALLOWED_UNLIKE


@dataclass(frozen=True)
class Spare:
    """One enhancer whose output should stay what it was."""

    heard: Heard
    original: Float[Tensor, "batch time"]  # the rows of the recording as they are
    _kept: list[Before] = field(default_factory=list[Before], init=False)

    def used(self, passage: Passage | None = None) -> Loss:
        """What a change uses up of what is allowed: at 1 the allowance is used up.

        Of what the enhancer makes of what arrives after the passage. The original goes the same
        way: what a channel does to it is no change.
        """
        before = cache(partial(self._after, passage)) if passage else self._as_written
        return Change(before, self.heard.enhancer.card.sample_rate)

    def _as_written(self) -> Before:
        """Kept, but not by a cached_property, which up to Python 3.11 holds a lock while the
        enhancer works: that waits for other recordings that would wait for the lock.
        """
        if not self._kept:
            self._kept.append(self._after(None))
        return self._kept[0]

    @torch.no_grad()
    def _after(self, passage: Passage | None) -> Before:
        output = self.heard(arrived(self.original, passage), passage)
        own = pattern(output, self.heard.enhancer.card.sample_rate)
        return Before(output, own, likeness(own, own))


def arrived(
    audio: Float[Tensor, "batch time"], passage: Passage | None
) -> Float[Tensor, "batch time"]:
    """What becomes of the written file on its way."""
    return passage.there(Pcm16()(audio)) if passage else audio


class Pull(NamedTuple):
    """What one enhancer to defeat, or all of them, have to say, row by row."""

    losses: Float[Tensor, " batch"]
    gradient: Float[Tensor, "batch time"]
    left: Callable[[], Float[Tensor, " batch"]]  # of the words, where anybody wants to know


@dataclass(frozen=True)
class Objective:
    """Minimised by attacks."""

    defeated: Sequence[Defeat]
    spared: Sequence[Spare] = ()
    passages: Passages = CLEAN
    after_gradient: Callable[[], None] = _nothing  # for progress bars

    def losses(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, " batch"]:
        """One loss for each row, summed over the enhancers to defeat that hear it."""
        found = [_per_row(each.loss(each.heard(audio)), len(audio)) for each in self.defeated]
        return torch.stack(found).sum(0)

    @torch.no_grad()
    def resemblance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, " batch"]:
        """The most that is left of the words in any of the outputs: see :meth:`Defeat.left`."""
        return _most(
            [_worst(each.left(each.heard(audio)), len(audio)) for each in self.defeated]
        )

    @property
    def clean(self) -> bool:
        """Whether nothing happens to the recording on its way."""
        return not self.passages

    def gradient(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """Where each row's losses rise, after one draw of what may happen on the way.

        Recordings do not mix, so each row is its own's.
        """
        return self.pull(audio).gradient

    def pull(self, audio: Float[Tensor, "batch time"]) -> Pull:
        """:meth:`gradient`, and with it what was seen after that draw."""
        return self._drawn(audio, self.passages.draw())

    def measured(
        self, audio: Float[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch time"]]:
        """:meth:`losses`, without gradient, and :meth:`gradient`, from the same pass.

        Losses of different draws cannot be compared. Where something happens on the way, they
        are of the recording as it is, which takes one more pass, forward only.
        """
        passage = self.passages.draw()
        pulled = self._drawn(audio, passage)
        if passage:
            with torch.no_grad():
                return self.losses(audio), pulled.gradient
        return pulled.losses, pulled.gradient

    def _drawn(self, audio: Float[Tensor, "batch time"], passage: Passage | None) -> Pull:
        """What all enhancers together say after a passage."""
        audio = audio.detach().requires_grad_()
        arriving = arrived(audio, passage)
        pulled = self._balanced(arriving.detach(), passage)
        if passage:
            (gradient,) = torch.autograd.grad(arriving, audio, pulled.gradient)
            pulled = pulled._replace(gradient=gradient)
        self.after_gradient()
        return pulled

    def _balanced(self, arriving: Float[Tensor, "batch time"], passage: Passage | None) -> Pull:
        """One enhancer after the other, so that one graph is in memory at a time."""
        pulls = [_pull(arriving, each, passage) for each in self.defeated]
        if len(pulls) == 1 and not self.spared:
            return pulls[0]
        losses = torch.stack([pull.losses for pull in pulls]).sum(0)
        lengths = torch.stack([_length(pull.gradient) for pull in pulls])
        weights = torch.stack([pull.left().clamp(WEAKEST, 1)[:, None] for pull in pulls])
        directions = torch.stack([pull.gradient for pull in pulls]) / lengths
        total = (weights / weights.sum(0) * directions).sum(0)
        pushes = sum((_push(arriving, each, passage) for each in self.spared), 0 * total)
        # A friend's whole pull is that of all others together, and the more of the words in
        # theirs is gone, the less can be won there, and the more counts what it loses.
        total = total + _length(total) / weights.mean(0) * pushes
        return Pull(
            losses, total * lengths.mean(0), lambda: _most([pull.left() for pull in pulls])
        )


def _pull(
    arriving: Float[Tensor, "batch time"], defeat: Defeat, passage: Passage | None
) -> Pull:
    losses, output, gradient = defeat.heard.pulled(arriving, defeat.loss, passage)
    rows = len(arriving)
    left = cache(lambda: _worst(defeat.left(output), rows))
    return Pull(_per_row(losses, rows), gradient, left)


def _most(left: list[Float[Tensor, " batch"]]) -> Float[Tensor, " batch"]:
    return torch.stack(left).amax(0)


def _push(
    arriving: Float[Tensor, "batch time"], spare: Spare, passage: Passage | None
) -> Float[Tensor, "batch time"]:
    """Where a spared enhancer's output changes, as long as the share of its allowance that is
    used up.
    """
    change, _, gradient = spare.heard.pulled(arriving, spare.used(passage), passage)
    used = _worst(change, len(arriving)).clamp(max=STRONGEST)
    return gradient / _length(gradient) * used[:, None]


def _length(gradient: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
    return gradient.norm(dim=-1, keepdim=True) + TINY


def _per_row(clips: Float[Tensor, " clips"], rows: int) -> Float[Tensor, " rows"]:
    """Of each row and, where its recording is also heard as a downmix, of that."""
    if len(clips) == rows:
        return clips
    return clips[:rows] + clips[rows:].repeat_interleave(rows // (len(clips) - rows))


def _worst(clips: Float[Tensor, " clips"], rows: int) -> Float[Tensor, " rows"]:
    """Of each row, or of the downmix of its recording."""
    if len(clips) == rows:
        return clips
    downmixed = clips[rows:].repeat_interleave(rows // (len(clips) - rows))
    return torch.maximum(clips[:rows], downmixed)
