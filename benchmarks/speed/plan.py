"""What is measured, with which settings."""

from __future__ import annotations

import sys
from itertools import product
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.speed.efficiency import efficiency
from benchmarks.speed.goal import goal
from benchmarks.speed.killed import killed
from benchmarks.speed.peers import KINDS, here, peers
from benchmarks.speed.records import Figures, Measurement, Part
from benchmarks.speed.scaling import batches, length, workers
from benchmarks.speed.together import together
from unhear.enhancers import DEFAULT, attackable
from unhear.evaluation.prepare import to_be_had
from unhear.generators import BUNDLED

if TYPE_CHECKING:
    from collections.abc import Callable

VICTIMS = ("worker", "coordinator")
LENGTHS = {1: 10, 10: 10, 60: 10, 600: 2, 3600: 1}  # seconds → gradient steps
UNTIL = 0.6  # left of the words, where a clip of many stops
GOAL = 0.5  # left of the words: MetricGAN+ at 25 dB gets there, and to no 0.4
FAR = 0.1  # left of the words, as `least` has it: a goal for what gives way easily
GOALS = (  # enhancer, goal, clips, our steps at most, OPT's
    (DEFAULT, GOAL, 6, 1000, 1000),
    ("segan", GOAL, 4, 300, 500),
    ("dtln", GOAL, 6, 300, 500),
    ("dtln", FAR, 6, 300, 500),
)
SPREAD = {"clips": 6, "longest": 6.0}


def plan(*, quick: bool) -> list[Measurement]:
    """Everything, in the order of the page; ``quick`` is to see that it works."""
    return (
        _quick() if quick else [*_efficiency(), *_peers(), *_clips(), *_scaling(), *_killed()]
    )


def _efficiency() -> list[Measurement]:
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    sizes = {"batch": 16, "seconds": 4.0, "steps": 6, "rounds": 3}
    return [
        _of("efficiency", efficiency, enhancer=name, device=device, **sizes)
        for device, name in product(devices, _attackable())
    ]


def _peers() -> list[Measurement]:
    return [
        _of(
            "peers",
            peers,
            enhancer=name,
            kind=kind,
            steps=steps,
            cores=1,
            **SPREAD,
            **_libraries(),
        )
        for name in (DEFAULT, "dtln")
        for kind, steps in zip(KINDS, (50, 50, 200), strict=True)
    ]


def _clips() -> list[Measurement]:
    many = {"steps": 100, "until": UNTIL, "cores": 2}
    return [
        _of("together", together, enhancer=DEFAULT, clips=64, **many),
        _of("together", together, enhancer="dtln", clips=16, **many),
        *(
            _of(
                "goal",
                goal,
                enhancer=name,
                goal=left,
                our_steps=steps,
                our_step_size=0.5,
                learned_start=_learned_start(name),
                opt_steps=opt_steps,
                **SPREAD | {"clips": clips},
            )
            for name, left, clips, steps, opt_steps in GOALS
        ),
    ]


def _learned_start(name: str) -> float:
    """All of the budget, where there is a generator."""
    return float((BUNDLED / f"{name}.safetensors").is_file())


def _scaling() -> list[Measurement]:
    own: dict[str, Any] = {"enhancer": DEFAULT}
    work = {"clips": 16, "steps": 20, "rounds": 3}
    sizes = [1, 2, 4, 8, 16, 32, 64]
    return [
        _of("scaling", workers, workers=[1, 2, 4], **own, **work),
        _of("scaling", batches, sizes=sizes, seconds=2.0, rounds=5, **own),
        *(_of("scaling", length, seconds=s, steps=n, **own) for s, n in LENGTHS.items()),
    ]


def _killed() -> list[Measurement]:
    mixes = [0.0, 4.0, 8.0]
    return [
        _of("killed", killed, enhancer=DEFAULT, victim=each, mixes=mixes) for each in VICTIMS
    ]


def _quick() -> list[Measurement]:
    own: dict[str, Any] = {"enhancer": DEFAULT}
    sizes = {"batch": 2, "seconds": 1.0, "steps": 2, "rounds": 2}
    clip = {"clips": 1, "longest": 2.5}
    one = {"steps": 3, "cores": 1, **_libraries()}
    return [
        _of("efficiency", efficiency, device="cpu", **own, **sizes),
        *(_of("peers", peers, kind=each, **own, **clip, **one) for each in KINDS),
        _of("together", together, clips=4, steps=5, until=UNTIL, cores=2, **own),
        _of(
            "goal",
            goal,
            goal=GOAL,
            our_steps=3,
            our_step_size=0.5,
            learned_start=_learned_start(DEFAULT),
            opt_steps=10,
            **own,
            **clip,
        ),
        _of("scaling", workers, workers=[1, 2], clips=2, steps=1, rounds=1, **own),
        _of("scaling", batches, sizes=[1, 2], seconds=2.0, rounds=1, **own),
        _of("scaling", length, seconds=2, steps=1, **own),
        *(_of("killed", killed, victim=each, mixes=[8.0], **own) for each in VICTIMS),
    ]


def _of(part: Part, measure: Callable[..., Figures], **settings: Any) -> Measurement:
    return Measurement(part, measure, settings)


def _libraries() -> dict[str, Any]:
    return {"libraries": here()}


def _attackable() -> list[str]:
    """The enhancers with gradients that can be loaded here."""
    return to_be_had(attackable(), lambda reason: print(f"left out: {reason}", file=sys.stderr))
