"""What a recording masks, and the budget below it."""

from __future__ import annotations

from functools import cache
from math import isnan, pi

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unhear import metrics
from unhear.audio import as_stored
from unhear.budgets import Masked, Scaled, stored_within
from unhear.budgets.frames import BLOCK, Frames
from unhear.budgets.masking import bark, masking_thresholds, threshold_in_quiet
from unhear.errors import InputError

RATE = 16_000  # Hz
seeds = st.integers(0, 2**31)


def tone(frequency: float, amplitude: float = 1.0, rate: int = RATE) -> torch.Tensor:
    time = torch.arange(rate // 2, dtype=torch.float64) / rate
    return amplitude * torch.sin(2 * pi * frequency * time)[None]


def noise(seed: int, samples: int = 4000, rows: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, samples, generator=generator, dtype=torch.float64)


def as_file(audio: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(as_stored(audio.numpy(), "PCM_16"))


@cache
def around_noise(margin_db: float = 0.0) -> Masked:
    return Masked(margin_db, RATE).around(0.1 * noise(0))


def peak_to_threshold_db(masker: torch.Tensor, added: torch.Tensor, rate: int = RATE) -> float:
    """Of the loudest bin in the middle of the clip."""
    middle = masker.shape[1] // Frames.at_rate(rate).hop // 2
    ((_, spectra),) = Frames.at_rate(rate).spectra(added)
    power = spectra[0, middle].abs().square()
    loudest = power.argmax()
    threshold = masking_thresholds(masker, rate)[0, middle, loudest]
    return float(10 * torch.log10(power[loudest] / threshold))


# Frames


@settings(max_examples=20)
@given(seeds, st.integers(1, 4000), st.sampled_from([8_000, 11_025, 16_000]))
def test_unchanged_spectra_give_the_signal_back(seed: int, samples: int, rate: int) -> None:
    audio = noise(seed, samples)
    same = Frames.at_rate(rate).changed(audio, lambda spectra, _: spectra)
    torch.testing.assert_close(same, audio)


def test_an_offset_is_no_sound() -> None:
    time = torch.arange(RATE) / RATE
    tone = 0.01 * torch.sin(2 * torch.pi * 1000 * time)[None]
    plain, offset = (masking_thresholds(each, RATE) for each in (tone, tone + 0.3))
    beside = slice(8, -8)  # what the offset's own ends are
    assert (offset[:, beside, 100:] <= 1.5 * plain[:, beside, 100:]).all()


def test_blocks_are_seamless() -> None:
    """A recording longer than a block has the frames that short ones have."""
    frames = Frames(4)
    audio = noise(0, 4 * (BLOCK + 50))
    both = [spectra for _, spectra in frames.spectra(audio)]
    assert len(both) == 2
    windows = torch.stft(
        audio,
        16,
        4,
        window=torch.hann_window(16, dtype=torch.float64),
        pad_mode="constant",
        return_complex=True,
    )
    torch.testing.assert_close(torch.cat(both, 1), windows.transpose(1, 2))
    torch.testing.assert_close(frames.changed(audio, lambda spectra, _: spectra), audio)


def test_the_window_is_of_128_ms_at_every_rate() -> None:
    assert Frames.at_rate(16_000).hop == 512
    for rate in (8_000, 11_025, 44_100, 48_000):
        assert 4 * Frames.at_rate(rate).hop / rate == pytest.approx(0.128, rel=1e-3)


# The model


@pytest.mark.parametrize(("hertz", "barks"), [(100, 0.99), (1000, 8.51), (4000, 17.26)])
def test_bark(hertz: float, barks: float) -> None:
    found = bark(torch.tensor([hertz], dtype=torch.float64))
    assert float(found) == pytest.approx(barks, abs=0.03)


@pytest.mark.parametrize(("hertz", "decibels"), [(1000, 3.369), (4000, -3.388)])
def test_threshold_in_quiet(hertz: float, decibels: float) -> None:
    """Terhardt's formula, by hand."""
    found = threshold_in_quiet(torch.tensor([hertz], dtype=torch.float64))
    assert float(found) == pytest.approx(decibels, abs=1e-3)


def test_the_threshold_in_quiet_has_limits_at_both_ends() -> None:
    ends = threshold_in_quiet(torch.tensor([0.0, 50, 100, 22_000, 96_000]))
    assert ends[0] == ends[1] == ends[2]
    assert ends[3] == ends[4] == 68


@pytest.mark.parametrize(
    ("hertz", "level", "masked"),
    [
        (1100, -25, True),
        (1100, -3, False),
        (1500, -25, True),
        (350, -25, False),
        (6000, -45, False),
    ],
)
def test_a_tone_masks_what_is_near_and_above(hertz: float, level: float, masked: bool) -> None:
    weaker = tone(hertz, 10 ** (level / 20))
    assert (peak_to_threshold_db(tone(1000), weaker) < 0) == masked


@pytest.mark.parametrize("rate", [8000, RATE, 48_000])
def test_the_threshold_of_one_tone_by_hand(rate: int) -> None:
    """A tone of 96 dB on a bin, whose neighbours add 1.76 dB, masked by itself.

    The Hann window's main lobe is three bins with powers of 1/4, 1, 1/4: a merged level of
    96 + 10·log10(1.5). At its own place a tone masks 6.025 dB + 0.275 dB a Bark less.
    """
    own = peak_to_threshold_db(tone(1000, rate=rate), tone(1000, rate=rate), rate)
    at_1_khz = float(bark(torch.tensor([1000.0])))
    assert own == pytest.approx(6.025 + 0.275 * at_1_khz - 10 * np.log10(1.5), abs=0.01)


def test_far_from_every_masker_the_threshold_is_12_db_below_that_in_quiet() -> None:
    """ISO 11172-3 has it so for rates of 96 kbit/s and more; the loudest is taken for 96 dB."""
    frames, audio, bin_ = Frames.at_rate(RATE), tone(1000), 38  # at 297 Hz
    threshold = masking_thresholds(audio, RATE)[0, 8, bin_]
    decibels = 96 + 10 * torch.log10(threshold / frames.loudest(audio))
    quiet = threshold_in_quiet(frames.frequencies(RATE))[bin_]
    assert float(decibels) == pytest.approx(float(quiet) - 12, abs=0.01)


def test_a_faint_masker_falls_by_27_db_a_bark_above_it_too() -> None:
    """The slope is flatter the more a masker exceeds 40 dB, and no steeper below that."""
    frames = Frames.at_rate(RATE)
    hertz = frames.frequencies(RATE)
    both = tone(1000) + tone(312.5, 10 ** (-70 / 20))  # of 96 and of 26 dB
    unit = frames.loudest(both)[0, 0, 0] / 10**9.6
    quiet = 10 ** ((threshold_in_quiet(hertz) - 12) / 10)
    masked = 10 * torch.log10(masking_thresholds(both, RATE)[0, 8] / unit - quiet)
    near, far = 44, 48  # at 344 and at 375 Hz
    slope = (masked[far] - masked[near]) / (bark(hertz)[far] - bark(hertz)[near])
    assert float(slope) == pytest.approx(-27, abs=0.5)


@pytest.mark.parametrize(("level", "masks"), [(8, False), (14, True)])
def test_what_is_not_heard_in_quiet_masks_nothing(level: int, masks: bool) -> None:
    """12 dB below the formula, 102 Hz are heard from 10.5 dB."""
    faint = 13  # bin, at 101.6 Hz
    merged = 96 + 10 * np.log10(1.5)
    loud, below = tone(1000), tone(101.5625, 10 ** ((level - merged) / 20))
    alone = masking_thresholds(loud, RATE)[0, 8, faint]
    beside = masking_thresholds(loud + below, RATE)[0, 8, faint]
    assert bool(beside > 1.1 * alone) == masks
    assert masks or float(beside / alone) == pytest.approx(1, abs=1e-6)


def test_a_part_has_the_thresholds_that_it_has_in_the_whole() -> None:
    loud = noise(0, 8192, 1)
    quiet = 1e-3 * loud.flip(1)
    whole = Masked(0.0, RATE).around(torch.cat([loud, quiet], 1)).limits
    part = Masked(0.0, RATE).knowing([loud, quiet]).around(quiet).limits
    assert whole is not None
    assert part is not None
    torch.testing.assert_close(part[:, 2:-2], whole[:, 18:-2])  # but for windows at the seam


def test_a_masker_is_the_strongest_within_half_a_bark() -> None:
    """Of three, each 0.4 Bark below a stronger one, only the strongest masks: the lowest is no
    masker for its neighbour's sake, though that is none itself.
    """
    levels, hertz = (0.25, 0.5, 1.0), (945.3125, 1007.8125, 1070.3125)
    distances = bark(torch.tensor(hertz)).diff()
    assert ((distances > 0.35) & (distances < 0.5)).all()
    alone = masking_thresholds(tone(hertz[2]), RATE)[0, 8]
    together = masking_thresholds(sum(map(tone, hertz, levels)), RATE)[0, 8]
    below = slice(60, round(hertz[0] / 7.8125))  # where another masker would raise it
    torch.testing.assert_close(together[below], alone[below], rtol=0.05, atol=0)
    apart = masking_thresholds(tone(600.0) / 4 + tone(hertz[2]), RATE)[0, 8]
    assert (apart[60:76] > 1.5 * alone[60:76]).all()


def test_masking_falls_by_27_db_a_bark_below_the_masker() -> None:
    """And above it by 27 - 0.37·(97.76 - 40) dB, for this masker."""
    frequencies = Frames.at_rate(RATE).frequencies(RATE)
    threshold = 10 * torch.log10(masking_thresholds(tone(1000), RATE)[0, 8])
    barks = bark(frequencies)
    bins = [round(hertz / 7.8125) for hertz in (906.25, 960.9375, 1500, 2000)]
    below = (threshold[bins[1]] - threshold[bins[0]]) / (barks[bins[1]] - barks[bins[0]])
    above = (threshold[bins[3]] - threshold[bins[2]]) / (barks[bins[3]] - barks[bins[2]])
    assert float(below) == pytest.approx(27, abs=0.1)
    assert float(above) == pytest.approx(-27 + 0.37 * (96 + 10 * np.log10(1.5) - 40), abs=0.1)


@given(seeds, st.floats(1e-3, 10))
@settings(max_examples=8)
def test_thresholds_follow_the_level(seed: int, gain: float) -> None:
    audio = noise(seed, 2000, 1)
    louder = masking_thresholds(gain * audio, RATE)
    torch.testing.assert_close(louder, gain**2 * masking_thresholds(audio, RATE))


def test_clips_do_not_share_thresholds() -> None:
    audio = noise(0) * torch.tensor([[1.0], [0.01]])
    alone = torch.cat([masking_thresholds(clip[None], RATE) for clip in audio])
    torch.testing.assert_close(masking_thresholds(audio, RATE), alone)


# The budget


@given(seeds, st.floats(1e-3, 1.0), st.sampled_from([0.0, 6.0, -6.0]))
@settings(max_examples=8)
def test_projection_is_inside_and_leaves_alone_what_is_well_inside(
    seed: int, level: float, margin_db: float
) -> None:
    budget, audio = around_noise(margin_db), 0.1 * noise(0)
    projected = budget.project(level * noise(seed), audio)
    assert (budget.size(projected) <= budget.radius(audio) * (1 + 1e-6)).all()
    inside = 0.01 * projected
    torch.testing.assert_close(budget.project(inside, audio), inside)


@given(seeds)
@settings(max_examples=8)
def test_a_direction_ascends_at_unit_size_and_stays_one(seed: int) -> None:
    budget, gradient = around_noise(), noise(seed)
    step = budget.direction(gradient)
    torch.testing.assert_close(budget.size(step), torch.ones(2, 1).double())
    assert ((step * gradient).sum(-1) > 0).all()
    again = budget.direction(step)
    assert (torch.cosine_similarity(step, again) > 0.9).all()


@given(seeds, st.floats(1e-3, 1e3))
@settings(max_examples=8)
def test_size_scales(seed: int, gain: float) -> None:
    budget, delta = around_noise(), noise(seed)
    torch.testing.assert_close(
        budget.size(gain * delta), gain * budget.size(delta), rtol=1e-6, atol=0
    )


def test_the_direction_is_steeper_than_other_steps_of_its_size() -> None:
    """Not exactly the steepest: no signal has just the spectrum that is."""
    budget, gradient = around_noise(), noise(1)
    rise = (budget.direction(gradient) * gradient).sum(-1)
    for other in (gradient, noise(2), 0.1 * noise(0), gradient.sign()):
        step = other / budget.size(other)
        assert ((step * gradient).sum(-1) < rise).all()


def test_one_tone_is_cut_at_its_threshold() -> None:
    """Its few bins are far fewer than 5 %: they are cut all the same."""
    audio = noise(3, RATE // 2, 1)
    budget = Masked(0.0, RATE).around(audio)
    frames = Frames.at_rate(RATE)
    cut = budget.project(tone(2000, 1.0), audio)
    ((_, before),), ((_, after),) = (list(frames.spectra(x)) for x in (tone(2000), cut))
    assert budget.limits is not None
    over_before = (before.abs() / budget.limits).amax()
    over_after = (after.abs() / budget.limits).amax()
    assert over_before > 10
    assert over_after < 1.5


def test_a_margin_is_a_gain() -> None:
    delta = noise(4)
    at_0, at_10 = (around_noise(margin).size(delta) for margin in (0.0, 10.0))
    torch.testing.assert_close(at_10 / at_0, torch.full((2, 1), 10**0.5).double())


def test_being_bound_to_a_clip_changes_no_projection() -> None:
    audio, delta = 0.1 * noise(0), noise(5)
    free, bound = Masked(3.0, RATE), around_noise(3.0)
    assert torch.equal(free.project(delta, audio), bound.project(delta, audio))


def test_silence_masks_nothing_and_nothing_is_not_divided_by() -> None:
    silence = torch.zeros(1, 3000).double()
    budget = Masked(0.0, RATE)
    assert not budget.project(noise(0, 3000, 1), silence).any()
    assert not budget.around(silence).direction(noise(0, 3000, 1)).any()
    assert not around_noise().direction(torch.zeros(2, 4000).double()).any()
    assert not around_noise().project(torch.zeros(2, 4000).double(), noise(0)).any()


@pytest.mark.parametrize("level", [0.3, 1e-3])
def test_files_are_within_as_stored(level: float) -> None:
    """Even of a recording of 1/1000, where rounding alone exceeds many limits."""
    rng = np.random.default_rng(0)
    falling = np.fft.irfft(np.fft.rfft(rng.normal(size=8000)) / np.arange(1, 4002), 8000)
    samples = as_stored(level * falling[None] / np.abs(falling).max(), "PCM_16")
    audio = torch.from_numpy(samples)

    budget = Masked(0.0, RATE)
    change = stored_within(audio, noise(1, 8000, 1), budget, as_file) - audio
    assert change.any()
    bound = budget.around(audio)
    rounding = noise(2, 8000, 1).uniform_(-(2**-16), 2**-16, generator=torch.Generator())
    counted = 1 - float(bound.share_above(rounding))
    assert float(bound.share_above(change)) <= 1 - 0.94 * counted
    assert bound.holds(change, audio, torch.zeros_like(change)).all() == (level == 0.3)


def test_what_is_clipped_counts_as_added() -> None:
    audio = as_file(tone(300))
    budget = Masked(0.0, RATE)
    bound = budget.around(audio)
    delta = bound.direction(noise(1, audio.shape[1], 1))
    change = stored_within(audio, delta, budget, as_file) - audio
    assert float(bound.share_above(change)) <= 0.05


def test_too_much_does_not_hold() -> None:
    audio, none = 0.1 * noise(0), torch.zeros(2, 4000).double()
    step = around_noise().direction(noise(1))
    assert around_noise().holds(0.99 * step, audio, none).all()
    assert not around_noise().holds(1.01 * step, audio, none).any()
    assert Masked(0.0, RATE).holds(0.99 * step, audio, none).all()


def test_a_rate_and_a_recording_are_asked_for() -> None:
    with pytest.raises(InputError, match="at_rate"):
        Masked().project(noise(0), noise(0))
    with pytest.raises(InputError, match="around"):
        Masked().at_rate(RATE).size(noise(0))
    assert Masked().at_rate(RATE) == Masked(0.0, RATE)
    assert around_noise().at_rate(RATE).limits is None
    with pytest.raises(InputError, match="out of range"):
        Masked(100.0)


def test_a_budget_is_called_what_it_is() -> None:
    assert str(Masked()) == "under the masking threshold"
    assert str(Masked(3.0)) == "under the masking threshold − 3 dB"
    assert str(Masked(-1.5)) == "under the masking threshold + 1.5 dB"


# The metric


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_the_share_above_the_threshold(rate: int) -> None:
    audio = 0.1 * noise(0, rate, 1)[0].numpy()
    assert metrics.share_above_threshold(audio, np.zeros(rate), rate) == 0
    assert metrics.share_above_threshold(audio, 1000 * audio, rate) > 0.99
    bound = Masked(0.0, rate).around(torch.from_numpy(audio)[None])
    edge = bound.direction(noise(1, rate, 1))[0].numpy()
    assert metrics.share_above_threshold(audio, edge, rate) == pytest.approx(0.05, abs=1e-3)


def test_silence_has_no_share() -> None:
    assert isnan(metrics.share_above_threshold(np.zeros(100), np.ones(100), RATE))
    with pytest.raises(InputError, match="cannot be compared"):
        metrics.share_above_threshold(np.ones(100), np.ones(99), RATE)


def test_a_scaled_budget_is_the_budget_scaled() -> None:
    audio, delta = 0.1 * noise(0), noise(6)
    share = torch.tensor([[0.5], [0.125]]).double()
    scaled = Scaled(Masked(0.0, RATE), share).around(audio)
    projected = scaled.project(delta, audio)
    assert (scaled.size(projected) <= scaled.radius(audio) * (1 + 1e-6)).all()
    torch.testing.assert_close(
        projected, share * around_noise().project(delta / share, audio), rtol=1e-6, atol=0
    )
