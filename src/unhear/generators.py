"""Which enhancers have a perturbation generator that ships with Unhear. Imports nothing heavy.

The network is in :mod:`unhear.networks.generator`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parent / "assets" / "generators"


def bundled_file(name: str) -> Path | None:
    """That of an enhancer of that name, trained against the weights that it comes with."""
    file = FOLDER / f"{name}.safetensors"
    return file if file.is_file() else None


def all_have_one(names: Iterable[str]) -> bool:
    """Whether each of the enhancers has one."""
    return all(bundled_file(name) for name in names)
