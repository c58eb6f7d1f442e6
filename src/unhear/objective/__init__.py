"""Enhancers to defeat and to spare × what happens on the way × target → losses and a gradient.

The only thing that an attack sees of all of them.
"""

from unhear.objective.balanced import WEAKEST, Objective, Pull
from unhear.objective.defeat import Defeat
from unhear.objective.heard import Heard, arrived
from unhear.objective.spare import ALLOWED_DB, Spare

__all__ = [
    "ALLOWED_DB",
    "WEAKEST",
    "Defeat",
    "Heard",
    "Objective",
    "Pull",
    "Spare",
    "arrived",
]
