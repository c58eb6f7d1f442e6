"""The SEGAN recipe: a supervised warm start, then a discriminator beside the L1 term.

Pascual et al., arXiv 1703.09452. The generator is that of :mod:`unhear.networks.segan`, at half
the authors' width. The losses are theirs, ½ (D(G(x, z), x) - 1)² + λ · L1 on pre-emphasised
windows, and one more: compressed magnitudes at several resolutions, as waveform networks have
had since (such as Défossez et al., arXiv 2006.12847). L1 alone is slow to learn. λ is 500
instead of 100, because our discriminator sees all windows at one level: it tells more of faint
ones, and its gradient there is steeper.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch.nn.functional import l1_loss

from unhear.enhancers.segan import ENTRY
from unhear.networks.segan import FRAMES, SEGAN, WINDOW, Generator, pre_emphasis
from unhear.training.mixtures import SEGMENT
from unhear.training.scores import mean_pesq, scaled_pesqs
from unhear.training.segan_discriminator import Discriminator
from unhear.training.segan_distance import spectral_distance
from unhear.training.segan_start import bfloat16_is_faster, initialise, scaled_groups
from unhear.training.steps import move_average, tensors

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from jaxtyping import Float
    from torch import Tensor

    from unhear.training.mixtures import Mixtures

TRAIN, VALID = 0, 3  # streams of mixtures; the recipe of MetricGAN+ validates on the same


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside the data."""

    extendable: ClassVar[bool] = True  # whether its epochs may change when it goes on

    seed: int = 0
    width: int = 32  # channels of the generator's first layer; the authors have 64
    discriminator_width: int = 16
    warm_epochs: int = 80
    adversarial_epochs: int = 60
    steps_per_epoch: int = 64
    batch_size: int = 12  # windows of 16,384 samples, each out of its own mixture
    discriminator_epochs: int = 2  # first adversarial epochs, in which nobody listens to it
    learning_rate: float = 5e-4
    discriminator_learning_rate: float = 2e-4
    final_share: float = 0.5  # of all epochs, over which the rates fall to a tenth
    waveform_weight: float = 500.0  # of L1; the authors have 100
    spectral_weight: float = 150.0
    average: float = 0.998  # of the moving average of the weights that is shipped
    bfloat16: bool | None = None  # None: whichever is faster here, measured at the start


class Training:
    """The networks and their optimisers between two epochs."""

    def __init__(self, recipe: Recipe, mixtures: Mixtures, pool: Executor) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.mixtures, self.pool = recipe, mixtures, pool
        self.generator = Generator(recipe.width)
        initialise(self.generator)
        self.averaged = copy.deepcopy(self.generator)
        self.discriminator = Discriminator(recipe.discriminator_width)
        self.generator_optimiser = torch.optim.Adam(
            scaled_groups(self.generator), betas=(0.8, 0.99), fused=True
        )
        self.discriminator_optimiser = torch.optim.Adam(
            [{"params": self.discriminator.parameters(), "scale": 1.0}],
            betas=(0.8, 0.99),
            fused=True,
        )
        self.bfloat16 = recipe.bfloat16
        self.epoch = 0

    def run_epoch(self) -> dict[str, float]:
        """One epoch of whichever stage is due; returns its mean losses."""
        if self.bfloat16 is None:
            self.bfloat16 = bfloat16_is_faster(self.generator, self.recipe.batch_size)
        torch.manual_seed(self.recipe.seed * 100_003 + self.epoch)
        self._set_rates()
        step = self._warm_step if self.epoch < self.recipe.warm_epochs else self._rival_step
        first = self.epoch * self.recipe.steps_per_epoch
        losses = [step(first + number) for number in range(self.recipe.steps_per_epoch)]
        self.epoch += 1
        return {name: float(np.mean([each[name] for each in losses])) for name in losses[0]}

    def validate(self, mixtures: Mixtures, clips: int) -> dict[str, float]:
        """Supervised loss and mean PESQ-wb of the averaged weights on fixed mixtures."""
        clean, noisy = tensors(mixtures.batch(VALID, 0, clips))
        with torch.no_grad():
            enhanced = SEGAN(ENTRY.card, self.averaged, latent="fixed")(noisy)
            pair = (pre_emphasis(audio)[:, :WINDOW] for audio in (enhanced, clean))
            loss = self._supervised(*pair)
        scores = scaled_pesqs(self.pool, clean.numpy(), enhanced.numpy())
        return {"validation": float(loss), "pesq": mean_pesq(scores)}

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights in half precision, which are what is shipped."""
        state = self.averaged.state_dict()
        return {name: value.half().contiguous() for name, value in state.items()}

    def notes(self) -> dict[str, str]:
        """Nothing goes into the file beside the weights and the recipe."""
        return {}

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on."""
        return {
            "recipe": asdict(self.recipe),
            "epoch": self.epoch,
            "bfloat16": self.bfloat16,
            "generator": self.generator.state_dict(),
            "averaged": self.averaged.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the work of :meth:`state`."""
        self.epoch = state["epoch"]
        self.bfloat16 = state["bfloat16"]
        self.generator.load_state_dict(state["generator"])
        self.averaged.load_state_dict(state["averaged"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.generator_optimiser.load_state_dict(state["generator_optimiser"])
        self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])

    def _set_rates(self) -> None:
        fall = rate_share(self.recipe, self.epoch)
        rates = (
            (self.generator_optimiser, self.recipe.learning_rate),
            (self.discriminator_optimiser, self.recipe.discriminator_learning_rate),
        )
        for optimiser, rate in rates:
            for group in optimiser.param_groups:
                group["lr"] = rate * fall * group["scale"]

    def _warm_step(self, index: int) -> dict[str, float]:
        clean, noisy = self._windows(index)
        supervised = self._supervised(self._enhanced(noisy), clean)
        self._step_generator(supervised)
        return {"supervised": float(supervised.detach())}

    def _rival_step(self, index: int) -> dict[str, float]:
        """The discriminator learns from a batch, then the generator from the same."""
        clean, noisy = self._windows(index)
        enhanced = self._enhanced(noisy)
        discriminator = self._step_discriminator(clean, enhanced.detach(), noisy)
        supervised = self._supervised(enhanced, clean)
        adversarial = self._adversarial(enhanced, noisy)
        heeded = self.epoch >= self.recipe.warm_epochs + self.recipe.discriminator_epochs
        self._step_generator(supervised + adversarial if heeded else supervised)
        return {
            "discriminator": discriminator,
            "adversarial": float(adversarial.detach()),
            "supervised": float(supervised.detach()),
        }

    def _windows(self, index: int) -> tuple[Tensor, Tensor]:
        """Pre-emphasised windows, each from somewhere in a mixture of 3 s."""
        batch = self.mixtures.batch(TRAIN, index, self.recipe.batch_size)
        clean, noisy = (pre_emphasis(part) for part in tensors(batch))
        start = torch.randint(SEGMENT - WINDOW + 1, (len(clean), 1))
        place = start + torch.arange(WINDOW)
        return clean.gather(1, place), noisy.gather(1, place)

    def _enhanced(self, noisy: Float[Tensor, "windows time"]) -> Float[Tensor, "windows time"]:
        z = torch.randn(len(noisy), self.generator.latent_channels, FRAMES)
        with self._autocast():
            return self.generator(noisy, z).float()

    def _supervised(
        self, enhanced: Float[Tensor, "windows time"], clean: Float[Tensor, "windows time"]
    ) -> Float[Tensor, ""]:
        waveform = self.recipe.waveform_weight * l1_loss(enhanced, clean)
        return waveform + self.recipe.spectral_weight * spectral_distance(enhanced, clean)

    def _scores(
        self, judged: Float[Tensor, "windows time"], noisy: Float[Tensor, "windows time"]
    ) -> Float[Tensor, "windows frames"]:
        with self._autocast():
            return self.discriminator(judged, noisy).float()

    def _adversarial(
        self, enhanced: Float[Tensor, "windows time"], noisy: Float[Tensor, "windows time"]
    ) -> Float[Tensor, ""]:
        self.discriminator.requires_grad_(requires_grad=False)
        scores = self._scores(enhanced, noisy)
        self.discriminator.requires_grad_(requires_grad=True)
        return (scores - 1).square().mean() / 2

    def _step_discriminator(self, clean: Tensor, enhanced: Tensor, noisy: Tensor) -> float:
        real, fake = self._scores(clean, noisy), self._scores(enhanced, noisy)
        loss = ((real - 1).square() + fake.square()).mean() / 2
        self.discriminator_optimiser.zero_grad()
        loss.backward()
        self.discriminator_optimiser.step()
        return float(loss.detach())

    def _step_generator(self, loss: Float[Tensor, ""]) -> None:
        self.generator_optimiser.zero_grad()
        loss.backward()
        self.generator_optimiser.step()
        # The average begins after the first epoch: it would remember the random weights.
        move_average(self.averaged, self.generator, self.recipe.average if self.epoch else 0.0)

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=bool(self.bfloat16))


def rate_share(recipe: Recipe, epoch: int) -> float:
    """1, then falling to a tenth over the last ``final_share`` of the epochs."""
    left = 1 - epoch / (recipe.warm_epochs + recipe.adversarial_epochs)
    return min(1.0, 0.1 + 0.9 * left / recipe.final_share)
