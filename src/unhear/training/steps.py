"""What the recipes share: batches as tensors, and the moving average of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray
    from torch import Tensor, nn


def tensors(
    pair: tuple[Float[ndarray, "batch time"], Float[ndarray, "batch time"]],
) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch time"]]:
    """A batch of mixtures, (clean, noisy)."""
    return torch.from_numpy(pair[0]), torch.from_numpy(pair[1])


@torch.no_grad()
def move_average(averaged: nn.Module, current: nn.Module, keep: float) -> None:
    """Let averaged ← keep · averaged + (1 - keep) · current, for every parameter."""
    for average, parameter in zip(averaged.parameters(), current.parameters(), strict=True):
        average.lerp_(parameter, 1 - keep)
