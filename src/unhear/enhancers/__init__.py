"""The enhancers that there are, by name.

Every file of this folder that defines an ``ENTRY`` is on the command line and in the tests. The
files hold cards and builders only, so that listing them loads no network.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from unhear.errors import InputError

if TYPE_CHECKING:
    from unhear.enhancers.base import Enhancer, Entry

DEFAULT = "metricgan+"


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
    near = get_close_matches(name.lower(), entries, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(entries)}"
    raise InputError(f"there is no enhancer called {name!r}: {hint}")


def load_enhancer(name: str = DEFAULT, weights: str | None = None) -> Enhancer:
    """Build an enhancer with its own weights, or with the user's.

    ``weights`` is a file (safetensors or a PyTorch state dict), a folder
    that holds it under its public name, or
    the ``ORGANISATION/MODEL`` of a model in the local hub cache.
    Raises InputError for an unknown name, weights of another network or a library that is
    missing, and FailureError when weights cannot be fetched.
    """
    entry = find(name)
    _require(entry)
    return entry.build(entry.card, weights)


def _require(entry: Entry) -> None:
    if not entry.installed:
        raise InputError(
            f"{entry.card.name} needs {entry.requires}, which is missing: "
            f"install it with pip install 'unhear[{entry.extra}]'"
        )
