"""Targets, losses and channels: values known in advance, and finite gradients everywhere."""

from __future__ import annotations

from math import inf
from typing import get_args

import pytest
import torch
from julius.resample import resample_frac

from unhear.attacks.base import random_like
from unhear.audio import Recording
from unhear.channels import Pcm16, Resample, WithDownmix, path_to_enhancer
from unhear.targets import (
    Distance,
    Erasure,
    Form,
    Loss,
    Target,
    mel_filters,
    mel_power,
    onset,
    rms,
)

RATE = 16_000


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def speechlike(samples: int = RATE, seed: int = 0) -> torch.Tensor:
    """Noise that comes and goes four times a second, as syllables do."""
    time = torch.arange(samples) / RATE
    return noise(1, samples, seed=seed) * (1 + torch.sin(2 * torch.pi * 4 * time)) / 2


def test_distances_by_hand() -> None:
    enhanced = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    zeros = torch.zeros(2, 2)
    assert Distance(zeros, "mse")(enhanced).tolist() == [12.5, 0.0]
    torch.testing.assert_close(Distance(zeros, "l2")(enhanced), torch.tensor([5.0, 1e-6]))


def said(samples: torch.Tensor) -> Recording:
    return Recording(samples[None].double().numpy(), RATE)


def test_silence_noise_and_speech_targets() -> None:
    reference = noise(2, 8000)
    assert not Target("silence").waveform(reference, RATE).any()
    white = Target("noise", seed=1).waveform(reference, RATE)
    torch.testing.assert_close(rms(white), rms(reference))
    assert torch.equal(white, Target("noise", seed=1).waveform(reference, RATE))
    assert not torch.equal(white, Target("noise", seed=2).waveform(reference, RATE))
    start = random_like(reference, seed=1)  # of an attack, which must not be there already
    assert torch.cosine_similarity(white, start).abs().max() < 0.05
    short = Target("speech", said(noise(3000))).waveform(reference, RATE)
    assert not short[:, 3100:].any()
    torch.testing.assert_close(
        rms(short[:, :3000]), rms(reference[:, :3000]), rtol=0.05, atol=0
    )


@pytest.mark.parametrize("samples", [2000, 9000])
def test_another_utterance_is_aligned_trimmed_or_padded(samples: int) -> None:
    reference = torch.zeros(1, 6000)
    reference[0, 1000:] = noise(5000)
    spoken = torch.zeros(samples)
    spoken[300:] = noise(samples - 300, seed=1)
    target = Target("speech", said(spoken)).waveform(reference, RATE)
    assert target.shape == reference.shape
    assert onset(target[0]) == onset(reference[0])
    inside = min(6000, 700 + samples)  # it is shifted by 1000 - 300
    scale = target[0, 1000:inside] / spoken[300 : 300 + inside - 1000]
    torch.testing.assert_close(scale, torch.full_like(scale, float(scale[0])))


def test_a_sentence_of_another_rate_lasts_as_long() -> None:
    tripled = Recording(noise(9000)[None].double().numpy(), 3 * RATE)
    target = Target("speech", tripled).waveform(noise(1, 8000), RATE)
    assert not target[:, 3100:].any()
    assert target[:, 2500:2900].any()


def test_a_sentence_is_as_loud_as_what_it_replaces_and_not_as_the_rest() -> None:
    reference = noise(1, 8000)
    reference[:, 4000:] *= 10
    target = Target("speech", said(noise(3000, seed=1))).waveform(reference, RATE)
    words = slice(100, 2900)
    torch.testing.assert_close(
        rms(target[:, words]), rms(reference[:, words]), rtol=0.1, atol=0
    )


def test_what_is_said_late_is_moved_to_the_front() -> None:
    reference, spoken = torch.zeros(1, 6000), torch.zeros(8000)
    reference[0, 500:] = noise(5500)
    spoken[7000:7400] = noise(400, seed=1)
    target = Target("speech", said(spoken)).waveform(reference, RATE)[0]
    assert onset(target) == onset(reference[0])
    assert target[500:900].any()
    assert not target[900:].any()


def test_what_is_said_comes_early_enough_to_be_said_to_its_end() -> None:
    reference, words = noise(1, 4 * RATE), noise(RATE)
    reference[:, : 3 * RATE // 2] *= 1e-3
    target = Target("speech", said(words))
    for room, begin in [(2.0, RATE), (2.2, 6 * RATE // 5), (inf, 3 * RATE // 2)]:
        spoken = target.within(room).waveform(reference, RATE)[0]
        where = spoken.nonzero()
        assert where.min() == pytest.approx(begin, abs=100)
        assert where.max() == pytest.approx(begin + RATE, abs=100)


def test_only_the_distance_of_the_paper_grows_with_the_length() -> None:
    clip = noise(1, 6000)
    sizes = {
        form: [
            float(Target("silence").loss(torch.zeros_like(long), form, RATE)(long))
            for long in (clip, clip.repeat(1, 4))
        ]
        for form in get_args(Form)
    }
    assert sizes["l2"][1] == pytest.approx(2 * sizes["l2"][0])
    assert sizes["mse"][1] == pytest.approx(sizes["mse"][0])
    assert sizes["l2 of 3 s"] == pytest.approx([8**0.5 * sizes["l2"][0]] * 2)


def test_erasure_counts_what_is_left_and_what_it_resembles() -> None:
    reference = speechlike()
    loss = Erasure(reference, RATE, weight=0.5)
    torch.testing.assert_close(loss(reference), torch.tensor([1.5]), rtol=1e-3, atol=0)
    louder, softer = loss(2 * reference), loss(0.1 * reference)
    # Level moves the first part by its power law alone, and the second not at all.
    torch.testing.assert_close(louder - 0.5, torch.tensor([4**0.3]), rtol=0.01, atol=0)
    torch.testing.assert_close(softer - 0.5, torch.tensor([0.01**0.3]), rtol=0.02, atol=0)
    steady = noise(1, RATE, seed=5) * rms(reference) / rms(noise(1, RATE, seed=5))
    assert loss(steady) < loss(reference) - 0.2


LOSSES: list[Loss] = [
    Distance(torch.zeros(1, RATE), "mse"),
    Distance(torch.zeros(1, RATE), "l2"),
    Erasure(speechlike(), RATE),
    Erasure(torch.zeros(1, RATE), RATE),
]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("audio", [torch.zeros(1, RATE), speechlike(), noise(1, RATE).sign()])
def test_gradients_are_finite(loss: Loss, audio: torch.Tensor) -> None:
    audio = audio.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(audio).sum(), audio)
    assert torch.isfinite(gradient).all()


def test_mel_filters_cover_the_spectrum_once() -> None:
    filters = mel_filters(RATE)
    assert filters.shape == (64, 257)
    assert (filters >= 0).all()
    covered = filters.sum(0)[4:-16]  # inside, neighbouring triangles add up to one
    torch.testing.assert_close(covered, torch.ones_like(covered), rtol=0, atol=1e-4)


@pytest.mark.parametrize("rate", [8000, RATE, 48_000])
def test_a_tone_lights_its_band(rate: int) -> None:
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(rate) / rate)[None]
    band = int(mel_power(tone, rate)[0].mean(1).argmax())
    lit = mel_filters(rate)[band] > 0
    assert lit[round(1000 * 512 / rate)]  # of a window of 512 samples


def test_rounding_is_to_16_bits_and_lets_gradients_through() -> None:
    audio = noise(2, 100).requires_grad_()
    rounded = Pcm16()(audio)
    steps = rounded * 32768
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)
    assert (rounded - audio).abs().max() <= 0.5 / 32768 + 1e-8
    (gradient,) = torch.autograd.grad(rounded.sum(), audio)
    assert torch.equal(gradient, torch.ones_like(audio))


def test_the_downmix_of_each_recording_comes_last() -> None:
    audio = torch.arange(8.0).reshape(4, 2)  # two stereo recordings of two samples
    heard = WithDownmix(2)(audio)
    assert heard.tolist() == [*audio.tolist(), [1.0, 2.0], [5.0, 6.0]]


@pytest.mark.parametrize(("rate", "samples"), [(8000, 4001), (11_025, 5000), (44_100, 9999)])
def test_resampling_is_differentiable_to_the_edges(rate: int, samples: int) -> None:
    audio = noise(1, samples).requires_grad_()
    resampled = Resample(rate, RATE)(audio)
    assert resampled.shape[-1] == round(samples * RATE / rate)
    (gradient,) = torch.autograd.grad(resampled.square().sum(), audio)
    assert torch.isfinite(gradient).all()
    assert gradient[0, :10].any()
    assert gradient[0, -10:].any()


def test_kept_filters_resample_as_new_ones_do() -> None:
    audio = noise(2, 5000)
    for _ in range(2):
        fresh = resample_frac(audio, 11_025, RATE, output_length=7256)
        assert torch.equal(Resample(11_025, RATE)(audio), fresh)


def test_the_path_has_only_what_happens() -> None:
    assert [type(c) for c in path_to_enhancer(1, RATE, RATE)] == [Pcm16]
    everything = [type(c) for c in path_to_enhancer(2, 8000, RATE)]
    assert everything == [Pcm16, WithDownmix, Resample]
    assert [type(c) for c in path_to_enhancer(2, RATE, RATE, mono=False)] == [Pcm16]
