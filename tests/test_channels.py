"""What happens on the way: drawn once, differentiable, undone where it can be."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
import torch

from unhear.audio import PCM16_STEP, Recording, read, resample
from unhear.channels import CHANNELS, Passage, channel_names, find_channel, through
from unhear.errors import InputError

RATE = 16_000
WITHOUT_CODECS = [
    *("pcm16", "gain", "resample-8k", "resample-48k", "offset", "room", "microphone", "denoise")
]
DRAWN = ["gain", "offset", "room", "microphone", "denoise"]
MANY = range(20)  # seeds


def drawn(name: str, seed: int = 0, rate: int = RATE) -> Passage:
    return find_channel(name).draw(rate, torch.Generator().manual_seed(seed))


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return 0.05 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def demo(rate: int = RATE, seconds: float = 3) -> torch.Tensor:
    with resources.as_file(resources.files("unhear") / "assets" / "demo.wav") as path:
        samples = resample(read(path).samples, RATE, rate)
    return torch.from_numpy(samples[:, : round(seconds * rate)]).float()


def power_db(audio: torch.Tensor) -> float:
    return float(10 * torch.log10(audio.square().mean()))


def test_names_are_listed_without_loading_anything_heavy() -> None:
    code = (
        "import sys, unhear.channels as channels; channels.channel_names(); "
        "print(sorted({'torch', 'numpy', 'av'} & set(sys.modules)))"
    )
    output = subprocess.run(  # noqa: PLW1510
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert output.stdout == "[]\n", output.stderr


@pytest.mark.parametrize("name", WITHOUT_CODECS)
def test_channels_know_their_names(name: str) -> None:
    channel = find_channel(name)
    assert (channel.name, channel.summary) == (name, CHANNELS[name])
    assert name in channel_names()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("opus-24", "did you mean opus-24k?"),
        ("Gain", "did you mean gain?"),
        ("mp3", "did you mean mp3-64k?"),
        ("carrier pigeon", "there is pcm16, gain, "),
        ("opus-24.5k", "opus takes whole numbers from 6 to 256"),
        ("opus-300k", "opus takes whole numbers from 6 to 256"),
        ("mp3-65k", "mp3 takes 32, 40, "),
        ("amr-nb-9k", "amr-nb takes 4.75, 5.15, "),
        ("resample-15k", "resample takes 8, 11.025, "),
    ],
)
def test_other_names_are_refused(name: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        find_channel(name)
    assert name in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["mp3-64k", "opus-20k", "mulaw"])
def test_codecs_ask_for_their_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=rf"{name} needs PyAV.*pip install 'unhear\[codecs\]'"):
        find_channel(name)


@pytest.mark.parametrize("name", WITHOUT_CODECS)
def test_a_passage_is_fixed_once_drawn(name: str) -> None:
    passage, audio = drawn(name), noise(2, 2 * RATE)
    there = passage.there(audio)
    assert torch.equal(there, passage.there(audio))
    assert torch.equal(there, drawn(name).there(audio))
    torch.testing.assert_close(there[:1], passage.there(audio[:1]))
    assert torch.equal(there, drawn(name, seed=1).there(audio)) == (name not in DRAWN)


@pytest.mark.parametrize("name", WITHOUT_CODECS)
@pytest.mark.parametrize("samples", [1, 2, 50])
@pytest.mark.parametrize("level", [0.0, 3.0])
def test_short_silent_and_loud_rows(name: str, samples: int, level: float) -> None:
    passage, audio = drawn(name), torch.full((2, samples), level, requires_grad=True)
    there = passage.there(audio)
    (gradient,) = torch.autograd.grad(there.sum(), audio)
    assert there.shape == passage.back(there, 48_000).shape == audio.shape
    assert torch.isfinite(there).all()
    assert torch.isfinite(gradient).all()
    assert bool(there.any()) == (level > 0)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    # The value of resampling is soxr's, the gradient julius': they differ at the band's edge.
    [
        ("gain", 1e-4),
        ("offset", 1e-4),
        ("room", 1e-4),
        ("denoise", 1e-4),
        ("resample-8k", 0.01),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_of_linear_channels_are_their_adjoints(
    name: str, tolerance: float, seed: int
) -> None:
    passage, audio = drawn(name, seed), 0.1 * demo().requires_grad_()
    there = passage.there(audio)
    probe = there.detach() + noise(*audio.shape)
    (gradient,) = torch.autograd.grad(there, audio, probe)
    torch.testing.assert_close(
        (probe * there).sum(), (gradient * audio).sum(), rtol=tolerance, atol=0
    )


def test_sixteen_bits_round_and_clip() -> None:
    there = drawn("pcm16").there(
        torch.tensor([[0.4 * PCM16_STEP, 0.6 * PCM16_STEP, 2.0, -2.0]])
    )
    expected = torch.tensor([[0, PCM16_STEP, 1 - PCM16_STEP, -1]])
    torch.testing.assert_close(there, expected)


@pytest.mark.parametrize("seed", range(5))
def test_gain_is_within_10_db_and_undone(seed: int) -> None:
    passage, audio = drawn("gain", seed), noise(2, 1000)
    there = passage.there(audio)
    assert abs(power_db(there) - power_db(audio)) <= 10
    torch.testing.assert_close(passage.back(there, RATE), audio)
    assert float(passage.there(torch.full((1, 1), 9.0))) == 1 - PCM16_STEP


@pytest.mark.parametrize("seed", range(5))
def test_offset_is_undone_at_any_rate(seed: int) -> None:
    passage, audio = drawn("offset", seed), 1 + noise(1, 3 * RATE).abs()
    there = passage.there(audio)
    cut = int((there == 0).sum())
    assert 0 < cut <= RATE
    assert torch.equal(there[:, :-cut], audio[:, cut:])
    back = passage.back(there, RATE)
    assert not back[:, :cut].any()
    assert torch.equal(back[:, cut:], audio[:, cut:])
    tripled = passage.back(torch.ones(1, 9 * RATE), 3 * RATE)
    assert int((tripled == 0).sum()) == 3 * cut


def test_gains_and_cuts_fill_their_ranges() -> None:
    quiet, ones = torch.full((1, 1), 1e-3), torch.ones(1, 3 * RATE)
    gains = [power_db(drawn("gain", seed).there(quiet)) - power_db(quiet) for seed in MANY]
    cuts = [int((drawn("offset", seed).there(ones) == 0).sum()) / RATE for seed in MANY]
    assert min(gains) < -7
    assert max(gains) > 7
    assert min(cuts) < 0.2
    assert max(cuts) > 0.8


def test_offset_leaves_half_of_a_short_recording() -> None:
    passages = [drawn("offset", seed) for seed in range(8)]
    left = [int(passage.there(torch.ones(1, 2000)).sum()) for passage in passages]
    assert min(left) == 1000


def tail_of(response: torch.Tensor, rate: int) -> tuple[float, float]:
    """Level of what comes after the direct sound (dB to that), and its RT60 (s)."""
    tail = response[1:].square()
    decay = 10 * torch.log10(tail.flip(0).cumsum(0).flip(0) / tail.sum())  # Schroeder, 1965
    between = (int((decay > -5).sum()), int((decay > -25).sum()))
    return 10 * np.log10(float(tail.sum())), 3 * (between[1] - between[0]) / rate


@pytest.mark.parametrize("rate", [8000, RATE, 48_000])
@pytest.mark.parametrize("seed", range(3))
def test_rooms_are_small_and_the_direct_sound_comes_first(rate: int, seed: int) -> None:
    impulse = torch.zeros(1, rate)
    impulse[0, 0] = 1
    response = drawn("room", seed, rate).there(impulse)[0]
    assert float(response[0]) == pytest.approx(1, abs=1e-5)
    assert float(response[1 : rate // 1000].abs().max()) < 1e-5
    level_db, rt60 = tail_of(response, rate)
    assert -10.1 <= level_db <= 0.1
    assert 0.9 * 0.15 < rt60 < 1.1 * 0.4


def test_rooms_fill_their_ranges() -> None:
    impulse = torch.zeros(1, RATE)
    impulse[0, 0] = 1
    rooms = [tail_of(drawn("room", seed).there(impulse)[0], RATE) for seed in MANY]
    levels_db, rt60s = zip(*rooms, strict=True)
    assert min(levels_db) < -7
    assert max(levels_db) > -3
    assert min(rt60s) < 0.22
    assert max(rt60s) > 0.33


@pytest.mark.parametrize("seed", range(5))
def test_microphones_add_a_little_noise_and_keep_the_level(seed: int) -> None:
    passage, audio = drawn("microphone", seed), noise(1, 2 * RATE)
    there, mirrored = passage.there(audio), passage.there(-audio)
    added, heard = (there + mirrored) / 2, (there - mirrored) / 2  # the noise has no sign
    assert 29.9 <= power_db(heard) - power_db(added) <= 40.1
    assert -4 <= power_db(heard) - power_db(audio) <= 3
    assert not passage.there(torch.zeros(1, 100)).any()


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_microphones_have_a_band_a_tilt_and_coloured_noise(rate: int) -> None:
    """Cut from 40 to 120 Hz and from 0.8 of the band on, by 1 dB an octave at most in between;
    the noise is anything from white to brown.
    """
    tilts, slopes = [], []
    for seed in MANY:
        passage, click = drawn("microphone", seed, rate), torch.zeros(1, 2 * rate)
        click[0, rate] = 1
        there, mirrored = passage.there(click), passage.there(-click)
        response = 20 * torch.fft.rfft((there - mirrored)[0] / 2).abs().log10()
        noise = torch.fft.rfft((there + mirrored)[0] / 2).abs().square()
        (at_40, at_500, at_1000, at_2000, at_end) = (
            float(response[2 * hertz]) for hertz in (40, 500, 1000, 2000, rate // 2)
        )
        tilt = (at_2000 - at_500) / 2  # dB an octave
        assert 2.8 <= at_1000 + tilt * np.log2(rate / 2000) - at_end <= 8.9
        assert 2.8 <= at_1000 + tilt * np.log2(40 / 1000) - at_40 <= 19.4
        low, high = (10 * torch.log10(noise[2 * f : 4 * f].mean()) for f in (250, 2000))
        tilts.append(tilt)
        slopes.append(float(low - high) / (10 * np.log10(8)))  # of power, as 1 / f^slope
    assert -1.02 <= min(tilts) < -0.6
    assert 0.6 < max(tilts) <= 1.02
    assert -0.1 <= min(slopes) < 0.5
    assert 1.5 < max(slopes) <= 2.1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_smoothing_takes_1_to_5_db_at_4_khz_at_any_rate(seed: int, rate: int) -> None:
    tone = torch.sin(2 * torch.pi * 4000 * torch.arange(rate)[None] / rate)
    loss = power_db(tone) - power_db(drawn("denoise", seed, rate).there(tone))
    assert 0.9 <= loss <= 5.3
    torch.testing.assert_close(
        drawn("denoise", seed, rate).there(torch.ones(1, rate))[:, 200:-200],
        torch.ones(1, rate - 400),
        rtol=0.01,
        atol=0,
    )


def test_resampling_takes_the_upper_band_and_nothing_else() -> None:
    spectrum = torch.fft.rfft(noise(1, RATE))
    spectrum[:, 3600:] = 0  # Hz
    low = torch.fft.irfft(spectrum)
    high = noise(1, RATE) - low
    for name in ("resample-8k", "resample-48k"):
        error = drawn(name).there(low)[:, 400:-400] - low[:, 400:-400]
        assert power_db(error) - power_db(low) < -50
    spectrum = torch.fft.rfft(drawn("resample-8k").there(low + high))
    assert float(spectrum[:, 4200:].abs().max() / spectrum.abs().max()) < 1e-3
    assert torch.equal(drawn("resample-8k", rate=8000).there(low), low)


@pytest.mark.parametrize("name", WITHOUT_CODECS)
def test_a_whole_recording_arrives_as_a_16_bit_file(name: str) -> None:
    samples = noise(2, 22_050).double().numpy() * [[1], [40]]
    arrived = through(Recording(samples, 22_050, "FLOAT"), drawn(name, rate=22_050))
    assert (arrived.sample_rate, arrived.subtype) == (22_050, "PCM_16")
    assert arrived.samples.shape == samples.shape
    steps = arrived.samples / PCM16_STEP
    assert np.array_equal(steps, np.round(steps))
    assert steps.min() >= -(2**15)
    assert steps.max() < 2**15
    assert arrived.samples[0].any()
