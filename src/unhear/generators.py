"""Which enhancers have a perturbation generator, and what goes with one. Imports nothing heavy.

The network is in :mod:`unhear.networks.generator`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unhear.enhancers.digest import digest_of
from unhear.errors import InputError
from unhear.weights import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unhear.attacks import Attack

BUNDLED = Path(__file__).parent / "assets" / "generators"


def generators() -> dict[str, Path]:
    """The files by the names of the enhancers: those that ship with Unhear and, before them,
    the user's own, in ``generators`` in the folder where weights are kept.
    """
    folders = (BUNDLED, cache_folder() / "generators")
    return {path.stem: path for each in folders for path in sorted(each.glob("*.safetensors"))}


def require_generators(attack: Attack, names: Iterable[str]) -> None:
    """Raise InputError for an attack that needs one against an enhancer that has none."""
    known = generators()
    missing = [name for name in names if name not in known]
    if attack.learned and missing:
        raise InputError(
            f"no generator was trained against {missing[0]} (but {', '.join(known)}): "
            "take another attack, without a learned start"
        )


def about_generators(attack: Attack, names: Iterable[str]) -> dict[str, str]:
    """Which ones decide what the attack does to these enhancers; nothing if they do not."""
    if not attack.learned:
        return {}
    known = generators()
    return {"generators": ", ".join(digest_of(known[name]) for name in names if name in known)}
