"""Figures of merit: plain functions of arrays and texts, computed in float64.

A figure that is undefined is NaN, never a guess: an average must leave it out knowingly.
Knows nothing of files, models or sample rates, but for PESQ and STOI, which take 16 kHz, and
for audibility, which is told the rate.
"""

from unhear.metrics.audibility import a_weighted_snr_db, share_above_threshold
from unhear.metrics.intervals import (
    Interval,
    capped_wer_interval,
    de_interval,
    kept_interval,
    mean_interval,
    pooled_wer_interval,
)
from unhear.metrics.levels import (
    gain_db,
    level_change_db,
    peak,
    rpr,
    rpr_unit,
    segmental_snr_db,
    si_sdr_db,
    snr_db,
)
from unhear.metrics.quality import estoi, pesq_nb, pesq_wb, stoi
from unhear.metrics.words import (
    WordErrors,
    capped_wer,
    de,
    empty_share,
    is_empty,
    is_looping,
    looping_share,
    normalise_text,
    pooled_wer,
    word_errors,
)

__all__ = [
    "Interval",
    "WordErrors",
    "a_weighted_snr_db",
    "capped_wer",
    "capped_wer_interval",
    "de",
    "de_interval",
    "empty_share",
    "estoi",
    "gain_db",
    "is_empty",
    "is_looping",
    "kept_interval",
    "level_change_db",
    "looping_share",
    "mean_interval",
    "normalise_text",
    "peak",
    "pesq_nb",
    "pesq_wb",
    "pooled_wer",
    "pooled_wer_interval",
    "rpr",
    "rpr_unit",
    "segmental_snr_db",
    "share_above_threshold",
    "si_sdr_db",
    "snr_db",
    "stoi",
    "word_errors",
]
