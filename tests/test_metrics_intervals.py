"""Bootstrap intervals against closed forms."""

from __future__ import annotations

from math import inf, isnan, nan, sqrt

import numpy as np
import pytest
from scipy.stats import binom, bootstrap, t

from unhear import metrics
from unhear.errors import InputError
from unhear.metrics import Interval, WordErrors


def drawing() -> np.random.Generator:
    """One for every test, so that no test depends on those before it."""
    return np.random.default_rng(0)


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def undefined(interval: Interval) -> bool:
    return all(map(isnan, ends(interval)))


def clips(errors: list[int], words: list[int]) -> list[WordErrors]:
    return [WordErrors(*clip) for clip in zip(errors, words, strict=True)]


def test_interval_of_a_normal_mean_is_that_of_the_normal_law():
    # 2,000 draws leave each end uncertain by 6 % of a standard error: allow four times that.
    values = drawing().normal(3, 2, size=200)
    error = values.std() / sqrt(values.size)
    known = values.mean() + np.array([-1.96, 1.96]) * error
    assert ends(metrics.mean_interval(values.tolist())) == pytest.approx(
        known, abs=0.24 * error
    )


def test_interval_holds_the_true_mean_as_often_as_it_should():
    # Each side of the interval of n values is 1.96·√((n-1)/n) of their standard errors long,
    # which Student's law turns into its coverage: 94.0 % for 40. The share among 400 samples
    # has a standard deviation of 1.2 points: allow three of them.
    samples = drawing().normal(size=(400, 40))
    found = [metrics.mean_interval(sample.tolist()) for sample in samples]
    held = np.mean([interval.low <= 0 <= interval.high for interval in found])
    assert held == pytest.approx(1 - 2 * t.sf(1.96 * sqrt(39 / 40), df=39), abs=0.036)


def test_interval_of_a_share_is_that_of_the_binomial_law():
    known = 100 * binom.ppf([0.025, 0.975], 10, 0.5) / 10
    assert ends(metrics.mean_interval([0.0, 100.0] * 5)) == pytest.approx(known)


def test_interval_of_pooled_wer_is_that_of_a_ratio_of_sums():
    rng = drawing()
    words = rng.integers(5, 30, size=60)
    errors = rng.binomial(words, 0.3)
    known = bootstrap(
        (errors, words),
        lambda over, under, axis: 100 * over.sum(axis) / under.sum(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = metrics.pooled_wer_interval(clips(errors.tolist(), words.tolist()))
    assert ends(found) == pytest.approx(tuple(known), abs=0.5)


def test_two_clips_span_what_each_would_give_alone():
    pair = clips([0, 30], [10, 10])  # one draw in four holds the first clip twice
    assert ends(metrics.pooled_wer_interval(pair)) == (0, 300)
    assert ends(metrics.capped_wer_interval(pair)) == (0, 100)


def test_de_is_paired_by_clip():
    before = drawing().integers(0, 8, size=30).tolist()
    after = [errors + 2 for errors in before]
    found = metrics.de_interval(clips(before, [10] * 30), clips(after, [10] * 30))
    assert ends(found) == pytest.approx((20, 20))


def test_de_of_capped_errors_is_within_100():
    before, after = clips([0, 0], [10, 10]), clips([10, 50], [10, 10])
    assert ends(metrics.de_interval(before, after)) == (100, 500)
    assert ends(metrics.de_interval(before, after, capped=True)) == (100, 100)


def test_what_is_kept_is_paired_by_clip():
    """Half of whatever each clip loses is left: no draw says otherwise."""
    lost = 2 * drawing().integers(1, 5, size=30)
    before, whole, left = (clips(n.tolist(), [10] * 30) for n in (0 * lost, lost, lost // 2))
    assert ends(metrics.kept_interval((before, whole), (before, left))) == pytest.approx(
        (50, 50)
    )
    one = clips([0], [10])
    with pytest.raises(InputError, match="30 clips before and 1 after"):
        metrics.kept_interval((before, whole), (before, one))
    assert undefined(metrics.kept_interval((before, before), (before, left)))


def test_de_of_other_numbers_of_clips_is_refused():
    with pytest.raises(InputError, match="2 clips before and 1 after"):
        metrics.de_interval(clips([0, 0], [1, 1]), clips([0], [1]))


def test_nan_is_left_out():
    values = drawing().normal(size=20).tolist()
    assert metrics.mean_interval([nan, *values, nan]) == metrics.mean_interval(values)


@pytest.mark.parametrize("values", [[], [1.0], [nan, nan], [1.0, nan], [1.0, inf, -inf]])
def test_mean_interval_is_undefined_with_nothing_to_draw_from(values: list[float]):
    assert undefined(metrics.mean_interval(values))


def test_wer_intervals_are_undefined_with_nothing_to_draw_from():
    for few in ([], clips([1], [2]), clips([1, 2], [0, 0]), clips([1, 2], [0, 5])):
        assert undefined(metrics.pooled_wer_interval(few))
        assert undefined(metrics.capped_wer_interval(few))
        assert undefined(metrics.de_interval(few, few))


def test_values_of_one_clip_are_drawn_together():
    once = drawing().normal(size=25).tolist()
    names = [f"clip{index:02}" for index in range(25)]
    assert metrics.mean_interval(
        [*once, *once], clip_names=[*names, *names]
    ) == metrics.mean_interval(once)
    assert undefined(metrics.mean_interval(once, clip_names=["one"] * 25))


def test_a_clip_is_capped_in_every_condition_by_itself():
    # Capped after adding up, clip a would have 11 errors in 20 words.
    rows = clips([11, 0, 0, 0], [10, 10, 10, 10])
    found = metrics.capped_wer_interval(rows, clip_names=["a", "a", "b", "b"])
    assert ends(found) == (0, 50)


def test_every_value_needs_a_name():
    with pytest.raises(InputError, match="1 clip names for 2 values"):
        metrics.mean_interval([1.0, 2.0], clip_names=["one"])


def test_the_seed_decides_on_the_draws():
    values = drawing().normal(size=30).tolist()
    assert metrics.mean_interval(values) == metrics.mean_interval(values, seed=0)
    assert metrics.mean_interval(values) != metrics.mean_interval(values, seed=1)
