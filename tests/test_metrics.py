"""Metrics against closed forms, known values and the properties that define them."""

from __future__ import annotations

from math import inf, isnan, log10, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unhear import metrics
from unhear.errors import InputError
from unhear.metrics import WordErrors

RNG = np.random.default_rng(0)
RATE = 16_000  # Hz
TIME = np.arange(2 * RATE) / RATE
# Bursts of a harmonic tone: enough like speech for PESQ and STOI to find utterances.
VOICE = sum(np.sin(2 * np.pi * f * TIME) / f for f in (200, 400, 800, 1600)) * (
    20 * (np.sin(2 * np.pi * 1.5 * TIME) > 0)
)
NOISE = RNG.normal(size=TIME.size)
ZEROS = np.zeros(TIME.size)

gains = st.floats(1e-3, 1e3)
texts = st.lists(st.sampled_from(["to", "be", "or", "not", "that"]), max_size=12)
counts = st.builds(WordErrors, st.integers(0, 50), st.integers(0, 20))


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
    "compare", [metrics.snr_db, metrics.si_sdr_db, metrics.pesq_wb, metrics.stoi]
)
def test_signals_of_other_lengths_are_refused(compare: object):
    assert callable(compare)
    with pytest.raises(InputError, match="32000 and 31999 samples"):
        compare(VOICE, VOICE[:-1])


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


def test_pesq_falls_with_noise():
    clean = metrics.pesq_wb(VOICE, VOICE)
    noisy = [metrics.pesq_wb(VOICE, VOICE + level * NOISE) for level in (0.003, 0.03)]
    assert clean == pytest.approx(4.644, abs=0.001)
    assert clean > noisy[0] > noisy[1] >= 1.0


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
def test_pesq_is_undefined_without_sound(reference: np.ndarray, degraded: np.ndarray):
    assert isnan(metrics.pesq_wb(reference, degraded))


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


def test_stoi_falls_with_noise():
    clean = metrics.stoi(VOICE, VOICE)
    noisy = [metrics.stoi(VOICE, VOICE + level * NOISE) for level in (0.1, 1.0)]
    assert clean == pytest.approx(1, abs=1e-6)
    assert clean > noisy[0] > noisy[1]
    assert metrics.stoi(VOICE, ZEROS) == 0.0


def test_stoi_is_undefined_without_enough_sound():
    burst = ZEROS.copy()
    burst[:3_200] = NOISE[:3_200]
    assert isnan(metrics.stoi(ZEROS, NOISE))
    assert isnan(metrics.stoi(burst, burst))
    assert isnan(metrics.stoi(NOISE, NOISE * nan))
    assert isnan(metrics.stoi(NOISE * nan, NOISE))
    assert isnan(metrics.stoi(burst, ZEROS))
    for samples in (0, 1, 100, 6_399):
        assert isnan(metrics.stoi(NOISE[:samples], NOISE[:samples]))


def test_text_is_normalised_by_whispers_rules():
    assert metrics.normalise_text("Mr. Smith's 20 colours!") == "mister smith is 20 colors"
    assert metrics.normalise_text("Twenty-one") == "21"
    assert metrics.normalise_text(" Ach, SO! ", "de") == "ach so"
    assert metrics.normalise_text("[Music] ") == ""


@pytest.mark.parametrize(
    ("said", "heard", "errors", "words"),
    [
        ("the cat sat", "The cat, sat.", 0, 3),
        ("the cat sat", "the dog sat down", 2, 3),
        ("the cat sat", "", 3, 3),
        ("", "thank you", 2, 0),
        ("", "", 0, 0),
        ("colour", "color", 0, 1),
    ],
)
def test_word_errors_are_the_fewest_edits(said: str, heard: str, errors: int, words: int):
    assert metrics.word_errors(said, heard) == WordErrors(errors, words)


def test_rates_are_per_cent():
    assert WordErrors(3, 2).rate == 150
    assert WordErrors(3, 2).capped == 100
    assert WordErrors(1, 2).rate == WordErrors(1, 2).capped == 50
    assert isnan(WordErrors(2, 0).rate)
    assert isnan(WordErrors(2, 0).capped)


@given(texts, texts)
def test_word_errors_are_bounded_by_the_texts(said: list[str], heard: list[str]):
    found = metrics.word_errors(" ".join(said), " ".join(heard))
    assert abs(len(said) - len(heard)) <= found.errors <= max(len(said), len(heard))
    assert (found.errors == 0) == (said == heard)


def test_wer_is_pooled_over_words_not_averaged_over_clips():
    clips = [WordErrors(10, 2), WordErrors(0, 8)]
    assert metrics.pooled_wer(clips) == 100
    assert metrics.capped_wer(clips) == 20
    assert isnan(metrics.pooled_wer([]))
    assert isnan(metrics.capped_wer([]))


@given(st.lists(counts.filter(lambda clip: clip.words > 0), min_size=1))
def test_capping_only_lowers_and_stays_within_100(clips: list[WordErrors]):
    assert 0 <= metrics.capped_wer(clips) <= min(100, metrics.pooled_wer(clips))
    assert metrics.pooled_wer(clip for clip in clips) == metrics.pooled_wer(clips)


def test_de_is_a_difference_in_points():
    assert metrics.de(before=10.0, after=99.0) == 89.0


@pytest.mark.parametrize("text", ["", " ", "...", "[Music]", "♪"])
def test_texts_without_words_are_empty(text: str):
    assert metrics.is_empty(text)
    assert metrics.word_errors("two words", text).rate == 100


def test_a_word_is_not_empty():
    assert not metrics.is_empty("you")


@pytest.mark.parametrize(
    "text",
    [
        # as Whisper base wrote them for white noise
        "I'm sorry, I'm sorry, I'm sorry, I'm sorry, I'm sorry",
        "I don't know if it's true, but it's true, it's true, it's true, it's true, it's true",
        "4-0-0-0-0-0-0-0-0-0-0-0-0-0",
        "no no no no",
        "He said: " + "one two three four five six " * 4,
    ],
)
def test_repetition_is_looping(text: str):
    assert metrics.is_looping(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "word",
        "no no no",
        "The cat sat on the mat and the dog sat on the cat.",
        "no no no no said the old man who had walked all the way from the village to the sea",
        "one two three four five six seven " * 3,
    ],
)
def test_ordinary_text_is_not_looping(text: str):
    assert not metrics.is_looping(text)


@given(st.integers(1, 6), st.integers(4, 9))
def test_any_phrase_of_up_to_six_words_loops(words: int, repeats: int):
    phrase = [f"w{index}" for index in range(words)]
    assert metrics.is_looping(" ".join(phrase * repeats))
    assert not metrics.is_looping(" ".join(phrase * 3))


def test_norms_do_not_depend_on_the_type_of_the_samples():
    samples = np.array([0.5, -0.25], dtype=np.float32)
    assert metrics.rpr(samples, samples * 2) == metrics.rpr(
        samples.astype(np.float64), samples.astype(np.float64) * 2
    )
    assert metrics.gain_db(samples, samples * sqrt(10)) == pytest.approx(10, abs=1e-5)
