"""Filters without gradients: framing, alignment, what they remove; log-MMSE's values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import correlate
from sounds import DEMO

from unhear.audio import read, resample
from unhear.blackboxes import log_mmse
from unhear.blackboxes.base import INT16_STEPS, by_frames, by_int16_frames, to_int16
from unhear.enhancers import load_enhancer, registry
from unhear.enhancers.base import Enhancer
from unhear.errors import InputError

NAMES = ("rnnoise", "webrtc", "speex", "spectral-gating", "log-mmse")
NOISE_SECONDS = 2  # before and behind the speech, since the filters need a while to adapt


def speech(rate: int) -> np.ndarray:
    """Three seconds of the recording that ships with the package."""
    demo = read(DEMO)
    return resample(demo.samples[:1, : 3 * demo.sample_rate], demo.sample_rate, rate)[0]


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=samples)


def level_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(samples)))


def run(enhancer: Enhancer, *clips: np.ndarray) -> np.ndarray:
    return enhancer(torch.from_numpy(np.stack(clips))).numpy()


@pytest.fixture(scope="module", params=NAMES)
def enhancer(request: pytest.FixtureRequest) -> Enhancer:
    if library := registry()[request.param].requires:
        pytest.importorskip(library, reason=f"{library} is not installed")
    return load_enhancer(request.param)


def test_the_cards_promise_no_gradient() -> None:
    cards = [registry()[name].card for name in NAMES]
    assert not any(card.differentiable for card in cards)


def test_noise_falls_and_speech_stays(enhancer: Enhancer) -> None:
    rate = enhancer.card.sample_rate
    said = np.pad(speech(rate), NOISE_SECONDS * rate)
    mixed = said + 0.005 * noise(said.size)  # 22 dB below the speech
    output = run(enhancer, mixed)[0]
    pause, talk = slice(-rate, None), slice(NOISE_SECONDS * rate, -NOISE_SECONDS * rate)
    removed = level_db(mixed[pause]) - level_db(output[pause])
    lost = level_db(mixed[talk]) - level_db(output[talk])
    assert removed > 9  # dB
    assert removed > lost + 6


def test_the_output_is_in_time_with_the_input(enhancer: Enhancer) -> None:
    audio = speech(enhancer.card.sample_rate)
    # Differences, for high-pass filters turn the phase of the lowest frequencies.
    before, after = np.diff(audio), np.diff(run(enhancer, audio)[0])
    assert correlate(after, before).argmax() == before.size - 1


def test_clips_know_nothing_of_each_other(enhancer: Enhancer) -> None:
    first = speech(enhancer.card.sample_rate)[: enhancer.card.sample_rate]
    other = 0.1 * noise(first.size)
    alone = run(enhancer, first)
    np.testing.assert_array_equal(run(enhancer, other, first)[1], alone[0])
    np.testing.assert_array_equal(run(enhancer, first), alone)


def test_type_and_length_are_kept_and_there_is_no_gradient(enhancer: Enhancer) -> None:
    for samples in (1, 159, 160, 161, 1000):
        audio = torch.full((2, samples), 0.1, requires_grad=True)
        output = enhancer(audio)
        assert output.shape == audio.shape
        assert output.dtype == audio.dtype
        assert torch.isfinite(output).all()
        assert not output.requires_grad


def test_silence_stays_silent(enhancer: Enhancer) -> None:
    rate = enhancer.card.sample_rate
    assert not enhancer(torch.zeros(1, 100)).any()
    audio = 0.1 * noise(3 * rate)
    audio[rate:] = 0
    assert np.abs(run(enhancer, audio)[0, 2 * rate :]).max() < 1e-6


def test_weights_are_refused(enhancer: Enhancer) -> None:
    name = enhancer.card.name
    with pytest.raises(InputError, match=f"^{name} has no weights to load: leave --weights"):
        load_enhancer(name, "weights.pt")


def test_spectral_gating_takes_long_recordings_with_digital_silence() -> None:
    """The library divides by zero where one of its pieces, of 37.5 s, is all silence."""
    pytest.importorskip("noisereduce", reason="noisereduce is not installed")
    audio = np.zeros(80 * 16_000)
    audio[-32_000:] = 0.1 * noise(32_000)
    output = run(load_enhancer("spectral-gating"), audio)[0]
    assert np.isfinite(output).all()
    assert output[-32_000:].any()
    assert not output[: 30 * 16_000].any()


@pytest.mark.parametrize("samples", [1, 9, 10, 11, 57])
@pytest.mark.parametrize("delay", [0, 4, 10, 20])
def test_delays_are_made_up_for(samples: int, delay: int) -> None:
    held = np.zeros(delay)

    def delayed(frame: np.ndarray) -> np.ndarray:
        nonlocal held
        assert frame.size == 10
        both = np.concatenate([held, frame])
        held = both[10:]
        return both[:10]

    audio = noise(samples)
    np.testing.assert_array_equal(by_frames(audio, 10, delay, delayed), audio)


def test_16_bit_samples_are_rounded_and_clipped() -> None:
    audio = np.array([0.4, 0.6, -0.6, 1e9, 32_767, 32_768, -32_768, -1e9]) / INT16_STEPS
    expected = [0, 1, -1, 32_767, 32_767, 32_767, -32_768, -32_768]
    assert to_int16(audio).tolist() == expected
    output = by_int16_frames(audio, 3, 0, lambda frame: frame)
    np.testing.assert_array_equal(output * INT16_STEPS, expected)


@pytest.mark.parametrize("prior", [0.01, 0.5, 10.0])
@pytest.mark.parametrize("posterior", [0.1, 1.0, 30.0])
def test_the_gain_is_the_mean_logarithm_of_the_amplitude(
    prior: float, posterior: float
) -> None:
    """Given a noisy spectrum, the clean one is complex normal about the Wiener estimate."""
    wiener, observed = prior / (1 + prior), np.sqrt(posterior)
    real, imaginary = np.sqrt(wiener / 2) * noise(2 * 10**6).reshape(2, -1)
    drawn = np.hypot(wiener * observed + real, imaginary)
    expected = np.exp(np.log(drawn).mean()) / observed
    found = log_mmse.gain(np.array([prior]), np.array([posterior]))
    np.testing.assert_allclose(found, expected, rtol=0.005)


def test_the_gain_at_the_limits() -> None:
    prior = np.array([0.01, 1.0, 100.0])
    wiener = prior / (1 + prior)
    np.testing.assert_allclose(log_mmse.gain(prior, np.full(3, 1e4)), wiener, rtol=1e-9)
    # E1(v) → -Euler's constant - ln v for small v.
    tiny = log_mmse.gain(prior, np.full(3, 1e-6)) * 1e-3
    np.testing.assert_allclose(tiny, np.sqrt(wiener) * np.exp(-np.euler_gamma / 2), rtol=1e-4)
    assert np.isfinite(log_mmse.gain(prior, np.zeros(3))).all()


def test_the_noise_tracker_follows_noise_and_not_speech() -> None:
    power = np.random.default_rng(1).exponential(size=(300, 257))
    power[100:] *= 10  # the noise rises by 10 dB
    power[200:220] *= 100  # a loud word
    tracker = log_mmse.NoiseTracker(np.ones(257))
    followed = [10 * np.log10(tracker.update(frame).mean()) for frame in power]
    # The method's own fixed point for Gaussian noise lies about 1 dB low.
    assert followed[99] == pytest.approx(-1, abs=0.5)  # dB
    assert followed[199] == pytest.approx(9, abs=0.5)
    assert followed[219] == pytest.approx(9, abs=2)


def test_log_mmse_scales_with_its_input_and_never_amplifies() -> None:
    enhancer = load_enhancer("log-mmse")
    audio = speech(16_000)
    output = run(enhancer, audio)[0]
    np.testing.assert_allclose(run(enhancer, 1e-3 * audio)[0], 1e-3 * output, atol=1e-12)
    gains = log_mmse.gains(np.random.default_rng(2).exponential(size=(257, 50)))
    assert gains.min() > 0
    assert gains.max() <= 1
