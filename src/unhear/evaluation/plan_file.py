"""Plans as YAML files, which say exactly what was run."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import yaml

from unhear.attacks import ATTACKS
from unhear.budgets import BUDGETS, Budget, Unbounded
from unhear.errors import InputError
from unhear.evaluation.plan import Plan, Protection, protections

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNBOUNDED = "unbounded"
PROTECTION = ("against", "attack", "target", "spare", "survive", *BUDGETS, UNBOUNDED)


def read_plan(path: Path, *, quick: bool = False) -> Plan:
    """The plan in a YAML file.

    Its keys are the fields of :class:`Plan`. ``protections`` is a list of maps with against,
    attack, target and one of snr (dB), eps, masked (dB), a_weighted (dB) and unbounded, each a
    value or a list of values, and any settings of the attack. A list within the list of against
    is defeated together; spare and survive always go together. What stands under ``quick``
    replaces the other keys when a ``quick`` run is asked for; what stands under ``paper`` is
    not part of the plan.
    Raises InputError when the file is missing, no YAML, or has an unknown key or value.
    """
    document = read_document(path)
    document.pop("paper", None)
    changes = document.pop("quick", None) or {}
    try:
        return _plan(document | changes if quick else document)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_document(path: Path) -> dict[str, Any]:
    """The map in a YAML file; raises InputError when there is none."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as YAML ({reason}): mend it") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} holds no plan: begin with `protections:`")
    return cast("dict[str, Any]", document)


def _plan(document: dict[str, Any]) -> Plan:
    known = {"protections", *READERS} - set(PROTECTION)
    if unknown := sorted(map(str, set(document) - known)):
        raise InputError(f"a plan has no key {unknown[0]!r}: it has {', '.join(sorted(known))}")
    if not document.get("protections"):
        raise InputError("a plan needs protections: list at least one")
    given = {key: _read(key, value) for key, value in document.items() if key in READERS}
    entries = _listed(document["protections"])
    ways = [each for entry in entries for each in _expanded(entry, given.get("seed", 0))]
    return Plan(protections=tuple(dict.fromkeys(ways)), **given)


def _read(key: str, value: Any, reader: Callable[[Any], Any] | None = None) -> Any:
    try:
        return (reader or READERS[key])(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{key} cannot be {value!r}: give what a plan has there") from error


def _expanded(entry: Any, seed: int) -> tuple[Protection, ...]:
    if not isinstance(entry, dict) or not entry.get("against"):
        raise InputError(f"{entry!r} is no protection: give a map that begins with `against:`")
    if "seed" in entry:
        raise InputError("a protection has no seed of its own: give the plan one")
    given = {str(key): value for key, value in cast("dict[Any, Any]", entry).items()}
    return protections(
        _read("against", given["against"]),
        _read("attack", given.get("attack", "pgd")),
        _read("target", given.get("target", "erase")),
        _budgets(given),
        {key: _setting(key, value) for key, value in given.items() if key not in PROTECTION},
        seed=seed,
        spare=_read("spare", given.get("spare", ())),
        survive=_read("survive", given.get("survive", ())),
    )


def _budgets(entry: dict[str, Any]) -> list[Budget]:
    kinds = [key for key in (*BUDGETS, UNBOUNDED) if key in entry]
    if len(kinds) != 1 or entry.get(UNBOUNDED, True) is not True:
        raise InputError(
            f"a protection needs one of {', '.join(BUDGETS)} and `unbounded: true`: give one"
        )
    if kinds == [UNBOUNDED]:
        return [Unbounded()]
    return [BUDGETS[kinds[0]](value) for value in _read(kinds[0], entry[kinds[0]])]


def _setting(name: str, value: Any) -> Any:
    """An attack's setting, in the type of its default: YAML takes 1e-3 for a text."""
    for attack in ATTACKS.values():
        for own in fields(attack):  # type: ignore[arg-type]
            if own.name == name:
                readers: dict[type, Callable[[Any], Any]] = {bool: _flag, int: _whole}
                return _read(name, value, readers.get(type(own.default), float))
    return value  # which the attack will refuse by its name


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _names(value: Any) -> tuple[str, ...]:
    """One or more texts."""
    names = _listed(value)
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError
    return tuple(names)


def _more_names(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_names(value))) if _listed(value) else ()


def _groups(value: Any) -> tuple[tuple[str, ...], ...]:
    """One or more texts, or lists of texts."""
    groups = _listed(value)
    if not groups:
        raise TypeError
    return tuple(tuple(dict.fromkeys(_names(each))) for each in groups)


def _levels(value: Any) -> tuple[float, ...]:
    return tuple(map(float, _listed(value)))


def _count(value: Any) -> int | None:
    return None if value is None else _whole(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or float(value) != int(value) or int(value) < 0:
        raise ValueError
    return int(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


READERS: dict[str, Callable[[Any], Any]] = {  # of a plan, and of a protection
    "heard_by": _names,
    "snrs_db": _levels,
    "clips": _count,
    "longest": float,
    "scenes": _names,
    "every_noise": _flag,
    "seed": _whole,
    "loudness": _flag,
    "raw": _flag,
    "brief_controls": _flag,
    "dnsmos": _flag,
    "recogniser": str,
    "language": str,
    "title": str,
    "against": _groups,
    "spare": _more_names,
    "survive": _more_names,
    "through": _more_names,
    "attack": _names,
    "target": _names,
    **dict.fromkeys(BUDGETS, _levels),
}
