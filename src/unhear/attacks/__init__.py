"""The attacks that there are, by name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from unhear.attacks.apgd import APGD
from unhear.attacks.base import Attack
from unhear.attacks.fgsm import FGSM
from unhear.attacks.generator import Generator
from unhear.attacks.least import Least
from unhear.attacks.opt import OPT
from unhear.attacks.pgd import PGD
from unhear.attacks.white_noise import WhiteNoise
from unhear.budgets import Budget, Unbounded
from unhear.errors import InputError
from unhear.naming import unknown

ATTACKS: dict[str, type[Attack]] = {
    attack.name: attack for attack in (PGD, APGD, Least, FGSM, OPT, Generator, WhiteNoise)
}


def settings_of(name: str) -> list[str]:
    """The names of an attack's settings; raises InputError for an unknown attack."""
    return [field.name for field in fields(_find(name))]  # type: ignore[arg-type]


def make_attack(name: str, settings: dict[str, Any], seed: int | None = None) -> Attack:
    """The attack called ``name`` with the given fields; the others keep their defaults.

    ``seed`` is for those that draw something; the others do without.

    Raises InputError for an unknown attack, a field that it does not have, or a bad value.
    """
    known = settings_of(name)
    for setting in settings:
        if setting not in known:
            flags = ", ".join(f"--{field.replace('_', '-')}" for field in known) or "no setting"
            raise InputError(
                f"--{setting.replace('_', '-')} does not belong to {name}, which has {flags}"
            )
    seeded = {"seed": seed} if seed is not None and "seed" in known else {}
    return ATTACKS[name](**settings | seeded)


def require_budget(attack: Attack, budget: Budget) -> None:
    """Raise InputError for an attack that needs a budget and has none."""
    if attack.bounded and isinstance(budget, Unbounded):
        raise InputError(f"{attack.name} needs a budget: give an SNR, say, or use opt")


def _find(name: str) -> type[Attack]:
    if name not in ATTACKS:
        raise unknown("attack", name, ATTACKS)
    return ATTACKS[name]
