"""Levels and quality against closed forms, known values and what defines them."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, isnan, log10, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import VOICE

from unhear import metrics
from unhear.errors import InputError

RNG = np.random.default_rng(0)
RATE = 16_000  # Hz
TIME = np.arange(2 * RATE) / RATE
NOISE = RNG.normal(size=TIME.size)
ZEROS = np.zeros(TIME.size)

gains = st.floats(1e-3, 1e3)


def test_snr_of_a_constant_is_the_ratio_of_energies():
    assert metrics.snr_db(np.full(100, 0.5), np.full(100, 0.05)) == pytest.approx(20)


def test_snr_is_not_a_ratio_of_maxima():
    click = np.zeros(100)
    click[0] = 1.0
    assert metrics.snr_db(np.ones(100), click) == pytest.approx(20)


def test_snr_at_its_limits():
    assert metrics.snr_db(NOISE, ZEROS) == inf
    assert metrics.snr_db(ZEROS, ZEROS) == inf
    assert metrics.snr_db(ZEROS, NOISE) == -inf


@given(gains)
def test_snr_falls_by_the_gain_of_the_perturbation(gain: float):
    louder = metrics.snr_db(VOICE, gain * NOISE)
    assert louder == pytest.approx(metrics.snr_db(VOICE, NOISE) - 20 * log10(gain), abs=1e-6)


def test_single_precision_input_is_summed_in_double():
    quiet = np.full(10_000_000, 1e-4, dtype=np.float32)
    assert metrics.snr_db(quiet * 10, quiet) == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize(
    "compare",
    [
        metrics.snr_db,
        metrics.segmental_snr_db,
        metrics.si_sdr_db,
        metrics.pesq_wb,
        metrics.pesq_nb,
        metrics.stoi,
        metrics.estoi,
    ],
)
def test_signals_of_other_lengths_are_refused(compare: object):
    assert callable(compare)
    with pytest.raises(InputError, match="32000 and 31999 samples"):
        compare(VOICE, VOICE[:-1])


def test_segmental_snr_is_the_mean_over_frames_held_to_their_range():
    ratios = np.array([0, 20, 60, -40])  # dB; the last two count as 35 and -10
    perturbation = np.repeat(10.0 ** (-ratios / 20), 512)
    ones = np.ones(4 * 512)
    assert metrics.segmental_snr_db(ones, perturbation) == pytest.approx(45 / 4)
    rest = 511 * [100.0]  # no whole frame
    assert metrics.segmental_snr_db(
        np.append(ones, rest), np.append(perturbation, rest)
    ) == pytest.approx(45 / 4)
    assert metrics.segmental_snr_db(ones, perturbation, frame=1024) == pytest.approx(
        (-10 * log10((1 + 0.01) / 2) + -10) / 2
    )


def test_segmental_snr_at_its_limits():
    assert metrics.segmental_snr_db(NOISE, ZEROS) == 35
    assert metrics.segmental_snr_db(ZEROS, ZEROS) == 35
    assert metrics.segmental_snr_db(ZEROS, NOISE) == -10
    assert isnan(metrics.segmental_snr_db(NOISE[:511], NOISE[:511]))


def test_peak_is_the_largest_sample_either_way():
    assert metrics.peak(np.array([0.25, -0.5, 0.125])) == 0.5
    assert metrics.peak(np.array([[0.25, 0.0], [0.0, 0.75]], dtype=np.float32)) == 0.75
    assert metrics.peak(ZEROS) == metrics.peak(ZEROS[:0]) == 0
    assert isnan(metrics.peak(np.array([0.5, nan, -1.0])))


def test_rpr_has_the_known_values():
    perturbation, change = np.full(48_000, 0.001), np.full(48_000, 0.05)
    assert metrics.rpr_unit(perturbation, change) == pytest.approx(-1.58, abs=0.005)
    assert metrics.rpr(perturbation, change) == pytest.approx(1.441, abs=0.0005)
    assert metrics.gain_db(perturbation, change) == pytest.approx(20 * log10(50))


def test_rpr_is_undefined_at_zero_and_at_a_norm_of_one():
    one, step = np.array([1.0, 0.0]), np.array([1 / 32_768, 0.0])
    for undefined in [
        metrics.rpr(ZEROS, NOISE),
        metrics.rpr(NOISE, ZEROS),
        metrics.rpr(step, one),
        metrics.rpr_unit(one, step),
        metrics.rpr_unit(ZEROS, ZEROS),
    ]:
        assert isnan(undefined)


def test_gain_at_its_limits():
    assert metrics.gain_db(NOISE, ZEROS) == -inf
    assert metrics.gain_db(ZEROS, NOISE) == inf
    assert isnan(metrics.gain_db(ZEROS, ZEROS))


def test_level_change_is_of_rms_whatever_the_lengths():
    assert metrics.level_change_db(np.ones(100), np.full(50, 0.1)) == pytest.approx(-20)
    assert metrics.level_change_db(NOISE, ZEROS) == -inf
    assert metrics.level_change_db(ZEROS, NOISE) == inf
    assert isnan(metrics.level_change_db(ZEROS, ZEROS))
    assert isnan(metrics.level_change_db(np.zeros(0), np.zeros(0)))


def test_si_sdr_of_an_orthogonal_error_is_the_energy_ratio():
    sine, cosine = np.sin(2 * np.pi * 100 * TIME), np.cos(2 * np.pi * 100 * TIME)
    assert metrics.si_sdr_db(sine, sine + 0.1 * cosine) == pytest.approx(20, abs=1e-6)


@given(gains, st.floats(-1, 1))
def test_si_sdr_ignores_scale_and_offset(gain: float, offset: float):
    clean, estimate = VOICE[:1000], VOICE[:1000] + NOISE[:1000]
    expected = pytest.approx(metrics.si_sdr_db(clean, estimate), abs=1e-5)
    assert metrics.si_sdr_db(clean, gain * estimate + offset) == expected
    assert metrics.si_sdr_db(gain * clean + offset, estimate) == expected


def test_si_sdr_at_its_limits():
    assert metrics.si_sdr_db(NOISE, NOISE) == inf
    assert metrics.si_sdr_db(np.array([1.0, -1, 0, 0]), np.array([0.0, 0, 1, -1])) == -inf
    assert isnan(metrics.si_sdr_db(np.full(1000, 0.1), NOISE[:1000]))
    assert isnan(metrics.si_sdr_db(NOISE, ZEROS))
    assert isnan(metrics.si_sdr_db(np.zeros(0), np.zeros(0)))


@pytest.mark.parametrize(
    ("pesq", "slope", "offset"),
    [(metrics.pesq_wb, 1.3669, 3.8224), (metrics.pesq_nb, 1.4945, 4.6607)],
    ids=["P.862.2", "P.862.1"],
)
def test_pesq_falls_with_noise_from_the_best_of_the_standard(
    pesq: Callable[..., float], slope: float, offset: float
):
    best = 0.999 + 4 / (1 + exp(offset - slope * 4.5))  # of the raw score 4.5: 4.644 and 4.549
    clean = pesq(VOICE, VOICE)
    noisy = [pesq(VOICE, VOICE + level * NOISE) for level in (0.003, 0.03)]
    assert clean == pytest.approx(best, abs=1e-4)
    assert clean > noisy[0] > noisy[1] >= 1.0


def test_narrow_band_pesq_does_not_hear_above_a_telephone():
    hiss = VOICE + 0.05 * np.sin(2 * np.pi * 6_000 * TIME)
    assert metrics.pesq_nb(VOICE, hiss) == pytest.approx(4.549, abs=0.01)
    assert metrics.pesq_wb(VOICE, hiss) < 4.5


@pytest.mark.parametrize("pesq", [metrics.pesq_wb, metrics.pesq_nb])
@pytest.mark.parametrize(
    ("reference", "degraded"),
    [
        (ZEROS, NOISE),
        (NOISE, ZEROS),
        (NOISE[:3_999], NOISE[:3_999]),
        (NOISE[:0], NOISE[:0]),
        (NOISE, np.where(TIME == 1, nan, NOISE)),
        (np.where(TIME < 0.05, NOISE, 0), NOISE),  # 50 ms are no utterance
    ],
)
def test_pesq_is_undefined_without_sound(
    pesq: Callable[..., float], reference: np.ndarray, degraded: np.ndarray
):
    assert isnan(pesq(reference, degraded))


def test_pesq_of_long_audio_is_the_mean_over_pieces():
    noisy = VOICE + 0.01 * NOISE
    long, long_noisy = np.tile(VOICE, 15), np.tile(noisy, 15)
    long_noisy[: 15 * RATE] = long[: 15 * RATE]  # the first half is perfect
    first, second = 4.644, metrics.pesq_wb(long[15 * RATE :], long_noisy[15 * RATE :])
    found = metrics.pesq_wb(long, long_noisy)
    assert found == pytest.approx((first + second) / 2, abs=0.01)


def test_pesq_survives_more_utterances_than_its_program_holds():
    burst = np.concatenate([VOICE[: RATE // 3], np.zeros(RATE // 3)])
    assert metrics.pesq_wb(np.tile(burst, 70), np.tile(burst, 70)) == pytest.approx(
        4.64, abs=0.01
    )


@pytest.mark.parametrize("intelligibility", [metrics.stoi, metrics.estoi])
def test_stoi_falls_with_noise(intelligibility: Callable[..., float]):
    clean = intelligibility(VOICE, VOICE)
    noisy = [intelligibility(VOICE, VOICE + level * NOISE) for level in (0.1, 1.0)]
    assert clean == pytest.approx(1, abs=1e-6)
    assert clean > noisy[0] > noisy[1]
    assert intelligibility(VOICE, ZEROS) == 0.0
    assert intelligibility(VOICE, 0.01 * VOICE) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("intelligibility", [metrics.stoi, metrics.estoi])
def test_stoi_is_undefined_without_enough_sound(intelligibility: Callable[..., float]):
    burst = ZEROS.copy()
    burst[:3_200] = NOISE[:3_200]
    assert isnan(intelligibility(ZEROS, NOISE))
    assert isnan(intelligibility(burst, burst))
    assert isnan(intelligibility(NOISE, NOISE * nan))
    assert isnan(intelligibility(NOISE * nan, NOISE))
    assert isnan(intelligibility(burst, ZEROS))
    for samples in (0, 1, 100, 6_399):
        assert isnan(intelligibility(NOISE[:samples], NOISE[:samples]))


def test_estoi_is_the_stricter_one():
    noisy = VOICE + NOISE
    assert metrics.stoi(VOICE, noisy) > metrics.estoi(VOICE, noisy) + 0.05


def test_estoi_of_unrelated_noise_is_none():
    other = np.random.default_rng(1).normal(size=NOISE.size)
    assert metrics.estoi(NOISE, other) == pytest.approx(0, abs=0.05)


def test_estoi_of_half_a_silence_is_the_same_each_time():
    half = np.where(TIME < 1, VOICE, 0)
    np.random.seed(1)  # noqa: NPY002  what others draw must not matter, and stay as it is
    drawn = np.random.random(2)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    first = metrics.estoi(VOICE, half)
    assert np.array_equal(np.random.random(2), drawn)  # noqa: NPY002
    assert metrics.estoi(VOICE, half) == first


def test_norms_do_not_depend_on_the_type_of_the_samples():
    samples = np.array([0.5, -0.25], dtype=np.float32)
    assert metrics.rpr(samples, samples * 2) == metrics.rpr(
        samples.astype(np.float64), samples.astype(np.float64) * 2
    )
    assert metrics.gain_db(samples, samples * sqrt(10)) == pytest.approx(10, abs=1e-5)
