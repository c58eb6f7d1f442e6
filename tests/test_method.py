"""What is given here goes on being given, or ``unhear.method`` says that it does not: kept
work is told apart by that alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import toys

from unhear.attacks import APGD, FGSM, OPT, PGD
from unhear.audio import Recording, as_stored
from unhear.budgets import Masked, SignalToNoise
from unhear.channels import find_channel
from unhear.enhancers import load_enhancer
from unhear.enhancers.base import Enhancer
from unhear.protect import Protector
from unhear.targets import Target

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

RATE = 16_000
WITHIN = SignalToNoise(20.0)
ERASE = Target("erase")
GIVEN = {
    "fgsm": [154.1, 116.3, 227.2, 137.1, 393.1, 469.0, 356.9, 249.5, 234.7, 244.0],
    "opt": [105.1, 105.8, 103.4, 98.6, 104.0, 223.1, 150.5, 114.3, 102.9, 103.9],
    "apgd": [185.0, 134.4, 243.2, 131.3, 365.4, 473.2, 374.0, 251.2, 219.9, 221.3],
    "pgd": [47.2, 33.8, 96.8, 65.1, 170.2, 195.6, 146.2, 102.1, 98.3, 110.5],
    "two": [82.5, 50.8, 111.7, 74.3, 134.1, 239.5, 114.6, 80.0, 76.8, 89.1],
    "a friend": [135.8, 105.2, 201.2, 142.3, 380.9, 267.0, 304.0, 313.2, 315.8, 330.6],
    "on the way": [75.6, 28.3, 125.6, 72.0, 132.9, 202.6, 149.7, 89.6, 95.4, 98.6],
    "opt to erase": [99.8, 87.0, 101.4, 108.7, 107.6, 212.6, 152.1, 114.3, 102.5, 102.4],
    "words": [88.9, 63.9, 104.1, 51.0, 135.9, 201.7, 139.4, 98.3, 94.3, 95.2],
    "masked": [62.7, 100.4, 26.9, 97.7, 65.2, 113.7, 109.3, 105.4, 103.7, 101.7],
}


class Dull(Enhancer):
    """Takes the treble away: rounding does not grow in it, as it does in networks."""

    card = toys.card("dull")

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        return torch.nn.functional.avg_pool1d(audio, 5, stride=1, padding=2)


def recording() -> Recording:
    """Half a second of noise in bursts, like syllables."""
    time = np.arange(RATE // 2) / RATE
    noise = np.random.default_rng(0).normal(0, 0.1, (1, len(time)))
    bursts = 0.1 + np.sin(np.pi * 4 * time) ** 2
    return Recording(as_stored(noise * bursts, "PCM_16"), RATE)


def shape(protector: Protector) -> list[float]:
    """How loud the perturbation is, in 16-bit steps, in each fifth of the time and the band."""
    clip = recording()
    added = (protector(clip).samples - clip.samples)[0] * 2**15
    spectrum = np.abs(np.fft.rfft(added)[1:]) * np.sqrt(2 / len(added))
    fifths = [*np.split(added, 5), *np.split(spectrum, 5)]
    return [round(float(np.sqrt(np.mean(each**2))), 1) for each in fifths]


def protectors() -> dict[str, Protector]:
    """One for each part of the method."""
    one, other, gain = load_enhancer("metricgan+"), Dull(), find_channel("gain")
    words = recording().with_samples(recording().samples[:, ::-1])
    pgd, longer = PGD(steps=4), PGD(steps=8, step_size=0.5)
    return {
        "fgsm": Protector((one,), Target("silence"), FGSM(), WITHIN),
        "opt": Protector((one,), Target("noise"), OPT(steps=4), WITHIN),
        "apgd": Protector((one,), ERASE, APGD(steps=4), WITHIN),
        "pgd": Protector((one,), ERASE, pgd, WITHIN),
        "two": Protector((one, other), ERASE, pgd, WITHIN),
        "a friend": Protector((one,), ERASE, longer, WITHIN, (other,)),
        "on the way": Protector((one,), ERASE, pgd, WITHIN, survive=(gain,)),
        "opt to erase": Protector((one,), ERASE, OPT(steps=4), WITHIN),
        "words": Protector((one,), Target("speech", words), pgd, WITHIN),
        "masked": Protector((one,), Target("silence"), pgd, Masked(15.0)),
    }


@pytest.mark.parametrize("name", GIVEN)
def test_the_same_settings_give_the_same_perturbation(name: str) -> None:
    said = f"if this is meant, change METHOD or SINCE, and {name} here"
    assert shape(protectors()[name]) == pytest.approx(GIVEN[name], rel=0.01), said
