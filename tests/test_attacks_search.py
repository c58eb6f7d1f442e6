"""When attacks stop, begin again, halve their steps and shrink their budget.

The enhancer hands on what it gets, and the target is the recording scaled by 1 + d: what is
left, ‖x + δ - t‖ / ‖x - t‖, and the smallest δ that leaves u of it, (1 - u)·d·‖x‖, are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from toys import Through

from unhear.attacks import APGD, PGD, Least
from unhear.attacks.apgd import checkpoints
from unhear.attacks.base import best_of
from unhear.attacks.pgd import LOOK_EVERY
from unhear.budgets import SignalToNoise
from unhear.channels import Passage
from unhear.objective import Defeat, Heard, Objective, Pull
from unhear.passages import Passages
from unhear.targets import ALL, Distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

SAMPLES = 64
BUDGET = SignalToNoise(20.0)  # a tenth of the recording's norm
UNTIL = 0.1


def wavy(enhanced: Tensor, _clips: slice = ALL) -> Tensor:
    """A loss with many minima: Σ cos(40 y) + y²."""
    return (torch.cos(40 * enhanced) + enhanced.square()).sum(-1)


class Watched(Objective):
    """Remembers where gradients were taken, and knows what is left in closed form."""

    def __init__(self, target: Tensor, loss: Callable[[Tensor], Tensor] | None = None) -> None:
        heard = Heard(Through(), [])
        super().__init__([Defeat(heard, loss or Distance(target, "mse"), target)])
        object.__setattr__(self, "seen", [])

    def resemblance(self, audio: Tensor) -> Tensor:
        target = self.defeated[0].reference
        return (audio - target).norm(dim=-1) / (AUDIO[: len(audio)] - target).norm(dim=-1)

    def measured(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(audio)
        return super().measured(audio)

    def pull(self, audio: Tensor) -> Pull:
        self.seen.append(audio)
        return super().pull(audio)._replace(left=lambda: self.resemblance(audio))


def random(rows: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(rows, SAMPLES, generator=generator, dtype=torch.float64)


AUDIO = random(4)


def wanting(*shares: float) -> Watched:
    """A goal that row by row takes these shares of the budget to reach."""
    d = 0.1 * torch.tensor(shares, dtype=torch.float64) / (1 - UNTIL)
    return Watched(AUDIO[: len(shares)] * (1 + d[:, None]))


# until


def test_a_row_stops_where_it_is_good_enough_and_the_others_go_on() -> None:
    """The first row ends as it does alone, the second as if nobody had looked at it."""
    attack = PGD(steps=50, start=0.0, until=UNTIL)
    delta = attack(AUDIO[:2], goal := wanting(0.6, 3.0), BUDGET)
    left = goal.resemblance(AUDIO[:2] + delta)
    assert left[0] <= UNTIL < left[1]
    assert torch.equal(delta[:1], attack(AUDIO[:1], wanting(0.6), BUDGET))
    unhindered = PGD(steps=50, start=0.0)(AUDIO[:2], wanting(0.6, 3.0), BUDGET)
    assert torch.equal(delta[1], unhindered[1])
    assert not torch.equal(delta[0], unhindered[0])


def test_pgd_ends_when_every_row_is_good_enough() -> None:
    attack = PGD(steps=200, until=UNTIL)
    delta = attack(AUDIO[:2], goal := wanting(0.3, 0.5), BUDGET)
    assert (goal.resemblance(AUDIO[:2] + delta) <= UNTIL).all()
    assert len(goal.seen) < attack.evaluations
    before = torch.stack([goal.resemblance(seen).amax() for seen in goal.seen[:-1]])
    assert (before > UNTIL).all()  # it ends as soon as it can
    assert torch.equal(goal.seen[-1], AUDIO[:2] + delta)


def test_where_a_look_takes_a_pass_of_its_own_there_are_fewer() -> None:
    attack = PGD(steps=200, until=UNTIL, nesterov=True)
    delta = attack(AUDIO[:2], goal := wanting(0.3, 0.5), BUDGET)
    assert (goal.resemblance(AUDIO[:2] + delta) <= UNTIL).all()
    assert len(goal.seen) % LOOK_EVERY == 1
    assert 1 < len(goal.seen) < attack.evaluations


# restarts


def test_restarts_keep_the_best_end_of_each_row() -> None:
    target = random(4, seed=1)
    starts = [PGD(steps=8, seed=seed) for seed in (5, 6, 7)]
    goal = Watched(target, wavy)
    left = torch.stack(
        [goal.resemblance(AUDIO + start(AUDIO, goal, BUDGET)) for start in starts]
    )
    together = PGD(steps=8, seed=5, restarts=3)
    delta = together(AUDIO, goal := Watched(target, wavy), BUDGET)
    assert torch.equal(goal.resemblance(AUDIO + delta), left.amin(0))
    assert len(set(left.argmin(0).tolist())) > 1  # or it would not matter that rows are apart
    assert len(goal.seen) == together.evaluations == 24


def test_of_equals_the_least_loss_is_kept() -> None:
    """As far from the target on either side of it, where the loss is not the same."""
    target = torch.zeros_like(AUDIO)
    goal = Watched(target, lambda enhanced: enhanced.sum(-1))
    up, down = -AUDIO + 0.1, -AUDIO - 0.1
    assert torch.equal(best_of([up, down], AUDIO, goal), down)
    assert torch.equal(best_of([down, up], AUDIO, goal), down)


# Auto-PGD


def test_checkpoints_are_those_of_the_paper() -> None:
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]


def test_apgd_returns_the_best_point_that_it_saw() -> None:
    goal = Watched(random(4, seed=1), wavy)
    delta = APGD(steps=40)(AUDIO, goal, BUDGET)
    seen = torch.stack([goal.losses(audio) for audio in goal.seen])
    assert torch.equal(goal.losses(AUDIO + delta), seen.amin(0))
    assert len(goal.seen) == 40


def test_apgd_halves_its_step_until_it_fits() -> None:
    """The goal is 0.3 of the budget away: steps of twice the budget pass it by far."""
    goal = wanting(0.3 * (1 - UNTIL))
    delta = APGD(steps=200, step_size=2.0, start=0.0)(AUDIO[:1], goal, BUDGET)
    assert goal.resemblance(AUDIO[:1] + delta) < 0.02


class Misleading(Watched):
    """Losses by how often one has asked, whatever the audio; ascends everywhere."""

    def __init__(self, loss: Callable[[int], float]) -> None:
        super().__init__(AUDIO)
        object.__setattr__(self, "_loss", loss)

    def measured(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(audio)
        loss = torch.full((len(audio),), self._loss(len(self.seen)), dtype=audio.dtype)
        return loss, torch.ones_like(audio)


@pytest.mark.parametrize("loss", [float, lambda asked: 0.0 if asked == 1 else 10.0 - asked % 8])
def test_apgd_goes_back_to_its_best_point(loss: Callable[[int], float]) -> None:
    """Losses that only rise, or that fall now and then but never below the first."""
    goal = Misleading(loss)
    APGD(steps=100, start=0.0)(AUDIO, goal, BUDGET)
    last = BUDGET.size(goal.seen[-1] - AUDIO)
    assert (last < 0.5 * BUDGET.radius(AUDIO)).all()


def test_apgd_shows_that_it_diverged() -> None:
    """Beyond half of the budget the loss is undefined, and so is what comes of that."""
    half = 0.5 * BUDGET.radius(AUDIO)[:, 0]

    def loss(enhanced: Tensor, _clips: slice = ALL) -> Tensor:
        return (half - (enhanced - AUDIO).norm(dim=-1)).sqrt()

    assert APGD(steps=20)(AUDIO, Watched(random(4, seed=1), loss), BUDGET).isnan().any()


def test_nesterov_looks_where_the_momentum_leads() -> None:
    attack = PGD(steps=2, step_size=0.2, final_rate=1.0, momentum=0.5, start=0.0, nesterov=True)
    attack(AUDIO[:2], goal := wanting(3.0, 3.0), BUDGET)
    second = BUDGET.size(goal.seen[1] - AUDIO[:2])
    torch.testing.assert_close(second, (1 + 0.5) * 0.2 * BUDGET.radius(AUDIO[:2]))


def test_losses_come_with_the_gradient() -> None:
    heard = Heard(Through(), [])
    losses = [Distance(random(4, seed=seed), "mse") for seed in (1, 2)]
    goal = Objective([Defeat(heard, loss, AUDIO) for loss in losses])
    measured, gradient = goal.measured(AUDIO)
    assert torch.equal(measured, goal.losses(AUDIO))
    assert not measured.requires_grad
    assert torch.equal(gradient, goal.gradient(AUDIO))


def test_losses_are_of_the_recording_itself_whatever_the_draw() -> None:
    class Louder(Passages):
        def draw(self) -> Passage:
            return Passage(lambda audio: 2 * audio)

    heard, loss = Heard(Through(), []), Distance(random(4, seed=1), "mse")
    goal = Objective([Defeat(heard, loss, AUDIO)], passages=Louder((), 16_000, 0))
    measured, gradient = goal.measured(AUDIO)
    assert torch.equal(measured, loss(AUDIO))
    # d/dx mean((2x - t)²) = 4 (2x - t) / n, but for 16 bits on the way
    expected = 4 * (2 * AUDIO - loss.target) / SAMPLES
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-3)


# least


def test_least_finds_the_smallest_ball() -> None:
    """Within two steps of the search, of 20 dB / 2⁵ each: a ball that hardly suffices is not
    reached in few steps. Nothing smaller could have been enough.
    """
    shares = torch.tensor([0.15, 0.4, 0.9], dtype=torch.float64)
    audio, goal = AUDIO[:3], wanting(*shares.tolist())
    attack = Least(until=UNTIL)
    delta = attack(audio, goal, BUDGET)
    assert (goal.resemblance(audio + delta) <= UNTIL).all()
    found = (BUDGET.size(delta) / BUDGET.radius(audio))[:, 0]
    assert (found >= shares * (1 - 1e-9)).all()
    assert (found <= shares * 10 ** (2 * 20 / 2**5 / 20)).all()
    assert len(goal.seen) <= attack.evaluations == 300


def test_what_cannot_be_reached_keeps_the_whole_budget() -> None:
    """And does not keep the other row from its search."""
    audio, goal = AUDIO[:2], wanting(3.0, 0.4)
    attack = Least(steps=30)
    delta = attack(audio, goal, BUDGET)
    whole = PGD(steps=30, until=0.1)(audio, wanting(3.0, 0.4), BUDGET)
    assert torch.equal(delta[0], whole[0])
    assert BUDGET.size(delta)[1] < 0.5 * BUDGET.radius(audio)[1]
    assert len(goal.seen) == attack.evaluations  # the first row took them all
