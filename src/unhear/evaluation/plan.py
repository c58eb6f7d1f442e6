"""What an evaluation is to do, as plain frozen data.

It is written as YAML (:mod:`unhear.evaluation.plan_file`) or made by the flags of
`unhear evaluate`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import product
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

from unhear.attacks import make_attack, require_budget, settings_of
from unhear.attacks.base import Attack
from unhear.attacks.generator import Generator
from unhear.attacks.white_noise import WhiteNoise
from unhear.budgets import Budget
from unhear.enhancers import refuse_both
from unhear.errors import InputError
from unhear.generators import require_generators
from unhear.naming import unknown
from unhear.settings import described
from unhear.targets import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

SNRS_DB = (-8.0, -4.0, 0.0, 4.0, 8.0)  # the paper's


@dataclass(frozen=True)
class Protection:
    """One way of protecting: enhancers to defeat, how, into what, with how much."""

    against: tuple[str, ...]
    attack: Attack
    target: Kind
    budget: Budget
    spare: tuple[str, ...] = ()
    survive: tuple[str, ...] = ()  # channels

    @property
    def attacked(self) -> str:
        """The enhancers to defeat, in one text."""
        return ", ".join(self.against)

    @property
    def title(self) -> str:
        """Short, and complete: it tells this from all others against the same enhancers."""
        target = "" if isinstance(self.attack, WhiteNoise) else f" {self.target}"
        parts = [f"{self.attack.name}{target}", str(self.budget)]
        parts += [f"{self.attack.evaluations} steps"] if self.attack.evaluations > 1 else []
        parts += [
            f"{setting.name.replace('_', ' ')} {getattr(self.attack, setting.name)}"
            for setting in fields(self.attack)  # type: ignore[arg-type]
            if getattr(self.attack, setting.name) != setting.default
            and setting.name not in {"steps", "seed"}
        ]
        parts += [f"sparing {' + '.join(self.spare)}"] if self.spare else []
        parts += [f"surviving {' + '.join(self.survive)}"] if self.survive else []
        return ", ".join(parts)

    def described(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        more = {"spare": ", ".join(self.spare), "survive": ", ".join(self.survive)}
        return {
            "against": self.attacked,
            "attack": described(self.attack),
            "target": self.target,
            "budget": str(self.budget),
            **{key: value for key, value in more.items() if value},
        }


class Listener(NamedTuple):
    """An enhancer, and what happens to the recording before it."""

    enhancer: str
    through: str | None = None  # a channel

    def __str__(self) -> str:
        return f"{self.enhancer} after {self.through}" if self.through else self.enhancer


@dataclass(frozen=True)
class Plan:
    """Every recording at every SNR is protected in every way and given to the listeners."""

    protections: tuple[Protection, ...]
    heard_by: tuple[str, ...] = ()  # enhancers, besides those attacked or spared
    through: tuple[str, ...] = ()  # channels, besides none at all
    snrs_db: tuple[float, ...] = SNRS_DB  # of speech to noise; none: as the data has them
    clips: int | None = None  # at each SNR; None: all
    longest: float = inf  # s: longer clips are left out
    scenes: tuple[str, ...] = ()  # of the noises; none: what read_noises takes
    every_noise: bool = False  # each clip in each scene, rather than in one
    seed: int = 0
    loudness: bool = False  # also recognise what is enhanced at the loudness of broadcasts
    raw: bool = True  # also recognise it as it comes, which costs as much as at full scale
    brief_controls: bool = False  # neither of the two for white noise
    dnsmos: bool = True  # rate all signals by it, which costs about as much as recognition
    recogniser: str = "base"
    language: str = "en"
    title: str = "Evaluation"

    def listeners(self, protection: Protection) -> tuple[Listener, ...]:
        """Who enhances what was protected in this way; those attacked come first."""
        names = dict.fromkeys([*protection.against, *protection.spare, *self.heard_by])
        ways = dict.fromkeys([None, *self.through])
        return tuple(Listener(name, way) for way in ways for name in names)


def changed(
    plan: Plan,
    *,
    clips: int | None = None,
    recogniser: str | None = None,
    language: str | None = None,
) -> Plan:
    """The plan with what the user wants otherwise; None keeps what it says."""
    wanted = {"clips": clips, "recogniser": recogniser, "language": language}
    return replace(plan, **{key: value for key, value in wanted.items() if value is not None})


BLIND: dict[type[Attack], Kind] = {WhiteNoise: "silence", Generator: "erase"}


def protections(
    against: Iterable[tuple[str, ...]],
    attacks: Iterable[str],
    targets: Iterable[str],
    budgets: Iterable[Budget],
    settings: dict[str, Any],
    *,
    seed: int,
    spare: tuple[str, ...] = (),
    survive: tuple[str, ...] = (),
) -> tuple[Protection, ...]:
    """Every group of enhancers × attack × target × budget.

    Each attack takes those of the settings that it has. Raises InputError for what is unknown,
    a setting that none of them has, an attack that needs a budget and has none, and an enhancer
    that is to be defeated and spared.
    """
    attacks = list(attacks)
    found: list[Protection] = []
    for names, attack, target, budget in product(against, attacks, targets, budgets):
        if unfit := [name for name in (*names, *spare) if ", " in name]:
            raise InputError(f"the name {unfit[0]!r} has a comma in it: rename the enhancer")
        refuse_both(names, spare)
        made = make_attack(attack, _own(settings, attack, attacks), seed)
        require_budget(made, budget)
        require_generators(made, names)
        # Some look at nothing: whatever they are for, the protection is the same one.
        kind = BLIND.get(type(made)) or _target(target)
        friends, ways = ((), ()) if type(made) in BLIND else (spare, survive)
        found.append(Protection(names, made, kind, budget, friends, ways))
    return tuple(dict.fromkeys(found))


def _own(settings: dict[str, Any], attack: str, attacks: list[str]) -> dict[str, Any]:
    """The settings that this attack has, and those that none has: they are its to refuse."""
    own = settings_of(attack)
    known = {name for each in attacks for name in settings_of(each)}
    return {name: value for name, value in settings.items() if name in own or name not in known}


def _target(name: str) -> Kind:
    if name not in get_args(Kind):
        raise unknown("target", name, get_args(Kind))
    return cast("Kind", name)
