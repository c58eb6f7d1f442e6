"""A step of an attack over the enhancer's bare forward and backward pass on the same batch."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.speed import clips
from benchmarks.speed.timing import interleaved, ratio, threads
from benchmarks.speed.ways import SNR_DB
from benchmarks.speed.words import frozen
from unhear.attacks import PGD
from unhear.budgets import SignalToNoise
from unhear.channels import path_to_enhancer
from unhear.objective import Defeat, Heard, Objective
from unhear.targets import Target

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from unhear.enhancers.base import Enhancer
    from unhear.targets import Kind


def efficiency(
    data: Path,
    *,
    enhancer: str,
    device: str,
    batch: int,
    seconds: float,
    steps: int,
    rounds: int,
) -> dict[str, Any]:
    """Of one enhancer, in one thread."""
    own = frozen(enhancer)
    audio = clips.batch(data, batch, seconds, own.card.sample_rate).to(device)
    own.move_to(device)
    try:
        with threads(1):
            return overhead(own, audio, steps, rounds)
    finally:
        own.move_to("cpu")


def overhead(enhancer: Enhancer, audio: Tensor, steps: int, rounds: int) -> dict[str, Any]:
    """Times of a step, and their ratios: all of PGD's loop, over as many bare passes."""
    budget = SignalToNoise(SNR_DB).at_rate(enhancer.card.sample_rate).around(audio)
    attack = PGD(steps=steps)
    silence, erasure = (objective(enhancer, audio, kind) for kind in ("silence", "erase"))

    def passes() -> None:
        for _ in range(steps):
            bare(enhancer, audio)

    times = interleaved(
        {
            "bare": passes,
            "silence": lambda: attack(audio, silence, budget),
            "erase": lambda: attack(audio, erasure, budget),
        },
        rounds,
    )
    return {
        "bare_seconds": median(times["bare"]) / steps,
        "silence": ratio(times, "silence", "bare"),
        "erase": ratio(times, "erase", "bare"),
    }


def bare(enhancer: Enhancer, audio: Tensor) -> None:
    """What no attack can do without, in the portions in which the enhancer works best."""
    for own in enhancer.portions(audio):
        portion = audio[own].detach().requires_grad_()
        torch.autograd.grad(enhancer(portion).square().mean(-1).sum(), portion)


def objective(enhancer: Enhancer, audio: Tensor, kind: Kind) -> Objective:
    """What a Protector makes of mono recordings at the enhancer's rate."""
    rate = enhancer.card.sample_rate
    heard = Heard(enhancer, path_to_enhancer(1, rate, rate))
    with torch.no_grad():
        reference = heard(audio)
    target = Target(kind)
    loss = target.loss(target.waveform(reference, rate), PGD().form, rate)
    return Objective([Defeat(heard, loss, reference)])
