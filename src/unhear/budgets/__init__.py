"""How much may be added to a recording: a ball around it, per clip.

A budget knows its geometry and nothing of attacks, models or files: the steepest step inside
it, the radius, and the projection back into it.
"""

from unhear.budgets.amplitude import MaxAmplitude
from unhear.budgets.base import TINY, Budget
from unhear.budgets.energy import EnergyBudget, SignalToNoise, Unbounded
from unhear.budgets.masked import Masked
from unhear.budgets.scaled import Scaled
from unhear.budgets.stored import share_within, stored_within
from unhear.budgets.weighted import AWeighted

BUDGETS = {  # by the name of the setting that takes their one number
    "snr": SignalToNoise,
    "eps": MaxAmplitude,
    "masked": Masked,
    "a_weighted": AWeighted,
}

__all__ = [
    "BUDGETS",
    "TINY",
    "AWeighted",
    "Budget",
    "EnergyBudget",
    "Masked",
    "MaxAmplitude",
    "Scaled",
    "SignalToNoise",
    "Unbounded",
    "share_within",
    "stored_within",
]
