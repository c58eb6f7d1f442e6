"""The composition, through the bundled network, in few steps: what holds for any weights."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import Through

from unhear import metrics
from unhear.attacks import FGSM, OPT, PGD
from unhear.audio import PCM16_STEP, Recording, as_stored, read, resample, write
from unhear.budgets import Budget, MaxAmplitude, SignalToNoise, Unbounded, stored_within
from unhear.channels import Passage, Resample, path_to_enhancer
from unhear.channels.base import Survivable
from unhear.chunks import Chunks, plan
from unhear.enhancers import load_enhancer
from unhear.enhancers.base import Enhancer
from unhear.errors import FailureError
from unhear.files import protect_file
from unhear.objective import Heard
from unhear.protect import Protector
from unhear.rates import grid_at
from unhear.targets import Target

RATE = 16_000
SNR_DB = 25.0


@cache
def enhancer() -> Enhancer:
    return load_enhancer()


def protector(
    attack: FGSM | PGD | OPT | None = None, budget: Budget | None = None, kind: str = "erase"
) -> Protector:
    target = Target(kind)  # type: ignore[arg-type]
    return Protector(
        (enhancer(),), target, attack or PGD(steps=2), budget or SignalToNoise(SNR_DB)
    )


def babble(
    seconds: float, rate: int = RATE, channels: int = 1, seed: int = 0, peak: float = 0.3
) -> np.ndarray:
    """Noise of falling spectrum in bursts of a quarter second, like syllables."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * rate)
    white = rng.normal(size=(channels, samples))
    pink = np.fft.irfft(
        np.fft.rfft(white) / np.sqrt(1 + np.fft.rfftfreq(samples, 1 / rate) / 300), samples
    )
    bursts = 0.1 + np.sin(np.pi * 4 * np.arange(samples) / rate) ** 2
    audio = pink * bursts
    return peak * audio / np.abs(audio).max()


def recorded(samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Recording:
    return Recording(as_stored(samples, subtype), rate, subtype)


def added(protected: Recording, recording: Recording) -> np.ndarray:
    return protected.samples - recording.samples


# Several enhancers


@pytest.mark.parametrize("seconds", [1.0, 20.0])
@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 47_952])
def test_enhancers_of_different_rates_pull_the_same_way(rate: int, seconds: float) -> None:
    """All hear the same, so silence is the recording itself, taken away: if one of them were
    out of step, they would get into each other's way.
    """
    both = (Through(16_000, grid=16_384), Through(48_000))
    silence = Protector(both, Target("silence"), PGD(2, start=0.0), SignalToNoise(20.0))
    recording = recorded(babble(seconds, rate), rate)
    change = added(silence(recording), recording)
    assert np.corrcoef(change[0], recording.samples[0])[0, 1] < -0.95


# Chunks


def joined(chunks: Chunks, parts: torch.Tensor, samples: int) -> torch.Tensor:
    return torch.cat(list(chunks.join(parts, samples)), dim=1)


@settings(deadline=None)
@given(samples=st.integers(1, 50_000_000), rate=st.sampled_from([8000, 11_025, 16_000]))
def test_chunks_cover_every_sample_with_equal_lengths(samples: int, rate: int) -> None:
    chunks = plan(samples, rate)
    assert chunks.starts[0] == 0
    assert chunks.starts[-1] + chunks.length == samples
    for before, after in itertools.pairwise(chunks.starts):
        assert before < after <= before + chunks.length - chunks.fade
    assert chunks.length <= 16 * rate


@settings(deadline=None)
@given(samples=st.integers(1, 3000), rate=st.integers(8, 40), rows=st.integers(1, 3))
def test_joining_what_was_cut_changes_nothing(samples: int, rate: int, rows: int) -> None:
    audio = torch.randn(
        rows, samples, dtype=torch.float64, generator=torch.Generator().manual_seed(samples)
    )
    chunks = plan(samples, rate)
    torch.testing.assert_close(joined(chunks, chunks.cut(audio), samples), audio)


@pytest.mark.parametrize(
    ("rate", "samples"), [(15_360, 60), (14_080, 11), (7_680, 30), (48_000, 1)]
)
def test_halves_of_a_sample_are_rounded_as_the_resampler_does(rate: int, samples: int) -> None:
    arriving = Resample(rate, RATE)(torch.zeros(1, samples))
    length = plan(samples, rate).at_rate(Fraction(RATE, rate)).length
    assert length == arriving.shape[1] > 0


@pytest.mark.parametrize(
    ("grids", "rate", "expected"),
    [
        ([(RATE, 256), (RATE, 160)], RATE, 1280),
        ([(RATE, 256), (RATE, 160)], 8000, 640),
        ([(RATE, 256), (48_000, 480)], 48_000, 3840),
        ([(RATE, 16_384), (44_100, 2560)], 44_100, 225_792),  # both only every 25.6 s
    ],
)
def test_windows_of_all_enhancers_begin_at_the_multiples_of_a_grid(
    grids: list[tuple[int, int]], rate: int, expected: int
) -> None:
    enhancers = tuple(Through(own, grid) for own, grid in grids)
    protector = Protector(enhancers, Target("silence"), FGSM(), SignalToNoise(SNR_DB))
    assert protector.grid(rate) == expected


def test_a_guessed_hop_changes_no_rate_and_nothing_that_is_known() -> None:
    known, guessed = Through(RATE, 256), Through(22_050)
    guessed.likely_grid = 28_160  # which meets the file's samples every 188 s
    budget = SignalToNoise(SNR_DB)
    alone = Protector((guessed,), Target("silence"), FGSM(), budget)
    assert (alone._working_rate(RATE), alone.grid(RATE)) == (RATE, 1)
    both = Protector((guessed, known), Target("silence"), FGSM(), budget)
    assert both.grid(44_100) == grid_at(44_100, 256, RATE)
    guessed.likely_grid = 2205  # 0.1 s; the other's hops meet samples of 22,050 Hz every 80 ms
    assert both.grid(22_050) == 8820


@given(samples=st.integers(1, 1_000_000), rate=st.sampled_from([8_000, 11_025, RATE]))
def test_chunks_begin_on_the_enhancers_grid(samples: int, rate: int) -> None:
    window = 16_384  # of SEGAN
    grid = grid_at(rate, window, RATE)
    chunks = plan(samples, rate, grid)
    assert chunks.end == samples
    assert chunks.length < 12 * rate + max(grid, 4 * rate + 1)
    for start, after in itertools.pairwise([*chunks.starts, None]):
        assert start * RATE % (window * rate) == 0
        assert after is None or start < after <= start + chunks.length - chunks.fade
    audio = torch.arange(float(samples))[None]
    torch.testing.assert_close(joined(chunks, chunks.cut(audio), samples), audio)


@settings(deadline=None)
@given(
    samples=st.integers(1, 10_000_000),
    rates=st.sampled_from([(8000, 16_000), (11_025, 16_000), (12_000, 16_000), (6400, 16_000)]),
    grid=st.sampled_from([1, 160, 256]),
)
def test_chunks_at_the_enhancers_rate_stay_inside(
    samples: int, rates: tuple[int, int], grid: int
) -> None:
    """The enhanced recording is cut at its own rate: every chunk must find its samples."""
    at_enhancer = plan(samples, rates[0], grid).at_rate(Fraction(rates[1], rates[0]))
    assert at_enhancer.starts[-1] + at_enhancer.length <= round(samples * rates[1] / rates[0])


def test_a_cross_fade_has_no_step() -> None:
    """Chunks of ones beside chunks of twos: the way between them is as slow as the fade."""
    samples, rate = 300, 10
    chunks = plan(samples, rate)
    parts = torch.ones(len(chunks.starts), 1, chunks.length)
    parts[1::2] *= 2
    whole = joined(chunks, parts, samples)[0]
    assert whole.min() == 1
    assert whole.max() == 2
    assert whole.diff().abs().max() <= 2 / chunks.fade


# Long recordings


@pytest.fixture(scope="module")
def long_pair() -> tuple[Recording, Recording]:
    recording = recorded(babble(40))
    return recording, protector()(recording)


def test_a_long_recording_stays_within_its_budget(
    long_pair: tuple[Recording, Recording],
) -> None:
    recording, protected = long_pair
    delta = added(protected, recording)
    assert metrics.snr_db(recording.samples[0], delta[0]) >= SNR_DB
    # Every chunk keeps the budget, so no 12 s of it may be far louder than the whole: where two
    # chunks cross, the mean of both is never above the louder of them. 0.5 dB is for windows
    # that lie across chunks.
    window = 12 * RATE
    for start in range(0, 28 * RATE, RATE):
        inside = slice(start, start + window)
        assert metrics.snr_db(recording.samples[0, inside], delta[0, inside]) > SNR_DB - 0.5
    # And it is everywhere: no second is left unprotected.
    seconds = delta[0].reshape(40, RATE)
    assert (np.abs(seconds).max(1) > PCM16_STEP).all()


def test_a_long_recording_has_no_clicks(long_pair: tuple[Recording, Recording]) -> None:
    """A click is a step: the perturbation's slope at the seams is as it is elsewhere."""
    recording, protected = long_pair
    delta = added(protected, recording)[0]
    slope = np.abs(np.diff(delta, 2))
    chunks = plan(delta.size, RATE)
    seams = [*chunks.starts[1:], *(start + chunks.length for start in chunks.starts[:-1])]
    assert len(seams) >= 4
    syllable = RATE // 4  # loudness comes and goes with the bursts: compare like with like
    for seam in seams:
        near = slope[seam - 20 : seam + 20].max()
        assert near <= slope[seam - syllable : seam + syllable].max()
        far = np.concatenate(
            [slope[seam - syllable : seam - 20], slope[seam + 20 :][:syllable]]
        )
        assert near <= 1.5 * far.max()


# What lies above the enhancer's band


def test_the_band_above_the_enhancers_is_untouched() -> None:
    """48 kHz, 24 bits: above 8 kHz nothing is added but what rounding leaves.

    The rounding noise of 24 bits has a power of step² / 12, -149 dB; 2/3 of it lie above
    8 kHz. soxr lets the rest through below -120 dB of the perturbation, at about -50 dB, so
    nothing may be above -145 dB. Below 8 kHz it is 90 dB louder.
    """
    rate = 48_000
    recording = recorded(babble(2, rate), rate, "PCM_24")
    delta = added(protector()(recording), recording)[0]
    # A Blackman window, or the ends of the recording would leak all over the spectrum.
    spectrum = np.fft.rfft(delta * np.blackman(delta.size)) / np.sqrt(delta.size / 2)
    frequency = np.fft.rfftfreq(delta.size, 1 / rate)
    power = np.abs(spectrum) ** 2 / (delta.size / 2)
    above, below = power[frequency > 8200].sum(), power[frequency <= 8000].sum()
    assert 10 * np.log10(above) < -145
    assert 10 * np.log10(below) > -80


def test_high_tones_come_back_to_the_bit() -> None:
    """Where the enhancer hears nothing but rounding noise, there is nothing to perturb."""
    rate = 48_000
    tone = 0.2 * np.sin(2 * np.pi * 15_000 * np.arange(rate) / rate)
    recording = recorded((tone * np.hanning(rate))[None], rate)  # no clicks at its ends
    assert np.array_equal(protector()(recording).samples, recording.samples)


# Channels


def stereo(left: np.ndarray, right: np.ndarray) -> Recording:
    return recorded(np.concatenate([left, right]))


def test_both_channels_are_perturbed_each_within_its_budget() -> None:
    recording = stereo(babble(1, seed=1), babble(1, seed=2, peak=0.05))
    delta = added(protector()(recording), recording)
    for channel in range(2):
        snr = metrics.snr_db(recording.samples[channel], delta[channel])
        assert SNR_DB <= snr < SNR_DB + 20


def losses(
    kind: str, recording: Recording, protected: Recording
) -> tuple[np.ndarray, np.ndarray]:
    """The objective of every clip that the enhancer hears, before and after."""
    channels = len(recording.samples)
    heard = Heard(enhancer(), path_to_enhancer(channels, recording.sample_rate, RATE))
    with torch.no_grad():
        before, after = (
            heard(torch.from_numpy(each.samples).float()) for each in (recording, protected)
        )
    target = Target(kind)  # type: ignore[arg-type]
    loss = target.loss(target.waveform(before, RATE), "mse", RATE)
    return loss(before).numpy(), loss(after).numpy()


def test_the_downmix_of_a_dual_mono_file_is_attacked_alike() -> None:
    left = babble(1)
    recording = stereo(left, left)
    protected = protector(PGD(steps=10))(recording)
    assert protected.samples.any(axis=1).all()
    before, after = losses("erase", recording, protected)
    assert before.shape == (3,)  # left, right, downmix
    fall = before - after
    assert (fall > 0).all()
    assert fall.max() < 1.5 * fall.min()


def test_a_mono_listener_hears_the_mean_of_two_recordings_in_stereo() -> None:
    rows = torch.tensor([[0.5, 0.0], [0.0, 0.25], [-0.5, 1.0], [0.5, 0.0]])
    heard = rows
    for channel in path_to_enhancer(2, RATE, RATE):
        heard = channel(heard)
    assert torch.equal(heard[:4], rows)
    assert heard[4:].tolist() == [[0.25, 0.125], [0.0, 0.5]]


@pytest.mark.parametrize(
    ("attack", "budget"),
    [
        *itertools.product(
            [FGSM(), PGD(steps=2), OPT(steps=2)], [SignalToNoise(SNR_DB), MaxAmplitude(0.002)]
        ),
        (OPT(steps=2), Unbounded()),
    ],
)
def test_a_silent_channel_beside_a_loud_one_stays_silent(
    attack: FGSM | PGD | OPT, budget: Budget
) -> None:
    loud = babble(0.5)
    recording = stereo(loud, np.zeros_like(loud))
    protected = protector(attack, budget)(recording)
    assert not protected.samples[1].any()
    assert added(protected, recording)[0].any()


def test_a_quiet_channel_does_not_cost_the_loud_one_its_protection() -> None:
    """Rounding pushes 8 steps of noise over its budget; only that channel is to be shrunk."""
    rng = np.random.default_rng(0)
    quiet = 8 * PCM16_STEP * rng.normal(size=(1, RATE))
    recording = stereo(babble(1), quiet)
    delta = added(protector(PGD(steps=10))(recording), recording)
    assert SNR_DB <= metrics.snr_db(recording.samples[0], delta[0]) < SNR_DB + 0.1
    assert metrics.snr_db(recording.samples[1], delta[1]) >= SNR_DB


def test_rows_are_shrunk_one_by_one() -> None:
    """The first row is stored with an error that no shrinking mends, the second exactly."""
    audio = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    delta = torch.tensor([[0.0, 0.05], [0.0, 0.05]], dtype=torch.float64)

    def store(samples: torch.Tensor) -> torch.Tensor:
        spoilt = samples.clone()
        spoilt[0] = torch.where(samples[0] == audio[0], audio[0], 9.0)
        return spoilt

    stored = stored_within(audio, delta, SignalToNoise(20.0), store)
    assert torch.equal(stored[0], audio[0])
    assert torch.equal(stored[1], audio[1] + delta[1])


# The rest of the contract


def test_the_same_seed_gives_the_same_file_and_another_seed_another() -> None:
    recording = recorded(babble(0.5))
    first, again, other = (
        protector(PGD(steps=2, seed=seed))(recording).samples for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("eps", [0.0005, 0.002])
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_the_amplitude_budget_is_kept_in_the_file(eps: float, rate: int, tmp_path) -> None:
    recording = recorded(babble(0.5, rate), rate)
    write(protector(FGSM(), MaxAmplitude(eps))(recording), tmp_path / "protected.wav")
    delta = added(read(tmp_path / "protected.wav"), recording)
    # Both are multiples of 2⁻¹⁵, so their difference is exact. FGSM uses the whole budget.
    assert eps - PCM16_STEP < np.abs(delta).max() <= eps


@pytest.mark.parametrize("kind", ["erase", "silence", "noise"])
def test_ten_steps_lower_the_loss(kind: str) -> None:
    recording = recorded(babble(1))
    protected = protector(PGD(steps=10), SignalToNoise(20.0), kind)(recording)
    before, after = losses(kind, recording, protected)
    assert (after < before).all()


def test_more_steps_lower_it_more() -> None:
    recording = recorded(babble(1))
    falls = []
    for steps in (1, 10):
        before, after = losses("erase", recording, protector(PGD(steps=steps))(recording))
        falls.append(float((before - after)[0]))
    assert falls[1] > falls[0] > 0


def test_8_khz_is_protected_at_8_khz() -> None:
    recording = recorded(babble(1, 8000), 8000)
    protected = protector(PGD(steps=10))(recording)
    assert protected.sample_rate == 8000
    assert protected.samples.shape == recording.samples.shape
    assert metrics.snr_db(recording.samples[0], added(protected, recording)[0]) >= SNR_DB
    before, after = losses("erase", recording, protected)
    assert (after < before).all()


@pytest.mark.parametrize("rate", [8000, 11_025, RATE, 192_000])
@pytest.mark.parametrize("samples", [1, 2, 160])
def test_a_few_samples_are_enough(rate: int, samples: int) -> None:
    recording = recorded(babble(1, rate, channels=2)[:, :samples], rate)
    protected = protector()(recording)
    assert protected.samples.shape == (2, samples)
    assert np.isfinite(protected.samples).all()


def test_a_long_recording_below_the_enhancers_rate_is_cut_at_both() -> None:
    recording = recorded(babble(20.0001, 11_025), 11_025)
    protected = protector(FGSM())(recording)
    assert metrics.snr_db(recording.samples[0], added(protected, recording)[0]) >= SNR_DB


@pytest.mark.parametrize(
    ("attack", "seconds", "channels", "calls"),
    [
        (PGD(steps=3), 0.5, 1, 3),
        (FGSM(), 0.5, 1, 1),
        (OPT(steps=2), 0.5, 2, 2),
        (FGSM(), 17, 4, 2),  # 2 chunks of 4 channels: more than a minute, so 2 batches
    ],
)
def test_progress_is_called_up_to_its_total(
    attack: FGSM | PGD | OPT, seconds: float, channels: int, calls: int
) -> None:
    seen: list[tuple[int, int]] = []
    protector(attack)(
        recorded(babble(seconds, channels=channels)), lambda *each: seen.append(each)
    )
    assert seen == [(done, calls) for done in range(1, calls + 1)]


def test_the_sample_format_is_kept_and_the_input_left_alone() -> None:
    samples = babble(0.3)
    recording = Recording(samples, RATE, "FLOAT")
    before = samples.copy()
    protected = protector()(recording)
    assert np.array_equal(samples, before)
    assert protected.subtype == "FLOAT"
    assert np.array_equal(as_stored(protected.samples, "FLOAT"), protected.samples)


def test_full_scale_recordings_are_not_pushed_beyond_it() -> None:
    square = np.where(babble(0.5) > 0, 1.0, -1.0)
    recording = recorded(square)
    protected = protector(PGD(steps=2), SignalToNoise(15.0))(recording)
    assert np.abs(protected.samples).max() <= 1
    assert metrics.snr_db(recording.samples[0], added(protected, recording)[0]) >= 15


def test_an_attack_that_diverges_is_a_failure_and_no_unprotected_file() -> None:
    class Diverging(FGSM):
        def __call__(self, audio, objective, budget):
            return torch.full_like(audio, torch.nan)

    with pytest.raises(FailureError, match="diverged"):
        protector(Diverging())(recorded(babble(0.1)))


def test_the_perturbation_is_the_same_at_a_higher_rate() -> None:
    """Protecting at 48 kHz adds what protecting its 16 kHz version adds.

    Compared up to 7 kHz, for the resampling filters fall off from 7.3 kHz on; half a per cent
    (46 dB) is left for the network's single precision, whose signs of tiny gradients may flip.
    """
    high = babble(1, 48_000)
    attack = PGD(steps=1, start=0.0)
    low = resample(high, 48_000, RATE)
    at_48, at_16 = (
        added(protector(attack)(recording), recording)
        for recording in (recorded(high, 48_000, "DOUBLE"), recorded(low, RATE, "DOUBLE"))
    )
    spectra = [
        np.fft.rfft(delta[0] * np.blackman(RATE))[:7000]
        for delta in (resample(at_48, 48_000, RATE), at_16)
    ]
    # The budget is that of the whole band at 48 kHz, so levels may differ: shapes are compared.
    spectra = [each / np.linalg.norm(each) for each in spectra]
    assert np.linalg.norm(spectra[0] - spectra[1]) < 0.005


def test_the_way_on_which_a_file_is_judged_is_none_of_the_attacks(tmp_path) -> None:
    """And another for each file: what torch makes of a seed has 32 bits."""
    seeds = []

    class Noted(Survivable):
        def draw(self, sample_rate, random):
            seeds.append(random.initial_seed() % 2**32)
            return Passage(lambda audio: audio)

    def judged(level: float, seed: int) -> int:
        source, output = tmp_path / "in.wav", tmp_path / "out.wav"
        tone = level * np.sin(np.arange(8000) / 5)[None]
        write(Recording(as_stored(tone, "PCM_16"), 16_000), source)
        way = (FGSM(), SignalToNoise(25.0), (), (Noted("noted", ""),))
        protector = Protector((Through(),), Target("silence", seed=seed), *way)
        protect_file(source, output, protector, None, lambda *_: None)
        source.unlink()
        output.unlink()
        return seeds[-1]

    found = {judged(level, 0) for level in (0.1, 0.2, 0.3)}
    assert len(found) == 3
    assert not found & {0, 1}
    assert judged(0.1, 1) in found  # the same at every call, whatever the attack draws
