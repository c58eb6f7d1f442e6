"""What an attack is: its own hyper-parameters, frozen, and a call. Imports nothing heavy.

The fields of an attack are its configuration everywhere: Python, the command line's flags
with their help, and reports.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from unhear.budgets.base import TINY
from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective
    from unhear.targets import Form


class Attack(ABC):
    """Gets audio, objective and budget; nothing else."""

    name: ClassVar[str]
    summary: ClassVar[str]
    bounded: ClassVar[bool] = True  # whether it needs a budget; else it keeps small by itself

    @property
    def form(self) -> Form:
        """Of the distance to a target waveform, as the published attack minimises it."""
        return "mse"

    @property
    def learned(self) -> bool:
        """Whether it takes what a perturbation generator gives, and so needs one."""
        return False

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Gradients that one call takes at most."""

    @abstractmethod
    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """A perturbation within the budget that makes the objective small."""


def parameter(default: Any, text: str, *, quiet: bool = False) -> Any:
    """A dataclass field with its help.

    A ``quiet`` one is left out of what is said of an attack where it is as it was before there
    was such a setting: rows of older evaluations still count.
    """
    return field(default=default, metadata={"help": text, "quiet": quiet})


def require(attack: Attack, **good: bool) -> None:
    """Raise InputError, naming the field and its value, for the first that is not good.

    Infinity is never good.
    """
    for name, fine in good.items():
        if not fine or math.isinf(getattr(attack, name)):
            flag = name.replace("_", "-")
            raise InputError(
                f"--{flag} {getattr(attack, name)} is out of range for {attack.name}"
            )


def random_like(audio: Float[Tensor, "batch time"], seed: int) -> Float[Tensor, "batch time"]:
    """Seeded Gaussian noise of the audio's shape."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return torch.randn(audio.shape, generator=generator).to(audio)


def random_start(
    audio: Float[Tensor, "batch time"], budget: Budget, share: float, seed: int
) -> Float[Tensor, "batch time"]:
    """A random perturbation of that share of the budget's radius."""
    return share * budget.radius(audio) * budget.direction(random_like(audio, seed))


def learned_start(
    audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget, share: float
) -> Float[Tensor, "batch time"]:
    """That share of what generators trained against the enhancers would add: as loud as the
    budget's longest step, of which what is too much is cut.

    Raises InputError where one of the enhancers has none.
    """
    suggested = objective.suggested(audio)
    step = budget.radius(audio) * budget.direction(suggested)
    lengths = [each.norm(dim=-1, keepdim=True) for each in (step, suggested)]
    return share * budget.project(suggested * (lengths[0] / (lengths[1] + TINY)), audio)


def first_points(
    audio: Float[Tensor, "batch time"],
    objective: Objective,
    budget: Budget,
    shares: tuple[float, float],
    seeds: Iterable[int],
) -> list[Float[Tensor, "batch time"]]:
    """Where an attack begins, for each seed: so much of the budget at random, and so much
    learned.
    """
    at_random, share = shares
    found = [random_start(audio, budget, at_random, seed) for seed in seeds]
    if not share:
        return found
    learned = learned_start(audio, objective, budget, share)
    return [budget.project(each + learned, audio) for each in found]


def best_of(
    deltas: Sequence[Float[Tensor, "batch time"]],
    audio: Float[Tensor, "batch time"],
    objective: Objective,
) -> Float[Tensor, "batch time"]:
    """Of each row the perturbation with the least resemblance, of equals the least loss."""
    import torch

    if len(deltas) == 1:
        return deltas[0]
    with torch.no_grad():
        left = torch.stack([objective.resemblance(audio + delta) for delta in deltas])
        losses = torch.stack([objective.losses(audio + delta) for delta in deltas])
    chosen = losses.masked_fill(left > left.amin(0), math.inf).argmin(0)
    return torch.stack(tuple(deltas))[chosen, torch.arange(len(audio))]
