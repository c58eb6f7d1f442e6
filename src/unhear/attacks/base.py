"""What an attack is: its own hyper-parameters, frozen, and a call. Imports nothing heavy.

The fields of an attack are its configuration everywhere: Python, the command line's flags
with their help, and reports.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.budgets import Budget
    from unhear.objective import Objective
    from unhear.targets import Form


class Attack(ABC):
    """Gets audio, objective and budget; nothing else."""

    name: ClassVar[str]
    summary: ClassVar[str]
    form: ClassVar[Form]  # of the distance that the published attack minimises

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Gradients that one call takes."""

    @abstractmethod
    def __call__(
        self, audio: Float[Tensor, "batch time"], objective: Objective, budget: Budget
    ) -> Float[Tensor, "batch time"]:
        """A perturbation within the budget that makes the objective small."""


def parameter(default: Any, text: str) -> Any:
    """A dataclass field with its help."""
    return field(default=default, metadata={"help": text})


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
