"""At which rate a perturbation is computed, and where windows meet whole samples of it."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_PHASES = 1000  # 11,025 Hz has 640 towards 16 kHz
MOST_GRID_SECONDS = 6  # between places where a chunk may begin; SEGAN's at 11,025 Hz: 5.12


def working_rate(own: int, enhancers: int, grid: int = 1) -> int:
    """The rate at which a perturbation is computed, in Hz: the lower one, if that is practical.

    The differentiable resampler keeps a filter for every phase between the two rates; rates
    that share no factor, such as 11,127 and 16,000 Hz, have too many phases. The enhancer's
    ``grid``, in samples at its rate, must also meet whole samples often enough for chunks.
    """
    phases = enhancers // gcd(own, enhancers)
    often = grid_at(own, grid, enhancers) <= MOST_GRID_SECONDS * own
    return own if own < enhancers and phases <= MOST_PHASES and often else enhancers


def grid_at(rate: int, grid: int, enhancers: int) -> int:
    """Fewest samples at ``rate`` that are a whole number of ``grid`` at the enhancer's rate."""
    return 1 if grid == 1 else Fraction(grid * rate, enhancers).numerator


def common(grids: Iterable[int], most: int) -> int:
    """The least multiple of all of them; what would make it more than ``most`` samples is left
    out, the later ones rather than the first.
    """
    found = 1
    for grid in grids:
        together = lcm(found, grid)
        found = together if together <= most else found
    return found
