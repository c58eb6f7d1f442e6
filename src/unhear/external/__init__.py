"""Enhancers that users bring: files, functions and modules of their own, models of a hub.

Loading one runs its code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unhear.enhancers.base import Enhancer
from unhear.enhancers.external import FORMS, form_of
from unhear.errors import InputError

if TYPE_CHECKING:
    from unhear.external.probe import Found

RATE = 16_000  # Hz, unless told
SLOWEST, FASTEST = 4_000, 192_000  # Hz


def load(name: str, rate: int | None = None) -> Enhancer:
    """The enhancer that ``name`` says, at ``rate`` Hz where it states no rate itself.

    Raises InputError when it cannot be found, loaded or used as an enhancer, and for a rate
    beside its own.
    """
    from unhear.external.probe import adapted

    if rate is not None and not SLOWEST <= rate <= FASTEST:
        raise InputError(f"{rate} Hz is no usable rate: give one from {SLOWEST} to {FASTEST}")
    found = _found(name)
    own = found.card.sample_rate if isinstance(found, Enhancer) else found.rate
    if rate is not None and own is not None:
        raise InputError(f"{name} works at {own} Hz and says so itself: leave the rate out")
    return found if isinstance(found, Enhancer) else adapted(found, rate or own or RATE)


def _found(name: str) -> Found | Enhancer:
    from unhear.external import files, hub, python, speechbrain

    match form_of(name):
        case "torchscript" | "exported":
            return files.load(name)
        case "hub":
            return hub.load(name)
        case "speechbrain":
            return speechbrain.load(name)
        case "python":
            return python.load(name)
        case None:
            raise InputError(f"{name!r} is no enhancer of your own: give {FORMS}")
