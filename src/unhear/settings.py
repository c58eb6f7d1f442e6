"""The attacks' hyper-parameters as one set of command-line flags, made from their fields."""

from __future__ import annotations

from dataclasses import asdict, field, fields, make_dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter

from unhear.attacks import ATTACKS, Attack

GROUP = Group("Attack settings (each attack takes its own; see `unhear attacks`)")


def _flags() -> dict[str, Any]:
    """Field name → optional, documented flag; ``seed`` is the command's own."""
    owners: dict[str, list[tuple[str, Any]]] = {}
    for attack in ATTACKS.values():
        for setting in fields(attack):  # type: ignore[arg-type]
            if setting.name != "seed":
                owners.setdefault(setting.name, []).append((attack.name, setting))
    return {name: _flag(found) for name, found in owners.items()}


def _flag(found: list[tuple[str, Any]]) -> Any:
    kind = type(found[0][1].default)
    defaults = ", ".join(f"{attack}: {setting.default}" for attack, setting in found)
    text = f"{found[0][1].metadata['help']} [{defaults}]"
    return Annotated[kind | None, Parameter(help=text, group=GROUP)]


AttackSettings = Parameter(name="*")(
    make_dataclass(
        "AttackSettings",
        [(name, kind, field(default=None)) for name, kind in _flags().items()],
        frozen=True,
        namespace={"__module__": __name__, "__doc__": "What the user set; None: the default."},
    )
)


def given(settings: Any | None) -> dict[str, Any]:
    """The flags that were set."""
    values = {} if settings is None else asdict(settings)
    return {name: value for name, value in values.items() if value is not None}


def described(attack: Attack) -> dict[str, Any]:
    """An attack and its settings, for reports."""
    told = {
        own.name: getattr(attack, own.name)
        for own in fields(attack)  # type: ignore[arg-type]
        if not own.metadata["quiet"] or getattr(attack, own.name) != own.default
    }
    return {"name": attack.name} | told


def card(attack: type[Attack]) -> dict[str, Any]:
    """What one should know of an attack before using it."""
    settings = {
        f"--{own.name.replace('_', '-')}": f"{own.metadata['help']} [{own.default}]"
        for own in fields(attack)  # type: ignore[arg-type]
    }
    return {"name": attack.name, "summary": attack.summary} | settings
