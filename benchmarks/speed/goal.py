"""How long it takes until little enough is left of the words, clip by clip.

Ours and the paper's OPT, one after the other on each clip, both in one thread. OPT as in the
paper has no budget; within the same budget as ours it is projected after every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.speed import plain, words
from benchmarks.speed.clips import Clip, noisy
from benchmarks.speed.timing import seconds, threads
from benchmarks.speed.ways import BOUNDED_OPT, OPT, OURS, SNR_DB
from unhear.attacks import PGD
from unhear.budgets import SignalToNoise
from unhear.enhance import enhanced
from unhear.protect import Protector
from unhear.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from unhear.audio import Recording


def goal(
    data: Path,
    *,
    enhancer: str,
    clips: int,
    longest: float,
    goal: float,
    our_steps: int,
    our_step_size: float,
    learned_start: float,
    opt_steps: int,
) -> dict[str, Any]:
    """Seconds of work for each second of audio, and how many clips got there.

    A clip that does not get there counts with the longest that any of them took for it.
    """
    chosen = noisy(data, clips, 2.0, longest)
    plain.as_loaded(enhancer)  # now, for it is not part of what is timed
    words.frozen(enhancer).suggested(words.tensor(chosen[0].recording))  # its generator, too
    attack = PGD(
        steps=our_steps,
        step_size=our_step_size,
        learned_start=learned_start,
        until=0.95 * goal,  # a little lower than the goal, for the file is rounded
    )
    ways = {
        OURS: lambda clip: ours(clip.recording, enhancer, attack),
        OPT: lambda clip: opt(clip.recording, enhancer, goal, opt_steps, None),
        BOUNDED_OPT: lambda clip: opt(
            clip.recording, enhancer, goal, opt_steps, SignalToNoise(SNR_DB)
        ),
    }
    with threads(1):
        runs = [{name: Run.of(clip, way) for name, way in ways.items()} for clip in chosen]
        caps = [max(run.took for run in own.values()) for own in runs]
        return {
            name: _summed_up([own[name] for own in runs], caps, enhancer, goal) for name in ways
        }


@dataclass(frozen=True)
class Run:
    """One clip, protected."""

    clip: Clip
    protected: Recording
    took: float

    @classmethod
    def of(cls, clip: Clip, way: Callable[[Clip], Recording]) -> Run:
        """Protect it, on the clock."""
        protected: list[Recording] = []
        took = seconds(lambda: protected.append(way(clip)))
        return cls(clip, protected[0], took)


def ours(recording: Recording, enhancer: str, attack: PGD) -> Recording:
    """Towards erasure."""
    own = (words.frozen(enhancer),)
    return Protector(own, Target("erase"), attack, SignalToNoise(SNR_DB))(recording)


def opt(
    recording: Recording, enhancer: str, goal: float, steps: int, budget: SignalToNoise | None
) -> Recording:
    """The paper's, stopped as soon as it gets there."""
    audio, own = words.tensor(recording), plain.as_loaded(enhancer)
    reference = enhanced(recording, own)

    def as_recording(protected: Tensor) -> Recording:
        return recording.with_samples(protected.double().numpy())

    def project(delta: Tensor) -> Tensor:
        return budget.project(delta, audio) if budget else delta

    def good_enough(protected: Tensor) -> bool:
        return words.left_of(reference, as_recording(protected), own) <= goal

    return as_recording(plain.opt(own, audio, steps, project, good_enough))


def _summed_up(
    runs: list[Run], caps: list[float], enhancer: str, goal: float
) -> dict[str, Any]:
    own, clips = words.frozen(enhancer), [run.clip for run in runs]
    left = [words.left(run.clip.recording, run.protected, own) for run in runs]
    counted = [
        run.took if each <= goal else cap
        for run, each, cap in zip(runs, left, caps, strict=True)
    ]
    return {
        "seconds_per_second": sum(counted) / sum(clip.recording.seconds for clip in clips),
        "reached": sum(each <= goal for each in left),
        "clips": len(runs),
        "left": sum(left) / len(left),
        "wer": words.heard_wer(clips, [run.protected for run in runs], enhancer),
    }
