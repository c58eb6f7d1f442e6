"""Attacks on a linear enhancer, where the best perturbation is known in closed form."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from toys import Linear

from unhear.attacks import APGD, ATTACKS, FGSM, OPT, PGD, Attack, WhiteNoise, make_attack
from unhear.budgets import Budget, MaxAmplitude, SignalToNoise, Unbounded
from unhear.errors import InputError
from unhear.objective import Defeat, Heard, Objective
from unhear.targets import Distance

if TYPE_CHECKING:
    from torch import Tensor

SAMPLES = 64
GUIDE = Path(__file__).parent.parent / "docs" / "adding-an-attack.md"


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def objective(matrix: Tensor, target: Tensor, form: str = "mse") -> Objective:
    heard = Heard(Linear(matrix), [])
    return Objective([Defeat(heard, Distance(target, form), target)])


@pytest.fixture
def audio() -> Tensor:
    return 0.1 * random(3, SAMPLES)


@pytest.fixture
def matrix() -> Tensor:
    return random(SAMPLES, SAMPLES, seed=1) / SAMPLES**0.5


@pytest.fixture
def target() -> Tensor:
    return 0.1 * random(3, SAMPLES, seed=2)


def best_in_ball(matrix: Tensor, residual: Tensor, radius: float) -> Tensor:
    """argmin ‖A δ + residual‖₂ over ‖δ‖₂ ≤ radius: δ = -(AᵀA + λI)⁻¹ Aᵀ residual, by bisection.

    The norm of that δ falls as λ grows, so the λ that meets the radius is found by halving.
    """
    low, high = torch.tensor(0.0), torch.tensor(1e6)
    gram, slope = matrix.T @ matrix, matrix.T @ residual
    for _ in range(200):
        middle = (low + high) / 2
        delta = -torch.linalg.solve(gram + middle * torch.eye(SAMPLES), slope)
        low, high = (middle, high) if delta.norm() > radius else (low, middle)
    return delta


@pytest.mark.parametrize(
    "attack", [PGD(steps=400), PGD(steps=400, nesterov=True), APGD(steps=400)]
)
def test_the_optimum_in_the_energy_ball_is_reached(
    attack: Attack, audio: Tensor, matrix: Tensor, target: Tensor
) -> None:
    budget = SignalToNoise(20.0)
    goal = objective(matrix, target)
    delta = attack(audio, goal, budget)
    residual, radius = audio @ matrix.T - target, budget.radius(audio)
    for row in range(3):
        best = best_in_ball(matrix, residual[row], float(radius[row]))
        reached = (matrix @ delta[row] + residual[row]).norm()
        optimal = (matrix @ best + residual[row]).norm()
        before = residual[row].norm()
        # Of the way that can be gone at all, at least 99 % is gone.
        assert before - reached >= 0.99 * (before - optimal)


@pytest.mark.parametrize(
    "attack", [PGD(steps=200), PGD(steps=200, nesterov=True), APGD(steps=200)]
)
def test_the_corner_of_the_amplitude_box_is_reached(attack: Attack, audio: Tensor) -> None:
    """With y = 2x and silence wanted, every sample moves towards zero by eps or to zero."""
    eps = 0.01
    goal = objective(2 * torch.eye(SAMPLES, dtype=torch.float64), torch.zeros_like(audio))
    delta = attack(audio, goal, MaxAmplitude(eps))
    best = -audio.clamp(-eps, eps)
    assert goal.losses(audio + delta).sum() <= 1.001 * goal.losses(audio + best).sum()
    assert torch.equal(delta[audio.abs() > 2 * eps], best[audio.abs() > 2 * eps])


def test_fgsm_is_one_descending_sign_step(
    audio: Tensor, matrix: Tensor, target: Tensor
) -> None:
    """Equation 4 with the sign that leads to the target: -eps · sign(Aᵀ(Ax - t))."""
    eps = 0.003
    delta = FGSM()(audio, objective(matrix, target), MaxAmplitude(eps))
    expected = -eps * ((audio @ matrix.T - target) @ matrix).sign()
    torch.testing.assert_close(delta, expected)


def test_pgd_with_the_papers_settings_is_equation_5(
    audio: Tensor, matrix: Tensor, target: Tensor
) -> None:
    eps, steps = 0.004, 5
    attack = PGD(steps=steps, step_size=0.2, final_rate=1.0, momentum=0.0, start=0.0)
    delta = attack(audio, objective(matrix, target), MaxAmplitude(eps))
    expected = torch.zeros_like(audio)
    for _ in range(steps):
        gradient = ((audio + expected) @ matrix.T - target) @ matrix
        expected = (expected - eps / 5 * gradient.sign()).clamp(-eps, eps)
    torch.testing.assert_close(delta, expected)


@pytest.mark.parametrize("samples", [SAMPLES, 4 * SAMPLES])
@pytest.mark.parametrize("paper_alpha", [True, False])
def test_unbounded_opt_finds_the_balance(samples: int, paper_alpha: bool) -> None:
    """With y = c x and silence wanted, mean(δ²) + α·c·‖x + δ‖₂ is least at
    δ = -(α·c·samples / 2) · x / ‖x‖₂, with α scaled by √(48000 / samples) but in the paper.
    """
    audio, gain = 0.1 * random(2, samples), 3.0
    alpha = 1e-3 / samples**0.5
    attack = OPT(3000, alpha, paper_alpha, learning_rate=1e-4)
    goal = objective(
        gain * torch.eye(samples, dtype=torch.float64), torch.zeros_like(audio), attack.form
    )
    delta = attack(audio, goal, Unbounded())
    scale = (48_000 / samples) ** 0.5 if not paper_alpha else 1.0
    size = alpha * scale * gain * samples / 2
    norm = audio.norm(dim=-1, keepdim=True)
    expected = -audio * (size / norm).clamp(max=1)
    assert (delta - expected).norm() <= 0.02 * expected.norm()


def test_opt_keeps_a_budget(audio: Tensor, matrix: Tensor, target: Tensor) -> None:
    budget = SignalToNoise(30.0)
    delta = OPT(steps=50, alpha=1.0)(audio, objective(matrix, target, "l2"), budget)
    assert (budget.size(delta) <= budget.radius(audio) * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    "attack",
    [FGSM(), PGD(steps=20), PGD(steps=20, nesterov=True), APGD(steps=20), OPT(steps=20)],
)
@pytest.mark.parametrize("budget", [SignalToNoise(25.0), MaxAmplitude(0.002)])
def test_every_attack_descends_within_its_budget(
    attack: Attack, budget: Budget, audio: Tensor, matrix: Tensor, target: Tensor
) -> None:
    goal = objective(matrix, target, attack.form)
    delta = attack(audio, goal, budget)
    assert (goal.losses(audio + delta) < goal.losses(audio)).all()
    torch.testing.assert_close(budget.project(delta, audio), delta)


@pytest.mark.parametrize(
    "attack",
    [  # without random starts, which are drawn for the whole batch
        FGSM(),
        PGD(steps=5, start=0.0),
        PGD(steps=5, start=0.0, nesterov=True),
        APGD(steps=30, start=0.0),
        OPT(steps=5),
    ],
)
def test_a_clip_does_not_feel_its_neighbours(
    attack: Attack, audio: Tensor, matrix: Tensor, target: Tensor
) -> None:
    together = attack(audio, objective(matrix, target), SignalToNoise(25.0))
    alone = attack(audio[1:2], objective(matrix, target[1:2]), SignalToNoise(25.0))
    torch.testing.assert_close(together[1:2], alone)


@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=7), APGD(steps=7), OPT(steps=4)])
def test_evaluations_are_counted_truly(attack: Attack, audio: Tensor) -> None:
    calls: list[int] = []
    eye = torch.eye(SAMPLES, dtype=torch.float64)
    goal = replace(
        objective(eye, torch.zeros_like(audio)), after_gradient=lambda: calls.append(1)
    )
    attack(audio, goal, SignalToNoise(25.0))
    assert len(calls) == attack.evaluations


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("pdg", {}, "did you mean pgd?"),
        ("zzzzzz", {}, "there is pgd, apgd, least, fgsm, opt, generator, white-noise"),
        ("pgd", {"alpha": 1.0}, "--alpha does not belong to pgd, which has --steps"),
        ("fgsm", {"steps": 3}, "which has no setting"),
        ("pgd", {"steps": 0}, "--steps 0 is out of range for pgd"),
        ("pgd", {"momentum": 1.0}, "--momentum 1.0 is out of range"),
        ("pgd", {"restarts": 0}, "--restarts 0 is out of range"),
        ("pgd", {"restarts": 2, "start": 0.0}, "begin at one place: give a --start"),
        ("pgd", {"until": 1.0}, "--until 1.0 is out of range"),
        ("apgd", {"steps": 1}, "--steps 1 is out of range for apgd"),
        ("least", {"until": 0.0}, "--until 0.0 is out of range for least"),
        ("least", {"halvings": 0}, "--halvings 0 is out of range"),
        ("opt", {"alpha": -1.0}, "--alpha -1.0 is out of range"),
        ("opt", {"learning_rate": 0.0}, "--learning-rate 0.0 is out of range"),
    ],
)
def test_bad_settings_are_named(name: str, settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        make_attack(name, settings)


def test_the_attack_of_the_guide_works(audio: Tensor, matrix: Tensor, target: Tensor) -> None:
    [block] = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    made: dict[str, Any] = {"__name__": __name__}
    exec(block, made)
    attack, budget, goal = made["Sparse"](), SignalToNoise(25.0), objective(matrix, target)
    delta = attack(audio, goal, budget)
    assert (goal.losses(audio + delta) < goal.losses(audio)).all()
    assert ((delta != 0).double().mean(-1) - 0.1).abs().max() < 0.02
    assert (budget.size(delta) <= 1.0001 * budget.radius(audio)).all()
    with pytest.raises(InputError, match="--share 2 is out of range for sparse"):
        made["Sparse"](share=2)


def test_the_registry_names_attacks_as_they_name_themselves() -> None:
    assert {name: attack.name for name, attack in ATTACKS.items()} == {
        name: name
        for name in ("fgsm", "pgd", "apgd", "least", "opt", "generator", "white-noise")
    }


@pytest.mark.parametrize("budget", [SignalToNoise(20.0), MaxAmplitude(0.01)])
def test_white_noise_fills_the_budget_and_asks_nobody(budget) -> None:
    """As strong as an attack can be: the L2 ball's surface, and ±eps in every sample."""
    audio = torch.sin(torch.arange(8_000) / 20.0).repeat(2, 1)
    unasked = objective(torch.zeros(1, 1), audio)  # of other shapes: evaluating it fails
    delta = WhiteNoise(seed=3)(audio, unasked, budget)
    assert torch.allclose(budget.size(delta), budget.radius(audio), rtol=1e-4)
    assert torch.equal(delta, WhiteNoise(seed=3)(audio, unasked, budget))
    assert not torch.equal(delta, WhiteNoise(seed=4)(audio, unasked, budget))
    if isinstance(budget, MaxAmplitude):
        assert torch.allclose(delta.abs(), torch.full_like(delta, 0.01))
    correlation = (delta[0] * delta[1]).sum() / (delta[0].norm() * delta[1].norm())
    assert abs(float(correlation)) < 0.05
