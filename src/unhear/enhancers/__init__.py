"""The enhancers that there are, by name.

Every file of this folder that defines an ``ENTRY`` is on the command line and in the tests. The
files hold cards and builders only, so that listing them loads no network.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from unhear.enhancers.external import FORMS, form_of
from unhear.errors import InputError
from unhear.naming import unknown_of_several

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unhear.enhancers.base import Card, Enhancer, Entry

DEFAULT = "metricgan+"
ALL = "all"  # a name for every enhancer that there is


@cache
def registry() -> dict[str, Entry]:
    """Every entry by its name, the default first, then in alphabetical order."""
    modules = (import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__))
    entries: list[Entry] = [module.ENTRY for module in modules if hasattr(module, "ENTRY")]
    names = sorted((e.card.name for e in entries), key=lambda name: (name != DEFAULT, name))
    by_name = {entry.card.name: entry for entry in entries}
    return {name: by_name[name] for name in names}


def find(name: str) -> Entry:
    """The entry called ``name``; raises InputError, suggesting the nearest name."""
    entries = registry()
    if name in entries:
        return entries[name]
    if name.lower().endswith(".onnx"):
        raise InputError(
            f"{name} is ONNX, which has no gradients here: give the model as PyTorch or, to "
            "measure with it, a function around onnxruntime as FILE.py:NAME"
        )
    raise unknown_of_several("enhancer", name, entries, f"One of your own is given as {FORMS}")


def load_enhancer(
    name: str = DEFAULT,
    weights: str | None = None,
    rate: int | None = None,
    device: str = "cpu",
) -> Enhancer:
    """Build an enhancer with its own weights, or with the user's; or load one of the user's.

    ``name`` is one of :func:`registry`, or of the forms in :mod:`unhear.enhancers.external`.
    ``weights`` is a file of the enhancer's own kind (safetensors or a PyTorch state dict, ONNX,
    DeepFilterNet's archive) or a folder that holds it under its public name, which DTLN's two
    files need; or, but for DTLN, ``ORGANISATION/MODEL`` in the local hub cache.
    ``rate`` is the sample rate, in Hz, of an enhancer of the user's that does not state it.
    ``device`` is one that torch has here, or ``auto``; what is no network stays on the CPU.
    Raises InputError for an unknown name, weights of another network, a library or a device
    that is missing, what is no enhancer, and FailureError when weights cannot be fetched.
    """
    enhancer = _loaded(name, weights, rate)
    if device != "cpu":
        from unhear.devices import usable

        enhancer.move_to(usable(device))
    return enhancer


def _loaded(name: str, weights: str | None, rate: int | None) -> Enhancer:
    if is_external(name):
        return _load_external(name, weights, rate)
    entry = find(name)
    if rate is not None:
        raise InputError(f"{name} works at {entry.card.sample_rate} Hz: leave the rate out")
    _require(entry)
    return entry.build(entry.card, weights)


def is_external(name: str) -> bool:
    """Whether a name says that the user brings the enhancer."""
    return name not in registry() and form_of(name) is not None


def own_file(name: str) -> Path | None:
    """The file that holds an enhancer of the user's, where one does: FILE or FILE:NAME."""
    files = (Path(name).expanduser(), Path(name.rpartition(":")[0]).expanduser())
    return next((path for path in files if path.is_file()), None)


def attackable() -> list[str]:
    """The names of the registry that have gradients."""
    return [name for name, entry in registry().items() if entry.card.differentiable]


def expanded(names: Iterable[str], spare: Iterable[str] = ()) -> list[str]:
    """Each of the names once; :data:`ALL` stands for all that can be attacked and are not to be
    spared.
    """
    every = [name for name in attackable() if name not in {*spare}]
    return list(dict.fromkeys(x for name in names for x in (every if name == ALL else [name])))


def refuse_both(against: Iterable[str], spare: Iterable[str]) -> None:
    """Raise InputError for an enhancer that is to be defeated and spared."""
    if both := sorted({*against} & {*spare}):
        raise InputError(f"{both[0]} cannot be defeated and spared: name it once")


def require_gradients(card: Card) -> None:
    """Raise InputError, naming those that could be attacked, where there are no gradients."""
    if not card.differentiable:
        raise InputError(
            f"{card.name} has no gradients to attack: attack one that has "
            f"({', '.join(attackable())}) as a stand-in, and see with `unhear enhance --with "
            f"{card.name}` what it makes of the result"
        )


def _load_external(name: str, weights: str | None, rate: int | None) -> Enhancer:
    if weights is not None:
        raise InputError(f"{name} brings its own weights: leave the weights out")
    from unhear.external import load

    return load(name, rate)


def _require(entry: Entry) -> None:
    if not entry.installed:
        raise InputError(
            f"{entry.card.name} needs {entry.requires}, which is missing: "
            f"install it with pip install 'unhear[{entry.extra}]'"
        )
