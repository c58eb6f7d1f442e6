"""The losses and the gradient of several enhancers to defeat and to spare, as one.

They are balanced by their gradients, not by their losses: a sum of losses is captured by
whichever gives way most easily. For each recording, every enhancer to defeat pulls as hard as
words may be left in its output, whatever the length of its gradient; one that is to be spared
pulls back the harder the nearer its output comes to what it is allowed to change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch

from unhear.errors import InputError
from unhear.objective.heard import arrived
from unhear.passages import CLEAN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaxtyping import Float
    from torch import Tensor

    from unhear.channels import Passage
    from unhear.objective.defeat import Defeat
    from unhear.objective.spare import Spare
    from unhear.passages import Passages

TINY = 1e-20  # keeps 0 / 0 out of the directions of what cannot change
STRONGEST = 4.0  # pull of a spared enhancer, in pulls of those to defeat together
WEAKEST = 0.1  # pull of an enhancer in whose output nothing is left; a whole one pulls with 1


def _nothing() -> None:
    pass


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

    def suggested(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """What networks that were trained for the enhancers to defeat would add, each as much,
        at no particular size. Those to be spared, and what happens on the way, have no say.

        Raises InputError where one of them has no such network.
        """
        found = [_suggested(audio, each) for each in self.defeated]
        return torch.stack([each / _length(each) for each in found]).sum(0)

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


def _suggested(
    audio: Float[Tensor, "batch time"], defeat: Defeat
) -> Float[Tensor, "batch time"]:
    found = defeat.heard.suggested(audio)
    if found is None:
        raise InputError(
            f"no generator was trained against {defeat.heard.enhancer.card.name} with these "
            "weights: take another attack, without a learned start"
        )
    return found


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
