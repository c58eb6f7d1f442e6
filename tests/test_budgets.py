"""Budgets: their geometry, and that no file ever exceeds one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unhear.audio import Recording, as_stored, read, write
from unhear.budgets import Budget, MaxAmplitude, SignalToNoise, Unbounded, stored_within
from unhear.errors import InputError

seeds = st.integers(0, 2**31)
levels = st.floats(1e-4, 3.0)
budgets = st.one_of(
    st.floats(0, 80).map(SignalToNoise), st.floats(2**-15, 0.5).map(MaxAmplitude)
)


def clips(seed: int, level: float) -> torch.Tensor:
    return level * torch.randn(2, 300, generator=torch.Generator().manual_seed(seed)).double()


@given(seeds, levels, budgets)
def test_projection_is_inside_and_changes_nothing_twice(
    seed: int, level: float, budget: Budget
) -> None:
    audio, delta = clips(seed, 0.1), clips(seed + 1, level)
    projected = budget.project(delta, audio)
    assert (budget.size(projected) <= budget.radius(audio) * (1 + 1e-12)).all()
    torch.testing.assert_close(budget.project(projected, audio), projected)
    inside = 0.5 * projected
    assert torch.equal(budget.project(inside, audio), inside)


@given(seeds, budgets)
def test_the_direction_is_the_steepest(seed: int, budget: Budget) -> None:
    """No other step of the same size rises more along the gradient."""
    gradient, other = clips(seed, 1.0), clips(seed + 1, 1.0)
    steepest = budget.direction(gradient)
    torch.testing.assert_close(budget.size(steepest), torch.ones(2, 1).double())
    rival = other / budget.size(other)
    assert ((gradient * rival).sum(-1) <= (gradient * steepest).sum(-1) + 1e-9).all()


@pytest.mark.parametrize("budget", [SignalToNoise(20.0), MaxAmplitude(0.01), Unbounded()])
def test_nothing_is_not_divided_by(budget: Budget) -> None:
    zeros = torch.zeros(1, 10)
    assert not budget.direction(zeros).any()
    assert not budget.project(zeros, zeros).any()


def test_silence_gets_nothing_from_a_ratio() -> None:
    assert not SignalToNoise(20.0).project(torch.ones(1, 10), torch.zeros(1, 10)).any()


def test_snr_is_an_energy_ratio() -> None:
    audio = 0.5 * torch.tensor([[1.0, -1.0]]).repeat(1, 50)
    for offset in (0.0, 0.3):  # which nobody hears
        delta = SignalToNoise(20.0).project(torch.ones(1, 100), audio + offset)
        torch.testing.assert_close(delta, torch.full((1, 100), 0.05))


def test_unbounded_allows_everything() -> None:
    delta = torch.full((1, 10), 100.0)
    assert torch.equal(Unbounded().project(delta, torch.zeros(1, 10)), delta)


@settings(max_examples=150)
@given(
    seed=seeds,
    level=st.floats(1e-5, 0.9),
    size=st.floats(1e-6, 0.3),
    budget=budgets,
    subtype=st.sampled_from(["PCM_16", "PCM_24", "PCM_32", "FLOAT"]),
)
def test_written_files_never_exceed_the_budget(
    seed: int, level: float, size: float, budget: Budget, subtype: str
) -> None:
    original = as_stored(np.clip(clips(seed, level).numpy(), -1, 1), subtype)
    audio = torch.from_numpy(original)
    stored = stored_within(
        audio,
        clips(seed + 1, size),
        budget,
        lambda samples: torch.from_numpy(as_stored(samples.numpy(), subtype)),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.wav"
        write(Recording(stored.numpy(), 16_000, subtype), path)
        change = torch.from_numpy(read(path).samples) - audio
    assert (budget.size(change) <= budget.radius(audio) * (1 + 1e-12)).all()


def test_rounding_costs_little_of_a_usual_budget() -> None:
    """At 30 dB below speech, shrinking for the sake of rounding loses less than 0.1 dB."""
    original = as_stored(clips(0, 0.05).numpy(), "PCM_16")
    audio, budget = torch.from_numpy(original), SignalToNoise(30.0)
    stored = stored_within(
        audio,
        clips(1, 1.0),
        budget,
        lambda x: torch.from_numpy(as_stored(x.numpy(), "PCM_16")),
    )
    used_db = 20 * torch.log10(budget.size(stored - audio) / budget.radius(audio))
    assert (used_db > -0.1).all()
    assert (used_db <= 0).all()


@pytest.mark.parametrize(
    "make",
    [lambda: SignalToNoise(-1.0), lambda: SignalToNoise(99.0), lambda: MaxAmplitude(0.0)],
)
def test_senseless_budgets_are_refused(make: object) -> None:
    with pytest.raises(InputError, match="out of range"):
        make()  # type: ignore
