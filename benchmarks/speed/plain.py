"""The paper's attacks as a plain loop that a researcher would write after reading it.

Equation 5 and Algorithm 1 of arXiv 2206.08170, one clip at a time, towards silence, with the
network as it is after loading: its weights are asked for gradients, too.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from unhear.enhancers import load_enhancer

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

ALPHA, LEARNING_RATE = 1e-4, 1e-3  # of Algorithm 1
LOOK_EVERY = 10  # steps


@cache
def as_loaded(name: str) -> Any:
    """An enhancer whose network has not been frozen."""
    enhancer: Any = load_enhancer(name)
    enhancer.network.requires_grad_(requires_grad=True)
    return enhancer


def amplitude(audio: Tensor, snr_db: float) -> float:
    """The largest ε that keeps every perturbation within an SNR."""
    return float(audio.square().mean().sqrt()) * 10 ** (-snr_db / 20)


def pgd(enhancer: Any, audio: Tensor, epsilon: float, step: float, steps: int) -> Tensor:
    """Equation 5: x ← clip(x − step · sign ∇‖g(x)‖²)."""
    protected = audio.clone()
    for _ in range(steps):
        protected = protected.detach().requires_grad_()
        enhancer.network.zero_grad()
        enhancer(protected).square().mean().backward()
        moved = protected.detach() - step * protected.grad.sign()
        protected = audio + (moved - audio).clamp(-epsilon, epsilon)
    return protected


def opt(
    enhancer: Any,
    audio: Tensor,
    steps: int,
    project: Callable[[Tensor], Tensor] = lambda delta: delta,
    good_enough: Callable[[Tensor], bool] = lambda _: False,
) -> Tensor:
    """Algorithm 1: Adam on MSE(x*, x) + α · ‖g(x*)‖₂.

    ``project`` keeps x* − x within a budget, if any; every 10 steps it ends if x* is
    ``good_enough``.
    """
    protected = audio.clone().requires_grad_()
    adam = torch.optim.Adam([protected], lr=LEARNING_RATE)
    for step in range(1, steps + 1):
        enhancer.network.zero_grad()
        adam.zero_grad()
        energy = (protected - audio).square().mean()
        (energy + ALPHA * enhancer(protected).norm()).backward()
        adam.step()
        with torch.no_grad():
            protected.copy_(audio + project(protected - audio))
        if step % LOOK_EVERY == 0 and good_enough(protected.detach()):
            break
    return protected.detach()
