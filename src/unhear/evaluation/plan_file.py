"""Plans as YAML files, which say exactly what was run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import yaml

from unhear.budgets import Budget, MaxAmplitude, SignalToNoise, Unbounded
from unhear.errors import InputError
from unhear.evaluation.plan import Plan, Protection, protections

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUDGETS = {"snr": SignalToNoise, "eps": MaxAmplitude}
UNBOUNDED = "unbounded"
PROTECTION = ("against", "attack", "target", *BUDGETS, UNBOUNDED)


def read_plan(path: Path, *, quick: bool = False) -> Plan:
    """The plan in a YAML file.

    Its keys are the fields of :class:`Plan`. ``protections`` is a list of maps with against,
    attack, target and one of snr (dB), eps and unbounded, each a value or a list of values,
    and any settings of the attack. What stands under ``quick`` replaces the other keys when
    a ``quick`` run is asked for; what stands under ``paper`` is not part of the plan.
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
    known = {"protections", *READERS}
    if unknown := sorted(map(str, set(document) - known)):
        raise InputError(f"a plan has no key {unknown[0]!r}: it has {', '.join(sorted(known))}")
    if not document.get("protections"):
        raise InputError("a plan needs protections: list at least one")
    given = {key: _read(key, value) for key, value in document.items() if key in READERS}
    entries = _listed(document["protections"])
    ways = [each for entry in entries for each in _expanded(entry, given.get("seed", 0))]
    return Plan(protections=tuple(dict.fromkeys(ways)), **given)


def _read(key: str, value: Any) -> Any:
    try:
        return READERS[key](value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{key} cannot be {value!r}: give what a plan has there") from error


def _expanded(entry: Any, seed: int) -> tuple[Protection, ...]:
    if not isinstance(entry, dict) or "against" not in entry:
        raise InputError(f"{entry!r} is no protection: give a map that begins with `against:`")
    settings = {key: value for key, value in entry.items() if key not in PROTECTION}
    kinds = [key for key in (*BUDGETS, UNBOUNDED) if entry.get(key) is not None]
    if len(kinds) != 1:
        raise InputError("a protection needs one of snr, eps and unbounded: give one")
    return protections(
        _listed(entry["against"]),
        _listed(entry.get("attack", "pgd")),
        _listed(entry.get("target", "erase")),
        _budgets(kinds[0], entry[kinds[0]]),
        settings,
        seed=seed,
    )


def _budgets(kind: str, values: Any) -> list[Budget]:
    if kind == UNBOUNDED:
        return [Unbounded()]
    return [BUDGETS[kind](float(value)) for value in _listed(values)]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _names(value: Any) -> tuple[str, ...]:
    return tuple(map(str, _listed(value)))


def _levels(value: Any) -> tuple[float, ...]:
    return tuple(map(float, _listed(value)))


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


READERS: dict[str, Callable[[Any], Any]] = {
    "heard_by": _names,
    "snrs_db": _levels,
    "clips": _count,
    "longest": float,
    "scenes": _names,
    "every_noise": bool,
    "seed": int,
    "recogniser": str,
    "language": str,
    "title": str,
}
