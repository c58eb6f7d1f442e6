"""Codecs: aligned with what went in, as good as their bit rate, gradients as promised."""

from __future__ import annotations

from functools import cache
from importlib import resources

import pytest
import torch

pytest.importorskip("av")

from unhear.audio import PCM16_STEP, Recording, read, resample
from unhear.channels import CHANNELS, Passage, channel_names, find_channel, through
from unhear.channels.codecs import CODECS, rate_for

RATE = 16_000
FLOORS = {  # SNR in dB of the round trip of the demonstration recording; measured 1.5 above
    "mp3-64k": 23,
    "mp3-128k": 24,
    "aac-64k": 26,
    "opus-16k": 10,
    "opus-24k": 14,
    "opus-32k": 13,
    "amr-nb": 2.5,
    "g722": 27,
    "mulaw": 20,
}
WIDE = ["mp3-64k", "aac-64k", "opus-16k", "g722"]
NARROW = ["amr-nb", "mulaw"]


def passage(name: str, rate: int = RATE) -> Passage:
    return find_channel(name).draw(rate, torch.Generator())


@cache
def demo(rate: int = RATE) -> torch.Tensor:
    with resources.as_file(resources.files("unhear") / "assets" / "demo.wav") as path:
        samples = resample(read(path).samples, RATE, rate)
    return torch.from_numpy(samples[:, : 3 * rate]).float()


@cache
def decoded(name: str, rate: int = RATE) -> torch.Tensor:
    return passage(name, rate).there(demo(rate))


def lag(there: torch.Tensor, audio: torch.Tensor) -> int:
    """By how many samples ``there`` is late: the peak of the cross-correlation."""
    size = 2 * audio.shape[-1]
    spectrum = torch.fft.rfft(there, size) * torch.fft.rfft(audio, size).conj()
    peak = int(torch.fft.irfft(spectrum, size).argmax())
    return peak if peak < size // 2 else peak - size


def snr_db(there: torch.Tensor, audio: torch.Tensor) -> float:
    return float(10 * torch.log10(audio.square().sum() / (there - audio).square().sum()))


def test_every_listed_codec_is_measured_here() -> None:
    others = {"pcm16", "gain", "resample-8k", "resample-48k", "offset"}
    assert set(channel_names()) - others - {"room", "microphone", "denoise"} == set(FLOORS)


@pytest.mark.parametrize("name", FLOORS)
def test_codecs_are_aligned_and_as_good_as_they_should_be(name: str) -> None:
    assert find_channel(name).summary == CHANNELS[name]
    assert abs(lag(decoded(name), demo())) <= 1
    assert snr_db(decoded(name), demo()) > FLOORS[name]


@pytest.mark.parametrize("name", ["mp3-64k", "aac-64k", "opus-24k", "g722"])
def test_codecs_are_aligned_at_other_rates(name: str) -> None:
    assert abs(lag(decoded(name, 44_100), demo(44_100))) <= 1


def test_more_bits_are_better() -> None:
    for poor, good in [
        ("opus-8k", "opus-64k"),
        ("amr-nb-4.75k", "amr-nb"),
        ("aac-16k", "aac-64k"),
    ]:
        assert snr_db(decoded(good), demo()) > snr_db(decoded(poor), demo()) + 0.5
    assert torch.equal(decoded("amr-nb-12.2k"), decoded("amr-nb"))


@pytest.mark.parametrize("name", FLOORS)
@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_short_silent_and_loud_rows(name: str, rate: int) -> None:
    for samples in (1, 700):
        audio = torch.stack([torch.zeros(samples), torch.full((samples,), 3.0)])
        there = passage(name, rate).there(audio)
        assert there.shape == audio.shape
        assert float(there[0].abs().max()) <= 20 * PCM16_STEP
        assert torch.isfinite(there).all()


@pytest.mark.parametrize("name", ["mp3-64k", "opus-16k", "amr-nb"])
def test_rows_do_not_touch_each_other(name: str) -> None:
    rows = torch.cat([demo().flip(-1), demo()])
    assert torch.equal(passage(name).there(rows)[1:], decoded(name))


@pytest.mark.parametrize("name", WIDE)
def test_gradients_go_straight_through_wide_bands(name: str) -> None:
    audio = demo()[:, :4000].clone().requires_grad_()
    there = passage(name).there(audio)
    probe = torch.randn(there.shape, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(there, audio, probe)
    assert torch.equal(gradient, probe)
    torch.testing.assert_close(there.detach(), passage(name).there(audio.detach()))


@pytest.mark.parametrize("name", NARROW)
def test_gradients_keep_to_narrow_bands(name: str) -> None:
    audio = torch.zeros(1, RATE, requires_grad=True)
    probe = torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(passage(name).there(audio), audio, probe)
    spectrum, before = torch.fft.rfft(gradient)[0], torch.fft.rfft(probe)[0]  # bins of 1 Hz
    assert float(spectrum[4300:].norm() / before[4300:].norm()) < 0.01
    low = slice(100, 3500)
    assert float((spectrum - before)[low].norm() / before[low].norm()) < 0.05


@pytest.mark.parametrize(
    ("codec", "rate", "kbit", "encoded_at"),
    [
        ("mp3", 16_000, 64, 16_000),
        ("mp3", 11_127, 64, 12_000),
        ("mp3", 8000, 96, 16_000),
        ("mp3", 16_000, 320, 32_000),
        ("mp3", 96_000, 64, 48_000),
        ("aac", 16_000, 64, 16_000),
        ("aac", 16_000, 192, 32_000),
        ("opus", 16_000, 24, 48_000),
        ("mulaw", 48_000, 64, 8000),
    ],
)
def test_rates_that_codecs_work_at(codec: str, rate: int, kbit: int, encoded_at: int) -> None:
    assert rate_for(CODECS[codec], rate, 1000 * kbit) == encoded_at


def test_both_channels_of_a_recording_arrive() -> None:
    samples = torch.cat([demo(), demo().flip(-1)]).double().numpy()
    arrived = through(Recording(samples, RATE), passage("mp3-64k"))
    assert arrived.samples.shape == samples.shape
    for before, after in zip(samples, arrived.samples, strict=True):
        assert snr_db(torch.from_numpy(after), torch.from_numpy(before)) > FLOORS["mp3-64k"]
