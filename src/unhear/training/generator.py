"""The recipe of perturbation generators: networks that learn to defeat one enhancer.

The network is :mod:`unhear.networks.generator`'s; the loss is erasure, as attacks have it. At
25 dB a first guess changes nothing in what an enhancer puts out, and says nothing of where to
go. So the perturbations are large at first, and shrink over the warm epochs.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from unhear.budgets.base import TINY
from unhear.enhancers import load_enhancer, require_gradients
from unhear.errors import InputError
from unhear.networks.base import NetworkEnhancer
from unhear.networks.generator import (
    SAMPLE_RATE,
    PerturbationGenerator,
    digest_of_weights,
)
from unhear.targets import Erasure, resemblance
from unhear.training.steps import tensors

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from jaxtyping import Float
    from torch import Tensor

    from unhear.training.mixtures import Mixtures

TRAIN, VALID = 0, 9  # streams of mixtures
UNSEEN = 2**31  # seed of what an enhancer draws, for validation
VALID_DB = 25.0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside the data."""

    extendable: ClassVar[bool] = False  # rates and budgets hang on its epochs from the first on

    against: str
    seed: int = 0
    warm_epochs: int = 50  # in which the budget shrinks
    adversarial_epochs: int = 50  # in which it stays
    steps_per_epoch: int = 50
    batch_size: int = 8  # clips of 3 s
    learning_rate: float = 1.5e-3  # reached in ``rising`` steps, falls to a fiftieth
    rising: int = 100
    first_db: float = 14.0  # each clip's budget is this below it, and up to ``spread_db`` more
    final_db: float = 23.0
    spread_db: float = 6.0

    @property
    def steps(self) -> int:
        """In all."""
        return (self.warm_epochs + self.adversarial_epochs) * self.steps_per_epoch


class Training:
    """The network and its optimiser between two epochs."""

    def __init__(self, recipe: Recipe, mixtures: Mixtures, pool: Executor) -> None:
        self.recipe, self.mixtures = recipe, mixtures
        torch.manual_seed(recipe.seed)
        self.enhancer = attacked(recipe.against)
        self.generator = PerturbationGenerator()
        self.optimiser = torch.optim.Adam(self.generator.parameters())
        self.draws = torch.Generator().manual_seed(recipe.seed + 1)  # of the budgets
        self.epoch = 0

    def run_epoch(self) -> dict[str, float]:
        """One epoch; returns its mean loss."""
        first = self.epoch * self.recipe.steps_per_epoch
        losses = [self._step(first + number) for number in range(self.recipe.steps_per_epoch)]
        self.epoch += 1
        return {"loss": float(np.mean(losses))}

    @torch.no_grad()
    def validate(self, mixtures: Mixtures, clips: int) -> dict[str, float]:
        """What is left of the words, by the proxy, 25 dB below fixed mixtures."""
        _, noisy = tensors(mixtures.batch(VALID, 0, clips))
        output, reference = self._heard(noisy, torch.tensor(VALID_DB), UNSEEN)
        left = resemblance(output, reference, SAMPLE_RATE).clamp(min=0)
        return {"left": float(left.mean())}

    def weights(self) -> dict[str, Tensor]:
        """In half precision, which is enough for a start."""
        state = self.generator.state_dict()
        return {name: value.half().contiguous() for name, value in state.items()}

    def notes(self) -> dict[str, str]:
        """What goes into the file beside the weights and the recipe."""
        return {"digest": digest_of_weights(self.enhancer.network)}

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on."""
        return {
            "recipe": asdict(self.recipe),
            "epoch": self.epoch,
            "generator": self.generator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "draws": self.draws.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the work of :meth:`state`."""
        self.epoch = state["epoch"]
        self.generator.load_state_dict(state["generator"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.draws.set_state(state["draws"])

    def _step(self, index: int) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, index)
        _, noisy = tensors(self.mixtures.batch(TRAIN, index, self.recipe.batch_size))
        loss = self._loss(noisy, index)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 1.0)
        self.optimiser.step()
        return float(loss.detach())

    def _loss(self, noisy: Float[Tensor, "batch time"], index: int) -> Float[Tensor, ""]:
        output, reference = self._heard(noisy, self._budgets(index), index)
        return Erasure(reference, SAMPLE_RATE)(output).mean()

    def _heard(
        self, noisy: Float[Tensor, "batch time"], below_db: Float[Tensor, "*batch"], seed: int
    ) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch time"]]:
        """What the enhancer makes of the clips with and without a perturbation so much below
        them, and the same draws for both.
        """
        self.enhancer.reseed(seed)
        with torch.no_grad():
            reference = self.enhancer(noisy)
        self.enhancer.reseed(seed)
        return self.enhancer(noisy + self._perturbation(noisy, below_db)), reference

    def _perturbation(
        self, noisy: Float[Tensor, "batch time"], below_db: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "batch time"]:
        """So much below each clip."""
        found = self.generator(noisy)
        own, wanted = (each.square().mean(-1, keepdim=True) for each in (found, noisy))
        return found * (wanted / (own + TINY)).sqrt() * 10 ** (-below_db / 20)

    def _budgets(self, index: int) -> Float[Tensor, "batch 1"]:
        recipe, size = self.recipe, self.recipe.batch_size
        least = least_db(recipe, index)
        return least + recipe.spread_db * torch.rand(size, 1, generator=self.draws)


def attacked(name: str) -> NetworkEnhancer[Any]:
    """The enhancer that a generator is trained against.

    Raises InputError unless it is one of Unhear's networks, at 16 kHz.
    """
    enhancer = load_enhancer(name)
    require_gradients(enhancer.card)
    if not isinstance(enhancer, NetworkEnhancer) or enhancer.card.sample_rate != SAMPLE_RATE:
        raise InputError(
            f"a generator cannot be trained against {name}: name a network of Unhear's that "
            f"works at {SAMPLE_RATE} Hz, such as metricgan+"
        )
    return enhancer


def least_db(recipe: Recipe, step: int) -> float:
    """How far below a clip the largest perturbation of a step is."""
    share = min(1.0, step / max(1, recipe.warm_epochs * recipe.steps_per_epoch))
    return recipe.first_db + (recipe.final_db - recipe.first_db) * share


def learning_rate(recipe: Recipe, step: int) -> float:
    """Up over the first steps, down along a cosine to a fiftieth."""
    fall = 0.5 * (1 + math.cos(math.pi * step / recipe.steps)) * 0.98 + 0.02
    return recipe.learning_rate * min(1, (step + 1) / recipe.rising) * fall
