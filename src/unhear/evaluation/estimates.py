"""Rows → figures with their intervals: every table and plot is made of these.

``heard`` names one of the signals of :class:`unhear.evaluation.judge.Signals`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import isnan, nan
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from unhear import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from unhear.evaluation.rows import Row
    from unhear.metrics import Interval, WordErrors

RAW, NORMALISED = "enhanced_protected", "enhanced_protected_normalised"
BEFORE = {RAW: "enhanced", NORMALISED: "enhanced_normalised"}

Reference = Literal["said", "to_be_said", "enhanced", "enhanced_normalised"]
Key = TypeVar("Key")

# One text is compared in many tables.
word_errors = lru_cache(maxsize=100_000)(metrics.word_errors)


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval and the number of clips in which it is defined."""

    value: float
    low: float
    high: float
    clips: int

    def shown(self, form: str) -> str:
        """For tables: the value and, where there is one, its interval; a dash for nothing."""
        if isnan(self.value):
            return "–"
        span = "" if isnan(self.low) else f" ({self.low:{form}} to {self.high:{form}})"
        return f"{self.value:{form}}{span}"

    def evidence(self, form: str) -> str:
        """For sentences: the interval, where there is one, and the number of clips."""
        clips = f"{self.clips} clip{'s' if self.clips != 1 else ''}"
        return clips if isnan(self.low) else f"{self.low:{form}} to {self.high:{form}}, {clips}"


def defined(estimates: Mapping[Key, Estimate]) -> dict[Key, Estimate]:
    """Those that have a value: only they can be the largest or the smallest."""
    return {key: each for key, each in estimates.items() if not isnan(each.value)}


def wer(
    rows: Sequence[Row], heard: str, *, against: Reference = "said", capped: bool = True
) -> Estimate:
    """Word error rate in per cent of what was recognised in one of the signals.

    ``against`` is what it is compared with: what was said, what was to be said instead (the
    targeted WER), or what was recognised in the enhanced original (the paper's abstract).
    """
    errors = _errors(rows, heard, against)
    known = [not isnan(each.rate) for each in errors]
    rate = metrics.capped_wer if capped else metrics.pooled_wer
    interval = metrics.capped_wer_interval if capped else metrics.pooled_wer_interval
    return _estimate(rate(errors), interval(errors, clip_names=_names(rows)), rows, known)


def de(rows: Sequence[Row], heard: str = NORMALISED, *, capped: bool = True) -> Estimate:
    """DE: rise of the WER, in points, from the enhanced original to the enhanced protected."""
    before, after = (_errors(rows, name, "said") for name in (BEFORE[heard], heard))
    rate = metrics.capped_wer if capped else metrics.pooled_wer
    interval = metrics.de_interval(before, after, capped=capped, clip_names=_names(rows))
    known = [not isnan(each.rate) for each in after]
    return _estimate(metrics.de(rate(before), rate(after)), interval, rows, known)


def kept(left: Sequence[Row], whole: Sequence[Row]) -> Estimate:
    """The DE of what went through a channel, as a share, in per cent, of that of the same
    protected files where nothing happened to them; undefined where that is none.
    """
    direct = {row["protected"]: row for row in whole}
    left = [row for row in left if row["protected"] in direct]
    whole = [direct[row["protected"]] for row in left]
    pairs = [
        (_errors(rows, BEFORE[NORMALISED], "said"), _errors(rows, NORMALISED, "said"))
        for rows in (whole, left)
    ]
    of_whole, of_left = (metrics.de(*map(metrics.capped_wer, pair)) for pair in pairs)
    value = 100 * of_left / of_whole if of_whole > 0 else nan
    interval = metrics.kept_interval(*pairs, capped=True, clip_names=_names(left))
    known = [not isnan(each.rate) for each in pairs[1][1]]
    return _estimate(value, interval, left, known)


def mean(rows: Sequence[Row], figure: str) -> Estimate:
    """Mean of one of the figures, over the rows in which it is defined.

    Rows of an older Unhear do not have all of them.
    """
    found = [row["figures"].get(figure) for row in rows]
    values = [nan if value is None else value for value in found]
    known = [not isnan(value) for value in values]
    value = float(np.nanmean(values)) if any(known) else nan
    return _estimate(value, metrics.mean_interval(values, clip_names=_names(rows)), rows, known)


def share(rows: Sequence[Row], heard: str, kind: Literal["empty", "looping"]) -> float:
    """Share, in per cent, of transcripts without a word, or that repeat themselves."""
    counted = metrics.looping_share if kind == "looping" else metrics.empty_share
    return counted([row["heard"][heard] for row in rows], rows[0]["about"]["language"])


def clips(rows: Sequence[Row]) -> int:
    """How many different clips there are, at whatever SNR."""
    return len(set(_names(rows)))


def _estimate(
    value: float, interval: Interval, rows: Sequence[Row], known: list[bool]
) -> Estimate:
    names = {name for name, has in zip(_names(rows), known, strict=True) if has}
    return Estimate(value, interval.low, interval.high, len(names))


def _names(rows: Sequence[Row]) -> list[str]:
    return [row["about"]["clip"] for row in rows]


def _errors(rows: Sequence[Row], heard: str, against: Reference) -> list[WordErrors]:
    return [_error(row, heard, against) for row in rows]


def _error(row: Row, heard: str, against: Reference) -> WordErrors:
    """Undefined where that signal, or what it is compared with, was not recognised."""
    reference, found = _reference(row, against), row["heard"].get(heard)
    if reference is None or found is None:
        reference = found = ""
    return word_errors(reference, found, row["about"]["language"])


def _reference(row: Row, against: Reference) -> str | None:
    """Nothing where nothing else was to be said: such rows have no targeted WER."""
    if against in {"said", "to_be_said"}:
        return row[against] or ""
    return row["heard"].get(against)
