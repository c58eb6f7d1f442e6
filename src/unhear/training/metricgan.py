"""The MetricGAN+ recipe: a supervised warm start, then training against a learned PESQ.

Fu et al., arXiv 2104.03538. The generator is the mask network of
:mod:`unhear.networks.metricgan`; the discriminator learns the PESQ of enhanced, clean and
noisy speech, with a replay of past examples; the generator learns to please it. A small
supervised term stays on, to keep the recogniser's words while PESQ is chased.
"""

from __future__ import annotations

import copy
import os
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch.nn.functional import mse_loss

from unhear.networks.metricgan import MaskNetwork, magnitude, spectrum, waveform
from unhear.training.discriminator import Discriminator
from unhear.training.scores import mean_pesq, scaled_pesqs
from unhear.training.steps import move_average, tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor

    from jaxtyping import Float
    from torch import Tensor

    from unhear.training.mixtures import Mixtures

MIN_MASK = 0.05  # the public recipe's clamp, in training only
WARM, JUDGED, FREE, VALID = range(4)  # streams of mixtures that never share a draw


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside the data."""

    extendable: ClassVar[bool] = True  # whether its epochs may change when it goes on

    seed: int = 0
    warm_epochs: int = 70
    adversarial_epochs: int = 440
    steps_per_epoch: int = 64  # supervised steps
    judged_batches: int = 4  # batches scored by PESQ in an adversarial epoch
    free_batches: int = 8  # further batches that only the generator sees
    batch_size: int = 16  # clips of 3 s
    discriminator_epochs: int = 10  # first adversarial epochs, in which it learns alone
    learning_rate: float = 5e-4
    discriminator_learning_rate: float = 1e-3
    discriminator_batch_size: int = 12
    generator_batch_size: int = 4  # in the adversarial stage, where many small steps win
    warm_learning_rate: float = 1e-3
    final_share: float = 0.25  # of the adversarial epochs, over which the rate falls to a tenth
    history_share: float = 0.2  # of the replay that is learnt again in every epoch
    history_size: int = 960  # clips kept in the replay
    anchor: float = 0.1  # weight of the supervised term beside the adversarial one
    average: float = 0.998  # of the moving average of the weights that is shipped


class Judged(NamedTuple):
    """Clean and judged waveforms (int16, to keep the replay small) and scaled PESQ."""

    clean: Tensor
    judged: Tensor
    score: Tensor


class Training:
    """The networks, their optimisers and the replay between two epochs."""

    def __init__(self, recipe: Recipe, mixtures: Mixtures, pool: Executor) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.mixtures, self.pool = recipe, mixtures, pool
        self.generator = _initialised(MaskNetwork())
        self.averaged = copy.deepcopy(self.generator).eval()
        self.discriminator = Discriminator()
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters())
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), lr=recipe.discriminator_learning_rate
        )
        self.history: Judged | None = None
        self.epoch = 0

    def run_epoch(self) -> dict[str, float]:
        """One epoch of whichever stage is due; returns its mean losses."""
        torch.manual_seed(self.recipe.seed * 100_003 + self.epoch)
        for group in self.generator_optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.epoch)
        if self.epoch == self.recipe.warm_epochs:
            self._start_from_average()
        warm = self.epoch < self.recipe.warm_epochs
        losses = self._warm_epoch() if warm else self._adversarial_epoch()
        self.epoch += 1
        return losses

    def validate(self, mixtures: Mixtures, clips: int) -> dict[str, float]:
        """Supervised loss and mean PESQ-wb of the averaged weights on fixed mixtures."""
        clean, noisy = tensors(mixtures.batch(VALID, 0, clips))
        with torch.no_grad():
            loss = supervised_loss(self.averaged, clean, noisy)
        scores = self._score(clean, enhance(self.averaged, noisy))
        return {"validation": float(loss), "pesq": mean_pesq(scores)}

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights, which are what is shipped."""
        return {name: value.contiguous() for name, value in self.averaged.state_dict().items()}

    def notes(self) -> dict[str, str]:
        """Nothing goes into the file beside the weights and the recipe."""
        return {}

    def state(self) -> dict[str, Any]:
        """Everything that a later process needs to go on."""
        return {
            "recipe": asdict(self.recipe),
            "epoch": self.epoch,
            "generator": self.generator.state_dict(),
            "averaged": self.averaged.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
            "history": None if self.history is None else tuple(self.history),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the work of :meth:`state`."""
        self.epoch = state["epoch"]
        self.generator.load_state_dict(state["generator"])
        self.averaged.load_state_dict(state["averaged"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.generator_optimiser.load_state_dict(state["generator_optimiser"])
        self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])
        self.history = None if state["history"] is None else Judged(*state["history"])

    def _warm_epoch(self) -> dict[str, float]:
        losses = []
        for step in range(self.recipe.steps_per_epoch):
            index = self.epoch * self.recipe.steps_per_epoch + step
            clean, noisy = self._batch(WARM, index)
            loss = supervised_loss(self.generator, clean, noisy)
            self._generator_step(loss)
            losses.append(float(loss.detach()))
        return {"supervised": float(np.mean(losses))}

    def _adversarial_epoch(self) -> dict[str, float]:
        current, batches = self._judge_mixtures()
        losses = {"discriminator": self._train_discriminator(current)}
        if self.history is not None:
            self._train_discriminator(_sample(self.history, self.recipe.history_share))
            self._train_discriminator(current)
        self._remember(current)
        if self.epoch < self.recipe.warm_epochs + self.recipe.discriminator_epochs:
            return losses  # a generator that follows an untrained judge unlearns its words
        return losses | self._train_generator(batches)

    def _start_from_average(self) -> None:
        """The adversarial stage begins at the averaged weights, with fresh momenta."""
        self.generator.load_state_dict(self.averaged.state_dict())
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters())
        for group in self.generator_optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.epoch)

    def _judge_mixtures(self) -> tuple[Judged, list[tuple[Tensor, Tensor]]]:
        """Enhance new mixtures and ask PESQ about clean, enhanced and noisy speech.

        Enhanced speech is judged a second time after a step of random length towards the clean
        magnitudes: it is along such steps that the generator will follow the discriminator.
        """
        count = self.recipe.judged_batches
        batches = [self._batch(JUDGED, self.epoch * count + i) for i in range(count)]
        clean, noisy = (torch.cat(part) for part in zip(*batches, strict=True))
        variants = [self._variants(*batch) for batch in batches]
        enhanced, nearer = (torch.cat(part) for part in zip(*variants, strict=True))
        judged = [enhanced, nearer, noisy]
        scores = [torch.from_numpy(self._score(clean, part)) for part in judged]
        known = torch.isfinite(torch.stack(scores).sum(0))
        kinds = zip([*judged, clean], [*scores, torch.ones(len(clean))], strict=True)
        quarters = [Judged(_pcm16(clean), _pcm16(part), score) for part, score in kinds]
        columns = zip(*quarters, strict=True)
        return Judged(*(torch.cat([part[known] for part in c]) for c in columns)), batches

    @torch.no_grad()
    def _variants(self, clean: Tensor, noisy: Tensor) -> tuple[Tensor, Tensor]:
        """Enhanced waveforms, and others on the way from them to the clean magnitudes."""
        estimate = masked(self.generator, noisy)
        nearer = torch.lerp(estimate, _feature(clean), torch.rand(len(clean), 1, 1))
        return resynthesised(estimate, noisy), resynthesised(nearer, noisy)

    def _score(self, clean: Tensor, judged: Tensor) -> np.ndarray:
        return scaled_pesqs(self.pool, clean.numpy(), judged.numpy())

    def _train_discriminator(self, examples: Judged) -> float:
        losses = []
        order = torch.randperm(len(examples.score))
        for index in order.split(self.recipe.discriminator_batch_size):
            clean, judged = (_feature(part[index].float() / 32768) for part in examples[:2])
            loss = mse_loss(self.discriminator(judged, clean), examples.score[index])
            self.discriminator_optimiser.zero_grad()
            loss.backward()
            self.discriminator_optimiser.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def _remember(self, current: Judged) -> None:
        """Keep the enhanced half: clean and noisy speech come anew with every epoch."""
        new = Judged(*(part[: len(part) // 2] for part in current))
        if self.history is not None:
            pairs = zip(self.history, new, strict=True)
            new = Judged(*(torch.cat(pair)[-self.recipe.history_size :] for pair in pairs))
        self.history = new

    def _train_generator(self, batches: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        self.discriminator.requires_grad_(requires_grad=False)
        count = self.recipe.free_batches
        free = (self._batch(FREE, self.epoch * count + i) for i in range(count))
        losses = []
        for clean, noisy in self._small(chain(batches, free)):
            estimate, target = masked(self.generator, noisy), _feature(clean)
            adversarial = (self.discriminator(estimate, target) - 1).square().mean()
            supervised = compressed_distance(estimate, target)
            self._generator_step(adversarial + self.recipe.anchor * supervised)
            losses.append((float(adversarial.detach()), float(supervised.detach())))
        self.discriminator.requires_grad_(requires_grad=True)
        adversarial, supervised = np.mean(losses, axis=0)
        return {"adversarial": float(adversarial), "supervised": float(supervised)}

    def _small(
        self, batches: Iterable[tuple[Tensor, Tensor]]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        size = self.recipe.generator_batch_size
        for clean, noisy in batches:
            yield from zip(clean.split(size), noisy.split(size), strict=True)

    def _generator_step(self, loss: Float[Tensor, ""]) -> None:
        self.generator_optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 5.0)
        self.generator_optimiser.step()
        move_average(self.averaged, self.generator, self.recipe.average)

    def _batch(self, stream: int, index: int) -> tuple[Tensor, Tensor]:
        return tensors(self.mixtures.batch(stream, index, self.recipe.batch_size))


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """Cosine to a quarter over the warm start; then constant, falling to a tenth at the end."""
    if epoch < recipe.warm_epochs:
        fall = (1 - np.cos(np.pi * epoch / recipe.warm_epochs)) / 2
        return recipe.warm_learning_rate * (1 - 0.75 * float(fall))
    left = 1 - (epoch - recipe.warm_epochs) / recipe.adversarial_epochs
    return recipe.learning_rate * min(1.0, 0.1 + 0.9 * left / recipe.final_share)


def masked(
    network: MaskNetwork, noisy: Float[Tensor, "batch time"]
) -> Float[Tensor, "batch frames bins"]:
    """Estimated clean log1p magnitudes, with the training clamp on the mask."""
    feature = _feature(noisy)
    return network(feature).clamp(min=MIN_MASK) * feature


def compressed_distance(
    estimate: Float[Tensor, "batch frames bins"], target: Float[Tensor, "batch frames bins"]
) -> Float[Tensor, ""]:
    """Mean squared difference of magnitudes to the power 0.3; takes log1p magnitudes."""
    powers = [(torch.expm1(feature) + 1e-4).pow(0.3) for feature in (estimate, target)]
    return mse_loss(powers[0], powers[1])


def supervised_loss(
    network: MaskNetwork, clean: Float[Tensor, "batch time"], noisy: Float[Tensor, "batch time"]
) -> Float[Tensor, ""]:
    """:func:`compressed_distance` between what the network makes of ``noisy`` and ``clean``."""
    return compressed_distance(masked(network, noisy), _feature(clean))


def resynthesised(
    feature: Float[Tensor, "batch frames bins"], noisy: Float[Tensor, "batch time"]
) -> Float[Tensor, "batch time"]:
    """Waveforms of log1p magnitudes with the phase of ``noisy``."""
    spec = spectrum(noisy)
    return waveform(spec * (torch.expm1(feature) / magnitude(spec)), noisy.shape[-1])


@torch.no_grad()
def enhance(
    network: MaskNetwork, noisy: Float[Tensor, "batch time"]
) -> Float[Tensor, "batch time"]:
    """Waveforms as the training sees them: with the clamp on the mask."""
    return resynthesised(masked(network, noisy), noisy)


def worker_count() -> int:
    """One process per core for PESQ."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS, nor on Windows
        return len(os.sched_getaffinity(0))
    return min(61, os.cpu_count() or 1)  # Windows waits for no more


def _feature(audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch frames bins"]:
    return torch.log1p(magnitude(spectrum(audio)))


def _pcm16(audio: Float[Tensor, "batch time"]) -> Tensor:
    return (audio.clamp(-1, 1) * 32767).to(torch.int16)


def _sample(examples: Judged, share: float) -> Judged:
    index = torch.randperm(len(examples.score))[: max(1, int(share * len(examples.score)))]
    return Judged(*(part[index] for part in examples))


def _initialised(network: MaskNetwork) -> MaskNetwork:
    """Orthogonal recurrent weights, Xavier elsewhere, zero biases, as in the public recipe."""
    for name, parameter in network.named_parameters():
        if "bias" in name:
            torch.nn.init.zeros_(parameter)
        elif "weight_hh" in name:
            torch.nn.init.orthogonal_(parameter)
        elif "weight" in name:
            torch.nn.init.xavier_uniform_(parameter)
    return network
