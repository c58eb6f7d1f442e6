"""Budgets that weigh energy as the ear does, and budgets that are shares of others."""

from __future__ import annotations

from math import inf, pi

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unhear import metrics
from unhear.audio import as_stored
from unhear.budgets import (
    AWeighted,
    Budget,
    MaxAmplitude,
    Scaled,
    SignalToNoise,
    Unbounded,
    stored_within,
)
from unhear.budgets.a_weighting import a_weighted, a_weighting_db
from unhear.errors import InputError

RATE = 16_000  # Hz
seeds = st.integers(0, 2**31)


def noise(seed: int, level: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return level * torch.randn(2, 300, generator=generator, dtype=torch.float64)


def tone(frequency: float, amplitude: float = 1.0, rate: int = RATE) -> torch.Tensor:
    time = torch.arange(rate, dtype=torch.float64) / rate
    return amplitude * torch.sin(2 * pi * frequency * time)[None]


@pytest.mark.parametrize(
    ("hertz", "decibels"),
    [(31.5, -39.4), (100, -19.1), (1000, 0.0), (2500, 1.3), (10_000, -2.5)],
)
def test_a_weighting_is_that_of_the_standard(hertz: float, decibels: float) -> None:
    """IEC 61672-1, table 3; it gives round names to the exact frequencies."""
    exact = torch.tensor([1000 * 10 ** (round(10 * np.log10(hertz / 1000)) / 10)])
    assert float(a_weighting_db(exact)) == pytest.approx(decibels, abs=0.06)


@pytest.mark.parametrize("rate", [8000, RATE, 48_000])
def test_the_filter_has_this_gain(rate: int) -> None:
    for hertz in (100, 1000, 3000):
        audio = tone(hertz, rate=rate)
        gain = a_weighted(audio, rate).norm() / audio.norm()
        curve = a_weighting_db(torch.tensor([hertz], dtype=torch.float64))
        assert float(20 * torch.log10(gain)) == pytest.approx(float(curve), abs=1e-6)


def test_the_filter_is_never_below_its_floor() -> None:
    torch.testing.assert_close(a_weighted(torch.ones(1, 10), RATE), torch.full((1, 10), 0.01))


def test_low_tones_cost_little() -> None:
    """What is 19 dB louder at 100 Hz uses as much of the budget as at 1 kHz."""
    budget = AWeighted(30.0).at_rate(RATE)
    ratio = budget.size(tone(1000)) / budget.size(tone(100))
    assert float(20 * torch.log10(ratio)) == pytest.approx(19.14, abs=0.02)


@given(seeds, st.floats(1e-4, 3.0), st.floats(0, 80))
@settings(max_examples=30)
def test_projection_is_inside_and_changes_nothing_twice(
    seed: int, level: float, snr_db: float
) -> None:
    budget = AWeighted(snr_db, RATE)
    audio, delta = noise(seed, 0.1), noise(seed + 1, level)
    projected = budget.project(delta, audio)
    assert (budget.size(projected) <= budget.radius(audio) * (1 + 1e-12)).all()
    torch.testing.assert_close(budget.project(projected, audio), projected)
    inside = 0.5 * projected
    assert torch.equal(budget.project(inside, audio), inside)
    for each, own in zip(audio, projected, strict=True):
        found = metrics.a_weighted_snr_db(each.numpy(), own.numpy(), RATE)
        assert found >= snr_db - 1e-9


def test_the_direction_is_the_gradient_at_unit_size() -> None:
    budget, gradient = AWeighted(20.0, RATE), noise(0)
    step = budget.direction(gradient)
    torch.testing.assert_close(budget.size(step), torch.ones(2, 1).double())
    along = torch.cosine_similarity(step, gradient)
    torch.testing.assert_close(along, torch.ones(2).double())
    assert not budget.direction(torch.zeros(1, 10)).any()


def test_files_are_within_as_stored() -> None:
    audio = torch.from_numpy(as_stored(noise(0, 0.05).numpy(), "PCM_16"))
    budget = AWeighted(30.0, RATE)
    stored = stored_within(
        audio, noise(1), budget, lambda x: torch.from_numpy(as_stored(x.numpy(), "PCM_16"))
    )
    used_db = 20 * torch.log10(budget.size(stored - audio) / budget.radius(audio))
    assert (used_db <= 1e-9).all()
    assert (used_db > -0.1).all()


def test_a_rate_is_asked_for() -> None:
    with pytest.raises(InputError, match="at_rate"):
        AWeighted(30.0).size(noise(0))
    with pytest.raises(InputError, match="out of range"):
        AWeighted(-1.0)


def test_the_ratio_in_decibels() -> None:
    audio = tone(1000)[0].numpy()
    assert metrics.a_weighted_snr_db(audio, 0.1 * audio, RATE) == pytest.approx(20)
    low = tone(100, 0.1)[0].numpy()
    assert metrics.a_weighted_snr_db(audio, low, RATE) == pytest.approx(39.14, abs=0.02)
    assert metrics.a_weighted_snr_db(audio, np.zeros(RATE), RATE) == inf
    assert metrics.a_weighted_snr_db(np.zeros(0), np.zeros(0), RATE) == inf
    with pytest.raises(InputError, match="cannot be compared"):
        metrics.a_weighted_snr_db(audio, low[1:], RATE)


@pytest.mark.parametrize("budget", [SignalToNoise(20.0), MaxAmplitude(0.01), AWeighted(20.0)])
def test_a_share_of_a_budget_is_that_share_for_each_clip(budget: Budget) -> None:
    share = torch.tensor([[0.5], [0.1]]).double()
    scaled, whole = Scaled(budget, share).at_rate(RATE), budget.at_rate(RATE)
    audio, delta = noise(0, 0.1), noise(1)
    projected = scaled.project(delta, audio)
    torch.testing.assert_close(scaled.radius(audio), share * whole.radius(audio))
    torch.testing.assert_close(scaled.size(projected), scaled.radius(audio))
    torch.testing.assert_close(projected, share * whole.project(delta / share, audio))
    assert torch.equal(scaled.direction(delta), whole.direction(delta))


def test_half_of_20_db_is_26() -> None:
    half = Scaled(SignalToNoise(20.0), torch.full((2, 1), 10 ** (-6 / 20)).double())
    audio, delta = noise(0, 0.1), noise(1)
    expected = SignalToNoise(26.0).project(delta, audio)
    torch.testing.assert_close(half.project(delta, audio), expected)


def test_a_share_holds_what_is_inside_and_no_more() -> None:
    audio, none = noise(0, 0.1), torch.zeros(2, 300).double()
    scaled = Scaled(MaxAmplitude(0.01), torch.tensor([[0.5], [0.25]]).double())
    change = torch.full((2, 300), 0.004).double()
    assert scaled.holds(change, audio, none).tolist() == [[True], [False]]
    assert str(scaled) == "amplitude ≤ 0.01, scaled clip by clip"
    with pytest.raises(InputError, match="above 0"):
        Scaled(Unbounded(), torch.zeros(1, 1))
