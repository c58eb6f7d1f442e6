"""Between which figures one would land with other clips of the same kind: the bootstrap.

As many clips as there are, drawn from them with replacement, have a figure, too. Of 2,000 such
figures, the interval reaches from the 2.5th percentile to the 97.5th: 95 % by the percentile
method of Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. The draws
depend on ``seed`` alone: the same clips in the same order have the same interval.

Clips must be independent of one another. Where one comes more than once, at other SNRs or with
other noise, ``clip_names`` says which clip each value is of, and all of its values are drawn
together; else the interval would be too narrow. For few clips it is too narrow anyway: by some
9 % for a mean of 20.

Both ends are NaN where the figure is undefined or infinite in some draw, and for fewer than two
clips, since drawing from one can only bring the same again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jaxtyping import Float

    from unhear.metrics.words import WordErrors

RESAMPLES = 2_000
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Interval:
    """95 % interval, in the unit of the figure."""

    low: float
    high: float


def mean_interval(
    values: Iterable[float], *, clip_names: Sequence[str] | None = None, seed: int = 0
) -> Interval:
    """Of the mean of values, NaN among them left out.

    Shares are means, too: ``mean_interval([100.0 * is_empty(text) for text in texts])``.
    """
    found = np.array(list(values), np.float64)
    addends = np.column_stack([found, np.ones_like(found)])
    return _interval(addends, _ratio, clip_names, seed)


def pooled_wer_interval(
    errors: Iterable[WordErrors], *, clip_names: Sequence[str] | None = None, seed: int = 0
) -> Interval:
    """Of :func:`unhear.metrics.pooled_wer`, in per cent."""
    return _interval(_addends(errors, capped=False), _ratio, clip_names, seed)


def capped_wer_interval(
    errors: Iterable[WordErrors], *, clip_names: Sequence[str] | None = None, seed: int = 0
) -> Interval:
    """Of :func:`unhear.metrics.capped_wer`, in per cent."""
    return _interval(_addends(errors, capped=True), _ratio, clip_names, seed)


def de_interval(
    before: Iterable[WordErrors],
    after: Iterable[WordErrors],
    *,
    capped: bool = False,
    clip_names: Sequence[str] | None = None,
    seed: int = 0,
) -> Interval:
    """Of DE, the rise of the pooled (or capped) WER in percentage points.

    Both hold the same clips in the same order, and a clip is drawn with both of its errors:
    clips that are hard before and after cancel out. Raises InputError when the numbers differ.
    """
    return _interval(_paired([before, after], capped=capped), _rise, clip_names, seed)


def kept_interval(
    whole: tuple[Iterable[WordErrors], Iterable[WordErrors]],
    left: tuple[Iterable[WordErrors], Iterable[WordErrors]],
    *,
    capped: bool = False,
    clip_names: Sequence[str] | None = None,
    seed: int = 0,
) -> Interval:
    """Of the DE that is ``left`` as a share of the ``whole`` DE, in per cent.

    Each of the two has the errors before and after, as :func:`de_interval` takes them; a clip
    is drawn with all four. Raises InputError when the numbers differ.
    """
    return _interval(_paired([*whole, *left], capped=capped), _kept, clip_names, seed)


def _paired(
    several: Iterable[Iterable[WordErrors]], *, capped: bool
) -> Float[np.ndarray, "clips columns"]:
    found = [_addends(errors, capped=capped) for errors in several]
    for each in found:
        if len(each) != len(found[0]):
            raise InputError(
                f"{len(found[0])} clips before and {len(each)} after cannot be paired: give "
                "the same clips in the same order"
            )
    return np.hstack(found)


def _addends(errors: Iterable[WordErrors], *, capped: bool) -> Float[np.ndarray, "clips 2"]:
    rows = [
        (100.0 * (min(clip.errors, clip.words) if capped else clip.errors), float(clip.words))
        for clip in errors
    ]
    return np.array(rows, np.float64).reshape(-1, 2)


def _ratio(
    over: Float[np.ndarray, " draws"], under: Float[np.ndarray, " draws"]
) -> Float[np.ndarray, " draws"]:
    return over / np.where(under > 0, under, nan)


def _rise(*sums: Float[np.ndarray, " draws"]) -> Float[np.ndarray, " draws"]:
    return _ratio(*sums[2:]) - _ratio(*sums[:2])


def _kept(*sums: Float[np.ndarray, " draws"]) -> Float[np.ndarray, " draws"]:
    return 100 * _ratio(_rise(*sums[4:]), _rise(*sums[:4]))


def _interval(
    addends: Float[np.ndarray, "values columns"],
    figure: Callable[..., np.ndarray],
    clip_names: Sequence[str] | None,
    seed: int,
) -> Interval:
    """Interval of a ``figure`` of the sums of the columns."""
    rows = _by_clip(addends, clip_names)
    clips = len(rows)
    if clips < 2 or not np.isfinite(rows).all():
        return Interval(nan, nan)
    drawn = np.random.default_rng(seed).integers(clips, size=(RESAMPLES, clips))
    sums = [column[drawn].sum(axis=1) for column in rows.T]
    low, high = np.percentile(figure(*sums), PERCENTILES)
    return Interval(float(low), float(high))


def _by_clip(
    addends: Float[np.ndarray, "values columns"], clip_names: Sequence[str] | None
) -> Float[np.ndarray, "clips columns"]:
    """Sums of the rows of each clip, those with NaN left out."""
    known = ~np.isnan(addends).any(axis=1)
    if clip_names is None:
        return addends[known]
    if len(clip_names) != len(addends):
        raise InputError(
            f"{len(clip_names)} clip names for {len(addends)} values: give one for each"
        )
    names, clip = np.unique(np.asarray(clip_names, str)[known], return_inverse=True)
    sums = np.zeros((len(names), addends.shape[1]))
    np.add.at(sums, clip, addends[known])
    return sums
