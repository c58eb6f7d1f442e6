"""How much of what was added can be heard beside the recording."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from unhear.budgets import Masked
from unhear.metrics.checks import same_length
from unhear.metrics.levels import snr_db

if TYPE_CHECKING:
    from jaxtyping import Float


def share_above_threshold(
    audio: Float[np.ndarray, " time"], added: Float[np.ndarray, " other"], sample_rate: int
) -> float:
    """Share, 0 to 1, of time-frequency bins in which ``added`` exceeds what ``audio`` masks.

    The threshold is that of psychoacoustic model 1 as in arXiv 1903.10346, in windows of
    128 ms every 32 ms; ``sample_rate`` is in Hz. Below it in every bin is not yet unheard: the
    model judges each as if it were alone. Bins that ``added`` leaves empty count as below.

    NaN for a silent or empty recording. Raises InputError when the lengths differ.
    """
    import torch

    audio, added = same_length(audio, added)
    if not audio.any():
        return nan
    own, other = (torch.from_numpy(signal)[None] for signal in (audio, added))
    return float(Masked(0.0, sample_rate).around(own).share_above(other))


def a_weighted_snr_db(
    audio: Float[np.ndarray, " time"], added: Float[np.ndarray, " other"], sample_rate: int
) -> float:
    """:func:`snr_db` of both signals behind an A-weighting filter (IEC 61672-1).

    The filter is circular, and never below -40 dB; ``sample_rate`` is in Hz.
    Raises InputError when the lengths differ.
    """
    import torch

    from unhear.budgets.a_weighting import a_weighted

    audio, added = same_length(audio, added)
    if not audio.size:
        return snr_db(audio, added)
    both = a_weighted(torch.from_numpy(np.stack([audio, added])), sample_rate).numpy()
    return snr_db(both[0], both[1])
