"""The same attack on the same enhancer: ours, a plain loop, and attack libraries for images.

One clip at a time, for libraries want pictures of one size; each clip goes through all of them
before the next one does.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.speed import plain, words
from benchmarks.speed.classifier import LIBRARIES, MODULES, Job, driven
from benchmarks.speed.clips import Clip, noisy
from benchmarks.speed.goal import Run
from benchmarks.speed.records import UnavailableError
from benchmarks.speed.timing import threads
from benchmarks.speed.ways import LOOP, OURS, SNR_DB
from unhear.attacks import OPT, PGD, Attack
from unhear.audio import Recording, as_stored
from unhear.budgets import Budget, MaxAmplitude, SignalToNoise, Unbounded
from unhear.protect import Protector
from unhear.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

KINDS = {  # name → what it is called on the page
    "pgd-linf": "PGD, L∞",
    "pgd-l2": "PGD, L2",
    "opt": "OPT (Carlini and Wagner's)",
}
LACKING = {("adversarial-library", "pgd-l2"), (LOOP, "pgd-l2")}


@cache
def missing() -> dict[str, str]:
    """Why a library cannot be used here."""
    reasons = {}
    for name, module in MODULES.items():
        try:
            import_module(module)
        except ImportError as error:
            reasons[name] = str(error)
    return reasons


def here() -> list[str]:
    """The libraries that can be used."""
    return [name for name in LIBRARIES if name not in missing()]


def peers(
    data: Path,
    *,
    enhancer: str,
    kind: str,
    clips: int,
    longest: float,
    steps: int,
    cores: int,
    libraries: list[str],
) -> dict[str, Any]:
    """Clips per minute, and what is left of the words.

    Raises UnavailableError where there is no library.
    """
    if not libraries:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in missing().items())
        raise UnavailableError(
            f"no attack library is here ({reasons}): see benchmarks/peers.txt"
        )
    chosen = noisy(data, clips, 2.0, longest)
    ways: dict[str, Callable[[Clip], Recording]] = {
        OURS: lambda clip: _ours(clip.recording, enhancer, kind, steps),
        LOOP: lambda clip: _looped(clip.recording, enhancer, kind, steps),
        **{
            name: lambda clip, name=name: _driven(clip.recording, enhancer, kind, steps, name)
            for name in libraries
        },
    }
    ways = {name: way for name, way in ways.items() if (name, kind) not in LACKING}
    with threads(cores):
        for way in ways.values():  # so that nothing is loaded on the clock
            way(_shortest(chosen))
        runs = [{name: Run.of(clip, way) for name, way in ways.items()} for clip in chosen]
        return {name: _summed_up([run[name] for run in runs], enhancer) for name in ways}


def _shortest(clips: list[Clip]) -> Clip:
    return min(clips, key=lambda clip: clip.recording.seconds)


def _job(recording: Recording, kind: str, steps: int) -> Job:
    audio = words.tensor(recording)
    epsilon = plain.amplitude(audio, SNR_DB)
    size = epsilon * math.sqrt(audio.shape[-1]) if kind == "pgd-l2" else epsilon
    return Job(kind, audio, size, steps)


def _ours(recording: Recording, enhancer: str, kind: str, steps: int) -> Recording:
    """With the settings that make it the paper's attack to the letter."""
    attack: Attack = PGD(steps=steps, step_size=0.1, final_rate=1.0, momentum=0.0, start=0.0)
    budget: Budget = SignalToNoise(SNR_DB)
    if kind == "pgd-linf":
        budget = MaxAmplitude(_job(recording, kind, steps).size)
    if kind == "opt":
        attack, budget = OPT(steps=steps, paper_alpha=True), Unbounded()
    return Protector((words.frozen(enhancer),), Target("silence"), attack, budget)(recording)


def _looped(recording: Recording, enhancer: str, kind: str, steps: int) -> Recording:
    job, own = _job(recording, kind, steps), plain.as_loaded(enhancer)
    if kind == "opt":
        return _stored(recording, plain.opt(own, job.audio, steps))
    return _stored(recording, plain.pgd(own, job.audio, job.size, job.step, steps))


def _driven(
    recording: Recording, enhancer: str, kind: str, steps: int, library: str
) -> Recording:
    job = _job(recording, kind, steps)
    return _stored(recording, driven(LIBRARIES[library], job, plain.as_loaded(enhancer)))


def _stored(recording: Recording, protected: Tensor) -> Recording:
    samples = as_stored(protected.double().numpy(), recording.subtype)
    return recording.with_samples(samples)


def _summed_up(runs: list[Run], enhancer: str) -> dict[str, float]:
    own, clips = words.frozen(enhancer), [run.clip for run in runs]
    left = [words.left(run.clip.recording, run.protected, own) for run in runs]
    return {
        "clips_per_minute": 60 * len(runs) / sum(run.took for run in runs),
        "left": sum(left) / len(left),
        "wer": words.heard_wer(clips, [run.protected for run in runs], enhancer),
    }
