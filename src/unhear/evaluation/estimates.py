"""Rows → figures with their intervals: every table and plot is made of these.

``heard`` names one of the signals of :class:`unhear.evaluation.judge.Signals`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Literal

import numpy as np

from unhear import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unhear.evaluation.rows import Row
    from unhear.metrics import Interval, WordErrors

RAW, NORMALISED = "enhanced_protected", "enhanced_protected_normalised"
BEFORE = {RAW: "enhanced", NORMALISED: "enhanced_normalised"}

Reference = Literal["said", "to_be_said", "enhanced", "enhanced_normalised"]


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval and the number of clips behind it."""

    value: float
    low: float
    high: float
    clips: int

    def shown(self, form: str) -> str:
        """For tables: the value and, where there is one, its interval; a dash for nothing."""
        if np.isnan(self.value):
            return "–"
        if np.isnan(self.low):
            return format(self.value, form)
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


def wer(
    rows: Sequence[Row], heard: str, *, against: Reference = "said", capped: bool = True
) -> Estimate:
    """Word error rate in per cent of what was recognised in one of the signals.

    ``against`` is what it is compared with: what was said, what was to be said instead (the
    targeted WER), or what was recognised in the enhanced original (the paper's abstract).
    """
    errors, names = _errors(rows, heard, against), _names(rows)
    if capped:
        interval = metrics.capped_wer_interval(errors, clip_names=names)
        return _estimate(metrics.capped_wer(errors), interval, rows)
    interval = metrics.pooled_wer_interval(errors, clip_names=names)
    return _estimate(metrics.pooled_wer(errors), interval, rows)


def de(rows: Sequence[Row], heard: str = NORMALISED, *, capped: bool = True) -> Estimate:
    """DE: rise of the WER, in points, from the enhanced original to the enhanced protected."""
    before, after = (_errors(rows, name, "said") for name in (BEFORE[heard], heard))
    rate = metrics.capped_wer if capped else metrics.pooled_wer
    interval = metrics.de_interval(before, after, capped=capped, clip_names=_names(rows))
    return _estimate(metrics.de(rate(before), rate(after)), interval, rows)


def mean(rows: Sequence[Row], figure: str) -> Estimate:
    """Mean of one of the figures, over the rows in which it is defined."""
    values = [nan if row["figures"][figure] is None else row["figures"][figure] for row in rows]
    known = [value for value in values if not np.isnan(value)]
    interval = metrics.mean_interval(values, clip_names=_names(rows))
    return _estimate(float(np.mean(known)) if known else nan, interval, rows)


def share(rows: Sequence[Row], heard: str, kind: Literal["empty", "looping"]) -> float:
    """Share, in per cent, of transcripts without a word, or that repeat themselves."""
    texts = [row["heard"][heard] for row in rows]
    return metrics.empty_share(texts) if kind == "empty" else metrics.looping_share(texts)


def _estimate(value: float, interval: Interval, rows: Sequence[Row]) -> Estimate:
    return Estimate(value, interval.low, interval.high, len(set(_names(rows))))


def _names(rows: Sequence[Row]) -> list[str]:
    return [row["about"]["clip"] for row in rows]


def _errors(rows: Sequence[Row], heard: str, against: Reference) -> list[WordErrors]:
    references = [
        row[against] if against in {"said", "to_be_said"} else row["heard"][against]
        for row in rows
    ]
    texts = [row["heard"][heard] for row in rows]
    return [
        metrics.word_errors(said, text) for said, text in zip(references, texts, strict=True)
    ]
