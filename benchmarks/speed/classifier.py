"""Attack libraries for images, driven as somebody would who has an enhancer and not an image.

They want a classifier of pictures in [0, 1], so that is what the enhancer is dressed up as.
A recording becomes a picture of one row, [-1, 1] becomes [0, 1], and there are two logits:

    0, "heard":   ‖g(x)‖₂ / ‖g(x₀)‖₂, how loud the output is, as a share of what it was
    1, "silent":  a constant, the share at which the goal is reached

Class 1 is the target. Its cross-entropy, softplus(logit 0 − constant), falls where ‖g(x)‖
falls, so signed and normalised steps are those of the paper's PGD; logit 0 − constant is what
Carlini and Wagner's attack adds to ‖δ‖², so with the right weight that is the paper's OPT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from benchmarks.speed.plain import ALPHA, LEARNING_RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

AT_ONCE, AT_20_DB = 1.0, 0.1  # where a picture counts as silent


class Classifier(nn.Module):
    """(batch, 1, 1, time) in [0, 1] → (batch, 2)."""

    def __init__(self, enhancer: Any, audio: Tensor, goal: float) -> None:
        super().__init__()
        self.network, self.enhancer, self.goal = enhancer.network, enhancer, goal
        with torch.no_grad():
            self.loudness = enhancer(audio).norm(dim=-1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Two logits of each."""
        heard = self.enhancer(2 * pictures.flatten(1) - 1).norm(dim=-1) / self.loudness
        return torch.stack([heard, torch.full_like(heard, self.goal)], 1)


@dataclass(frozen=True)
class Job:
    """One clip, (1, time), and the settings that all share; sizes for samples in [-1, 1]."""

    kind: str  # pgd-linf, pgd-l2 or opt
    audio: Tensor
    size: float  # of the ball; of no use to opt
    steps: int

    @property
    def step(self) -> float:
        """Length of a step."""
        return self.size / 10

    def weight(self, model: Classifier) -> float:
        """Of Carlini and Wagner's logits, so that all is OPT's objective times samples / 4."""
        return ALPHA * float(model.loudness) * self.audio.shape[-1] / 4


def driven(
    library: Callable[[Classifier, Tensor, Tensor, Job], Tensor], job: Job, own: Any
) -> Tensor:
    """The protected clip: dressed up, attacked, and back."""
    model = Classifier(own, job.audio, AT_20_DB if job.kind == "opt" else AT_ONCE).eval()
    pictures = (job.audio[:, None, None] + 1) / 2
    found = library(model, pictures, torch.ones(len(pictures), dtype=torch.long), job)
    return 2 * found.detach().flatten(1) - 1


def torchattacks(model: Classifier, pictures: Tensor, labels: Tensor, job: Job) -> Tensor:
    """https://github.com/Harry24k/adversarial-attacks-pytorch."""
    import torchattacks as library

    if job.kind == "opt":
        weight = job.weight(model)
        attack = library.CW(model, c=weight, steps=job.steps, lr=LEARNING_RATE)
    else:
        kind = library.PGD if job.kind == "pgd-linf" else library.PGDL2
        sizes = {"eps": job.size / 2, "alpha": job.step / 2}
        attack = kind(model, **sizes, steps=job.steps, random_start=False)
    attack.set_mode_targeted_by_label(quiet=True)
    return attack(pictures, labels)


def foolbox(model: Classifier, pictures: Tensor, labels: Tensor, job: Job) -> Tensor:
    """https://github.com/bethgelab/foolbox."""
    import foolbox as library

    if job.kind == "opt":
        attack: Any = library.attacks.L2CarliniWagnerAttack(
            binary_search_steps=1,
            steps=job.steps,
            stepsize=LEARNING_RATE,
            initial_const=job.weight(model),
            abort_early=False,
        )
    else:
        kind = {"pgd-linf": library.attacks.LinfPGD, "pgd-l2": library.attacks.L2PGD}[job.kind]
        attack = kind(abs_stepsize=job.step / 2, steps=job.steps, random_start=False)
    own = library.PyTorchModel(model, bounds=(0, 1))
    target = library.criteria.TargetedMisclassification(labels)
    size = None if job.kind == "opt" else job.size / 2
    _, found, silent = attack(own, pictures, target, epsilons=size)
    return found.where(silent[:, None, None, None], pictures)  # it gives zeros for a failure


def adversarial_library(
    model: Classifier, pictures: Tensor, labels: Tensor, job: Job
) -> Tensor:
    """https://github.com/jeromerony/adversarial-library, which has no PGD in L2."""
    from adv_lib import attacks

    if job.kind == "opt":
        return attacks.carlini_wagner_l2(
            model,
            pictures,
            labels,
            targeted=True,
            learning_rate=LEARNING_RATE,
            initial_const=job.weight(model),
            binary_search_steps=1,
            max_iterations=job.steps,
            abort_early=False,
        )
    return attacks.pgd_linf(
        model,
        pictures,
        labels,
        job.size / 2,
        targeted=True,
        steps=job.steps,
        random_init=False,
        absolute_step_size=job.step / 2,
    )


LIBRARIES = {
    "torchattacks": torchattacks,
    "foolbox": foolbox,
    "adversarial-library": adversarial_library,
}
MODULES = {
    "torchattacks": "torchattacks",
    "foolbox": "foolbox",
    "adversarial-library": "adv_lib.attacks",
}
