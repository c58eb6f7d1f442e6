"""What is said of a name that nothing has. Imports nothing heavy."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

ALIKE = 0.45  # of two names, in difflib's measure: "pdg" and "pgd" are, "MP3" and "opus" not


def unknown(kind: str, name: str, known: Collection[str], more: str = "") -> InputError:
    """The error for ``name``, with the nearest of those ``known``, else all; and ``more``."""
    in_small = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), in_small, n=1, cutoff=ALIKE)
    hint = f"did you mean {in_small[near[0]]}?" if near else f"there is {', '.join(known)}."
    return InputError(f"there is no {kind} called {name!r}: {hint} {more}".rstrip(" ."))


def unknown_of_several(
    kind: str, name: str, known: Collection[str], more: str = ""
) -> InputError:
    """As :func:`unknown`, where the option may be repeated: names are not joined by commas."""
    if "," in name:
        return InputError(f"{name!r} looks like several: repeat the option for each {kind}")
    return unknown(kind, name, known, more)
