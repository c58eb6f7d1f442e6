"""PESQ of many clips at once; imports nothing heavy, for it runs in worker processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pesq import NoUtterancesError, pesq

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor

    from jaxtyping import Float

SAMPLE_RATE = 16_000  # Hz


def scaled_pesq(clean: Float[np.ndarray, " time"], judged: Float[np.ndarray, " time"]) -> float:
    """Wide-band PESQ mapped from -0.5…4.5 to 0…1; NaN where no utterance is found."""
    try:
        return (pesq(SAMPLE_RATE, clean, judged, "wb") + 0.5) / 5
    except NoUtterancesError:
        return float("nan")


def scaled_pesqs(
    pool: Executor, clean: Iterable[np.ndarray], judged: Iterable[np.ndarray]
) -> Float[np.ndarray, " clips"]:
    """:func:`scaled_pesq` of each pair."""
    return np.array(list(pool.map(scaled_pesq, clean, judged, chunksize=4)), dtype=np.float32)


def mean_pesq(scaled: Float[np.ndarray, " clips"]) -> float:
    """Wide-band PESQ on its own scale, over the clips in which there were utterances."""
    return 5 * float(np.nanmean(scaled)) - 0.5
